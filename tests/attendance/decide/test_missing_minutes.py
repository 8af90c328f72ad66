"""Minutes that never come, and weeks that nobody could fill."""

from datetime import timedelta

import msgspec

from services.attendance.messages import (
    CallOffSession,
    ConfirmAttendance,
    SessionAttended,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WeeklyHoursUnknown,
)
from tests.attendance.given import MONDAY, SECOND_MONDAY, admitted, check_in, discharged, evening, session
from tests.attendance.story import Story, changed, refusal
from tests.story import only

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def unreported_week() -> Story:
    """Somebody came on the second Monday, and nobody has reported how long they stayed."""
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.until(SECOND_MONDAY)
    story.then(check_in(SECOND_MONDAY, None))
    return story


def test_an_encounter_open_a_day_after_its_session_asks_for_its_minutes() -> None:
    story = unreported_week()
    end = SECOND_MONDAY + 3 * HOUR
    assert changed(story.until(end + DAY - timedelta(seconds=1))) == []
    assert changed(story.until(end + DAY)) == [("Raised", "report-minutes", 1)]
    assert changed(story.then(check_in(SECOND_MONDAY)))[0] == ("Retracted", "report-minutes", 1)


def test_a_week_with_an_open_encounter_is_unknown_after_three_days_and_never_zero() -> None:
    story = unreported_week()
    assert only(story.attending_until(evening(2, 2, 23)), WeeklyHoursUnknown) == []
    emitted = story.attending_until(evening(2, 3, 1))
    (unknown,) = only(emitted, WeeklyHoursUnknown)
    assert unknown.minutes == 360 and only(emitted, WeeklyHoursFellShort) == []
    assert [each.minutes for each in only(story.then(check_in(SECOND_MONDAY)), WeeklyHoursCorrected)] == [540]


def test_an_unknown_week_is_short_once_its_minutes_are_too_few() -> None:
    story = unreported_week()
    story.attending_until(evening(2, 3, 1))
    assert [each.minutes for each in only(story.then(check_in(SECOND_MONDAY, 60)), WeeklyHoursFellShort)] == [420]


def test_a_week_that_the_program_could_not_offer_is_not_short() -> None:
    story = Story(admitted(), CallOffSession(session_id=session(SECOND_MONDAY)))
    assert only(story.attending_until(evening(2, 4)), WeeklyHoursFellShort) == []


def test_a_week_booked_too_late_is_not_short() -> None:
    """The admission of Monday became known on the next Wednesday."""
    story = Story()
    story.now = evening(1, 2, 9)
    story.then(admitted())
    assert only(story.attending_until(evening(2, 4)), WeeklyHoursFellShort) == []


def test_a_discharge_that_becomes_known_late_takes_the_weeks_after_it_back() -> None:
    story = Story(admitted())
    story.attending_until(evening(1, 0, 9))
    left = story.now
    assert len(only(story.until(evening(2, 2, 9)), WeeklyHoursFellShort)) == 1
    emitted = story.then(discharged(left))
    assert len(only(emitted, WeeklyHoursCorrected)) == 1


def confirmed(counts_as: str, held: bool = True) -> Story:
    story = Story(admitted(), appointment_counts_as=counts_as)
    story.until(MONDAY + 3 * HOUR)
    story.then(ConfirmAttendance(session_id=session(MONDAY), held=held))
    return story


def test_what_an_appointment_counts_for_is_a_setting() -> None:
    assert confirmed("minutes").minutes(MONDAY) == 180
    assert confirmed("minutes", held=False).outcome(MONDAY) == "present"
    assert confirmed("arrival").outcome(MONDAY) == "present"
    assert refusal(confirmed("nothing")) == ("not-supported", "Appointment.status")


def test_an_encounter_says_more_than_its_appointment() -> None:
    story = confirmed("minutes")
    emitted = story.then(msgspec.structs.replace(check_in(MONDAY, 60)))
    assert [each.minutes for each in only(emitted, SessionAttended)] == [60] and story.minutes(MONDAY) == 60


def test_an_appointment_arrives_no_day_early() -> None:
    story = Story(admitted())
    story.then(ConfirmAttendance(session_id=session(SECOND_MONDAY), held=False))
    assert refusal(story) == ("business-rule", "Appointment.status")
