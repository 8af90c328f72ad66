"""The end of a stay, and what is repeated."""

from datetime import timedelta

from services.attendance.messages import EpisodeForgotten, SessionCancelled, SessionScheduled
from services.attendance.state import State
from shared.events.escalation import EscalationResolved
from tests.attendance.given import (
    ADMISSION,
    FRIDAY,
    MONDAY,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    SETTINGS,
    WEDNESDAY,
    admitted,
    check_in,
    discharged,
    evening,
    excused,
    in_error,
    session,
)
from tests.attendance.story import Story, starts
from tests.story import only

DAY = timedelta(days=1)


def test_discharge_cancels_what_is_planned_and_closes_what_is_open() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    emitted = story.then(discharged(story.now))
    cancelled = only(emitted, SessionCancelled)
    assert [each.start for each in cancelled] == [WEDNESDAY, FRIDAY, SECOND_MONDAY, SECOND_WEDNESDAY, evening(1, 4)]
    assert {each.reason for each in cancelled} == {"episode-discharged"}
    (resolved,) = only(emitted, EscalationResolved)
    assert (resolved.reason, resolved.by) == ("episode-discharged", None)
    assert story.escalations == {}


def test_a_closed_episode_misses_and_books_nothing_more() -> None:
    story = Story(admitted())
    story.until(ADMISSION + timedelta(hours=1))
    story.then(discharged(story.now))
    assert story.until(story.now + (SETTINGS.retention_days - 1) * DAY) == []


def test_a_closed_episode_is_forgotten_after_thirty_days() -> None:
    story = Story(admitted(), discharged(ADMISSION))
    assert story.until(ADMISSION + 30 * DAY - timedelta(seconds=1)) == []
    assert [type(each) for each in story.until(ADMISSION + 30 * DAY)] == [EpisodeForgotten]
    assert story.state == State(left=True)


def test_the_discharge_of_another_episode_changes_nothing() -> None:
    story = Story(admitted())
    before = story.state
    assert story.then(discharged(ADMISSION, episode=session(MONDAY))) == []
    assert story.state == before


def test_a_second_stay_begins_with_a_clean_sheet() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    story.then(discharged(story.now))
    story.now = evening(1, 0, 9)
    emitted = story.then(admitted(at=story.now, episode=session(WEDNESDAY)))
    assert starts(emitted, SessionScheduled)[0] == SECOND_MONDAY
    assert {each.outcome for each in story.state.sessions} == {"planned"}


def test_the_same_admission_again_says_nothing() -> None:
    story = Story(admitted())
    before = story.state
    assert story.then(admitted()) == []
    assert story.state == before


def test_an_older_admission_does_not_replace_the_newer_stay() -> None:
    story = Story(admitted(), discharged(ADMISSION + DAY))
    story.now = evening(1, 0, 9)
    story.then(admitted(at=story.now, episode=session(WEDNESDAY)))
    before = story.state
    assert story.then(admitted()) == []
    assert story.state == before


def test_the_same_discharge_again_says_nothing() -> None:
    story = Story(admitted(), discharged(ADMISSION))
    assert story.then(discharged(ADMISSION)) == []


def test_the_same_excuse_again_says_nothing() -> None:
    story = Story(admitted(), excused(MONDAY))
    assert story.then(excused(MONDAY)) == []


def test_the_same_late_check_in_again_says_nothing() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    story.then(check_in(MONDAY, None, story.now))
    assert story.then(check_in(MONDAY, None, story.now)) == []


def test_an_absence_excused_after_a_stay_that_had_ended_unheard_of_was_never_owed() -> None:
    """The discharge is heard of last: the session that it found excused ends as one that it found planned."""
    story = Story(admitted())
    story.until(WEDNESDAY + DAY)
    story.then(excused(WEDNESDAY, "illness"), discharged(MONDAY + DAY))
    assert story.outcome(WEDNESDAY) == "cancelled" and story.outcome(MONDAY) == "missed"


def test_presence_taken_back_after_the_stay_leaves_no_miss() -> None:
    story = Story(admitted())
    story.until(WEDNESDAY + DAY)
    story.then(check_in(MONDAY), check_in(WEDNESDAY), discharged(MONDAY + DAY))
    emitted = story.then(in_error(WEDNESDAY), in_error(MONDAY))
    assert starts(only(emitted, SessionCancelled), SessionCancelled) == [WEDNESDAY]
    story.until(WEDNESDAY + 2 * DAY)
    assert story.outcome(WEDNESDAY) == "cancelled" and story.outcome(MONDAY) == "missed"
