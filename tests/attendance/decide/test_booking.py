"""Sessions are booked from the template, two weeks ahead, at their local hour."""

from datetime import timedelta

import pytest

from services.attendance.messages import BookedUntil, SessionScheduled
from shared.events.intake import TemplateSlot
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    MONDAY,
    NEW_YORK,
    SECOND_MONDAY,
    WEDNESDAY,
    admitted,
    evening,
    session,
)
from tests.attendance.story import Story, starts
from tests.story import only

DAY = timedelta(days=1)


def test_admission_books_fourteen_days_from_the_template() -> None:
    emitted = Story().then(admitted())
    assert starts(emitted, SessionScheduled) == [evening(week, weekday) for week in (0, 1) for weekday in (0, 2, 4)]
    (first, *_) = only(emitted, SessionScheduled)
    assert (first.session_id, first.episode_id, first.kind) == (session(MONDAY), EPISODE, "group")
    assert first.end - first.start == timedelta(hours=3)


def test_a_session_before_admission_is_not_booked() -> None:
    story = Story()
    story.now = evening(0, 0, 20)
    assert starts(story.then(admitted(at=story.now)), SessionScheduled)[0] == WEDNESDAY


def test_an_admission_heard_late_books_from_now_on() -> None:
    story = Story()
    story.now = evening(1, 0, 12)
    assert starts(story.then(admitted()), SessionScheduled)[0] == SECOND_MONDAY


def test_every_day_one_more_day_is_booked() -> None:
    story = Story(admitted())
    emitted = story.attending_until(ADMISSION + 7 * DAY)
    assert starts(emitted, SessionScheduled) == [evening(2, 0), evening(2, 2), evening(2, 4)]
    assert len(only(emitted, BookedUntil)) == 7
    assert max(each.start for each in story.state.sessions) <= story.now + 14 * DAY


def test_booking_on_after_a_long_silence_books_nothing_in_the_past() -> None:
    story = Story(admitted())
    story.now = evening(3, 1)
    assert min(starts(story.until(story.now), SessionScheduled)) > evening(3, 1)


def test_a_slot_every_two_weeks_falls_on_the_first_and_third_week_of_the_episode() -> None:
    family = TemplateSlot("family", 3, "17:00", 60, 2)
    story = Story(admitted(template=(family,)))
    story.until(ADMISSION + 21 * DAY)
    story_starts = sorted(each.start for each in story.state.sessions)
    assert story_starts[-2:] == [evening(2, 3, 17), evening(4, 3, 17)]


@pytest.mark.parametrize(("week", "utc_before", "utc_after"), [(9, 23, 22), (43, 22, 23)])
def test_a_clock_change_keeps_the_local_hour(week: int, utc_before: int, utc_after: int) -> None:
    """Clocks change in New York on Sunday 8 March and on Sunday 1 November 2026."""
    day = evening(week - 1, 0, 9)
    story = Story()
    story.now = day
    (before, _, _, after, *_) = starts(story.then(admitted(at=day)), SessionScheduled)
    assert (before.hour, after.hour) == (utc_before, utc_after)
    assert {each.astimezone(NEW_YORK).hour for each in (before, after)} == {18}
