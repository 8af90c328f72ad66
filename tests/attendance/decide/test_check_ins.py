"""Late check-ins and minutes."""

from datetime import timedelta

from services.attendance.messages import AttendanceCorrected, SessionAttended, SessionCheckedIn, SessionMissed
from shared.events.attendance import SessionEvent
from tests.attendance.given import GRACE, MONDAY, SECOND_MONDAY, SETTLED, admitted, check_in, evening
from tests.attendance.story import Story, changed, in_treatment, starts
from tests.story import names, only

DAY = timedelta(days=1)


def test_a_late_check_in_retracts_the_miss_and_what_it_raised() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.until(SETTLED[0] + timedelta(hours=1))
    emitted = story.then(check_in(SETTLED[0], None, story.now))
    assert [each.reason for each in only(emitted, AttendanceCorrected)] == ["late-check-in"]
    assert changed(emitted) == [("Retracted", "missed-session", 1)]
    assert starts(emitted, SessionCheckedIn) == [SETTLED[0]]
    assert story.escalations == {} and story.outcome(SETTLED[0]) == "present"


def test_a_check_in_within_the_day_may_be_reported_later() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.attending_until(SETTLED[0] + 3 * DAY)
    story.then(check_in(SETTLED[0], 120, SETTLED[0] + timedelta(hours=1)))
    assert story.escalations == {} and story.outcome(SETTLED[0]) == "attended"


def test_an_encounter_that_begins_after_its_session_takes_no_miss_back() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.until(SETTLED[0] + timedelta(hours=21))
    emitted = story.then(check_in(SETTLED[0], None, story.now))
    assert only(emitted, AttendanceCorrected) == [] and story.outcome(SETTLED[0]) == "missed"
    assert story.escalations == {"missed-session": 1, "check-presence": 1}


def test_a_late_check_in_leaves_what_the_other_misses_still_give() -> None:
    story = in_treatment()
    story.missing(*SETTLED[:3])
    emitted = story.then(check_in(SETTLED[1], 60, SETTLED[1] + timedelta(hours=1)))
    assert sorted(changed(emitted)) == [
        ("Retracted", "missed-session", 1),
        ("Retracted", "no-contact-after-miss", 3),
        ("Retracted", "three-consecutive-misses", 3),
        ("Updated", "two-misses-in-7-days", 2),
    ]
    assert {each.at for still in story.still_open for each in still.signals} == {SETTLED[0], SETTLED[2]}


def test_who_came_late_breaks_the_row_and_three_in_fourteen_days_are_left() -> None:
    """Four misses; at the third the patient was there. Who is asked about the row is asked about the others instead."""
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 2), evening(2, 4), evening(3, 0))
    asked = story.open_id("three-consecutive-misses")
    emitted = story.then(check_in(evening(2, 4), 60, evening(2, 4, 19)))
    assert ("Updated", "three-misses-in-14-days", 3) in changed(emitted)
    assert story.open_id("three-misses-in-14-days") == asked and "three-consecutive-misses" not in story.escalations


def test_an_accepted_escalation_stays_accepted_when_it_loses_a_signal() -> None:
    story = in_treatment()
    story.missing(*SETTLED[:3])
    story.then(check_in(SETTLED[1], 60, SETTLED[1] + timedelta(hours=1)))
    assert [each.accepted for each in story.state.escalations if each.kind == "two-misses"] == [True]


def test_minutes_come_when_the_session_is_over() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    assert starts(story.then(check_in(MONDAY, None)), SessionCheckedIn) == [MONDAY]
    assert [each.minutes for each in only(story.then(check_in(MONDAY, 150)), SessionAttended)] == [150]


def test_minutes_are_at_most_the_session_s() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    assert [each.minutes for each in only(story.then(check_in(MONDAY, 600)), SessionAttended)] == [180]


def test_corrected_minutes_are_said_again_and_the_same_ones_are_not() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, 90))
    assert story.then(check_in(MONDAY, 90)) == []
    assert [each.minutes for each in only(story.then(check_in(MONDAY, 180)), SessionAttended)] == [180]


def test_more_minutes_than_the_session_has_repeated_say_nothing() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, 600))
    assert story.then(check_in(MONDAY, 600)) == []


def test_a_check_in_long_before_the_session_hides_no_absence() -> None:
    story = Story(admitted())
    story.then(check_in(SECOND_MONDAY, None, story.now))
    assert story.outcome(SECOND_MONDAY) == "planned" and story.escalations == {"check-presence": 1}
    assert SECOND_MONDAY in starts(
        story.attending_until(SECOND_MONDAY) + story.until(SECOND_MONDAY + GRACE), SessionMissed
    )


def test_one_encounter_from_arrival_to_its_end_takes_nothing_back() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    assert names(only(story.then(check_in(MONDAY, None)), SessionEvent)) == ["SessionCheckedIn"]
    assert names(only(story.then(check_in(MONDAY, 150)), SessionEvent)) == ["SessionAttended"]
    assert names(only(story.then(check_in(MONDAY, 120)), SessionEvent)) == ["SessionAttended"]
    assert story.then(check_in(MONDAY, 120)) == []
