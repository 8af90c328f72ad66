"""The list of meetings a patient is given: asked for by one decision, matched in a lane, prepared by the next one."""

from services.aftercare.meeting_lists import is_awaited
from services.aftercare.meetings.wishes import Wishes
from services.aftercare.messages import Emits, MeetingListPrepared, MeetingsAsked, MeetingsMatched
from services.aftercare.record import Discharged, InCare
from services.aftercare.settings import Settings
from services.aftercare.state import State
from shared.events.escalation import EscalationEvent, Signal
from shared.rules import escalation
from shared.rules.decision import Moment
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
    )


def _wishes(state: State, care: InCare | None, newcomer: bool, zone: str) -> Wishes:
    track, flags = (care.track, care.flags) if care else ("", ())
    return Wishes(
        newcomer=newcomer,
        dual_diagnosis="dual-diagnosis" in (track, *flags),
        attendance_proof="mandated" in flags,
        wheelchair="wheelchair" in flags,
        telehealth="telehealth" in flags,
        evening="evening" in flags,
        language=state.language or "en",
        area=state.area,
        state=state.home.state or None,
        place=state.home.degrees,
        zone=state.home.zone or zone,
        gender=state.home.gender,
    )


def matched(state: State, event: MeetingsMatched, moment: Moment[Settings]) -> list[Emits]:
    """The list, for a patient who lives; where nothing fits a person is asked."""
    if not is_awaited(state.lists_asked, event) or _is_dead(state):
        return []
    if event.offers:
        meetings = tuple(each.meeting for each in event.offers)
        listed = MeetingListPrepared(
            list_id=event.list_id,
            plan_id=event.plan_id,
            meetings=meetings,
            prepared_at=moment.now,
            none_near=not event.is_near,
        )
        return [listed]
    evidence = f"CarePlan/{event.plan_id}"
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


def is_wanted(state: State, care_plan: str) -> bool:
    """Whether the plan for which nothing was found still goes on: that of the discharge, or that of the care."""
    if isinstance(state.episode, InCare):
        return True
    return state.plan is not None and care_plan == f"CarePlan/{state.plan.plan_id}"


def _is_dead(state: State) -> bool:
    return state.died or (isinstance(state.episode, Discharged) and state.episode.deceased)
