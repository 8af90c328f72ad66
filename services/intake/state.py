"""What intake's next decision needs of one patient, and how each event and command changes it."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from services.intake import messages
from services.intake.evidence import Evidence, ended, lasting, merged, pieces_of
from services.intake.messages import Medication, Prescribed, StatedNeed
from services.intake.needs import stated_needs
from services.intake.safety import codes_behind
from services.intake.signals import SignalWindow
from services.intake.table import review_codes
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import Signal
from shared.rules import escalation
from shared.rules.escalation import Open

VERSION = 4
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
    task_id: str

    @property
    def review_id(self) -> str:
        return name_id(self.id, "review")

    @property
    def second_review_id(self) -> str:
        """Of the review where another referral is being placed, or the patient is in a stay."""
        return name_id(self.id, "review:second")

    @property
    def focus(self) -> str:
        return f"ServiceRequest/{self.id}"


HOLD_RULE = "R4"


class Recommended(messages.Recommendation, frozen=True, array_like=True):
    """The recommendation that waits for a clinician's signature; each has a Task of its own. `remind_at` is when it is
    escalated that nobody signed, None once it was."""

    remind_at: datetime | None = None

    unanswered: ClassVar[str] = "placement-unsigned"

    @property
    def hold(self) -> bool:
        """A same-day medical evaluation comes first."""
        return HOLD_RULE in self.rules


class Review(messages.Review, frozen=True, array_like=True):
    """A person was asked to look at the placement. `remind_at` is when it is escalated that nobody did, None once it
    was."""

    remind_at: datetime | None = None

    unanswered: ClassVar[str] = "review-unanswered"

    @property
    def task_id(self) -> str:
        return self.id


Waiting = Recommended | Review


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """The stay. `flags` are those emitted last, None where nobody remembers; looked at at `flags_change_at`."""

    id: str
    admitted_at: datetime
    plan_id: str = ""
    level: str = ""
    referral_id: str = ""
    flags: tuple[str, ...] | None = None
    flags_change_at: datetime | None = None


class LookedAt(msgspec.Struct, frozen=True, array_like=True):
    """A person has completed the review of this reason, knowing these pieces of evidence: only others ask again."""

    reason: str
    pieces: tuple[str, ...]


class Closed(msgspec.Struct, frozen=True, array_like=True):
    """An escalation that a discharge closed: enough to ask again, small enough to stay beside a new placement."""

    reason: str
    newest: Signal


class Ended(msgspec.Struct, frozen=True, array_like=True):
    """The stay that ended last, with what its discharge said and closed (of reviews the reasons): it may have been
    wrong."""

    episode: Episode
    encounter_id: str
    disposition: str
    discharged_at: datetime
    closed: tuple[Closed, ...] = ()
    reviews: tuple[str, ...] = ()


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
    ended: Ended | None = None
    seconds: tuple[Referral, ...] = ()
    """Referrals beside the one that is placed, or the stay: the oldest is the next to be placed."""
    looked_at: tuple[LookedAt, ...] = ()

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What a person was asked to sign or to look at."""
        return (*((self.recommended,) if self.recommended else ()), *self.reviews)

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
    patient (none was reported before), and clocks, for what waited without one: they have run out."""
    needs, findings, medications, referral, recommended, reviews, episode, *others = stored
    referral = referral and [*referral, name_id(referral[0], "task")]
    evidence: dict[str, list[Any]] = {}
    for minute, values in findings:
        for code, value in values.items():
            evidence.setdefault(code, []).append([minute, value, "", False])
    if recommended is not None:
        ids = (name_id(referral[0], each) for each in ("recommendation", "sign"))
        recommended = [*recommended, *ids, _LONG_AGO, None]
    clocked = [[*each, None, _LONG_AGO] for each in reviews]
    return [needs, evidence, medications, referral, recommended, clocked, episode and [*episode, ""], *others, None]


def _whole(stored: Any) -> Any:
    """Version 4 remembers the whole of what a person is asked, and the stay that ended last (of those before, nobody
    does). Since when something waits that waited before nobody remembers. The flags emitted last neither, of a stay
    that began before: they are looked at now."""
    needs, evidence, medications, referral, recommended, reviews, episode, *others = stored
    if recommended is not None:
        level, rules, conditions, track, _, identity, task_id, remind_at, expires_at = recommended
        made = [identity, task_id, referral[0], level, rules, conditions, None, [each[:2] for each in needs], track]
        recommended = [*made, None, None, expires_at, remind_at]
    whole = [_whole_review(each, referral, episode) for each in reviews]
    episode = episode and [*episode, "", "", None, _LONG_AGO]
    return [needs, evidence, medications, referral, recommended, whole, episode, *others]


def _whole_review(stored: Any, referral: Any, episode: Any) -> Any:
    identity, reason, about, act_by, remind_at = stored
    inputs = {"R0": [about, [], []], "older-answers": [[], about, []]}.get(reason, [[], [], about])
    focus = f"EpisodeOfCare/{episode[0]}" if episode else f"ServiceRequest/{referral[0]}" if referral else None
    return [identity, reason, focus, None, act_by, *inputs, remind_at]


_LONG_AGO = "2025-01-01T00:00:00Z"


UPCAST: dict[int, Callable[[Any], Any]] = {1: _with_retention, 2: _with_sources, 3: _whole}


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    change = msgspec.structs.replace
    match event:
        case _ if isinstance(event, messages.AboutEvidence):
            return assessed(state, event)
        case messages.ReceiveReferral() if state.referral is None and state.episode is None:
            return change(state, referral=Referral(event.referral_id, event.task_id), closed_at=None, looked_at=())
        case messages.RevokeReferral() if state.referral is not None and state.referral.id == event.referral_id:
            return _next_in_line(change(state, referral=None, closed_at=event.at))
        case messages.ReferralReceived() | messages.ReferralConcluded():
            return change(state, seconds=_seconds(state, event))
        case messages.RecordMedications():
            return change(state, medications=merged_list(state.medications or (), event.medications))
        case messages.MedicationsRecorded():
            return change(state, medications=_listed(state.medications or (), event))
        case messages.PatientDied(died_at=died_at):
            return change(state, death=Death(died_at))
        case messages.DeathWithdrawn():
            return change(state, death=None)
        case messages.EpisodeAdmitted():
            return change(_placed(state), episode=_episode(event), ended=None)
        case messages.FlagsChanged() | messages.FlagsLookedAt() if state.episode is not None:
            return change(state, episode=_flagged(state.episode, event))
        case messages.EpisodeDeclined():
            return _next_in_line(change(_placed(state), closed_at=event.declined_at))
        case messages.EpisodeDischarged():
            return _discharged(state, event)
        case messages.DischargeWithdrawn() if state.ended is not None:
            seconds = (*((state.referral,) if state.referral else ()), *state.seconds)
            stay = state.ended.episode
            return change(state, episode=stay, ended=None, closed_at=None, referral=None, seconds=seconds)
        case messages.RetentionBegan(retention_days=days):
            return change(state, retention_days=days)
        case messages.EscalationEvent():
            return _escalated(state, event)
        case messages.TimePassed() if _is_over(state):
            return _left(state)
        case _:
            return _asked(state, event)


def _flagged(episode: Episode, event: messages.FlagsChanged | messages.FlagsLookedAt) -> Episode:
    if isinstance(event, messages.FlagsChanged):
        return msgspec.structs.replace(episode, flags=event.flags)
    return msgspec.structs.replace(episode, flags_change_at=event.change_at)


def _asked(state: State, event: Event | Command) -> State:
    """What a person is asked to sign or to look at."""
    change = msgspec.structs.replace
    match event:
        case messages.LevelOfCareRecommended(recommendation=made):
            recommended = Recommended(**msgspec.structs.asdict(made), remind_at=made.sign_by)
            return change(state, recommended=recommended)
        case messages.RecommendationWithdrawn():
            return change(state, recommended=None)
        case messages.PlacementReviewRequested(review=review):
            asked = Review(**msgspec.structs.asdict(review), remind_at=review.act_by)
            return change(state, reviews=(*_other_reviews(state, review.id), asked))
        case messages.PlacementReviewWithdrawn(review=review):
            return change(state, reviews=_other_reviews(state, review.id))
        case messages.PlacementReviewCompleted(review=review):
            return change(state, reviews=_other_reviews(state, review.id), looked_at=_looked_at(state, review))
        case messages.PersonReminded(reminded_at=at):
            return _reminded(state, at)
        case _:
            return state


def _episode(event: messages.EpisodeAdmitted) -> Episode:
    return Episode(event.episode_id, event.admitted_at, event.plan_id, event.level, event.referral_id, event.flags)


def _discharged(state: State, event: messages.EpisodeDischarged) -> State:
    """For the first time, or corrected."""
    change, before = msgspec.structs.replace, state.ended
    if state.episode is not None:
        reasons = tuple(each.reason for each in state.reviews if each.id not in _second_reviews(state))
        before = Ended(state.episode, "", "", event.discharged_at, _closed(state), reasons)
    ended = before and change(
        before,
        encounter_id=event.encounter_id,
        disposition=event.disposition,
        discharged_at=event.discharged_at,
    )
    closed_at = event.discharged_at if state.referral is None else None
    over = change(state, episode=None, signals=SignalWindow(), closed_at=closed_at, ended=ended)
    return _next_in_line(over) if state.episode is not None else over


def _second_reviews(state: State) -> set[str]:
    return {each.second_review_id for each in state.seconds}


def _closed(state: State) -> tuple[Closed, ...]:
    """Those of danger, or of a death. The combined one comes again by its signals, a late one by its review."""
    own = [each.escalation for each in state.escalations if each.escalation.category != "combined"]
    late = (Recommended.unanswered, Review.unanswered)
    return tuple(Closed(each.reason, each.signals[-1]) for each in own if each.signals and each.reason not in late)


def _next_in_line(state: State) -> State:
    """Nothing is placed and no stay is open: of the other referrals the oldest is the one to be placed now."""
    if not state.seconds:
        return state
    first, *others = state.seconds
    return msgspec.structs.replace(state, referral=first, seconds=tuple(others), closed_at=None, looked_at=())


def _seconds(state: State, event: messages.ReferralReceived | messages.ReferralConcluded) -> tuple[Referral, ...]:
    others = tuple(each for each in state.seconds if each.id != event.referral_id)
    first = state.referral is not None and state.referral.id == event.referral_id
    if isinstance(event, messages.ReferralConcluded) or first:
        return others
    return (*others, Referral(event.referral_id, event.task_id))


def _looked_at(state: State, review: messages.Review) -> tuple[LookedAt, ...]:
    pieces = pieces_of(state.evidence, {*review.confirm, *review_codes(review.reason)})
    others = tuple(each for each in state.looked_at if each.reason != review.reason)
    return (*others, LookedAt(review.reason, pieces)) if pieces else others


def _reminded(state: State, at: datetime) -> State:
    """What was late until then has been escalated."""
    return _with_clocks(state, lambda each: None if each.remind_at and each.remind_at <= at else each.remind_at)


def _with_clocks(state: State, remind_at: Callable[[Waiting], datetime | None]) -> State:
    change, recommended = msgspec.structs.replace, state.recommended
    return change(
        state,
        recommended=change(recommended, remind_at=remind_at(recommended)) if recommended else None,
        reviews=tuple(change(each, remind_at=remind_at(each)) for each in state.reviews),
    )


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
    if event.escalation.reason in (Recommended.unanswered, Review.unanswered):
        return _asked_again(state, event)
    evidence = {each.evidence for each in event.escalation.signals}
    return msgspec.structs.replace(state, signals=state.signals.after_an_answer(evidence))


def _asked_again(state: State, event: messages.EscalationResolved) -> State:
    """Somebody has answered the escalation, but not yet what waits: it has as long once more."""
    later = event.at + (event.escalation.act_by - event.escalation.raised_at)
    reason = event.escalation.reason
    return _with_clocks(state, lambda each: each.remind_at or (later if each.unanswered == reason else None))


def window_after(state: State, event: messages.EscalationEvent) -> SignalWindow:
    """The signals after an escalation of another service; outside an episode nothing is remembered."""
    if state.episode is None or isinstance(event, messages.EscalationResolved):
        return state.signals
    stands = () if isinstance(event, messages.EscalationRetracted) else event.escalation.signals
    return state.signals.after(event.escalation.id, stands)


def due(state: State) -> datetime | None:
    """The next instant at which an escalation becomes overdue, something has waited long enough, a recommendation rests
    on needs too old, a flag may change by itself, or a closed placement leaves."""
    expires_at = state.recommended.expires_at if state.recommended else None
    flags_change_at = state.episode.flags_change_at if state.episode else None
    reminders = (each.remind_at for each in state.waiting)
    moments = (escalation.due(state.escalations), _leaves_at(state), expires_at, flags_change_at, *reminders)
    return min((each for each in moments if each is not None), default=None)


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
