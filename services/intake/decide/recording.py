"""What is recorded of a patient: consents, medications, findings, the referral; and what the rules then recommend."""

from collections.abc import Sequence
from datetime import timedelta

from services.intake import messages as w
from services.intake import placement, safety
from services.intake import state as room
from services.intake.placement import Recommendation
from services.intake.settings import Settings
from services.intake.state import Recommended, Referral, Review, State
from services.intake.table import TABLE, Assessment
from shared.events.envelope import Event, name_id
from shared.events.escalation import EscalationEvent
from shared.rules import escalation
from shared.rules.decision import Moment, Refused


def consent_given(command: w.RecordConsent) -> w.ConsentGiven:
    """From the command alone: consents pass even a parked patient."""
    return w.ConsentGiven(
        consent_id=command.consent_id,
        recipients=command.recipients,
        purposes=command.purposes,
        fields=command.fields,
        given_at=command.given_at,
        starts_at=command.starts_at,
        expires_at=command.expires_at,
    )


def record_medications(state: State, command: w.RecordMedications, moment: Moment[Settings]) -> list[Event] | Refused:
    """The whole list, each time it changed: testing needs what the patient takes now and took lately."""
    taken = room.merged(state.medications or (), command.medications)
    since = moment.now.date() - timedelta(days=moment.settings.medication_days)
    listed = tuple(each for each in taken if each.end_on is None or each.end_on >= since)
    if len(listed) > room.MEDICATIONS_MOST:
        return Refused("too-costly", f"more than {room.MEDICATIONS_MOST} medications: reconcile the list first")
    return [] if listed == state.medications else [medications_event(listed, moment)]


def medications_event(taken: tuple[room.ListedMedication, ...], moment: Moment[Settings]) -> w.MedicationsRecorded:
    list_id = name_id(moment.patient, "medications")
    medications = room.medications_said(list_id, taken)
    return w.MedicationsRecorded(list_id=list_id, recorded_at=moment.now, medications=medications)


def report_findings(state: State, command: w.ReportFindings, moment: Moment[Settings]) -> list[Event]:
    """Safety, from the event alone; a state, where there is one, only keeps it from being emitted twice."""
    known = Assessment((), room.noted((), command.findings), moment.now)
    found = safety.triggers(known, safety.fresh(state.findings, command.findings))
    return [*escalation.raise_or_update(state.open, found, moment, moment.settings.escalation)]


def record_assessment(
    state: State, command: w.RecordAssessment | w.RecordConditions, moment: Moment[Settings]
) -> list[Event]:
    after = room.assessed(state, command)
    known = known_of(after, moment)
    corrected = _corrected(state, known, command.findings, moment)
    still_open = _after(state.open, corrected)
    found = safety.triggers(known, safety.fresh(state.findings, command.findings))
    emitted = escalation.raise_or_update(still_open, found, moment, moment.settings.escalation)
    return [*corrected, *emitted, *place(after, moment)]


def _corrected(
    state: State, known: Assessment, stated: Sequence[w.Finding], moment: Moment[Settings]
) -> list[EscalationEvent]:
    """A finding was wrong: what it alone had raised is retracted, visibly."""
    still_open, emitted = state.open, list[EscalationEvent]()
    for evidence in safety.withdrawn(state.open, known, stated):
        events = escalation.withdraw_evidence(still_open, evidence, safety.advisory_lock(known), CORRECTED, moment.now)
        still_open = _after(still_open, events)
        emitted.extend(events)
    return emitted


CORRECTED = "finding-corrected"


def _after(still_open: tuple[escalation.Open, ...], events: Sequence[EscalationEvent]) -> tuple[escalation.Open, ...]:
    for event in events:
        still_open = escalation.evolve(still_open, event)
    return still_open


def receive_referral(state: State, command: w.ReceiveReferral, moment: Moment[Settings]) -> list[Event]:
    """The first referral that waits is the one to be placed; another is tracked beside it."""
    if state.referral is not None and state.referral.id == command.referral_id:
        return []
    received = w.ReferralReceived(
        referral_id=command.referral_id,
        task_id=command.task_id,
        authored_at=command.authored_at,
        priority=command.priority,
    )
    return [received, *(place(room.evolve(state, command), moment) if state.referral is None else [])]


def place(state: State, moment: Moment[Settings]) -> list[Event]:
    """What the rules say of the referral that waits, where that is new."""
    if state.referral is None or state.episode is not None:
        return []
    found = placement.recommend(known_of(state, moment), moment.settings)
    if found.level is None:
        return _ask_for_missing(state, state.referral, found, moment)
    emitted = withdraw(state.review_of("R0"), "needs-arrived", moment)
    recommended = Recommended(found.level, found.rules, found.conditions, found.track, found.hold)
    if recommended != state.recommended:
        emitted.append(_recommendation(state.referral, found, found.level, moment))
    return [*emitted, *_ask_for_reviews(state, state.referral, found, moment)]


def _recommendation(
    referral: Referral, found: Recommendation, level: str, moment: Moment[Settings]
) -> w.LevelOfCareRecommended:
    return w.LevelOfCareRecommended(
        recommendation_id=referral.recommendation_id,
        task_id=referral.task_id,
        referral_id=referral.id,
        level=level,
        rules=found.rules,
        conditions=found.conditions,
        table=TABLE.version,
        needs=found.needs,
        track=found.track,
        recommended_at=moment.now,
        sign_by=moment.now + timedelta(hours=moment.settings.sign_hours),
    )


def _ask_for_missing(state: State, referral: Referral, found: Recommendation, moment: Moment[Settings]) -> list[Event]:
    known = state.review_of("R0")
    if known is not None and known.about == found.missing:
        return []
    return [
        ask_for_review(referral.review_id, "R0", referral, moment, moment.settings.review_hours, missing=found.missing)
    ]


def _ask_for_reviews(state: State, referral: Referral, found: Recommendation, moment: Moment[Settings]) -> list[Event]:
    return [
        ask_for_review(name_id(referral.id, f"review:{rule}"), rule, referral, moment, moment.settings.review_hours)
        for rule in found.reviews
        if state.review_of(rule) is None
    ]


def ask_for_review(
    review_id: str, reason: str, referral: Referral, moment: Moment[Settings], hours: int, missing: tuple[str, ...] = ()
) -> w.PlacementReviewRequested:
    return w.PlacementReviewRequested(
        review_id=review_id,
        reason=reason,
        missing=missing,
        escalations=(),
        focus=f"ServiceRequest/{referral.id}",
        requested_at=moment.now,
        act_by=moment.now + timedelta(hours=hours),
    )


def withdraw(review: Review | None, reason: str, moment: Moment[Settings]) -> list[Event]:
    if review is None:
        return []
    return [w.PlacementReviewWithdrawn(review_id=review.id, reason=reason, withdrawn_at=moment.now)]


def known_of(state: State, moment: Moment[Settings]) -> Assessment:
    return Assessment(state.needs, state.findings, moment.now)
