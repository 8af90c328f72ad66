"""A session begun before the discharge; clocks that are changed."""

from datetime import timedelta

from services.attendance.messages import (
    AttendanceCorrected,
    EpisodeForgotten,
    SessionAttended,
    SessionCancelled,
    SessionMissed,
)
from tests.attendance.given import GRACE, SETTINGS, SETTLED, WEDNESDAY, admitted, check_in, discharged, evening, session
from tests.attendance.story import Story, changed, in_treatment, starts
from tests.story import only

DAY = timedelta(days=1)


def in_the_last_session() -> Story:
    """Discharged ten minutes into a session about which nobody said anything yet."""
    story = in_treatment()
    story.until(SETTLED[0] + timedelta(minutes=10))
    story.then(discharged(story.now))
    return story


def test_a_session_begun_before_the_discharge_keeps_its_minutes() -> None:
    story = in_the_last_session()
    story.until(story.now + timedelta(minutes=4))
    (attended,) = only(story.then(check_in(SETTLED[0], 120)), SessionAttended)
    assert attended.start == SETTLED[0]
    assert only(story.until(SETTLED[0] + DAY), SessionMissed) == []


def test_silence_about_a_session_begun_before_the_discharge_is_a_miss_that_asks_nobody() -> None:
    emitted = in_the_last_session().until(SETTLED[0] + GRACE)
    assert starts(emitted, SessionMissed) == [SETTLED[0]] and changed(emitted) == []


def test_a_late_check_in_after_the_discharge_corrects_the_miss() -> None:
    story = in_the_last_session()
    story.until(SETTLED[0] + timedelta(hours=3))
    emitted = story.then(check_in(SETTLED[0], 120))
    assert starts(emitted, AttendanceCorrected) == starts(emitted, SessionAttended) == [SETTLED[0]]


def test_a_discharge_told_later_takes_back_the_misses_after_it() -> None:
    story = in_treatment()
    left = story.now
    story.missing(*SETTLED[:2])
    emitted = story.then(discharged(left))
    assert starts(emitted, SessionCancelled)[:2] == list(SETTLED[:2])
    assert {event for event, _, _ in changed(emitted)} == {"Resolved"} and story.escalations == {}


def test_a_discharge_on_a_date_lasts_to_the_end_of_that_day() -> None:
    """It is told as the day's first moment; the evening's session may have been the last one."""
    story = in_treatment()
    story.missing(SETTLED[0])
    emitted = story.then(discharged(evening(2, 0, 0)))
    assert SETTLED[0] not in starts(emitted, SessionCancelled)
    assert starts(emitted, SessionCancelled)[0] == SETTLED[1]


def test_a_closed_episode_is_not_forgotten_while_a_session_waits() -> None:
    story = in_the_last_session()
    story.now = story.listening_since = SETTLED[0] + (SETTINGS.retention_days + 1) * DAY
    assert only(story.until(story.now), EpisodeForgotten) == []
    emitted = story.until(story.now + GRACE)
    assert len(only(emitted, SessionMissed)) == len(only(emitted, EpisodeForgotten)) == 1


def test_a_second_stay_leaves_no_session_of_the_first_booked() -> None:
    story = in_the_last_session()
    emitted = story.then(admitted(at=story.now, episode=session(WEDNESDAY)))
    assert starts(emitted, SessionCancelled) == [SETTLED[0]]


def test_seven_days_are_seven_days_in_the_week_of_a_clock_change() -> None:
    """Clocks go forward on Sunday 8 March 2026: from Monday at six to Monday at six are 167 hours."""
    story = Story()
    story.now = evening(6, 0, 9)
    story.then(admitted(at=story.now))
    story.missing(evening(8, 0), evening(9, 0))
    assert evening(9, 0) - evening(8, 0) == timedelta(hours=167)
    assert story.escalations == {"missed-session": 1}
