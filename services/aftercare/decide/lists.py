"""The list of meetings a patient is given: asked for by one decision, matched in a lane, prepared by the next one."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from services.aftercare.meeting_lists import is_awaited
from services.aftercare.meetings.wishes import FELLOWSHIP, LANGUAGE, WISHED_TYPES, Wishes
from services.aftercare.messages import (
    AskMeetings,
    Emits,
    MeetingListDetailed,
    MeetingListPrepared,
    MeetingsAsked,
    MeetingsMatched,
    MeetingsRequested,
)
from services.aftercare.record import Discharged, InCare
from services.aftercare.settings import Settings
from services.aftercare.state import State, evolve
from shared.events.escalation import EscalationEvent, Signal
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Trigger, rule_version

REASON = "no-meeting-list"
TIER = 1
RULES_VERSION = "1"


def asked(state: State, care: InCare | None, plan_id: str, moment: Moment[Settings], newcomer: bool) -> MeetingsAsked:
    """What a list for this patient should look like. Who just came in is a newcomer."""
    return MeetingsAsked(
        list_id=moment.new_id("meeting-list"),
        plan_id=plan_id,
        wishes=_wishes(state, care, newcomer, moment.settings.timezone),
        most=moment.settings.meetings_most,
        asked_at=moment.now,
        near_miles=moment.settings.near_miles,
    )


def requested(before: State, command: AskMeetings, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person asks for a list, with what the patient wishes; in care, after it, or before either."""
    state = evolve(before, command)
    if not state.identified and state.episode is None:
        return Refused("not-found", "No patient with this id is known.", "CommunicationRequest.subject")
    if state.is_dead:
        reason = "A list needs a living patient: this one is reported dead or was discharged as deceased."
        return Refused("business-rule", reason, "CommunicationRequest.subject")
    care = state.episode.care if isinstance(state.episode, Discharged) else state.episode
    question = asked(state, care, state.plan.plan_id if state.plan else "", moment, newcomer=False)
    request = MeetingsRequested(
        request_id=command.request_id, wishes=state.wishes, asked_at=moment.now, asked_by=command.asked_by
    )
    return [request, replace(question, request_id=command.request_id)]


def _wishes(state: State, care: InCare | None, newcomer: bool, zone: str) -> Wishes:
    """By what the patient wishes, what intake knows (track and flags) and the Patient, in this order."""
    track, flags = (care.track, care.flags) if care else ("", ())
    own = state.wishes
    return Wishes(
        newcomer=newcomer,
        dual_diagnosis="dual-diagnosis" in (track, *flags),
        attendance_proof="mandated" in flags or "attendance-proof" in own,
        wheelchair="wheelchair" in (*flags, *own),
        telehealth="telehealth" in flags or "online" in own,
        evening="evening" in (*flags, *own),
        language=next(_of(own, LANGUAGE), state.language or "en"),
        area=state.area,
        state=state.home.state or None,
        place=state.home.degrees,
        zone=state.home.zone or zone,
        people=tuple(each for each in own if each in WISHED_TYPES),
        gender=state.home.gender,
        fellowships=tuple(_of(own, FELLOWSHIP)),
    )


def _of(wishes: Iterable[str], prefix: str) -> Iterator[str]:
    return (each.removeprefix(prefix) for each in wishes if each.startswith(prefix))


def matched(state: State, event: MeetingsMatched, moment: Moment[Settings]) -> list[Emits]:
    """The list, for a patient who lives; where nothing fits a person is asked."""
    if not is_awaited(state.lists_asked, event) or state.is_dead:
        return []
    if event.offers:
        prepared = MeetingListPrepared(
            list_id=event.list_id,
            plan_id=event.plan_id,
            meetings=tuple(each.meeting for each in event.offers),
            prepared_at=moment.now,
            none_near=not event.is_near,
            request_id=event.request_id,
        )
        return [prepared, MeetingListDetailed(prepared=prepared, offers=event.offers)]
    evidence = f"CommunicationRequest/{event.request_id}" if event.request_id else f"CarePlan/{event.plan_id}"
    return [*_nothing_found(state, evidence, moment)] if is_wanted(state, evidence) else []


def _nothing_found(state: State, evidence: str, moment: Moment[Settings]) -> list[EscalationEvent]:
    trigger = Trigger(
        category="placement",
        reason=REASON,
        tier=TIER,
        owner="case-manager",
        rule=rule_version("aftercare", REASON, RULES_VERSION),
        signals=(Signal("no-meeting-found", moment.now, evidence),),
    )
    return escalation.raise_or_update(state.escalations, [trigger], moment, moment.settings.escalation)


def is_wanted(state: State, evidence: str) -> bool:
    """Whether the plan for which nothing was found still goes on: that of the discharge, or that of the care. A list
    that a person asked for is wanted until one is given."""
    if isinstance(state.episode, InCare) or evidence.startswith("CommunicationRequest/"):
        return True
    return state.plan is not None and evidence == f"CarePlan/{state.plan.plan_id}"
