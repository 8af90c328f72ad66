"""A session at another time: its old slot is cancelled and the new one booked, never both a cancellation and a miss."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import (
    CallOffSession,
    CheckIn,
    ConfirmAttendance,
    MoveSession,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
    WeeklyHoursFellShort,
)
from services.attendance.record import where_it_went
from tests.attendance.decide.test_calendar import closing, learns
from tests.attendance.given import (
    EPISODE,
    EVENINGS,
    GRACE,
    MONDAY,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    TIME_PASSED,
    admitted,
    check_in,
    discharged,
    encounter,
    evening,
    session,
)
from tests.attendance.story import UNHURRIED, Story, refusal, starts
from tests.attendance.test_laws import TAPERED, overlapping, replanned, stories
from tests.laws import examples
from tests.story import only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TUESDAY = evening(1, 1)


def move(start: datetime, to: datetime, hours: int | None = 3) -> MoveSession:
    """The session that was planned at `start`."""
    return MoveSession(session_id=session(start), start=to, end=None if hours is None else to + hours * HOUR)


def moved(to: datetime = TUESDAY) -> Story:
    """The second Monday's session to another time."""
    story = Story(admitted(), **UNHURRIED)
    story.then(move(SECOND_MONDAY, to))
    return story


def test_the_old_slot_is_cancelled_and_the_new_one_booked_in_one_decision() -> None:
    story = Story(admitted())
    emitted = story.then(move(SECOND_MONDAY, TUESDAY))
    (left,), (there,) = only(emitted, SessionCancelled), only(emitted, SessionScheduled)
    assert (left.start, left.session_id, left.reason) == (SECOND_MONDAY, session(SECOND_MONDAY), "moved")
    assert (there.start, there.session_id) == (TUESDAY, session(TUESDAY, 0))


def test_only_the_new_slot_can_be_missed() -> None:
    story = moved()
    story.attending_until(SECOND_MONDAY)
    emitted = story.until(TUESDAY + GRACE)
    assert starts(emitted, SessionMissed) == [TUESDAY]


@pytest.mark.parametrize("of", [session(SECOND_MONDAY), session(TUESDAY, 0)])
def test_who_comes_has_come_by_either_id(of: str) -> None:
    story = moved()
    story.attending_until(TUESDAY)
    came = CheckIn(session_ids=(of,), encounter_id=encounter(TUESDAY), periods=((TUESDAY, TUESDAY + 3 * HOUR),))
    story.now = TUESDAY + 3 * HOUR
    story.then(came)
    assert story.outcome(TUESDAY) == "attended"
    assert starts(story.until(story.now + HOUR), SessionMissed) == []


def test_what_moves_again_by_its_first_id_moves_on_from_where_it_is() -> None:
    story = moved()
    emitted = story.then(move(SECOND_MONDAY, TUESDAY + HOUR))
    assert starts(emitted, SessionCancelled) == [TUESDAY]
    assert starts(emitted, SessionScheduled) == [TUESDAY + HOUR]


def test_what_moves_back_is_the_same_session_again() -> None:
    story = moved()
    emitted = story.then(move(SECOND_MONDAY, SECOND_MONDAY))
    assert starts(emitted, SessionCancelled) == [TUESDAY]
    assert [each.session_id for each in only(emitted, SessionScheduled)] == [session(SECOND_MONDAY)]


def test_a_session_may_be_moved_by_less_than_its_length() -> None:
    assert starts(moved(SECOND_MONDAY + HOUR).all_emitted, SessionCancelled) == [SECOND_MONDAY]


def test_a_session_that_was_moved_is_not_booked_again_by_the_plan() -> None:
    story = moved()
    story.attending_until(SECOND_MONDAY - HOUR)
    assert SECOND_MONDAY not in [each.start for each in story.planned]


def test_a_calendar_that_changes_leaves_it_where_it_went() -> None:
    story = moved()
    learns(story, closing(SECOND_WEDNESDAY))
    story.then(TIME_PASSED)
    assert story.outcome(TUESDAY) == "planned"


def test_a_week_that_is_planned_again_has_it_at_its_own_time() -> None:
    """Called off for another week where it had moved to, it is not lost."""
    story = moved()
    story.then(replanned(EPISODE, TAPERED, story.now))
    assert story.outcome(TUESDAY) == "cancelled"
    story.then(replanned(EPISODE, EVENINGS, story.now + HOUR))
    assert SECOND_MONDAY in [each.start for each in story.planned]
    assert TUESDAY not in [each.start for each in story.planned]


def test_a_week_counts_the_session_where_it_is_held() -> None:
    story = moved()
    assert only(story.attending_until(evening(2, 2, 12)), WeeklyHoursFellShort) == []


@pytest.mark.parametrize(
    ("to", "hours", "refused"),
    [
        (TUESDAY, 2, ("business-rule", "Appointment.end")),
        (TUESDAY + timedelta(seconds=30), None, ("business-rule", "Appointment.start")),
        (MONDAY - 12 * HOUR, 3, ("business-rule", "Appointment.start")),
        (evening(52, 1), 3, ("business-rule", "Appointment.start")),
        (SECOND_WEDNESDAY + HOUR, 3, ("conflict", "Appointment.start")),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_its_place(
    to: datetime, hours: int | None, refused: tuple[str, str]
) -> None:
    """Another length, half a minute, the past, what is not booked yet, another session of the patient's."""
    story = Story(admitted())
    story.then(move(SECOND_MONDAY, to, hours))
    assert refusal(story) == refused


def test_a_slot_that_one_session_left_is_not_taken_by_another() -> None:
    """Its id still leads to the session that left."""
    story = Story(admitted())
    story.then(move(MONDAY, evening(0, 1)), move(SECOND_MONDAY, MONDAY))
    assert refusal(story) == ("conflict", "Appointment.start")


def test_a_closed_day_is_refused() -> None:
    story = Story(admitted(), calendar=closing(TUESDAY))
    story.then(move(SECOND_MONDAY, TUESDAY))
    assert refusal(story) == ("conflict", "Appointment.start")


def test_what_has_begun_is_reported_called_off_or_over_does_not_move() -> None:
    for before, now in (
        ((), MONDAY),
        ((check_in(MONDAY, 30),), MONDAY + HOUR),
        ((ConfirmAttendance(session_id=session(MONDAY), held=False),), MONDAY - HOUR),
        ((CallOffSession(session_id=session(MONDAY)),), MONDAY - HOUR),
        ((discharged(evening(0, 0, 10)),), MONDAY - HOUR),
    ):
        story = Story(admitted())
        story.until(now)
        story.then(*before)
        story.then(move(MONDAY, evening(0, 1)))
        assert refusal(story) == ("conflict", story.refused.expression if story.refused else "")
        assert starts(story.all_emitted, SessionScheduled).count(evening(0, 1)) == 0


MOVES = some.lists(
    some.tuples(some.integers(0, 12), some.integers(-50, 330).map(lambda hours: MONDAY + hours * HOUR)), max_size=12
)


@settings(max_examples=examples(50))
@given(stories(), MOVES)
def test_however_often_they_move_nobody_is_in_two_rooms_and_each_is_held_once(
    story: Story, moves: list[tuple[int, datetime]]
) -> None:
    """What has begun, and what was reported, stays; each id leads to one session; the same again changes nothing."""
    begun = [each for each in story.state.sessions if each.start <= story.now or each.presences]
    count = len(story.planned)
    for number, to in moves:
        if (episode := story.state.episode) is None or number >= len(story.state.sessions):
            continue
        command = MoveSession(session_id=episode.session_id(story.state.sessions[number]), start=to)
        story.then(command)
        state = story.state
        assert story.then(command) == [] and story.state == state
    sessions = story.state.sessions
    assert [each for each in sessions if each.place in {one.place for one in begun}] == begun
    assert len(story.planned) == count
    assert story.state.episode is None or overlapping(story.state.episode, sessions, story.now) == []
    ends = [where_it_went(each, sessions) for each in sessions if each.mark == "moved"]
    assert all(each.mark != "moved" for each in ends)
    episode = story.state.episode
    left = {episode.session_id(each) for each in sessions if each.mark == "moved"} if episode is not None else set()
    missed = only(story.until(story.now + 30 * DAY), SessionMissed)
    assert left.isdisjoint(each.session_id for each in missed)
