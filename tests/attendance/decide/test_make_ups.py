"""A make-up: its hours count where it is held, and the miss that it makes up stays one."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.attendance.messages import (
    BookSession,
    CallOffSession,
    CheckIn,
    MakeUpMiss,
    MoveSession,
    SessionScheduled,
    WeeklyHoursFellShort,
)
from shared.events.envelope import name_id
from tests.attendance.decide.test_ehr_booking import booking, named
from tests.attendance.given import (
    GRACE,
    NAMES,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    admitted,
    evening,
    session,
)
from tests.attendance.story import UNHURRIED, Story, refusal
from tests.story import only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TUESDAY, THURSDAY = evening(1, 1), evening(1, 3)


def missed() -> Story:
    """The first week attended whole, and the second Monday missed."""
    story = Story(admitted(), **UNHURRIED)
    story.missing(SECOND_MONDAY)
    return story


def make_up(
    start: datetime = TUESDAY, of: str = session(SECOND_MONDAY), kind: str = "group", **more: Any
) -> BookSession:
    return msgspec.structs.replace(booking(start, kind, 180, **more), makes_up=of)


def came(story: Story, identity: str, start: datetime) -> None:
    story.attending_until(start)
    story.now = start + 3 * HOUR
    story.then(CheckIn(session_ids=(identity,), encounter_id=name_id(NAMES, "makes up"), periods=((start, story.now),)))


def test_it_names_the_miss_that_it_makes_up() -> None:
    (scheduled,) = only(missed().then(make_up()), SessionScheduled)
    assert scheduled.makes_up_id == session(SECOND_MONDAY)
    (appointment,) = scheduled.write("patient")
    assert appointment["supportingInformation"] == [{"reference": f"Appointment/{session(SECOND_MONDAY)}"}]


def test_once_attended_the_week_has_its_hours_and_the_miss_stays_one() -> None:
    story = missed()
    came(story, named(story.then(make_up())), TUESDAY)
    story.attending_until(evening(2, 2))
    assert story.outcome(SECOND_MONDAY) == "missed"
    assert only(story.all_emitted, WeeklyHoursFellShort) == []
    assert "missed-session" in story.escalations


def test_without_it_the_week_falls_short() -> None:
    story = missed()
    story.attending_until(evening(2, 2))
    assert len(only(story.all_emitted, WeeklyHoursFellShort)) == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (make_up(of=session(SECOND_WEDNESDAY)), "business-rule"),
        (make_up(of=session(evening(0, 4))), "business-rule"),
        (make_up(of=name_id(NAMES, "nothing")), "business-rule"),
        (make_up(kind="workshop"), "business-rule"),
        (make_up(evening(2, 1)), "business-rule"),
        (make_up(SECOND_WEDNESDAY), "conflict"),
    ],
    ids=["ahead", "attended", "of nobody", "of another kind", "in another week", "planned anyway"],
)
def test_what_makes_up_no_miss_of_this_week_is_refused(command: BookSession, code: str) -> None:
    story = missed()
    before = story.state.sessions
    story.then(command)
    assert refusal(story) == (code, "Appointment.supportingInformation")
    assert story.state.sessions == before


def test_a_miss_is_made_up_once_until_that_is_called_off() -> None:
    story = missed()
    first = named(story.then(make_up()))
    story.then(make_up(THURSDAY))
    assert refusal(story) == ("conflict", "Appointment.supportingInformation")
    story.then(CallOffSession(session_id=first))
    assert len(only(story.then(make_up(THURSDAY)), SessionScheduled)) == 1


def test_one_that_is_booked_already_may_make_it_up() -> None:
    story = missed()
    identity = named(story.then(booking(TUESDAY, "group", 180)))
    (now,) = only(story.then(MakeUpMiss(session_id=identity, missed_id=session(SECOND_MONDAY))), SessionScheduled)
    assert (now.session_id, now.makes_up_id) == (identity, session(SECOND_MONDAY))


def test_the_same_again_is_the_same_though_the_miss_was_none() -> None:
    story = missed()
    first = named(story.then(make_up()))
    came_late = CheckIn(
        session_ids=(session(SECOND_MONDAY),),
        encounter_id=name_id(NAMES, "late"),
        periods=((SECOND_MONDAY, SECOND_MONDAY + 3 * HOUR),),
    )
    story.until(SECOND_MONDAY + 4 * HOUR)
    story.then(came_late)
    assert named(story.then(make_up())) == first


def test_none_makes_up_itself() -> None:
    story = missed()
    identity = named(story.then(booking(TUESDAY, "group", 180)))
    story.until(TUESDAY + GRACE)
    story.then(MakeUpMiss(session_id=identity, missed_id=identity))
    assert refusal(story) == ("business-rule", "Appointment.supportingInformation")


def test_it_moves_within_its_week_alone() -> None:
    story = missed()
    identity = named(story.then(make_up()))
    (there,) = only(story.then(MoveSession(session_id=identity, start=THURSDAY)), SessionScheduled)
    assert there.makes_up_id == session(SECOND_MONDAY)
    story.then(MoveSession(session_id=identity, start=evening(2, 1)))
    assert refusal(story) == ("business-rule", "Appointment.supportingInformation")


def test_missed_itself_it_is_a_miss_as_any_other() -> None:
    story = missed()
    story.then(make_up())
    story.until(TUESDAY + GRACE)
    assert story.outcome(TUESDAY) == "missed"
