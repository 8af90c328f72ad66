"""What was done to reach a patient who did not come."""

from collections.abc import Sequence

from services.attendance import requests
from services.attendance.decide.course import Course
from services.attendance.messages import Emits, OutreachAttempted, RecordOutreach
from services.attendance.record import second_of
from services.attendance.settings import Settings
from services.attendance.state import State
from shared.events.envelope import name_id
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import NOT_OPEN
from shared.rules.outreach import Attempt

CORRECTED = "contact-reported"


def attempted(state: State, command: RecordOutreach, moment: Moment[Settings]) -> list[Emits] | Refused:
    """One call is one attempt, whichever of the open escalations it is reported of; the same again changes nothing."""
    if not requests.is_open(state, command.escalation_id):
        return NOT_OPEN
    second = second_of(command.at)
    if Attempt(second, command.channel, command.outcome) in state.outreach:
        return []
    stay = state.episode.id if state.episode is not None else command.escalation_id
    course = Course(state, moment)
    course.emit(
        OutreachAttempted(
            attempt_id=name_id(stay, f"outreach:{second}:{command.channel}"),
            escalation_id=command.escalation_id,
            channel=command.channel,
            outcome=command.outcome,
            attempted_at=command.at,
            by=command.by or None,
        )
    )
    if state.episode is not None:
        course.follow(state, CORRECTED)
    return course.emitted


def answered(state: State, answer: Sequence[Emits] | Refused, moment: Moment[Settings]) -> Sequence[Emits] | Refused:
    """What a person did about one thing may be a sign of the patient, which ends a silence."""
    if isinstance(answer, Refused) or state.episode is None:
        return answer
    course = Course(state, moment)
    course.emit(*answer)
    if course.state.outreach != state.outreach:
        course.follow(state, CORRECTED)
    return course.emitted
