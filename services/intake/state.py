"""What intake's next decision needs of one patient, and how each event and command changes it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

import msgspec

from services.intake import combined, messages
from services.intake.care import Plan, Team, team_after
from services.intake.care_days import Care, ChangesCare
from services.intake.coverage import Coverages, coverages_after
from services.intake.listed import ListedMedication, merged_list, newest, still_listed
from services.intake.messages import StatedNeed
from services.intake.nights import Night, nights_after
from services.intake.placement.assessment import Assessment
from services.intake.placement.evidence import (
    Evidence,
    act_of,
    ended,
    lasting,
    merged,
    pieces_of,
    sources,
    standing_again,
)
from services.intake.placement.needs import latest, stated_needs
from services.intake.placement.planned import Planned, danger, plan_after
from services.intake.placement.safety import codes_behind
from services.intake.priority import PRIORITY, Priority, priority_of
from services.intake.record import (
    JOINED,
    OF_STAGE,
    PATIENT_DIED,
    PRIORITIES,
    SECOND,
    STILL_TRUE,
    TOO_MANY,
    UNANSWERED,
    ChangesEpisode,
    Closed,
    Death,
    Ended,
    Episode,
    LookedAt,
    Recommended,
    Referral,
    Review,
    Waiting,
)
from services.intake.referrers import Referrer, after_change
from services.intake.seats.seat import Seat, seat_after
from services.intake.signals import SignalWindow
from services.intake.table import review_codes
from services.intake.upcast import UPCAST as UPCAST
from shared.events.envelope import Command, Event
from shared.events.escalation import Escalation
from shared.events.intake import READ_COVERAGE, READ_PLAN, RECERTIFY, REVIEW_MISSED, WEEKLY
from shared.events.internal import To
from shared.rules import escalation
from shared.rules.escalation import Open
from shared.rules.packing import instant, pack_id, seconds

VERSION = 9


class State(msgspec.Struct, frozen=True, array_like=True):
    """Of a patient without any event, everything is empty. `medications` is None until a list was recorded."""

    needs: tuple[StatedNeed, ...] = ()
    evidence: Evidence = {}
    medications: tuple[ListedMedication, ...] | None = None
    referral: Referral | None = None
    recommended: Recommended | None = None
    asked: tuple[Review, ...] = ()
    """Reviews, but of referrals beside the one that is placed: those remember themselves what is asked about them."""
    episode: Episode | None = None
    escalations: tuple[Open, ...] = ()
    signals: SignalWindow = SignalWindow()
    closed_at: datetime | None = None
    retention_days: int = 0
    """How long a closed placement stays after its end, once nothing of it is open."""
    death: Death | None = None
    ended: Ended | None = None
    seconds: tuple[Referral, ...] = ()
    """Referrals beside the one that is placed, or the stay, in the order in which they came."""
    looked_at: tuple[LookedAt, ...] = ()
    planned: Planned | None = None
    """The stay that the referral to be placed will begin; its level was signed."""
    team: Team = ()
    plan: Plan = Plan()
    """What is planned while no stay is open: the next one begins with it."""
    seat: Seat | None = None
    """Where seats are counted: the one of the stay, or of the one that is to begin."""
    referrers: tuple[Referrer, ...] = ()
    """The partners whose referrals are open."""
    priority: Priority | None = None
    """Of a referral whose patient a block grant has treated first."""
    care: Care = Care()
    nights: tuple[Night, ...] = ()
    """Nights elsewhere that last, also while no stay is open: the next one begins with them."""
    coverages: Coverages = ()
    """By which it follows who pays, also before and between stays."""

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """Their Encounters (packed ids), as a stay remembers them."""
        return tuple(each.packed for each in self.nights)

    @property
    def referrals(self) -> tuple[Referral, ...]:
        """All that are open, the one that is placed first."""
        return (*((self.referral,) if self.referral else ()), *self.seconds)

    @property
    def reviews(self) -> tuple[Review, ...]:
        """What a person was asked to look at."""
        seconds = (each.second_review for each in self.referrals)
        return (*self.asked, *(each for each in seconds if each is not None))

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What a person was asked to sign or to look at."""
        return (*((self.recommended,) if self.recommended else ()), *self.reviews)

    def review_of(self, reason: str) -> Review | None:
        return next((each for each in self.reviews if each.reason == reason), None)

    def escalation_of(self, reason: str) -> Open | None:
        return next((each for each in self.escalations if each.escalation.reason == reason), None)


def evolve(state: State, event: Event | Command | To) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    after = _evolved(state, event)
    if isinstance(event, messages.CareElsewhere):
        return msgspec.structs.replace(after, nights=nights_after(state.nights, event))
    return msgspec.structs.replace(after, care=state.care.after(event)) if isinstance(event, ChangesCare) else after


def _evolved(state: State, event: Event | Command | To) -> State:
    change = msgspec.structs.replace
    match event:
        case messages.EscalationEvent() | messages.SignalsCorrected():
            return _escalated(state, event)
        case _ if isinstance(event, messages.AboutEvidence):
            return assessed(state, event)
        case _ if isinstance(event, messages.OfReferral):
            return _referred(state, event)
        case _ if isinstance(event, messages.OfCare):
            return _cared_for(state, event)
        case messages.PatientDied(died_at=died_at):
            return change(state, death=Death(died_at, state.death.ended if state.death else ()))
        case messages.DeathWithdrawn():
            return _next_in_line(change(state, death=None))
        case _ if isinstance(event, messages.OfPlan | messages.PlanLookedAt | messages.OfOwnSeat):
            return _planned(state, event)
        case messages.EpisodeAdmitted():
            begun = change(Episode.begun(event), plan=state.plan, danger=_danger(state, event.admitted_at))
            begun = change(begun, elsewhere=state.elsewhere)
            return change(_placed(state), episode=begun, ended=None, signals=SignalWindow(), plan=Plan())
        case messages.PlacementSigned(signature=signature) if state.episode is not None:
            return change(_placed(state), episode=change(state.episode, danger=_danger(state, signature.at)))
        case _ if isinstance(event, ChangesEpisode) and state.episode is not None:
            return change(state, episode=state.episode.after(event))
        case messages.EpisodeDeclined():
            return _next_in_line(change(_placed(state), closed_at=event.declined_at))
        case messages.EpisodeDischarged():
            return _discharged(state, event)
        case messages.DischargeWithdrawn() if state.ended is not None:
            return _goes_on(state, state.ended)
        case messages.RetentionBegan(retention_days=days):
            return change(state, retention_days=days)
        case messages.TimePassed() if _is_over(state):
            return _left(state)
        case _:
            return _asked(state, event)


def _asked(state: State, event: Event | Command | To) -> State:
    """What a person is asked to sign or to look at, and what a referrer may be answered."""
    change = msgspec.structs.replace
    match event:
        case messages.PartnerReferralChanged():
            return change(state, referrers=after_change(state.referrers, event))
        case messages.LevelOfCareRecommended(recommendation=made):
            before = state.recommended
            is_renewed = before is not None and before.recommendation_id == made.recommendation_id
            remind_at = before.remind_at if before is not None and is_renewed else made.sign_by
            recommended = Recommended(**msgspec.structs.asdict(made), remind_at=remind_at)
            return change(state, recommended=recommended)
        case messages.RecommendationWithdrawn():
            return change(state, recommended=None)
        case messages.PlacementReviewRequested(review=review) if review.reason == SECOND:
            return _with_referrals(state, lambda each: each.looked_at_by(review) if _asks_about(review, each) else each)
        case messages.PlacementReviewRequested(review=review):
            asked = Review(**msgspec.structs.asdict(review), remind_at=review.act_by)
            return change(state, asked=(*_other_reviews(state, review.id), asked))
        case messages.PlacementReviewWithdrawn(review=review, reason=reason):
            return _with_missed(_without_review(state, review), review, reason)
        case messages.PlacementReviewCompleted(review=review):
            without = _with_missed(_without_review(state, review), review, DONE)
            confirmed = _recertified(_confirmed(without, event), event)
            return change(confirmed, looked_at=_looked_at(state, review))
        case messages.PriorityLookedAt(half_at=at) if state.referral is not None:
            return change(state, priority=priority_of(state.priority, state.referral).looked_at(at))
        case messages.PersonReminded(reminded_at=at):
            return _with_clocks(state, lambda each: each.remind_at if each.remind_at and each.remind_at > at else None)
        case _:
            return state


DONE = ""


def _with_missed(state: State, review: messages.Review, reason: str) -> State:
    """With how many weekly reviews in a row nobody did; one that was done begins anew."""
    stay = state.episode
    if stay is None or review.reason != WEEKLY or reason not in (DONE, REVIEW_MISSED):
        return state
    missed = 0 if reason == DONE else stay.missed + 1
    return msgspec.structs.replace(state, episode=msgspec.structs.replace(stay, missed=missed))


def _recertified(state: State, event: messages.PlacementReviewCompleted) -> State:
    """Done in good time, the next days begin with that; done late, when it was due."""
    stay, review = state.episode, event.review
    if stay is None or review.reason != RECERTIFY:
        return state
    at = min(each for each in (review.act_by, event.completed_at) if each is not None)
    return msgspec.structs.replace(state, episode=msgspec.structs.replace(stay, certified=seconds(at)))


def _cared_for(state: State, event: messages.OfCare) -> State:
    """What the patient takes, who looks after them and pays, and what is planned: of a stay, or of the next one."""
    change, stay = msgspec.structs.replace, state.episode
    match event:
        case messages.RecordMedications():
            return change(state, medications=newest(merged_list(state.medications or (), event.medications)))
        case messages.MedicationsRecorded():
            return change(state, medications=still_listed(state.medications or (), event))
        case messages.RecordTeam():
            return change(state, team=team_after(state.team, event))
        case messages.RecordCoverage():
            return change(state, coverages=coverages_after(state.coverages, event))
        case messages.RevisePlan() if stay is not None:
            return change(state, episode=change(stay, plan=stay.plan.after(event)))
        case messages.RevisePlan():
            return change(state, plan=state.plan.after(event))
        case _:
            assert_never(event)


def _goes_on(state: State, ended: Ended) -> State:
    """The discharge was wrong: the stay has its plan, and what was planned since."""
    change, before = msgspec.structs.replace, ended.episode.reopened(ended.discharged_at)
    stay = change(before, plan=before.plan.with_later(state.plan), elsewhere=state.elsewhere)
    open_ones = change(state, referral=None, seconds=state.referrals, plan=Plan())
    return change(open_ones, episode=stay, ended=None, closed_at=None)


def _discharged(state: State, event: messages.EpisodeDischarged) -> State:
    """For the first time, or corrected."""
    change, before = msgspec.structs.replace, state.ended
    if state.episode is not None:
        again = (TOO_MANY, READ_PLAN, READ_COVERAGE, RECERTIFY, WEEKLY, *OF_STAGE)
        reasons = tuple(each.reason for each in state.asked if each.reason not in again)
        before = Ended(
            state.episode.turned(state.episode.status, event.discharged_at).ended(),
            "",
            "",
            event.discharged_at,
            Closed.by_discharge(state.escalations),
            reasons,
        )
    ended = before and change(
        before,
        episode=before.episode.ended_at(event.discharged_at),
        encounter_id=event.encounter_id,
        disposition=event.disposition,
        discharged_at=event.discharged_at,
    )
    closed_at = event.discharged_at if state.referral is None else None
    over = change(state, episode=None, closed_at=closed_at, ended=ended)
    return _next_in_line(over) if state.episode is not None else over


def _referred(state: State, event: messages.OfReferral) -> State:
    """A referral that comes, says otherwise now, waits beside another one, or ends."""
    change, first = msgspec.structs.replace, state.referral
    is_first = first is not None and first.id == event.referral_id
    match event:
        case messages.ReceiveReferral() if first is None and state.episode is None and state.death is None:
            return change(state, referral=Referral.of(event), closed_at=None, looked_at=())
        case messages.ReferralReceived() if not is_first:
            return change(state, seconds=(*_others(state, event.referral_id), Referral.of(event)))
        case messages.CorrectReferral():
            return _with_referrals(state, lambda each: corrected(each, event))
        case messages.RevokeReferral() if is_first:
            return _next_in_line(change(state, referral=None, closed_at=event.at))
        case messages.ReferralConcluded():
            others = change(state, referral=None if is_first else first, seconds=_others(state, event.referral_id))
            return _next_in_line(_joined(_over(_dead(others, event), event.concluded_at), event))
        case messages.ReferralSetAside() if first is not None and is_first:
            return _next_in_line(change(state, referral=None, seconds=(first, *state.seconds)))
        case _:
            return state


def _dead(state: State, event: messages.ReferralConcluded) -> State:
    if state.death is None or event.outcome != PATIENT_DIED:
        return state
    return msgspec.structs.replace(state, death=state.death.ending(event.referral_id))


def _joined(state: State, event: messages.ReferralConcluded) -> State:
    if state.episode is None or event.outcome != JOINED:
        return state
    stay = msgspec.structs.replace(state.episode, joined=pack_id(event.referral_id))
    return msgspec.structs.replace(state, episode=stay)


def _over(state: State, at: datetime) -> State:
    """Closed, where no referral is open and no stay."""
    is_open = state.referrals or state.episode is not None
    return state if is_open else msgspec.structs.replace(state, closed_at=state.closed_at or at)


def corrected(referral: Referral, command: messages.CorrectReferral) -> Referral:
    """With what its sender says now; of another one this changes nothing."""
    if referral.id != command.referral_id:
        return referral
    return msgspec.structs.replace(referral, rank=PRIORITIES.index(command.priority), level=command.level)


def _others(state: State, referral_id: str) -> tuple[Referral, ...]:
    return tuple(each for each in state.seconds if each.id != referral_id)


def _next_in_line(state: State) -> State:
    """Where nothing is placed, no stay is open and the patient lives: of those that wait the oldest of the most urgent
    is the one to be placed now."""
    if not state.seconds or state.referral is not None or state.episode is not None or state.death is not None:
        return state
    first = min(state.seconds, key=lambda each: each.turn)
    others = _others(state, first.id)
    return msgspec.structs.replace(state, referral=first, seconds=others, closed_at=None, looked_at=())


def _with_referrals(state: State, changed: Callable[[Referral], Referral]) -> State:
    referral, others = state.referral and changed(state.referral), tuple(map(changed, state.seconds))
    return msgspec.structs.replace(state, referral=referral, seconds=others)


def _asks_about(review: messages.Review, referral: Referral) -> bool:
    return review.id == referral.second_review_id


def _without_review(state: State, review: messages.Review) -> State:
    """It was withdrawn or completed."""
    change = msgspec.structs.replace
    if review.reason == SECOND:
        return _with_referrals(state, lambda each: change(each, asked=None) if _asks_about(review, each) else each)
    return change(state, asked=_other_reviews(state, review.id))


def _looked_at(state: State, review: messages.Review) -> tuple[LookedAt, ...]:
    pieces = pieces_of(state.evidence, {*review.confirm, *review_codes(review.reason)})
    others = tuple(each for each in state.looked_at if each.reason != review.reason)
    return (*others, LookedAt(review.reason, pieces)) if pieces else others


def _with_clocks(state: State, remind_at: Callable[[Waiting], datetime | None]) -> State:
    change, recommended = msgspec.structs.replace, state.recommended
    reminded = change(
        state,
        recommended=change(recommended, remind_at=remind_at(recommended)) if recommended else None,
        asked=tuple(change(each, remind_at=remind_at(each)) for each in state.asked),
    )
    return _with_referrals(reminded, lambda each: _with_clock(each, remind_at))


def _with_clock(referral: Referral, remind_at: Callable[[Waiting], datetime | None]) -> Referral:
    review, asked, change = referral.second_review, referral.asked, msgspec.structs.replace
    if review is None or asked is None:
        return referral
    at = remind_at(review)
    return change(referral, asked=change(asked, remind=seconds(at)))


def _confirmed(state: State, event: messages.PlacementReviewCompleted) -> State:
    if event.review.reason in PRIORITY and state.referral is not None:
        return msgspec.structs.replace(state, priority=priority_of(state.priority, state.referral).completed(event))
    if state.planned is None or event.answer != STILL_TRUE:
        return state
    plan = msgspec.structs.replace(state.planned, confirmed=seconds(event.completed_at))
    return msgspec.structs.replace(state, planned=plan)


def _other_reviews(state: State, review_id: str) -> tuple[Review, ...]:
    return tuple(each for each in state.asked if each.id != review_id)


def _placed(state: State) -> State:
    """After the signature the needs are spent: another placement asks for them again."""
    return msgspec.structs.replace(state, referral=None, recommended=None, needs=(), planned=None)


def _danger(state: State, at: datetime) -> tuple[str, ...]:
    """What whoever signs knew of danger: only more than that places the patient again by itself."""
    return danger(Assessment(latest(state.needs), state.evidence, at))


def _planned(state: State, event: messages.OfPlan | messages.PlanLookedAt | messages.OfOwnSeat) -> State:
    """The needs are not spent before the stay begins: they are looked at again at its start."""
    if isinstance(event, messages.OfOwnSeat):
        return msgspec.structs.replace(state, seat=seat_after(state.seat, event))
    if isinstance(event, messages.PlanLookedAt):
        plan = state.planned and state.planned.looked_at(event.look_at)
        return msgspec.structs.replace(state, planned=plan)
    recommended = state.recommended.level if state.recommended else None
    known = Assessment(latest(state.needs), state.evidence, event.at)
    plan = plan_after(state.planned, event, recommended, known)
    return msgspec.structs.replace(state, planned=plan, recommended=None)


def assessed(state: State, command: messages.AboutEvidence) -> State:
    """The state with the newer needs and findings: per dimension the latest by clinical time, per source its latest."""
    match command:
        case messages.ReportFindings():
            evidence = merged(state.evidence, command.findings)
        case messages.EndEvidence():
            evidence = ended(state.evidence, codes_behind(command.finding), act_of(command.escalation_id))
        case _:
            evidence = merged(state.evidence, command.findings, sources(command))
    if isinstance(command, messages.RecordAssessment):
        needs = stated_needs(state.needs, command.needs, command.sources)
        return msgspec.structs.replace(state, needs=needs, evidence=evidence)
    return msgspec.structs.replace(state, evidence=evidence)


def _escalated(state: State, event: messages.EscalationEvent | messages.SignalsCorrected) -> State:
    """Intake's own escalations stay in `escalations`; those of attendance and testing leave their combining signals in
    the window of a stay, also after its end, which may have been wrong. Aftercare's are aftercare's alone."""
    if isinstance(event, messages.EscalationEvent) and is_own(event):
        still_open = escalation.evolve(state.escalations, event)
        return msgspec.structs.replace(_answered(state, event), escalations=still_open)
    if not combines(event) or (state.episode is None and state.ended is None):
        return state
    return msgspec.structs.replace(state, signals=state.signals.after_event(event))


COMBINING = ("attendance", "drug-test")
"""Categories of the escalations whose signals combine."""


def combines(event: messages.EscalationEvent | messages.SignalsCorrected) -> bool:
    return isinstance(event, messages.SignalsCorrected) or event.escalation.category in COMBINING


def is_own(event: messages.EscalationEvent) -> bool:
    """Whether it is by a rule of intake's; a category may be another service's too."""
    return event.escalation.rule.startswith("intake/")


def _answered(state: State, event: messages.EscalationEvent) -> State:
    """A person resolved a combined escalation: what stands by now alone shall not raise it again. The end of a stay is
    no answer."""
    if isinstance(event, messages.EscalationReopened):
        return _reopened(state, event)
    if not isinstance(event, messages.EscalationResolved):
        return state
    if event.escalation.reason in UNANSWERED:
        return _asked_again(state, event)
    if event.escalation.reason not in combined.REASONS or event.by is None:
        return state
    return msgspec.structs.replace(state, signals=state.signals.with_answer(True))


def _reopened(state: State, event: messages.EscalationReopened) -> State:
    """The answer was none: what had combined asks again, nobody is reminded of what waits while it is open, and what
    was ended with it stands, where the answer itself was the mistake."""
    reason, signals = event.escalation.reason, event.escalation.signals
    state = undone(state, event.escalation, event.reason)
    if reason in combined.REASONS:
        return msgspec.structs.replace(state, signals=state.signals.unanswered(signals))
    if reason not in UNANSWERED:
        return state
    named = {each.evidence for each in signals}
    return _with_clocks(state, lambda each: None if f"Task/{each.task_id}" in named else each.remind_at)


def undone(state: State, asked: Escalation, reason: str) -> State:
    """With what the answer to this escalation ended standing again, where this reason to reopen says it was none."""
    if reason != RESOLVED_BY_MISTAKE:
        return state
    evidence = standing_again(state.evidence, codes_behind(asked.reason), act_of(asked.id))
    return msgspec.structs.replace(state, evidence=evidence)


RESOLVED_BY_MISTAKE = "resolved-by-mistake"
"""Of the reasons to reopen (`REOPEN_REASONS`) the one by which the answer never was one."""


def _asked_again(state: State, event: messages.EscalationResolved) -> State:
    """Somebody has answered the escalation, but not yet what waits: it has as long once more."""
    later = event.at + (event.escalation.act_by - event.escalation.raised_at)
    reason = event.escalation.reason
    return _with_clocks(state, lambda each: each.remind_at or (later if each.unanswered == reason else None))


def due(state: State) -> datetime | None:
    """The next instant at which an escalation becomes overdue, something has waited long enough, a recommendation rests
    on needs too old, a planned start, a weekly review or count is due, a flag may change by itself, a stage has
    lasted its weeks, or a closed placement leaves."""
    expires_at = state.recommended.expires_at if state.recommended else None
    flags_change_at = state.episode.flags_change_at if state.episode else None
    stage_asks_at = state.episode.asks_at if state.episode and asks_of_stage(state) else None
    reminders = (each.remind_at for each in state.waiting)
    plan = state.planned.looked_at_again if state.planned else None
    seat = state.seat.looked_at_again if state.planned and state.seat else None
    weekly = state.episode.review_due if state.episode and state.review_of(WEEKLY) is None else None
    recertify = state.episode.recertified_again_at if state.episode else None
    half = priority_of(state.priority, state.referral).half_at if state.referral else None
    moments = (
        escalation.due(state.escalations),
        _leaves_at(state),
        expires_at,
        flags_change_at,
        stage_asks_at,
        weekly,
        recertify,
        plan,
        seat,
        half,
        count_due(state),
        *reminders,
    )
    return min((each for each in moments if each is not None), default=None)


COUNT_DAYS = 7
"""The days in care are emitted each week."""


def count_due(state: State) -> datetime | None:
    """When the days in care are counted again; of a stay that an older release admitted at once."""
    if state.episode is None or state.death is not None:
        return None
    counted_at = max(state.care.counted_at, seconds(state.episode.admitted_at))
    return instant(counted_at) + timedelta(days=COUNT_DAYS)


def asks_of_stage(state: State) -> bool:
    """Whether nobody is asked yet what follows on the stage, and the patient lives."""
    return state.death is None and all(each.reason not in OF_STAGE for each in state.asked)


def lives(state: State) -> bool:
    """Whether a referral or a stay is open or has not left the state, or a person is asked something."""
    placed = (state.referral, state.episode, state.ended, state.closed_at, *state.seconds)
    return any(each is not None for each in (*placed, *state.waiting, *state.escalations))


def _leaves_at(state: State) -> datetime | None:
    settled = not (state.escalations or state.reviews or state.referral or state.episode)
    return state.closed_at + timedelta(days=state.retention_days) if state.closed_at and settled else None


def _is_over(state: State) -> bool:
    """Deadlines are consumed when they are due: a state whose only deadline is to leave has reached it."""
    leaves = _leaves_at(state)
    return leaves is not None and due(state) == leaves


def _left(state: State) -> State:
    """After a closed placement has left: the medications, a death, the team and what is planned next, the evidence
    that outlasts it, which days were in care, the nights elsewhere that last, and who pays: the next stay may go on
    with them."""
    at = _leaves_at(state)
    evidence = lasting(state.evidence, at) if at else {}
    return State(
        medications=state.medications,
        evidence=evidence,
        death=state.death,
        team=state.team,
        plan=state.plan,
        care=msgspec.structs.replace(state.care, counted_at=0),
        nights=state.nights,
        coverages=state.coverages,
    )
