"""A patient's week as it is shown: minutes delivered and still to come, and what became of each session."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from deploy.sessions import Week, read_week, week_lines
from services.attendance.edge.week import week
from shared.edge.fhir import validate
from shared.edge.outcome import HttpRefusal
from tests.attendance.given import MONDAY, NEW_YORK, SETTINGS, admitted, check_in, evening, paying
from tests.attendance.story import Story
from tests.attendance.test_edge import CONTEXT

WEDNESDAY = evening(0, 2)


def shown(story: Story, now: datetime, at: datetime | None = None) -> Week:
    parameters = week(story.state, replace(CONTEXT, now=now, settings=story.settings), at or now)
    assert not validate(parameters)
    return read_week(parameters)


@pytest.mark.parametrize(
    ("days", "days_later", "text"),
    [
        (-8, 0, "No stay of this patient is known in that week."),
        (21, 0, "That week is not booked yet: it is 14 days ahead."),
        (0, 8 + SETTINGS.correction_days, "That week is remembered no more; its sessions: Appointment?patient=&date=."),
    ],
)
def test_a_week_of_which_nothing_is_known_is_refused_and_not_shown_as_empty(
    days: int, days_later: int, text: str
) -> None:
    with pytest.raises(HttpRefusal) as refused:
        shown(Story(admitted()), MONDAY + timedelta(days=days_later), MONDAY + timedelta(days=days))
    assert (refused.value.status, refused.value.issues[0].diagnostics) == (404, text)


def test_next_week_is_shown_as_it_is_booked() -> None:
    found = shown(Story(admitted()), MONDAY, MONDAY + timedelta(days=7))
    assert (found.delivered_minutes, found.projected_minutes) == (0, 540)


def test_delivered_is_never_more_than_projected_and_an_open_session_counts_whole() -> None:
    story = Story(admitted())
    story.attending_until(WEDNESDAY)
    story.then(check_in(WEDNESDAY, None))
    found = shown(story, WEDNESDAY + timedelta(hours=1))
    assert (found.delivered_minutes, found.projected_minutes) == (180, 540)
    assert [each.state for each in found.sessions] == ["attended", "present", "planned"]
    assert "180 delivered, 540 projected of 540 minutes" in week_lines(found, NEW_YORK)[0]


def test_what_was_missed_is_projected_no_more() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    found = shown(story, story.now)
    assert (found.delivered_minutes, found.projected_minutes) == (0, 360)


def test_days_are_shown_where_who_pays_asks_for_some() -> None:
    story = Story(admitted(), payers=paying(least_days=3))
    story.attending_until(WEDNESDAY)
    story.missing(WEDNESDAY)
    found = shown(story, story.now)
    assert (found.delivered_days, found.projected_days, found.least_days, found.missing_days) == (1, 2, 3, 1)
    assert week_lines(found, NEW_YORK)[0].endswith("; 1 delivered, 2 projected of 3 days")
