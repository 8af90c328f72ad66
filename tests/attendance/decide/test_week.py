"""The hours of a week, looked at once."""

from datetime import timedelta

import pytest

from services.attendance.messages import CallOffSession, CheckIn, SessionAttended, WeeklyHoursFellShort, WeeksChanged
from shared.events.intake import TemplateSlot
from tests.attendance.given import (
    EVENINGS,
    GRACE,
    SECOND_MONDAY,
    admitted,
    check_in,
    encounter,
    evening,
    paying,
    session,
)
from tests.attendance.story import Story
from tests.story import only

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_a_week_below_its_hours_is_said_once_late_check_ins_are_over() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    story.attending_until(evening(2, 0, 1))
    assert only(story.attending_until(evening(2, 0, 23)), WeeklyHoursFellShort) == []
    (short,) = only(story.attending_until(evening(2, 1, 0)), WeeklyHoursFellShort)
    assert (short.week_start, short.week_end) == (evening(1, 0, 0), evening(2, 0, 0))
    assert (short.minutes, short.minimum_minutes) == (360, 540)


def test_a_week_of_nine_hours_is_enough() -> None:
    story = Story(admitted())
    emitted = story.attending_until(evening(4, 0))
    assert (
        only(emitted, WeeklyHoursFellShort) == []
        and len([each for each in only(emitted, WeeksChanged) if each.weeks]) == 2
    )


def test_the_first_partial_week_is_not_looked_at() -> None:
    story = Story()
    story.now = evening(0, 3, 12)
    story.then(admitted(at=story.now))
    assert only(story.attending_until(evening(1, 4)), WeeklyHoursFellShort) == []


def test_minutes_of_a_late_check_in_count_for_their_week() -> None:
    story = Story(admitted())
    story.attending_until(evening(1, 4))
    story.missing(evening(1, 4))
    story.then(check_in(evening(1, 4)))
    assert only(story.attending_until(evening(2, 4)), WeeklyHoursFellShort) == []


def test_a_week_is_not_closed_while_its_absences_are_deferred() -> None:
    """Back after ten days of deafness: the hours of the week are not short by silence that nobody heard."""
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY - DAY)
    story.now = story.listening_since = evening(2, 2, 12)
    assert only(story.until(story.now), WeeklyHoursFellShort) == []
    story.then(*(check_in(evening(1, weekday)) for weekday in (0, 2, 4)))
    assert only(story.until(story.now + GRACE), WeeklyHoursFellShort) == []


OVERLAPPING = (*EVENINGS, TemplateSlot("individual", 0, "19:00", 120))
"""Two of Monday's three hours are those of a second session."""


def in_both(story: Story, minutes: int) -> list[SessionAttended]:
    """One Encounter for both sessions of the second Monday."""
    names = (session(SECOND_MONDAY), session(SECOND_MONDAY + HOUR, 3))
    period = (SECOND_MONDAY, SECOND_MONDAY + timedelta(minutes=minutes))
    story.until(SECOND_MONDAY + 3 * HOUR)
    came = CheckIn(session_ids=names, encounter_id=encounter(SECOND_MONDAY), periods=(period,))
    return only(story.then(came), SessionAttended)


def test_minutes_in_two_sessions_at_once_count_once_in_the_encounter_and_in_the_week() -> None:
    story = Story(admitted(template=OVERLAPPING))
    assert {each.minutes for each in in_both(story, 180)} == {180}
    (short,) = only(story.until(evening(2, 1, 0)), WeeklyHoursFellShort)
    assert short.minutes == 180


@pytest.mark.parametrize(("minimum_minutes", "is_short"), [(360, True), (361, False)])
def test_a_week_whose_sessions_overlap_offers_their_time_once(minimum_minutes: int, is_short: bool) -> None:
    """Without Friday there are six hours to fill, though the sessions add up to eight."""
    story = Story(admitted(template=OVERLAPPING), payers=paying(least_minutes=minimum_minutes))
    story.until(SECOND_MONDAY)
    story.then(CallOffSession(session_id=session(evening(1, 4))))
    in_both(story, 180)
    assert (only(story.until(evening(2, 1, 0)), WeeklyHoursFellShort) != []) == is_short
