"""What intake's next decision needs of one patient, and how each event and command changes it."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from services.intake import messages
from services.intake.evidence import Evidence, ended, lasting, merged
from services.intake.messages import Medication, Prescribed, StatedNeed
from services.intake.needs import stated_needs
from services.intake.safety import codes_behind
from services.intake.signals import SignalWindow
from shared.events.envelope import Command, Event, name_id
from shared.rules import escalation
from shared.rules.escalation import Open

VERSION = 3
MEDICATIONS_MOST = 20


class ListedMedication(msgspec.Struct, frozen=True, array_like=True):
    """A medication of the list; `key` is the head of its source's id, enough within one patient."""

    key: str
    rxnorm: str
    start_on: date | None
    end_on: date | None
    route: str | None


class Referral(msgspec.Struct, frozen=True, array_like=True):
    """The referral that waits for a placement; what is emitted about it is named after its id."""

    id: str

    @property
    def recommendation_id(self) -> str:
        return name_id(self.id, "recommendation")

    @property
    def task_id(self) -> str:
        return name_id(self.id, "sign")

    @property
    def review_id(self) -> str:
        return name_id(self.id, "review")


class Recommended(msgspec.Struct, frozen=True, array_like=True):
    """The recommendation that waits for a clinician's signature."""

    level: str
    rules: tuple[str, ...]
    conditions: tuple[str, ...]
    track: str | None
    hold: bool


class Review(msgspec.Struct, frozen=True, array_like=True):
    """A person was asked to look at the placement; `about` is what was asked for: missing data, old
    answers, or escalations."""

    id: str
    reason: str
    about: tuple[str, ...] = ()


class Episode(msgspec.Struct, frozen=True, array_like=True):
    id: str
    admitted_at: datetime


class Death(msgspec.Struct, frozen=True, array_like=True):
    """The patient is reported dead; `died_at` is the first instant at which they may have died."""

    died_at: datetime | None


class State(msgspec.Struct, frozen=True, array_like=True):
    """Of a patient without any event, everything is empty. `medications` is None until a list was recorded."""

    needs: tuple[StatedNeed, ...] = ()
    evidence: Evidence = {}
    medications: tuple[ListedMedication, ...] | None = None
    referral: Referral | None = None
    recommended: Recommended | None = None
    reviews: tuple[Review, ...] = ()
    episode: Episode | None = None
    escalations: tuple[Open, ...] = ()
    signals: SignalWindow = SignalWindow()
    closed_at: datetime | None = None
    retention_days: int = 0
    """How long a closed placement stays after its end, once nothing of it is open."""
    death: Death | None = None

    def review_of(self, reason: str) -> Review | None:
        return next((each for each in self.reviews if each.reason == reason), None)

    def escalation_of(self, reason: str) -> Open | None:
        return next((each for each in self.escalations if each.escalation.reason == reason), None)


def _with_retention(stored: Any) -> Any:
    """Version 2 adds how long a closed placement stays: 30 days, where it closed before."""
    *_, closed_at = stored
    return [*stored, 0 if closed_at is None else 30]


def _with_sources(stored: Any) -> Any:
    """Version 3 remembers of which source each answer is; of those before nobody remembers it. It adds the death of the
    patient: none was reported before."""
    needs, findings, *others = stored
    evidence: dict[str, list[Any]] = {}
    for minute, values in findings:
        for code, value in values.items():
            evidence.setdefault(code, []).append([minute, value, "", False])
    return [needs, evidence, *others, None]


UPCAST: dict[int, Callable[[Any], Any]] = {1: _with_retention, 2: _with_sources}


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    change = msgspec.structs.replace
    match event:
        case _ if isinstance(event, messages.AboutEvidence):
            return assessed(state, event)
        case messages.ReceiveReferral() if state.referral is None and state.episode is None:
            return change(state, referral=Referral(event.referral_id), closed_at=None)
        case messages.RecordMedications():
            return change(state, medications=merged_list(state.medications or (), event.medications))
        case messages.MedicationsRecorded():
            return change(state, medications=_listed(state.medications or (), event))
        case messages.LevelOfCareRecommended():
            hold = HOLD_RULE in event.rules
            placed = Recommended(event.level, event.rules, event.conditions, event.track, hold)
            return change(state, recommended=placed)
        case messages.PlacementReviewRequested():
            asked = Review(event.review_id, event.reason, event.missing or event.confirm or event.escalations)
            return change(state, reviews=(*_other_reviews(state, event.review_id), asked))
        case messages.PlacementReviewWithdrawn() | messages.PlacementReviewCompleted():
            return change(state, reviews=_other_reviews(state, event.review_id))
        case messages.EpisodeAdmitted():
            return change(_placed(state), episode=Episode(event.episode_id, event.admitted_at))
        case messages.EpisodeDeclined():
            return change(_placed(state), closed_at=event.declined_at)
        case messages.EpisodeDischarged():
            return change(state, episode=None, signals=SignalWindow(), closed_at=event.discharged_at)
        case messages.PatientDied(died_at=died_at):
            return change(state, death=Death(died_at))
        case messages.DeathWithdrawn():
            return change(state, death=None)
        case messages.RetentionBegan(retention_days=days):
            return change(state, retention_days=days)
        case messages.EscalationEvent():
            return _escalated(state, event)
        case messages.TimePassed() if _is_over(state):
            return _left(state)
        case _:
            return state


HOLD_RULE = "R4"


def _listed(known: Sequence[ListedMedication], event: messages.MedicationsRecorded) -> tuple[ListedMedication, ...]:
    """Those that the list as recorded still holds."""
    listed = {each.id for each in event.medications}
    return tuple(each for each in known if medication_id(event.list_id, each) in listed)


def _other_reviews(state: State, review_id: str) -> tuple[Review, ...]:
    return tuple(each for each in state.reviews if each.id != review_id)


def _placed(state: State) -> State:
    """After the signature the needs are spent: another placement asks for them again."""
    return msgspec.structs.replace(state, referral=None, recommended=None, needs=())


def assessed(state: State, command: messages.AboutEvidence) -> State:
    """The state with the newer needs and findings: per dimension the latest by clinical time, per source its latest."""
    match command:
        case messages.ReportFindings():
            evidence = merged(state.evidence, command.findings)
        case messages.EndEvidence():
            evidence = ended(state.evidence, codes_behind(command.finding))
        case _:
            evidence = merged(state.evidence, command.findings, sources(command))
    if isinstance(command, messages.RecordAssessment):
        needs = stated_needs(state.needs, command.needs, command.sources)
        return msgspec.structs.replace(state, needs=needs, evidence=evidence)
    return msgspec.structs.replace(state, evidence=evidence)


def sources(command: messages.RecordAssessment | messages.RecordConditions) -> frozenset[str]:
    """Every resource (Type/id) that says now what it says, also where that is nothing any more."""
    return frozenset((*command.sources, *(each.evidence for each in command.findings)))


def merged_list(known: Sequence[ListedMedication], reported: Sequence[Prescribed]) -> tuple[ListedMedication, ...]:
    """The list after these reports: each replaces what its source reported before."""
    by_key = {each.key: each for each in known}
    for medication in reported:
        key = medication.source[:8]
        if medication.taken:
            by_key[key] = ListedMedication(
                key, medication.rxnorm, medication.start_on, medication.end_on, medication.route
            )
        else:
            by_key.pop(key, None)
    return tuple(by_key.values())


def medication_id(list_id: str, taken: ListedMedication) -> str:
    return name_id(list_id, taken.key)


def medications_listed(list_id: str, taken: Sequence[ListedMedication]) -> tuple[Medication, ...]:
    return tuple(
        Medication(medication_id(list_id, each), each.rxnorm, each.start_on, each.end_on, each.route) for each in taken
    )


def _escalated(state: State, event: messages.EscalationEvent) -> State:
    """Intake's own escalations stay in `escalations`; those of others leave their combining signals in the window."""
    if event.escalation.category in OWN_CATEGORIES:
        still_open = escalation.evolve(state.escalations, event)
        return msgspec.structs.replace(_answered(state, event), escalations=still_open)
    return msgspec.structs.replace(state, signals=window_after(state, event))


OWN_CATEGORIES = ("combined", "safety", "placement")


def _answered(state: State, event: messages.EscalationEvent) -> State:
    """A person resolved a combined escalation: its signals alone shall not raise it again."""
    if not isinstance(event, messages.EscalationResolved):
        return state
    evidence = {each.evidence for each in event.escalation.signals}
    return msgspec.structs.replace(state, signals=state.signals.after_an_answer(evidence))


def window_after(state: State, event: messages.EscalationEvent) -> SignalWindow:
    """The signals after an escalation of another service; outside an episode nothing is remembered."""
    if state.episode is None or isinstance(event, messages.EscalationResolved):
        return state.signals
    stands = () if isinstance(event, messages.EscalationRetracted) else event.escalation.signals
    return state.signals.after(event.escalation.id, stands)


def due(state: State) -> datetime | None:
    """The next instant at which an escalation becomes overdue, or a closed placement leaves."""
    moments = [each for each in (escalation.due(state.escalations), _leaves_at(state)) if each is not None]
    return min(moments, default=None)


def _leaves_at(state: State) -> datetime | None:
    settled = not (state.escalations or state.reviews or state.referral or state.episode)
    return state.closed_at + timedelta(days=state.retention_days) if state.closed_at and settled else None


def _is_over(state: State) -> bool:
    """Deadlines are consumed when they are due: a state whose only deadline is to leave has reached it."""
    leaves = _leaves_at(state)
    return leaves is not None and due(state) == leaves


def _left(state: State) -> State:
    """After a closed placement has left: the medications, a death, and the evidence that outlasts it."""
    at = _leaves_at(state)
    evidence = lasting(state.evidence, at) if at else {}
    return State(medications=state.medications, evidence=evidence, death=state.death)
