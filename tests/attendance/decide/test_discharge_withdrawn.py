"""A discharge that is taken back or corrected: what it retracted comes back."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import (
    DischargeWithdrawn,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
    WeeklyHoursFellShort,
)
from services.attendance.state import State
from shared.events.escalation import EscalationRaised
from tests.attendance.given import (
    FRIDAY,
    MONDAY,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    WEDNESDAY,
    admitted,
    check_in,
    discharged,
    evening,
    session,
)
from tests.attendance.story import Story
from tests.laws import examples
from tests.story import only

DAY = timedelta(days=1)
EVENINGS = [evening(week, weekday) for week in range(3) for weekday in (0, 2, 4)]


def taken_back(at: datetime, episode: str | None = None) -> DischargeWithdrawn:
    done = discharged(at)
    return DischargeWithdrawn(
        episode_id=episode or done.episode_id,
        encounter_id=done.encounter_id,
        plan_id="",
        admitted_at=done.admitted_at,
        withdrawn_at=at,
        client="ehr",
    )


def test_taken_back_sessions_ahead_take_place_and_those_called_off_meanwhile_stay_called_off() -> None:
    story = Story(admitted())
    story.attending_until(WEDNESDAY)
    story.then(discharged(WEDNESDAY - DAY), at=WEDNESDAY - DAY)
    emitted = story.then(taken_back(FRIDAY - DAY), at=FRIDAY - DAY)
    again = only(emitted, SessionScheduled)
    assert [each.start for each in again] == [FRIDAY, SECOND_MONDAY, SECOND_WEDNESDAY, evening(1, 4), evening(2, 0)]
    assert story.outcome(WEDNESDAY) == "cancelled"
    story.until(SECOND_MONDAY)
    assert story.outcome(FRIDAY) == "missed"


def test_the_misses_and_the_week_that_a_late_discharge_retracted_come_back_and_ask_again() -> None:
    story = Story(admitted())
    story.missing(WEDNESDAY, FRIDAY, SECOND_MONDAY, SECOND_WEDNESDAY, evening(1, 4), evening(2, 0))
    story.until(evening(2, 1))
    before = story.escalations
    assert before
    retracted = story.then(discharged(WEDNESDAY - DAY))
    assert only(retracted, SessionCancelled) and story.escalations == {}
    emitted = story.then(taken_back(story.now))
    missed = [each.start for each in only(emitted, SessionMissed)]
    assert missed == [WEDNESDAY, FRIDAY, SECOND_MONDAY, SECOND_WEDNESDAY, evening(1, 4), evening(2, 0)]
    assert [each.week_start for each in only(emitted, WeeklyHoursFellShort)] == [SECOND_MONDAY.replace(hour=5)]
    assert only(emitted, EscalationRaised) and story.escalations.keys() == before.keys()


def test_taken_back_for_another_stay_or_one_that_is_open_nothing_changes() -> None:
    story = Story(admitted())
    assert story.then(taken_back(story.now)) == []
    story.then(discharged(story.now))
    assert story.then(taken_back(story.now, session(MONDAY))) == []
    story.then(taken_back(story.now))
    assert story.then(taken_back(story.now)) == []


def test_the_stay_books_on_and_may_end_again() -> None:
    story = Story(admitted())
    story.then(discharged(WEDNESDAY), at=WEDNESDAY + DAY)
    story.then(taken_back(FRIDAY + 20 * DAY), at=FRIDAY + 20 * DAY)
    booked = only(story.until(FRIDAY + 21 * DAY), SessionScheduled)
    assert booked and all(each.start > FRIDAY + 20 * DAY for each in booked)
    assert only(story.then(discharged(story.now)), SessionCancelled)


def test_a_discharge_corrected_to_a_later_day_brings_the_misses_until_then_back() -> None:
    story = Story(admitted())
    story.missing(WEDNESDAY, FRIDAY)
    story.then(discharged(WEDNESDAY - DAY))
    emitted = story.then(discharged(FRIDAY - DAY))
    assert [each.start for each in only(emitted, SessionMissed)] == [WEDNESDAY]
    assert (story.outcome(WEDNESDAY), story.outcome(FRIDAY)) == ("missed", "cancelled")
    assert story.escalations == {}
    assert story.then(discharged(FRIDAY - DAY)) == []


@settings(max_examples=examples(60))
@given(
    came=some.lists(some.booleans(), min_size=9, max_size=9),
    day=some.integers(1, 20),
    late=some.integers(0, 14),
)
def test_a_discharge_taken_back_at_once_leaves_the_stay_as_if_nobody_had_been_discharged(
    came: list[bool], day: int, late: int
) -> None:
    now = MONDAY + day * DAY + timedelta(hours=12)
    story = Story(admitted())
    for start, there in zip(EVENINGS, came, strict=True):
        if start < now and there:
            story.until(start)
            story.then(check_in(start))
    story.until(now)
    before, asked = story.state, story.escalations
    story.then(discharged(max(now - late * DAY, MONDAY - timedelta(hours=4))), at=now)
    story.then(taken_back(now), at=now)
    assert outcomes(story.state) == outcomes(before)
    assert story.state.weeks == before.weeks
    assert story.escalations.keys() == asked.keys()


def outcomes(state: State) -> list[tuple[datetime, str]]:
    return sorted((each.start, each.outcome) for each in state.sessions)
