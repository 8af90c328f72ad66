"""However an EHR books, sends again and reports, each session is held once, and ends as it says last.

It reports nothing twice that it takes back: only in which order, and how often, is drawn.
"""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import (
    BookSession,
    CallOffSession,
    CancelSession,
    CheckIn,
    ConfirmAttendance,
    MarkMissed,
    OfOneSession,
    StandsFor,
)
from services.attendance.record import minute_of
from shared.events.envelope import Command, name_id
from tests.attendance.decide.test_ehr_booking import PLANNED, booking
from tests.attendance.given import NAMES, admitted, evening
from tests.attendance.story import UNHURRIED, Story
from tests.attendance.test_laws import overlapping
from tests.laws import examples
from tests.story import only

HOUR = timedelta(hours=1)
STARTS = [evening(0, weekday, hour) for weekday in (1, 3) for hour in (9, 11, 13)]
REPORTED: dict[str, tuple[OfOneSession, str]] = {
    "nothing": (PLANNED, "missed"),
    "arrived": (ConfirmAttendance(session_id="", held=False), "present"),
    "ill": (CancelSession(session_id="", reason="illness"), "excused"),
    "off": (CallOffSession(session_id=""), "cancelled"),
    "noshow": (MarkMissed(session_id=""), "missed"),
    "came": (PLANNED, "attended"),
}
"""What is reported of a session, and how it ends."""
AFTERWARDS = evening(0, 5, 9)


def reports(number: int, reported: str) -> list[Command]:
    """Booked within a quarter of an hour of each other, though they were sent twice."""
    start = STARTS[number]
    found: list[Command] = [
        booking(start + timedelta(minutes=apart), minutes=60, report=report)
        for apart, report in ((0, PLANNED), (number % 3 * 5, REPORTED[reported][0]))
    ]
    if reported == "came":
        encounter = name_id(NAMES, f"came {number}")
        found.append(
            CheckIn(session_ids=(), encounter_id=encounter, periods=((start, start + HOUR),), kind="individual")
        )
    return found


@some.composite
def courses(draw: some.DrawFn) -> tuple[list[str], list[Command]]:
    ends = [draw(some.sampled_from(list(REPORTED))) for _ in STARTS]
    sent = [each for number, reported in enumerate(ends) for each in reports(number, reported)]
    return ends, draw(some.permutations([*sent, *sent]))


@settings(max_examples=examples(50))
@given(courses())
def test_in_any_order_and_sent_again_each_session_is_held_once_and_ends_the_same(
    course: tuple[list[str], list[Command]],
) -> None:
    ends, sent = course
    story = Story(admitted(), books="ehr", **UNHURRIED)
    story.until(AFTERWARDS)
    story.then(*sent)
    story.until(AFTERWARDS + 2 * HOUR)
    assert outcomes(story) == [REPORTED[each][1] for each in ends]
    assert story.state.episode is not None
    assert overlapping(story.state.episode, story.state.sessions, story.now - timedelta(days=30)) == []


def outcomes(story: Story) -> Sequence[str]:
    """By the start of each, or what is a little after it: one session each."""
    found = []
    for start in STARTS:
        near = [each for each in story.state.sessions if 0 <= each.minute - minute_of(start) <= 15]
        assert len(near) == 1
        found.append(near[0].outcome)
    return found


@settings(max_examples=examples(50))
@given(courses())
def test_every_answer_names_a_session_that_there_is(course: tuple[list[str], list[Command]]) -> None:
    story = Story(admitted(), books="ehr", **UNHURRIED)
    story.until(AFTERWARDS)
    for command in course[1]:
        emitted = story.then(command)
        if isinstance(command, BookSession):
            assert story.state.episode is not None
            ids = {story.state.episode.session_id(each) for each in story.state.sessions}
            assert {each.id for each in only(emitted, StandsFor)} <= ids
            assert len(only(emitted, StandsFor)) == 1
