"""Who came, when: each Encounter counts for the sessions that it names and its period touches."""

from datetime import timedelta

import msgspec

from services.attendance.messages import (
    AttendanceCorrected,
    CheckIn,
    CheckInWithdrawn,
    SessionAttended,
    SessionCheckedIn,
    SessionMissed,
)
from shared.events.attendance import SessionEvent
from shared.events.envelope import name_id
from shared.events.escalation import EscalationRaised
from tests.attendance.given import (
    GRACE,
    MONDAY,
    NAMES,
    SETTINGS,
    SETTLED,
    WEDNESDAY,
    admitted,
    check_in,
    discharged,
    in_error,
    present,
    session,
)
from tests.attendance.story import Story, changed, in_treatment, refusal, starts
from tests.story import only

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_two_encounters_of_ninety_minutes_are_the_whole_session_and_neither_is_in_error() -> None:
    story = Story(admitted())
    story.until(MONDAY + 3 * HOUR)
    first = story.then(present(MONDAY, MONDAY, MONDAY + 1.5 * HOUR, "first"))
    second = story.then(present(MONDAY, MONDAY + 1.5 * HOUR, MONDAY + 3 * HOUR, "second"))
    assert [each.minutes for each in only([*first, *second], SessionAttended)] == [90, 90]
    assert story.minutes(MONDAY) == 180 and only(second, CheckInWithdrawn) == []


def test_minutes_that_two_encounters_report_are_counted_once() -> None:
    story = Story(admitted())
    story.until(MONDAY + 3 * HOUR)
    story.then(present(MONDAY, MONDAY, MONDAY + 2 * HOUR, "first"))
    (added,) = only(story.then(present(MONDAY, MONDAY + HOUR, MONDAY + 3 * HOUR)), SessionAttended)
    assert (added.minutes, story.minutes(MONDAY)) == (60, 180)


def test_one_encounter_may_name_several_sessions() -> None:
    """A long stay in a session of the evening and in the next one: each has its part of it."""
    story = Story(admitted())
    story.until(WEDNESDAY + 3 * HOUR)
    names = (session(MONDAY), session(WEDNESDAY))
    both = CheckIn(session_ids=names, encounter_id=name_id(NAMES, "long"), periods=((MONDAY + HOUR, WEDNESDAY + HOUR),))
    emitted = only(story.then(both), SessionAttended)
    assert [each.start for each in emitted] == [MONDAY, WEDNESDAY]
    assert {each.minutes for each in emitted} == {180} and emitted[0].also == (session(WEDNESDAY),)
    assert (story.minutes(MONDAY), story.minutes(WEDNESDAY)) == (120, 60)


def test_an_encounter_that_now_names_another_session_leaves_the_first() -> None:
    story = Story(admitted())
    story.until(WEDNESDAY + 3 * HOUR)
    story.then(check_in(MONDAY, came_at=MONDAY))
    moved = CheckIn(
        session_ids=(session(WEDNESDAY),),
        encounter_id=check_in(MONDAY).encounter_id,
        periods=((WEDNESDAY, WEDNESDAY + HOUR),),
    )
    story.then(moved)
    assert (story.minutes(MONDAY), story.minutes(WEDNESDAY)) == (0, 60)
    assert MONDAY in starts(story.until(story.now + GRACE), SessionMissed)


def test_who_arrives_early_is_there() -> None:
    story = Story(admitted())
    early = MONDAY - timedelta(minutes=SETTINGS.early_arrival_minutes)
    story.until(early)
    (came,) = only(story.then(check_in(MONDAY, None, early)), SessionCheckedIn)
    assert came.came_at == early and only(story.until(MONDAY + GRACE), SessionMissed) == []


def test_an_encounter_told_a_day_early_hides_no_absence() -> None:
    story = Story(admitted())
    story.until(MONDAY + 3 * HOUR)
    story.then(check_in(MONDAY))
    story.until(WEDNESDAY - DAY)
    emitted = story.then(check_in(WEDNESDAY, None, story.now))
    assert only(emitted, SessionEvent) == []
    assert starts(story.until(WEDNESDAY + GRACE), SessionMissed) == [WEDNESDAY]


def test_an_encounter_that_touches_none_asks_a_person_about_the_session_it_would_fit() -> None:
    story = Story(admitted())
    story.until(WEDNESDAY + 3 * HOUR)
    wrong = CheckIn(
        session_ids=(session(MONDAY),), encounter_id=name_id(NAMES, "odd"), periods=((WEDNESDAY, WEDNESDAY + 3 * HOUR),)
    )
    (raised,) = only(story.then(wrong), EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == ("check-presence", 1)
    assert [each.evidence for each in raised.escalation.signals] == [
        f"Encounter/{name_id(NAMES, 'odd')}",
        f"Appointment/{session(WEDNESDAY)}",
    ]
    assert story.then(wrong) == []


def test_an_encounter_of_no_minutes_hides_no_absence_and_asks_a_person() -> None:
    story = Story(admitted())
    story.until(MONDAY + GRACE)
    assert story.outcome(MONDAY) == "missed"
    story.then(check_in(MONDAY, 0))
    assert story.outcome(MONDAY) == "missed" and story.escalations == {"missed-session": 2, "check-presence": 1}
    story.then(check_in(MONDAY, 1))
    assert story.outcome(MONDAY) == "attended" and story.escalations == {}


def test_an_encounter_that_also_names_a_session_of_nobody_here_counts_and_asks_a_person() -> None:
    story = Story(admitted())
    story.until(MONDAY + 3 * HOUR)
    names = (session(MONDAY), name_id(NAMES, "nobody's"))
    odd = CheckIn(session_ids=names, encounter_id=name_id(NAMES, "odd"), periods=((MONDAY, MONDAY + 3 * HOUR),))
    assert ("Raised", "check-presence", 1) in changed(story.then(odd)) and story.minutes(MONDAY) == 180
    right = CheckIn(session_ids=names[:1], encounter_id=odd.encounter_id, periods=odd.periods)
    assert changed(story.then(right)) == [("Retracted", "check-presence", 1)] and story.minutes(MONDAY) == 180


def test_an_encounter_that_also_names_what_is_no_session_here_counts_and_asks_a_person() -> None:
    story = Story(admitted())
    story.until(MONDAY + 3 * HOUR)
    odd = msgspec.structs.replace(check_in(MONDAY), names_others=True)
    assert ("Raised", "check-presence", 1) in changed(story.then(odd)) and story.minutes(MONDAY) == 180
    assert changed(story.then(check_in(MONDAY))) == [("Retracted", "check-presence", 1)]


def test_the_question_is_taken_back_once_the_encounter_is_right_or_in_error() -> None:
    for right in (check_in(MONDAY, 60), in_error(MONDAY)):
        story = Story(admitted())
        story.until(MONDAY + 20 * HOUR)
        story.then(check_in(MONDAY, 60, MONDAY + 18 * HOUR))
        assert story.escalations["check-presence"] == 1
        assert ("Retracted", "check-presence", 1) in changed(story.then(right))


def test_a_report_is_welcome_for_five_weeks() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.attending_until(SETTLED[0] + 34 * DAY)
    emitted = story.then(check_in(SETTLED[0]))
    assert starts(emitted, AttendanceCorrected) == [SETTLED[0]] and story.minutes(SETTLED[0]) == 180


def test_a_report_after_that_is_refused_to_a_person_once() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    for days in (36, 60):
        story.attending_until(SETTLED[0] + days * DAY)
        emitted = story.then(check_in(SETTLED[0]))
        assert refusal(story) == ("business-rule", "period")
        assert changed(emitted) == ([("Raised", "late-report", 1)] if days == 36 else [])


def test_a_report_about_a_stay_that_is_over_is_never_asked_to_be_tried_again() -> None:
    story = Story(admitted())
    story.then(discharged(story.now))
    story.until(story.now + (SETTINGS.retention_days + 1) * DAY)
    emitted = story.then(check_in(MONDAY))
    assert refusal(story) == ("business-rule", "period") and changed(emitted) == [("Raised", "late-report", 1)]
    assert story.then(check_in(MONDAY)) == []


def test_a_patient_never_admitted_is_tried_again_and_an_unknown_session_is_not_found() -> None:
    story = Story()
    story.then(check_in(MONDAY))
    assert refusal(story) == ("transient", "appointment")
    story.then(admitted())
    story.then(
        CheckIn(session_ids=(name_id(NAMES, "none"),), encounter_id=name_id(NAMES, "e"), periods=((MONDAY, None),))
    )
    assert refusal(story) == ("not-found", "appointment")


def test_two_encounters_that_begin_at_one_moment_one_open_and_one_ended_are_both_stored() -> None:
    story = Story(admitted())
    story.until(MONDAY + 3 * HOUR)
    story.then(present(MONDAY, MONDAY, MONDAY + HOUR, "first"), present(MONDAY, MONDAY, None, "second"))
    assert story.outcome(MONDAY) == "present" and story.minutes(MONDAY) == 60
