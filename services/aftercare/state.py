"""What aftercare's next decision needs of one patient. Pure; compact text."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from services.aftercare import meeting_lists
from services.aftercare.answers import closed_loop, partner_answers
from services.aftercare.answers.closed_loop import Received
from services.aftercare.answers.partner_answers import Answer
from services.aftercare.choices import Choice, with_consent
from services.aftercare.contacts import Contacts, after_event
from services.aftercare.contacts import dues as contact_dues
from services.aftercare.follow_ups import after_follow_up, last_contact, planned, with_escalated
from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    AftercareRevised,
    AnswerEscalated,
    AnswerEvent,
    AskMeetings,
    CandidateDue,
    CareTeamChanged,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    ContactKnown,
    CountWrongLink,
    DeathWithdrawn,
    DischargeWithdrawn,
    DisclosureGaveUp,
    DisclosureRefused,
    DisclosureWithheld,
    EngagedDaysCounted,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodeStepped,
    EscalationEvent,
    FlagsChanged,
    FollowUpCompleted,
    FollowUpFellDue,
    FollowUpsEscalated,
    HoldEscalated,
    MeetingsAsked,
    MeetingsMatched,
    PartnerAnswered,
    PartnerReferralChanged,
    PatientDied,
    PatientIdentified,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
    StayAnswered,
)
from services.aftercare.record import (
    AREA_CHARACTERS_MOST,
    CORRECTED,
    LANGUAGE_CHARACTERS_MOST,
    NOWHERE,
    SENT_MOST,
    Discharged,
    Engaged,
    Home,
    InCare,
    LastContact,
    OnHold,
    OnItsWay,
    Plan,
    Referral,
    Sent,
    as_asked,
    earlier_hold,
)
from services.aftercare.upcast import UPCAST as UPCAST
from shared.events.aftercare import PARTNER_FULL, ReferralEvent
from shared.events.disclosed import HUB_CANNOT_SEND
from shared.events.envelope import Command, Event
from shared.events.internal import DisclosureOutcome, DisclosureParked
from shared.rules import escalation
from shared.rules.assigning import Team
from shared.rules.escalation import Open

VERSION = 9


class State(msgspec.Struct, frozen=True, array_like=True):
    """Without arguments: a patient without any event. `consent_version` counts consent events, as the ledger does."""

    identified: bool = False
    area: str | None = None
    language: str | None = None
    episode: InCare | Discharged | None = None
    plan: Plan | None = None
    on_its_way: tuple[OnItsWay, ...] = ()
    on_hold: tuple[OnHold, ...] = ()
    consent_version: int = 0
    escalations: tuple[Open, ...] = ()
    died: bool = False
    """Reported, until a person confirms it by the discharge or it is withdrawn."""
    tried: tuple[str, ...] = ()
    """The partners that were candidates since the last discharge, or since a death reported was withdrawn; not those
    that were taken back by a correction of it."""
    sent: tuple[Sent, ...] = ()
    choices: tuple[Choice, ...] = ()
    """Whom the patient's consents name, the first choice first."""
    candidates_due: tuple[str, ...] = ()
    """Kinds whose next candidate waits until the lane has answered for one that was taken back."""
    last_contact: LastContact | None = None
    answers: tuple[Answer, ...] = ()
    """Of referrals that partners made: what these are answered."""
    team: Team = ()
    engaged: Engaged | None = None
    lists_asked: tuple[str, ...] = ()
    """Meeting lists that are looked for, by id (packed)."""
    received: tuple[Received, ...] = ()
    """What partners have, with how far they say it is."""
    contacts: Contacts = Contacts()
    home: Home = NOWHERE
    wishes: tuple[str, ...] = ()
    """What the patient wishes of their meetings, by their own word: codes."""

    @property
    def referrals(self) -> tuple[OnItsWay | OnHold, ...]:
        """The open ones: not those that were taken back."""
        return (*(each for each in self.on_its_way if not each.taken_back), *self.on_hold)

    @property
    def is_dead(self) -> bool:
        """Reported dead, or discharged as deceased."""
        return self.died or (isinstance(self.episode, Discharged) and self.episode.deceased)


def begins(state: State, event: EpisodeAdmitted) -> bool:
    """Whether this admission is news: a stay consumed before, open or over, begins no second time."""
    return state.episode is None or state.episode.episode_id != event.episode_id


def ends(state: State, event: EpisodeDischarged) -> bool:
    """Whether this discharge ends the stay that is open, or a later one whose admission was never consumed, or corrects
    the last: one of a stay before it changes nothing any more."""
    match state.episode:
        case None:
            return True
        case InCare(episode_id=open_id):
            return open_id == event.episode_id
        case Discharged(episode_id=ended_id) if ended_id == event.episode_id:
            return corrects(state.episode, event)
        case Discharged(discharged_at=ended_at):
            return ended_at is None or ended_at <= event.discharged_at


def corrects(ended: Discharged, event: EpisodeDischarged) -> bool:
    """Whether the same stay ended otherwise than was known."""
    moved = ended.discharged_at is not None and ended.discharged_at != event.discharged_at
    return ended.episode_id == event.episode_id and (ended.disposition != event.disposition or moved)


def contact_of(state: State, event: EpisodeDischarged) -> LastContact | None:
    """The last contact made in the stay that this discharge ends."""
    stay = state.episode
    return state.last_contact if stay is not None and stay.episode_id == event.episode_id else None


def is_about(event: DisclosureOutcome | DisclosureParked, referral: Referral) -> bool:
    """Whether this is what came of the referral's present attempt."""
    return event.focus == f"ServiceRequest/{referral.referral_id}" and event.attempt == referral.attempt


def evolve(state: State, event: Event | Command) -> State:
    """The state after an event consumed or emitted, or a command. Total: what it does not know changes nothing."""
    contacts = after_event(state.contacts, state.plan, event)
    return _with(_evolved(state, event), contacts=contacts)


def _evolved(state: State, event: Event | Command) -> State:
    """All but the contacts."""
    match event:
        case PatientIdentified() | CareTeamChanged() | EpisodeStepped() | FlagsChanged():
            return _known(state, event)
        case ContactKnown():
            return _contact_known(state, event)
        case ConsentGiven() | ConsentDenied() | ConsentRevoked():
            return _consented(state, event)
        case EpisodeAdmitted() if begins(state, event):
            return _admitted(state, event)
        case EpisodeDischarged() if ends(state, event):
            return _with(state, episode=_ended(state.episode, event), last_contact=contact_of(state, event))
        case DischargeWithdrawn(episode_id=episode_id) if isinstance(state.episode, Discharged):
            return _with(state, episode=state.episode.care) if state.episode.episode_id == episode_id else state
        case PatientDied():
            return _with(state, died=True)
        case DeathWithdrawn() if state.died:
            return _with(state, died=False, tried=())
        case DisclosureWithheld() | DisclosureRefused() | DisclosureGaveUp():
            return _on_its_way(_answered(state, event), _without_withdrawn(state.on_its_way, event))
        case ReferralEvent():
            return _after_referral(state, event)
        case HoldEscalated() | AnswerEscalated():
            return _person_asked(state, event)
        case CandidateDue(kind=kind):
            return _with(state, candidates_due=tuple(dict.fromkeys((*state.candidates_due, kind))))
        case AftercarePlanned() | AftercareRevised() | EngagedDaysCounted():
            return _with_days(_planned(state, event))
        case AftercareEnded():
            return _with(state, plan=None)
        case FollowUpFellDue(kind="follow-up") | FollowUpCompleted(kind="follow-up", corrects=False) if state.plan:
            return _after_follow_up(state, state.plan, event)
        case FollowUpsEscalated(task_ids=task_ids) if state.plan is not None:
            return _with(state, plan=with_escalated(state.plan, task_ids))
        case EscalationEvent():
            return _with(state, escalations=escalation.evolve(state.escalations, event))
        case _:
            return _answered(state, event)


def due(state: State) -> datetime | None:
    """The next instant at which a contact falls due or is late, a consent begins, a hold ends, a person is asked in
    vain or an escalation is overdue."""
    contacts = contact_dues(state.contacts, state.plan) if not state.died else []
    consents = [each.until for each in state.on_hold if each.until is not None]
    ends = [each.ends_at for each in state.on_hold if each.ends_at is not None]
    answers = [each.answer_by for each in state.on_hold if each.answer_by is not None]
    overdue = escalation.due(state.escalations)
    loops = closed_loop.dues(state.received, died=state.died)
    holds = [*loops, *consents, *ends, *answers, *partner_answers.dues(state.answers)]
    return min([*contacts, *holds, *([overdue] if overdue else [])], default=None)


def lives(state: State) -> bool:
    """Whether a stay is open, a plan has a contact left, a referral is not settled, its referrer not answered to the
    end, or a person is asked something."""
    waiting = [each for each in state.received if each.is_open]
    answers = [each for each in state.answers if not partner_answers.is_settled(each)]
    unsettled = (*waiting, *state.on_its_way, *state.on_hold, *state.candidates_due, *state.escalations, *answers)
    return isinstance(state.episode, InCare) or state.plan is not None or state.died or bool(unsettled)


_with = msgspec.structs.replace
Unsettled = TypeVar("Unsettled", bound=Referral)


def _consented(state: State, event: ConsentGiven | ConsentDenied | ConsentRevoked) -> State:
    choices = with_consent(state.choices, event) if isinstance(event, ConsentGiven) else state.choices
    return _with(state, consent_version=state.consent_version + 1, choices=choices)


def _answered(state: State, event: Event | Command) -> State:
    """What a partner that referred is answered; which lists of meetings are looked for, by which wishes; which links
    were tried."""
    match event:
        case AskMeetings(wishes=wishes):
            return state if wishes is None else _with(state, wishes=wishes)
        case MeetingsAsked() | MeetingsMatched():
            return _with(state, lists_asked=meeting_lists.after(state.lists_asked, event))
        case CountWrongLink(task_id=task_id):
            return _with(state, received=closed_loop.with_wrong(state.received, task_id))
        case PartnerReferralChanged() | StayAnswered():
            answers = partner_answers.changed(state.answers, event)
        case AnswerEvent():
            answers = partner_answers.after_event(state.answers, event)
        case DisclosureOutcome():
            answers = partner_answers.after_outcome(state.answers, event)
        case _:
            return state
    return _with(state, answers=answers)


def _admitted(state: State, event: EpisodeAdmitted) -> State:
    return _with(state, episode=InCare.of(event), last_contact=None)


def _planned(state: State, event: AftercarePlanned | AftercareRevised | EngagedDaysCounted) -> State:
    """A new plan begins with nobody tried; one that is moved keeps its id. The days of a stay count once it is over."""
    if isinstance(event, EngagedDaysCounted):
        return _with(state, engaged=Engaged(event.episode_id, event.days)) if event.is_over else state
    if isinstance(event, AftercareRevised):
        return state if state.plan is None else _with(state, plan=_with(state.plan, activities=event.activities))
    if state.plan is not None and state.plan.plan_id == event.plan_id:
        return _with(state, plan=planned(event, state.last_contact, state.plan))
    return _with(state, plan=planned(event, state.last_contact), tried=())


def _with_days(state: State) -> State:
    """What intake counted stands in the plan of that stay, whichever comes first."""
    plan, engaged = state.plan, state.engaged
    if plan is None or engaged is None or plan.episode_id != engaged.episode_id:
        return state
    return _with(state, plan=_with(plan, engaged_days=engaged.days))


def _after_follow_up(state: State, plan: Plan, event: FollowUpFellDue | FollowUpCompleted) -> State:
    last = last_contact(state.last_contact, plan, event)
    return _with(state, plan=after_follow_up(plan, event), last_contact=last)


def _known(state: State, event: PatientIdentified | CareTeamChanged | EpisodeStepped | FlagsChanged) -> State:
    """That there is such a patient, who looks after them, and what a stay is known by since."""
    match event:
        case PatientIdentified():
            return _with(state, identified=True)
        case CareTeamChanged(members=members):
            return _with(state, team=members)
        case EpisodeStepped() | FlagsChanged():
            care = state.episode
            return _with(state, episode=care.after(event)) if isinstance(care, InCare) else state


def _contact_known(state: State, event: ContactKnown) -> State:
    return _with(
        state,
        area=event.area and event.area[:AREA_CHARACTERS_MOST],
        language=event.language and event.language[:LANGUAGE_CHARACTERS_MOST],
        home=Home.of(event),
        on_its_way=tuple(_with(each, contact_came=True) for each in state.on_its_way),
    )


def _without_withdrawn(on_its_way: Iterable[OnItsWay], event: DisclosureOutcome) -> tuple[OnItsWay, ...]:
    """Without the referral of this outcome, where it was taken back meanwhile."""
    return tuple(each for each in on_its_way if not (each.taken_back and is_about(event, each)))


def _ended(before: InCare | Discharged | None, event: EpisodeDischarged) -> Discharged:
    """With what the stay's lists were chosen by, where that is known: the discharge may be wrong."""
    known = before if before is not None and before.episode_id == event.episode_id else None
    track, flags = (known.track, known.flags) if known is not None else ("", ())
    return Discharged(event.episode_id, event.disposition, event.discharged_at, track, flags, event.admitted_at)


def _person_asked(state: State, event: HoldEscalated | AnswerEscalated) -> State:
    if isinstance(event, AnswerEscalated):
        return _with(state, received=closed_loop.with_asked(state.received, event.referrals, event.reason))
    return _with(state, on_hold=tuple(_escalated(each, event.referrals) for each in state.on_hold))


def _escalated(referral: OnHold, referrals: Collection[str]) -> OnHold:
    return _with(referral, answer_by=None, escalated=True) if referral.referral_id in referrals else referral


def _partner_answered(state: State, event: PartnerAnswered) -> State:
    """A partner that declines has none of its kind, and one where the patient came has it after all."""
    kind = "" if event.step == "declined" else event.kind
    sent = tuple(_with(each, kind=kind) if each.partner == event.partner else each for each in state.sent)
    return _with(state, sent=sent, received=closed_loop.with_answer(state.received, event))


def _after_referral(state: State, event: ReferralEvent) -> State:
    if isinstance(event, PartnerAnswered):
        return _partner_answered(state, event)
    if isinstance(event, ReferralWithdrawn) and any(each.referral_id == event.referral_id for each in state.received):
        return _with(state, received=closed_loop.without(state.received, event.referral_id))
    current = as_asked(event)
    on_its_way, on_hold = _others(state.on_its_way, event), _others(state.on_hold, event)
    received, tried = _may_have_it(state, event), state.tried
    hold = earlier_hold(state.on_its_way, state.on_hold, event.referral_id)
    match event:
        case ReferralPrepared():
            on_its_way = (*on_its_way, OnItsWay(*current, "", False, received, *hold))
            tried = tuple(dict.fromkeys((*tried, event.partner)))
        case ReferralSent() | ReferralRefused():
            pass
        case ReferralWithdrawn(reason=reason) if reason != PARTNER_FULL and _is_in_lane(state, event):
            on_its_way = (*on_its_way, OnItsWay(*current, taken_back=reason, may_have_been_received=received))
        case ReferralWithdrawn():
            pass
        case ReferralWithheld() if event.reason == HUB_CANNOT_SEND and _is_in_lane(state, event):
            on_its_way = _parked(state, event)
        case ReferralWithheld(reason=reason, until=until, hold_ends_at=ends_at):
            on_hold = (*on_hold, OnHold(*current, reason, until, ends_at, received, event.answer_by, hold.escalated))
    if isinstance(event, ReferralWithdrawn) and event.reason == CORRECTED:
        tried = tuple(each for each in tried if each != event.partner)
    after = _with(state, on_hold=on_hold, sent=_sent(state, event), tried=tried, received=_received(state, event))
    return _on_its_way(after, on_its_way)


def _parked(state: State, event: ReferralWithheld) -> tuple[OnItsWay, ...]:
    """It stays where it is: its lane goes on with it once a person has mended what stops it."""
    return tuple(
        _with(each, may_have_been_received=each.may_have_been_received or event.may_have_been_received)
        if each.referral_id == event.referral_id
        else each
        for each in state.on_its_way
    )


def _is_in_lane(state: State, event: ReferralEvent) -> bool:
    return any(each.referral_id == event.referral_id for each in state.on_its_way)


def _on_its_way(state: State, on_its_way: tuple[OnItsWay, ...]) -> State:
    """What the lanes have now. A candidate waits no longer than one of its kind is being taken back."""
    taken_back = {each.kind for each in on_its_way if each.taken_back}
    due = tuple(each for each in state.candidates_due if each in taken_back)
    return _with(state, on_its_way=on_its_way, candidates_due=due)


def _received(state: State, event: ReferralEvent) -> tuple[Received, ...]:
    """One that was taken back before it arrived waits for no answer."""
    taken_back = any(each.referral_id == event.referral_id and each.taken_back for each in state.on_its_way)
    if not isinstance(event, ReferralSent) or taken_back:
        return state.received
    return closed_loop.with_sent(state.received, event)


def _sent(state: State, event: ReferralEvent) -> tuple[Sent, ...]:
    """Whatever the partner's socket may have seen counts, whether it was answered yes, no or never."""
    was_on_hold = any(each.referral_id == event.referral_id for each in state.on_hold)
    if (was_on_hold and not isinstance(event, ReferralSent)) or not event.partner_may_have_it:
        return state.sent
    others = (each for each in state.sent if each.partner != event.partner)
    kind = event.kind if isinstance(event, ReferralSent) else ""
    return (*others, Sent(event.partner, event.at, kind))[-SENT_MOST:]


def _may_have_it(state: State, event: ReferralEvent) -> bool:
    """An earlier send, or this attempt's, may have been received: that stands whatever follows."""
    known: tuple[OnItsWay | OnHold, ...] = (*state.on_its_way, *state.on_hold)
    before = any(each.may_have_been_received for each in known if each.referral_id == event.referral_id)
    return before or (isinstance(event, ReferralWithheld) and event.may_have_been_received)


def _others(referrals: Iterable[Unsettled], event: ReferralEvent) -> tuple[Unsettled, ...]:
    return tuple(each for each in referrals if each.referral_id != event.referral_id)
