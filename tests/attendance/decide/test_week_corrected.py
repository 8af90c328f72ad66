"""The hours of a week, once it was looked at."""

from datetime import timedelta

import pytest

from services.attendance.messages import CheckIn, WeeklyHoursCorrected, WeeklyHoursFellShort, WithdrawCheckIn
from shared.events.attendance import WeekEvent
from tests.attendance.given import MONDAY, SECOND_MONDAY, admitted, check_in, discharged, evening, in_error, paying
from tests.attendance.story import Story
from tests.story import only

DAY = timedelta(days=1)


def short_week() -> Story:
    """The second week is short: its Monday was missed, and the week was looked at."""
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    story.attending_until(evening(2, 1, 12))
    return story


def test_late_minutes_that_bring_the_week_to_its_hours_take_the_finding_back() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    (short,) = only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort)
    (back,) = only(story.then(check_in(SECOND_MONDAY)), WeeklyHoursCorrected)
    assert (back.issue_id, back.week_start, back.week_end) == (short.issue_id, short.week_start, short.week_end)
    assert (back.minutes, back.minimum_minutes) == (540, 540)


def test_late_minutes_that_are_not_enough_say_the_same_finding_with_more() -> None:
    story = short_week()
    (again,) = only(story.then(check_in(SECOND_MONDAY, 60)), WeeklyHoursFellShort)
    assert again.minutes == 420
    (back,) = only(story.then(check_in(SECOND_MONDAY, 180)), WeeklyHoursCorrected)
    assert back.issue_id == again.issue_id


def test_a_late_check_in_without_minutes_leaves_the_finding_alone() -> None:
    emitted = short_week().then(check_in(SECOND_MONDAY, None))
    assert only(emitted, WeeklyHoursFellShort) == [] and only(emitted, WeeklyHoursCorrected) == []


@pytest.mark.parametrize("correction", [check_in(SECOND_MONDAY, 90), in_error(SECOND_MONDAY)])
def test_a_week_is_found_short_when_minutes_turn_out_to_be_fewer(correction: CheckIn | WithdrawCheckIn) -> None:
    story = Story(admitted())
    assert only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort) == []
    (short,) = only(story.then(correction), WeeklyHoursFellShort)
    assert short.minutes == 360 + (90 if isinstance(correction, CheckIn) else 0)
    assert [type(each) for each in story.then(check_in(SECOND_MONDAY)) if isinstance(each, WeekEvent)] == [
        WeeklyHoursCorrected
    ]


def test_minutes_of_the_first_partial_week_are_in_no_finding() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    story.attending_until(evening(2, 1, 12))
    assert only(story.then(check_in(MONDAY)), WeekEvent) == []


def test_a_changed_setting_does_not_change_what_a_week_needed() -> None:
    story = short_week()
    story.settings = Story(payers=paying(least_minutes=360)).settings
    assert [each.minimum_minutes for each in only(story.then(check_in(SECOND_MONDAY, 60)), WeekEvent)] == [540]


def test_a_whole_week_before_the_discharge_is_looked_at_and_the_last_part_of_one_is_not() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    story.attending_until(evening(2, 0, 9))
    story.then(discharged(story.now))
    short = only(story.until(story.now + 20 * DAY), WeeklyHoursFellShort)
    assert [each.week_start for each in short] == [evening(1, 0, 0)]
