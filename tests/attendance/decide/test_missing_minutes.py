"""Minutes that never come, and weeks that nobody could fill."""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.attendance.messages import (
    AttendanceCorrected,
    CallOffSession,
    CheckIn,
    ConfirmAttendance,
    ResolveEscalation,
    SessionAttended,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WeeklyHoursUnknown,
)
from tests.attendance.given import (
    GRACE,
    MONDAY,
    SECOND_MONDAY,
    admitted,
    check_in,
    discharged,
    encounter,
    evening,
    present,
    session,
)
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


def over(start: datetime, until: datetime | None = None, came_at: datetime | None = None) -> CheckIn:
    """A finished Encounter that doesn't tell for how long."""
    return CheckIn(
        session_ids=(session(start),),
        encounter_id=encounter(start),
        periods=((came_at or start, until),),
        minutes_known=False,
    )


@pytest.mark.parametrize("until", [None, SECOND_MONDAY + HOUR])
def test_an_encounter_that_is_over_without_its_minutes_takes_the_miss_back_and_asks_for_them_at_once(
    until: datetime | None,
) -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.until(SECOND_MONDAY + 4 * HOUR)
    assert story.outcome(SECOND_MONDAY) == "missed"
    emitted = story.then(over(SECOND_MONDAY, until))
    assert only(emitted, AttendanceCorrected) and story.then(over(SECOND_MONDAY, until)) == []
    assert (story.outcome(SECOND_MONDAY), story.minutes(SECOND_MONDAY)) == ("present", 0)
    assert story.escalations == {"report-minutes": 1}
    assert changed(story.then(check_in(SECOND_MONDAY, 50)))[0] == ("Retracted", "report-minutes", 1)
    assert story.minutes(SECOND_MONDAY) == 50


def test_minutes_that_a_person_has_answered_for_are_asked_for_again_by_another_report_without_them() -> None:
    story = unreported_week()
    story.until(SECOND_MONDAY + 3 * HOUR + DAY)
    story.then(ResolveEscalation(escalation_id=story.open_id("report-minutes"), reason="acted-on"))
    assert story.then(check_in(SECOND_MONDAY, None)) == [] and story.escalations == {}
    later = over(SECOND_MONDAY, SECOND_MONDAY + HOUR)
    assert changed(story.then(later)) == [("Raised", "report-minutes", 1)]
    story.then(ResolveEscalation(escalation_id=story.open_id("report-minutes"), reason="acted-on"))
    assert story.then(later) == []
    assert changed(story.then(present(SECOND_MONDAY, SECOND_MONDAY, None))) == [("Raised", "report-minutes", 1)]


def test_minutes_of_a_session_that_still_lasts_are_asked_for_when_it_ends() -> None:
    story = Story(admitted())
    story.until(MONDAY + HOUR)
    story.then(over(MONDAY))
    assert changed(story.until(MONDAY + 3 * HOUR - timedelta(seconds=1))) == []
    assert changed(story.until(MONDAY + 3 * HOUR)) == [("Raised", "report-minutes", 1)]


@pytest.mark.parametrize(
    ("came_at", "until"),
    [(MONDAY - 3 * HOUR, None), (MONDAY + 3 * HOUR, None), (MONDAY - HOUR, MONDAY), (MONDAY - 9 * HOUR, MONDAY)],
)
def test_without_minutes_who_may_have_been_elsewhere_hides_no_absence(
    came_at: datetime, until: datetime | None
) -> None:
    story = Story(admitted())
    story.until(MONDAY + 5 * HOUR)
    story.then(over(MONDAY, until, came_at))
    assert story.outcome(MONDAY) == "missed" and "check-presence" in story.escalations


def test_who_left_before_the_session_began_has_not_been_there() -> None:
    story = Story(admitted())
    story.until(MONDAY - HOUR / 2)
    story.then(over(MONDAY, came_at=MONDAY - HOUR))
    story.until(MONDAY + GRACE)
    assert story.outcome(MONDAY) == "missed" and "check-presence" in story.escalations


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
    corrected = [each.week_start for each in only(emitted, WeeklyHoursCorrected)]
    assert corrected == [evening(1, 0, 0), evening(2, 0, 0)], "the one that fell short, and the one that runs"


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
