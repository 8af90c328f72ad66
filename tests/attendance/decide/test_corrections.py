"""What was wrong is taken back."""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.attendance.messages import (
    CallOffSession,
    CheckIn,
    CheckInWithdrawn,
    ExcuseSession,
    ReinstateSession,
    SessionAttended,
    SessionCheckedIn,
    SessionMissed,
    SessionScheduled,
)
from shared.events.envelope import name_id
from tests.attendance.given import (
    ADMISSION,
    FRIDAY,
    GRACE,
    MONDAY,
    admitted,
    check_in,
    discharged,
    encounter,
    in_error,
    session,
)
from tests.attendance.story import Story, refusal, starts
from tests.story import only

DAY = timedelta(days=1)


def again(start: datetime, minutes: int | None) -> CheckIn:
    """The same session checked in to by another Encounter."""
    return msgspec.structs.replace(check_in(start, minutes), encounter_id=encounter(FRIDAY))


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
    assert [type(each) for each in story.then(in_error(MONDAY))] == [CheckInWithdrawn]


def test_an_encounter_that_no_longer_counts_withdraws_nothing() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None), again(MONDAY, None))
    before = story.state
    assert story.then(in_error(MONDAY)) == []
    assert story.state == before


def test_a_second_encounter_replaces_the_first() -> None:
    """The desk and the kiosk both check in: one of the two Encounters says who was there, the other is in error."""
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None))
    withdrawn, came = story.then(again(MONDAY, 150))
    assert isinstance(withdrawn, CheckInWithdrawn) and withdrawn.encounter_id == encounter(MONDAY)
    assert isinstance(came, SessionAttended) and came.encounter_id == encounter(FRIDAY)
    assert story.outcome(MONDAY) == "attended"


def test_an_arrival_does_not_replace_the_minutes() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    assert story.then(again(MONDAY, None)) == []
    assert refusal(story) == ("conflict", "Encounter.appointment")


def test_an_arrived_appointment_keeps_the_encounter_that_is_there() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None))
    assert story.then(CheckIn(session_id=session(MONDAY), encounter_id=None, came_at=MONDAY)) == []


def test_an_arrived_appointment_has_an_encounter_of_its_own() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    emitted = story.then(CheckIn(session_id=session(MONDAY), encounter_id=None, came_at=MONDAY))
    assert [each.encounter_id for each in only(emitted, SessionCheckedIn)] == [name_id(session(MONDAY), "encounter")]


@pytest.mark.parametrize("command", [ExcuseSession, CallOffSession])
def test_what_was_cancelled_by_mistake_takes_place_after_all(command: type[ExcuseSession | CallOffSession]) -> None:
    story = Story(admitted(), command(session_id=session(MONDAY)))
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
