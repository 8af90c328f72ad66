"""What attendance decides: sessions booked, silence that becomes a miss, and what a miss asks of a person."""

from datetime import datetime, timedelta

import msgspec
import pytest

from services.attendance.messages import (
    AbsenceDeferred,
    AcknowledgeEscalation,
    AttendanceCorrected,
    BookedUntil,
    CallOffSession,
    CheckIn,
    CheckInWithdrawn,
    EpisodeForgotten,
    ExcuseSession,
    MarkMissed,
    ReinstateSession,
    ResolveEscalation,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionExcused,
    SessionMissed,
    SessionScheduled,
    WeekClosed,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WithdrawCheckIn,
)
from services.attendance.state import FORGOTTEN_DAYS, State
from shared.events.attendance import WeekEvent
from shared.events.envelope import name_id
from shared.events.escalation import EscalationAcknowledged, EscalationRaised, EscalationResolved
from shared.events.intake import TemplateSlot
from shared.rules.decision import Refused
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    FRIDAY,
    GRACE,
    MONDAY,
    NEW_YORK,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    SETTINGS,
    SETTLED,
    WEDNESDAY,
    Story,
    admitted,
    changed,
    check_in,
    discharged,
    encounter,
    evening,
    in_error,
    in_treatment,
    only,
    session,
    starts,
)

DAY = timedelta(days=1)


def again(start: datetime, minutes: int | None) -> CheckIn:
    """The same session checked in to by another Encounter."""
    return msgspec.structs.replace(check_in(start, minutes), encounter_id=encounter(FRIDAY))


def refusal(story: Story) -> tuple[str, str]:
    """The code and the place of what was refused; nothing was said and nothing changed."""
    assert isinstance(story.refused, Refused)
    return story.refused.code, story.refused.expression


# --- booking


def test_admission_books_fourteen_days_from_the_template() -> None:
    emitted = Story().then(admitted())
    assert starts(emitted, SessionScheduled) == [evening(week, weekday) for week in (0, 1) for weekday in (0, 2, 4)]
    (first, *_) = only(emitted, SessionScheduled)
    assert (first.session_id, first.episode_id, first.kind) == (session(MONDAY), EPISODE, "group")
    assert first.end - first.start == timedelta(hours=3)


def test_a_session_before_admission_is_not_booked() -> None:
    story = Story()
    story.now = evening(0, 0, 20)
    assert starts(story.then(admitted(at=story.now)), SessionScheduled)[0] == WEDNESDAY


def test_an_admission_heard_late_books_from_now_on() -> None:
    story = Story()
    story.now = evening(1, 0, 12)
    assert starts(story.then(admitted()), SessionScheduled)[0] == SECOND_MONDAY


def test_every_day_one_more_day_is_booked() -> None:
    story = Story(admitted())
    emitted = story.attending_until(ADMISSION + 7 * DAY)
    assert starts(emitted, SessionScheduled) == [evening(2, 0), evening(2, 2), evening(2, 4)]
    assert len(only(emitted, BookedUntil)) == 7
    assert max(each.start for each in story.state.sessions) <= story.now + 14 * DAY


def test_booking_on_after_a_long_silence_books_nothing_in_the_past() -> None:
    story = Story(admitted())
    story.now = evening(3, 1)
    assert min(starts(story.until(story.now), SessionScheduled)) > evening(3, 1)


def test_a_slot_every_two_weeks_falls_on_the_first_and_third_week_of_the_episode() -> None:
    family = TemplateSlot("family", 3, "17:00", 60, 2)
    story = Story(admitted(template=(family,)))
    story.until(ADMISSION + 21 * DAY)
    story_starts = sorted(each.start for each in story.state.sessions)
    assert story_starts[-2:] == [evening(2, 3, 17), evening(4, 3, 17)]


@pytest.mark.parametrize(("week", "utc_before", "utc_after"), [(9, 23, 22), (43, 22, 23)])
def test_a_clock_change_keeps_the_local_hour(week: int, utc_before: int, utc_after: int) -> None:
    """Clocks change in New York on Sunday 8 March and on Sunday 1 November 2026."""
    day = evening(week - 1, 0, 9)
    story = Story()
    story.now = day
    (before, _, _, after, *_) = starts(story.then(admitted(at=day)), SessionScheduled)
    assert (before.hour, after.hour) == (utc_before, utc_after)
    assert {each.astimezone(NEW_YORK).hour for each in (before, after)} == {18}


# --- silence


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
    assert [each.until for each in only(emitted, AbsenceDeferred)] == [back + GRACE]
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
    assert len(only(deferred, AbsenceDeferred)) == 3 and only(deferred, SessionMissed) == []
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
    assert {each.deferred_until for each in story.state.sessions} == {None}


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


# --- what a miss asks of a person


def test_the_first_miss_is_tier_one_for_the_case_manager() -> None:
    story = in_treatment()
    emitted = story.missing(SETTLED[0])
    (raised,) = only(emitted, EscalationRaised)
    escalation = raised.escalation
    assert (escalation.reason, escalation.tier, escalation.owner) == ("missed-session", 1, "case-manager")
    (signal,) = escalation.signals
    assert (signal.code, signal.at, signal.evidence) == (
        "missed-session",
        SETTLED[0],
        f"Appointment/{session(SETTLED[0])}",
    )


def test_somebody_reaches_out_within_a_day_of_the_missed_session() -> None:
    """Whatever the tier's own time to act (domain 5.2)."""
    (raised,) = only(in_treatment().missing(SETTLED[0]), EscalationRaised)
    assert raised.escalation.act_by == SETTLED[0] + timedelta(hours=24)


def test_a_miss_in_the_first_fourteen_days_is_tier_two() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    assert story.escalations == {"missed-session": 2}


def test_a_miss_with_an_opioid_history_is_tier_two() -> None:
    story = in_treatment("opioid-history")
    story.missing(SETTLED[0])
    assert story.escalations == {"missed-session": 2}


@pytest.mark.parametrize("flag", ["suicide-risk", "overdose-risk"])
def test_any_miss_at_risk_of_suicide_or_overdose_is_tier_three(flag: str) -> None:
    story = in_treatment(flag, "opioid-history")
    story.missing(SETTLED[0])
    assert story.escalations == {"missed-session": 3}


def test_two_misses_in_seven_days_are_tier_two() -> None:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[2])
    assert story.escalations == {"missed-session": 1, "two-misses-in-7-days": 2}


def test_two_misses_seven_days_apart_are_not_within_seven_days() -> None:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[3])
    assert story.escalations == {"missed-session": 1}


def test_three_misses_in_a_row_are_tier_three() -> None:
    story = in_treatment()
    emitted = story.missing(*SETTLED[:3])
    assert story.escalations == {"missed-session": 1, "two-misses-in-7-days": 2, "three-consecutive-misses": 3}
    assert only(emitted, EscalationRaised)[-1].escalation.owner == "primary-therapist"


def test_three_misses_in_fourteen_days_with_sessions_between_are_tier_three() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 4), evening(3, 2))
    assert story.escalations == {"missed-session": 1, "two-misses-in-7-days": 2, "three-misses-in-14-days": 3}


def test_three_in_a_row_after_three_in_fourteen_days_asks_nobody_twice() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 4), evening(3, 2))
    emitted = story.missing(evening(3, 4), evening(4, 0))
    assert {event for event, reason, tier in changed(emitted) if tier == 3} == {"Updated"}
    assert [reason for reason, tier in story.escalations.items() if tier == 3] == ["three-misses-in-14-days"]


def test_three_misses_further_apart_than_fourteen_days_are_not_tier_three() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(3, 0), evening(4, 0))
    assert story.escalations == {"missed-session": 1}


def test_an_open_escalation_is_updated_by_the_next_miss_and_not_raised_twice() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    assert changed(story.missing(SETTLED[3])) == [("Updated", "missed-session", 1)]
    (still_open,) = story.state.escalations
    assert [each.at for each in still_open.escalation.signals] == [SETTLED[0], SETTLED[3]]


def test_a_miss_after_the_escalation_was_resolved_raises_anew() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    first = story.open_id("missed-session")
    story.then(ResolveEscalation(escalation_id=first, reason="reached"))
    story.missing(SETTLED[3])
    assert story.open_id("missed-session") != first


# --- a late check-in


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


def test_a_check_in_later_than_a_day_is_refused() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.until(SETTLED[0] + DAY + timedelta(minutes=1))
    before = story.state
    assert story.then(check_in(SETTLED[0], None, story.now)) == []
    assert refusal(story) == ("business-rule", "Encounter.period.start")
    assert story.state == before and story.escalations == {"missed-session": 1}


def test_a_late_check_in_leaves_what_the_other_misses_still_give() -> None:
    story = in_treatment()
    story.missing(*SETTLED[:3])
    emitted = story.then(check_in(SETTLED[1], 60, SETTLED[1] + timedelta(hours=1)))
    assert changed(emitted) == [
        ("Updated", "missed-session", 1),
        ("Updated", "two-misses-in-7-days", 2),
        ("Retracted", "three-consecutive-misses", 3),
    ]
    assert {each.at for still in story.state.escalations for each in still.escalation.signals} == {
        SETTLED[0],
        SETTLED[2],
    }


def test_who_came_late_breaks_the_row() -> None:
    """Four misses; at the third the patient was there: no three of the others follow each other any more."""
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 2), evening(2, 4), evening(3, 0))
    emitted = story.then(check_in(evening(2, 4), 60, evening(2, 4, 19)))
    assert ("Retracted", "three-consecutive-misses", 3) in changed(emitted)


def test_three_in_fourteen_days_are_raised_when_the_row_is_taken_back() -> None:
    story = in_treatment()
    story.missing(evening(2, 0), evening(2, 2), evening(2, 4), evening(3, 0))
    emitted = story.then(check_in(evening(2, 4), 60, evening(2, 4, 19)))
    assert ("Raised", "three-misses-in-14-days", 3) in changed(emitted)
    assert story.escalations["three-misses-in-14-days"] == 3


def test_an_accepted_escalation_stays_accepted_when_it_loses_a_signal() -> None:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[3])
    story.then(check_in(SETTLED[3], 60, SETTLED[3] + timedelta(hours=1)))
    assert [each.accepted for each in story.state.escalations] == [True]


# --- minutes


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


def test_a_check_in_long_before_the_session_is_refused_and_hides_no_absence() -> None:
    story = Story(admitted())
    assert story.then(check_in(SECOND_MONDAY, None, story.now)) == []
    assert refusal(story) == ("business-rule", "Encounter.period.start")


# --- excused and called off


def test_an_excuse_beforehand_means_no_miss() -> None:
    story = Story(admitted())
    assert starts(story.then(ExcuseSession(session_id=session(MONDAY))), SessionExcused) == [MONDAY]
    assert only(story.until(MONDAY + GRACE), SessionMissed) == []


def test_an_excuse_afterwards_retracts_what_the_miss_raised() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    emitted = story.then(ExcuseSession(session_id=session(SETTLED[0])))
    assert changed(emitted) == [("Retracted", "missed-session", 1)]
    assert story.escalations == {} and story.outcome(SETTLED[0]) == "excused"


def test_an_excused_session_breaks_no_row() -> None:
    story = in_treatment()
    story.then(ExcuseSession(session_id=session(SETTLED[1])))
    story.missing(SETTLED[0], SETTLED[2], SETTLED[3])
    assert story.escalations["three-consecutive-misses"] == 3


def test_what_the_program_calls_off_never_counts() -> None:
    story = in_treatment()
    for start in SETTLED[:3]:
        assert starts(story.then(CallOffSession(session_id=session(start))), SessionCancelled) == [start]
    story.missing(SETTLED[3])
    assert story.escalations == {"missed-session": 1}


def test_a_session_called_off_after_its_miss_takes_it_back() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    assert changed(story.then(CallOffSession(session_id=session(SETTLED[0])))) == [("Retracted", "missed-session", 1)]


@pytest.mark.parametrize("command", [ExcuseSession, CallOffSession])
def test_what_was_attended_cannot_be_excused_or_called_off(command: type[ExcuseSession | CallOffSession]) -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    assert story.then(command(session_id=session(MONDAY))) == []
    assert refusal(story) == ("conflict", "Appointment.status")


def test_nobody_checks_in_to_what_was_called_off() -> None:
    story = Story(admitted(), CallOffSession(session_id=session(MONDAY)))
    assert story.then(check_in(MONDAY)) == []
    assert refusal(story) == ("conflict", "Encounter.appointment")


def test_who_was_excused_and_came_all_the_same_attended() -> None:
    story = Story(admitted(), ExcuseSession(session_id=session(MONDAY)))
    story.until(MONDAY)
    assert starts(story.then(check_in(MONDAY)), SessionAttended) == [MONDAY]


def test_a_session_that_is_not_planned_is_not_found() -> None:
    story = Story(admitted())
    assert story.then(ExcuseSession(session_id=session(evening(8, 0)))) == []
    assert refusal(story) == ("not-found", "appointment")


# --- escalations in hand


def test_not_acknowledged_in_time_is_overdue_once_and_one_tier_up() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    deadline = story.state.escalations[0].escalation.acknowledge_by
    assert deadline == story.now + timedelta(minutes=SETTINGS.escalation.acknowledge_minutes[0])
    assert changed(story.attending_until(deadline - timedelta(seconds=1))) == []
    assert changed(story.until(deadline)) == [("Overdue", "missed-session", 2)]
    assert changed(story.attending_until(deadline + 7 * DAY)) == []


def test_overdue_rises_to_tier_three_at_most() -> None:
    story = in_treatment("suicide-risk")
    story.until(SETTLED[0] + GRACE)
    assert changed(story.attending_until(SETTLED[0] + DAY)) == [("Overdue", "missed-session", 3)]


def test_acknowledged_is_never_overdue() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    story.then(AcknowledgeEscalation(escalation_id=story.open_id("missed-session")))
    assert changed(story.attending_until(SETTLED[0] + 14 * DAY)) == []


def test_acknowledged_and_resolved_by_the_client_that_says_so() -> None:
    story = in_treatment()
    story.until(SETTLED[0] + GRACE)
    identity = story.open_id("missed-session")
    (accepted,) = only(story.then(AcknowledgeEscalation(escalation_id=identity)), EscalationAcknowledged)
    assert story.then(AcknowledgeEscalation(escalation_id=identity)) == []
    (resolved,) = only(story.then(ResolveEscalation(escalation_id=identity, reason="reached")), EscalationResolved)
    assert (accepted.by, resolved.by, resolved.reason) == ("ehr", "ehr", "reached")
    assert story.escalations == {}


def test_what_is_closed_cannot_be_resolved_again() -> None:
    story = Story(admitted())
    assert story.then(ResolveEscalation(escalation_id=session(MONDAY), reason="reached")) == []
    assert refusal(story) == ("conflict", "Task.status")


# --- the week


def test_a_week_below_its_hours_is_said_once_late_check_ins_are_over() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    story.attending_until(evening(2, 0, 1))
    assert only(story.attending_until(evening(2, 0, 23)), WeeklyHoursFellShort) == []
    (short,) = only(story.attending_until(evening(2, 1, 0)), WeeklyHoursFellShort)
    assert (short.week_start, short.week_end) == (evening(1, 0, 0), evening(2, 0, 0))
    assert (short.minutes, short.minimum_minutes) == (360, 540)


def test_a_week_of_nine_hours_is_enough() -> None:
    story = Story(admitted())
    emitted = story.attending_until(evening(4, 0))
    assert only(emitted, WeeklyHoursFellShort) == [] and len(only(emitted, WeekClosed)) == 2


def test_the_first_partial_week_is_not_looked_at() -> None:
    story = Story()
    story.now = evening(0, 3, 12)
    story.then(admitted(at=story.now))
    assert only(story.attending_until(evening(1, 4)), WeeklyHoursFellShort) == []


def test_minutes_of_a_late_check_in_count_for_their_week() -> None:
    story = Story(admitted())
    story.attending_until(evening(1, 4))
    story.missing(evening(1, 4))
    story.then(check_in(evening(1, 4), 180, evening(1, 4, 19)))
    assert only(story.attending_until(evening(2, 4)), WeeklyHoursFellShort) == []


def test_a_week_is_not_closed_while_its_absences_are_deferred() -> None:
    """Back after ten days of deafness: the hours of the week are not short by silence that nobody heard."""
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY - DAY)
    story.now = story.listening_since = evening(2, 2, 12)
    assert only(story.until(story.now), WeeklyHoursFellShort) == []
    story.then(*(check_in(evening(1, weekday)) for weekday in (0, 2, 4)))
    assert only(story.until(story.now + GRACE), WeeklyHoursFellShort) == []


# --- the end of a stay


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
    assert story.until(story.now + (FORGOTTEN_DAYS - 1) * DAY) == []


def test_a_closed_episode_is_forgotten_after_thirty_days() -> None:
    story = Story(admitted(), discharged(ADMISSION))
    assert story.until(ADMISSION + 30 * DAY - timedelta(seconds=1)) == []
    assert [type(each) for each in story.until(ADMISSION + 30 * DAY)] == [EpisodeForgotten]
    assert story.state == State()


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


# --- repeats


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
    story = Story(admitted(), ExcuseSession(session_id=session(MONDAY)))
    assert story.then(ExcuseSession(session_id=session(MONDAY))) == []


def test_the_same_late_check_in_again_says_nothing() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    story.then(check_in(MONDAY, None, story.now))
    assert story.then(check_in(MONDAY, None, story.now)) == []


# --- what was wrong is taken back


def test_a_check_in_entered_in_error_leaves_the_session_undecided() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    (withdrawn,) = only(story.then(in_error(MONDAY)), CheckInWithdrawn)
    assert (withdrawn.encounter_id, withdrawn.start) == (encounter(MONDAY), MONDAY)
    assert story.outcome(MONDAY) == "planned"
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


def test_after_a_check_in_in_error_the_right_one_has_the_grace_time_again() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    story.until(MONDAY + timedelta(hours=5))
    story.then(in_error(MONDAY))
    assert only(story.until(story.now + GRACE - timedelta(seconds=1)), SessionMissed) == []
    story.then(check_in(MONDAY, 120))
    assert only(story.until(story.now + DAY), SessionMissed) == []


def test_an_early_check_in_in_error_moves_no_deadline() -> None:
    story = Story(admitted())
    story.until(MONDAY - timedelta(hours=1))
    story.then(check_in(MONDAY, None, story.now))
    assert [type(each) for each in story.then(in_error(MONDAY))] == [CheckInWithdrawn]


def test_an_encounter_that_no_longer_counts_withdraws_nothing() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None), again(MONDAY, None))
    before = story.state
    assert story.then(in_error(MONDAY)) == []
    assert story.state == before


def test_one_encounter_from_arrival_to_its_end_takes_nothing_back() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    assert [type(each) for each in story.then(check_in(MONDAY, None))] == [SessionCheckedIn]
    assert [type(each) for each in story.then(check_in(MONDAY, 150))] == [SessionAttended]
    assert [type(each) for each in story.then(check_in(MONDAY, 120))] == [SessionAttended]
    assert story.then(check_in(MONDAY, 120)) == []


def test_a_second_encounter_replaces_the_first() -> None:
    """The desk and the kiosk both check in: one of the two Encounters says who was there, the other is in error."""
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None))
    withdrawn, came = story.then(again(MONDAY, 150))
    assert isinstance(withdrawn, CheckInWithdrawn) and withdrawn.encounter_id == encounter(MONDAY)
    assert isinstance(came, SessionAttended) and came.encounter_id == encounter(FRIDAY)
    assert story.outcome(MONDAY) == "attended"


def test_an_arrival_does_not_replace_the_minutes() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    assert story.then(again(MONDAY, None)) == []
    assert refusal(story) == ("conflict", "Encounter.appointment")


def test_an_arrived_appointment_keeps_the_encounter_that_is_there() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY, None))
    assert story.then(CheckIn(session_id=session(MONDAY), encounter_id=None, came_at=MONDAY)) == []


def test_an_arrived_appointment_has_an_encounter_of_its_own() -> None:
    story = Story(admitted())
    story.until(MONDAY)
    emitted = story.then(CheckIn(session_id=session(MONDAY), encounter_id=None, came_at=MONDAY))
    assert [each.encounter_id for each in only(emitted, SessionCheckedIn)] == [name_id(session(MONDAY), "encounter")]


@pytest.mark.parametrize("command", [ExcuseSession, CallOffSession])
def test_what_was_cancelled_by_mistake_takes_place_after_all(command: type[ExcuseSession | CallOffSession]) -> None:
    story = Story(admitted(), command(session_id=session(MONDAY)))
    assert starts(story.then(ReinstateSession(session_id=session(MONDAY))), SessionScheduled) == [MONDAY]
    assert story.outcome(MONDAY) == "planned"
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


def test_a_session_reinstated_after_it_began_has_the_grace_time_again() -> None:
    story = Story(admitted(), CallOffSession(session_id=session(MONDAY)))
    story.until(MONDAY + timedelta(hours=2))
    story.then(ReinstateSession(session_id=session(MONDAY)))
    assert only(story.until(story.now + GRACE - timedelta(seconds=1)), SessionMissed) == []
    assert starts(story.until(story.now + GRACE), SessionMissed) == [MONDAY]


def test_a_planned_session_is_reinstated_without_an_event() -> None:
    assert Story(admitted()).then(ReinstateSession(session_id=session(MONDAY))) == []


def test_a_missed_session_is_not_made_undecided_by_booking_it_again() -> None:
    story = Story(admitted())
    story.missing(MONDAY)
    assert story.then(ReinstateSession(session_id=session(MONDAY))) == []
    assert refusal(story) == ("conflict", "Appointment.status")


def test_nothing_is_reinstated_once_the_stay_is_over() -> None:
    story = Story(admitted(), discharged(ADMISSION + timedelta(hours=1)))
    assert story.then(ReinstateSession(session_id=session(MONDAY))) == []
    assert refusal(story) == ("conflict", "Appointment.status")


# --- the week, once it was looked at


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
    story.settings = Story(weekly_minimum_minutes=360).settings
    assert [each.minimum_minutes for each in only(story.then(check_in(SECOND_MONDAY, 60)), WeekEvent)] == [540]


def test_a_whole_week_before_the_discharge_is_looked_at_and_the_last_part_of_one_is_not() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    story.attending_until(evening(2, 0, 9))
    story.then(discharged(story.now))
    short = only(story.until(story.now + 20 * DAY), WeeklyHoursFellShort)
    assert [each.week_start for each in short] == [evening(1, 0, 0)]


# --- a session begun before the discharge


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
    assert [event for event, _, _ in changed(emitted)] == ["Resolved", "Resolved"]


def test_a_discharge_on_a_date_lasts_to_the_end_of_that_day() -> None:
    """It is told as the day's first moment; the evening's session may have been the last one."""
    story = in_treatment()
    story.missing(SETTLED[0])
    emitted = story.then(discharged(evening(2, 0, 0)))
    assert SETTLED[0] not in starts(emitted, SessionCancelled)
    assert starts(emitted, SessionCancelled)[0] == SETTLED[1]


def test_a_closed_episode_is_not_forgotten_while_a_session_waits() -> None:
    story = in_the_last_session()
    story.now = story.listening_since = SETTLED[0] + (FORGOTTEN_DAYS + 1) * DAY
    assert only(story.until(story.now), EpisodeForgotten) == []
    assert [type(each) for each in story.until(story.now + GRACE)] == [SessionMissed, EpisodeForgotten]


def test_a_second_stay_leaves_no_session_of_the_first_booked() -> None:
    story = in_the_last_session()
    emitted = story.then(admitted(at=story.now, episode=session(WEDNESDAY)))
    assert starts(emitted, SessionCancelled) == [SETTLED[0]]


# --- clocks are changed


def test_seven_days_are_seven_days_in_the_week_of_a_clock_change() -> None:
    """Clocks go forward on Sunday 8 March 2026: from Monday at six to Monday at six are 167 hours."""
    story = Story()
    story.now = evening(6, 0, 9)
    story.then(admitted(at=story.now))
    story.missing(evening(8, 0), evening(9, 0))
    assert evening(9, 0) - evening(8, 0) == timedelta(hours=167)
    assert story.escalations == {"missed-session": 1}
