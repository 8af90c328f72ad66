"""Silence becomes a miss, or is deferred where nobody could have been heard."""

from datetime import timedelta

import pytest

from services.attendance.messages import (
    AttendanceCorrected,
    MarkMissed,
    SessionCheckedIn,
    SessionMissed,
)
from services.attendance.state import due
from tests.attendance.given import (
    ADMISSION,
    FRIDAY,
    GRACE,
    MONDAY,
    SETTLED,
    WEDNESDAY,
    admitted,
    check_in,
    evening,
    session,
)
from tests.attendance.story import Story, changed, in_treatment, refusal, starts
from tests.story import only

DAY = timedelta(days=1)


def test_nobody_said_anything_by_the_deadline_so_the_session_was_missed() -> None:
    story = Story(admitted())
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


def test_a_moment_before_the_deadline_nothing_is_missed() -> None:
    story = Story(admitted())
    assert only(story.until(MONDAY + GRACE - timedelta(seconds=1)), SessionMissed) == []
    assert story.outcome(MONDAY) == "planned"


@pytest.mark.parametrize("minutes", [None, 180])
def test_who_came_is_not_missed(minutes: int | None) -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, minutes))
    assert only(story.until(MONDAY + GRACE), SessionMissed) == []


def test_silence_that_nobody_could_have_heard_is_no_absence() -> None:
    story = Story(admitted())
    story.listening_since = back = MONDAY + timedelta(minutes=10)
    emitted = story.until(MONDAY + GRACE)
    assert due(story.state) == back + GRACE
    assert only(emitted, SessionMissed) == []
    assert starts(story.until(back + GRACE), SessionMissed) == [MONDAY]


def test_an_absence_is_deferred_again_as_often_as_listening_stops() -> None:
    story = Story(admitted())
    for minutes in (10, 20, 30):
        story.listening_since = MONDAY + timedelta(minutes=minutes)
        assert only(story.until(story.listening_since + timedelta(minutes=14)), SessionMissed) == []
    assert starts(story.until(MONDAY + timedelta(minutes=45)), SessionMissed) == [MONDAY]


def test_a_check_in_while_the_absence_is_deferred_counts() -> None:
    story = Story(admitted())
    story.listening_since = MONDAY + timedelta(minutes=10)
    story.until(MONDAY + GRACE)
    emitted = story.then(check_in(MONDAY, None))
    assert starts(emitted, SessionCheckedIn) == [MONDAY] and only(emitted, AttendanceCorrected) == []
    assert only(story.until(MONDAY + 4 * GRACE), SessionMissed) == []


def test_days_of_deafness_lose_no_session_and_conclude_in_order() -> None:
    story = Story(admitted())
    story.until(evening(0, 0, 12))
    story.now = story.listening_since = evening(0, 5, 12)
    deferred = story.until(story.now)
    assert only(deferred, SessionMissed) == [] and due(story.state) == story.now + GRACE
    assert starts(story.until(story.now + GRACE), SessionMissed) == [MONDAY, WEDNESDAY, FRIDAY]


def test_no_session_is_forgotten_before_it_is_decided() -> None:
    """Twenty days of deafness are longer than the past that is remembered."""
    story = Story(admitted())
    story.now = story.listening_since = ADMISSION + 20 * DAY
    story.until(story.now)
    assert starts(story.until(story.now + GRACE), SessionMissed)[0] == MONDAY


def test_a_deferral_is_forgotten_once_it_is_decided() -> None:
    story = Story(admitted())
    story.listening_since = MONDAY + timedelta(minutes=10)
    story.until(MONDAY + 2 * GRACE)
    assert {each.deferred_until for each in story.state.sessions} == {0}


def test_only_the_flags_that_grade_a_miss_are_kept() -> None:
    story = Story(admitted("pregnant", "opioid-history"))
    assert story.state.episode is not None and story.state.episode.flags == ("opioid-history",)


def test_a_setting_changed_later_moves_no_deadline_of_what_is_booked() -> None:
    story = Story(admitted())
    story.settings = Story(grace_minutes=1).settings
    assert only(story.until(MONDAY + timedelta(minutes=14)), SessionMissed) == []


def test_a_person_may_call_a_started_session_missed() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + timedelta(minutes=5))
    emitted = story.then(MarkMissed(session_id=session(SETTLED[0])))
    assert starts(emitted, SessionMissed) == [SETTLED[0]]
    assert changed(emitted) == [("Raised", "missed-session", 1)]
    assert story.then(MarkMissed(session_id=session(SETTLED[0]))) == []


def test_a_session_that_has_not_begun_cannot_be_called_missed() -> None:
    story = Story(admitted())
    assert story.then(MarkMissed(session_id=session(MONDAY))) == []
    assert refusal(story) == ("conflict", "Appointment.status")
