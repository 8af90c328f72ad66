"""What was wrong is taken back."""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.attendance.messages import (
    CallOffSession,
    CancelSession,
    CheckIn,
    CheckInWithdrawn,
    ConfirmAttendance,
    ReinstateSession,
    SessionCheckedIn,
    SessionMissed,
    SessionScheduled,
)
from shared.events.attendance import SessionEvent
from shared.events.envelope import name_id
from tests.attendance.given import (
    ADMISSION,
    FRIDAY,
    GRACE,
    MONDAY,
    admitted,
    cancelled,
    check_in,
    discharged,
    encounter,
    excused,
    in_error,
    session,
)
from tests.attendance.story import Story, refusal, starts
from tests.story import only

DAY = timedelta(days=1)


def again(start: datetime, minutes: int | None) -> CheckIn:
    """The same session checked in to by another Encounter, a desk's beside a kiosk's."""
    return msgspec.structs.replace(check_in(start, minutes), encounter_id=encounter(FRIDAY))


def arrived(start: datetime, held: bool = False) -> ConfirmAttendance:
    return ConfirmAttendance(session_id=session(start), held=held)


def test_a_check_in_entered_in_error_leaves_the_session_undecided() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    (withdrawn,) = only(story.then(in_error(MONDAY)), CheckInWithdrawn)
    assert (withdrawn.encounter_id, withdrawn.start) == (encounter(MONDAY), MONDAY)
    assert story.outcome(MONDAY) == "planned"
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


def test_after_a_check_in_in_error_the_right_one_has_the_grace_time_again() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    story.until(MONDAY + timedelta(hours=5))
    story.then(in_error(MONDAY))
    assert only(story.until(story.now + GRACE - timedelta(seconds=1)), SessionMissed) == []
    story.then(check_in(MONDAY, 120))
    assert only(story.until(story.now + DAY), SessionMissed) == []


def test_an_early_check_in_in_error_moves_no_deadline() -> None:
    story = Story(admitted())
    story.until(MONDAY - timedelta(hours=1))
    story.then(check_in(MONDAY, None, story.now))
    assert [type(each) for each in only(story.then(in_error(MONDAY)), SessionEvent)] == [CheckInWithdrawn]


def test_one_of_two_encounters_in_error_leaves_the_other() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None), again(MONDAY, None))
    (withdrawn,) = only(story.then(in_error(MONDAY)), CheckInWithdrawn)
    assert withdrawn.held and story.outcome(MONDAY) == "present"
    (withdrawn,) = only(
        story.then(msgspec.structs.replace(in_error(MONDAY), encounter_id=encounter(FRIDAY))), CheckInWithdrawn
    )
    assert not withdrawn.held and story.outcome(MONDAY) == "planned"


def test_an_arrived_appointment_keeps_the_encounter_that_is_there() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None))
    assert only(story.then(arrived(MONDAY)), SessionCheckedIn) == []


def test_an_arrived_appointment_has_an_encounter_of_its_own() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    emitted = story.then(arrived(MONDAY))
    assert [each.encounter_id for each in only(emitted, SessionCheckedIn)] == [name_id(session(MONDAY), "encounter")]


def test_the_encounter_of_an_arrived_appointment_can_be_in_error() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(arrived(MONDAY))
    own = msgspec.structs.replace(in_error(MONDAY), encounter_id=name_id(session(MONDAY), "encounter"))
    assert [type(each) for each in only(story.then(own), SessionEvent)] == [CheckInWithdrawn]
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


@pytest.mark.parametrize("command", [excused(MONDAY), cancelled(MONDAY), CallOffSession(session_id=session(MONDAY))])
def test_what_was_cancelled_by_mistake_takes_place_after_all(command: CancelSession | CallOffSession) -> None:
    story = Story(admitted(), command)
    assert starts(story.then(ReinstateSession(session_id=session(MONDAY))), SessionScheduled) == [MONDAY]
    assert story.outcome(MONDAY) == "planned"
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


def test_a_session_reinstated_after_it_began_has_the_grace_time_again() -> None:
    story = Story(admitted(), CallOffSession(session_id=session(MONDAY)))
    story.until(MONDAY + timedelta(hours=2))
    story.then(ReinstateSession(session_id=session(MONDAY)))
    assert only(story.until(story.now + GRACE - timedelta(seconds=1)), SessionMissed) == []
    assert starts(story.until(story.now + GRACE), SessionMissed) == [MONDAY]


def test_a_planned_session_is_reinstated_without_an_event() -> None:
    assert Story(admitted()).then(ReinstateSession(session_id=session(MONDAY))) == []


def test_a_missed_session_is_not_made_undecided_by_booking_it_again() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    assert story.then(ReinstateSession(session_id=session(MONDAY))) == []
    assert refusal(story) == ("conflict", "Appointment.status")


def test_nothing_is_reinstated_once_the_stay_is_over() -> None:
    story = Story(admitted(), discharged(ADMISSION + timedelta(hours=1)))
    assert story.then(ReinstateSession(session_id=session(MONDAY))) == []
    assert refusal(story) == ("conflict", "Appointment.status")
