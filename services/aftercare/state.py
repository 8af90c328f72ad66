"""What aftercare remembers of one patient: only what the next decision needs. Pure; compact text, at most 4 KB."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from services.aftercare.words import (
    AftercarePlanned,
    ConsentGiven,
    ConsentRevoked,
    ContactKnown,
    EpisodeAdmitted,
    EpisodeDischarged,
    FollowUpCompleted,
    FollowUpFellDue,
    PatientIdentified,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithheld,
)
from shared.rules import escalation
from shared.rules.escalation import Open
from shared.words.aftercare import ReferralWord
from shared.words.envelope import Command, Word, name_id
from shared.words.escalation import EscalationWord

VERSION = 1
FLAGS_MOST = 12
AREA_CHARACTERS_MOST = 60


class InCare(msgspec.Struct, frozen=True, array_like=True, tag="in-care"):
    """An open episode, with what its meeting lists are chosen by."""

    episode_id: str
    track: str
    flags: tuple[str, ...] = ()


class Discharged(msgspec.Struct, frozen=True, array_like=True, tag="discharged"):
    episode_id: str
    disposition: str

    @property
    def deceased(self) -> bool:
        return self.disposition == "deceased"


class Ahead(msgspec.Struct, frozen=True, array_like=True):
    """A contact of the plan that is not due yet; `number` counts from 1."""

    number: int
    due_at: datetime


class FollowUp(msgspec.Struct, frozen=True, array_like=True):
    """A contact that fell due and waits for a person."""

    number: int
    due_at: datetime
    act_by: datetime


class Plan(msgspec.Struct, frozen=True, array_like=True):
    plan_id: str
    ahead: tuple[Ahead, ...] = ()
    fallen_due: tuple[FollowUp, ...] = ()

    def follow_up_id(self, number: int) -> str:
        return name_id(self.plan_id, f"follow-up:{number}")


class Referral(msgspec.Struct, frozen=True, array_like=True):
    """A referral that is not settled: on its way to the partner, or on hold. A settled one leaves the state."""

    referral_id: str
    partner: str
    kind: str
    purpose: str
    attempt: int
    asked_at: datetime


class State(msgspec.Struct, frozen=True, array_like=True):
    """Without arguments: a patient never heard of. `consent_version` counts consent words, as the ledger does."""

    identified: bool = False
    area: str | None = None
    language: str | None = None
    episode: InCare | Discharged | None = None
    plan: Plan | None = None
    on_its_way: tuple[Referral, ...] = ()
    on_hold: tuple[Referral, ...] = ()
    consent_version: int = 0
    escalations: tuple[Open, ...] = ()

    @property
    def referrals(self) -> tuple[Referral, ...]:
        return (*self.on_its_way, *self.on_hold)


def begins(state: State, word: EpisodeAdmitted) -> bool:
    """Whether this admission is news: a stay heard of before, open or over, begins no second time."""
    return state.episode is None or state.episode.episode_id != word.episode_id


def ends(state: State, word: EpisodeDischarged) -> bool:
    """Whether this discharge ends the stay that is open, or one whose admission was never heard."""
    match state.episode:
        case None:
            return True
        case InCare(episode_id=open_id):
            return open_id == word.episode_id
        case Discharged(episode_id=ended_id):
            return ended_id != word.episode_id


def evolve(state: State, word: Word | Command) -> State:
    """The state after a fact heard or a word said; what it doesn't know leaves it as it is."""
    match word:
        case PatientIdentified():
            return _with(state, identified=True)
        case ContactKnown(area=area, language=language):
            return _with(state, area=area and area[:AREA_CHARACTERS_MOST], language=language and language[:16])
        case ConsentGiven() | ConsentRevoked():
            return _with(state, consent_version=state.consent_version + 1)
        case EpisodeAdmitted() if begins(state, word):
            return _with(state, episode=InCare(word.episode_id, word.track, word.flags[:FLAGS_MOST]), plan=None)
        case EpisodeDischarged() if ends(state, word):
            return _with(state, episode=Discharged(word.episode_id, word.disposition), plan=None)
        case ReferralWord():
            return _after_referral(state, word)
        case AftercarePlanned(plan_id=plan_id, follow_ups=follow_ups):
            return _with(state, plan=Plan(plan_id, tuple(Ahead(*each) for each in enumerate(follow_ups, 1))))
        case FollowUpFellDue() | FollowUpCompleted():
            return _with(state, plan=_after_follow_up(state.plan, word))
        case EscalationWord():
            return _with(state, escalations=escalation.evolve(state.escalations, word))
        case _:
            return state


def due(state: State) -> datetime | None:
    """When time itself must be heard next: a follow-up falls due, or an escalation becomes overdue."""
    moments = [each.due_at for each in state.plan.ahead] if state.plan else []
    overdue = escalation.due(state.escalations)
    return min([*moments, *([overdue] if overdue else [])], default=None)


def _with(state: State, **changes: object) -> State:
    return msgspec.structs.replace(state, **changes)


def _after_referral(state: State, word: ReferralWord) -> State:
    current = Referral(word.referral_id, word.partner, word.kind, word.purpose, word.attempt, word.asked_at)
    on_its_way, on_hold = _others(state.on_its_way, current), _others(state.on_hold, current)
    match word:
        case ReferralPrepared():
            on_its_way = (*on_its_way, current)
        case ReferralSent() | ReferralRefused():
            pass
        case ReferralWithheld():
            on_hold = (*on_hold, current)
    return _with(state, on_its_way=on_its_way, on_hold=on_hold)


def _others(referrals: Iterable[Referral], current: Referral) -> tuple[Referral, ...]:
    return tuple(each for each in referrals if each.referral_id != current.referral_id)


def _after_follow_up(plan: Plan | None, word: FollowUpFellDue | FollowUpCompleted) -> Plan | None:
    """A plan without a contact left leaves the state."""
    if plan is None:
        return None
    ahead = tuple(each for each in plan.ahead if plan.follow_up_id(each.number) != word.follow_up_id)
    fallen_due = tuple(each for each in plan.fallen_due if plan.follow_up_id(each.number) != word.follow_up_id)
    if isinstance(word, FollowUpFellDue):
        fallen_due = (*fallen_due, FollowUp(word.number, word.due_at, word.act_by))
    return Plan(plan.plan_id, ahead, fallen_due) if ahead or fallen_due else None
