"""The week that runs: what it will have, and who is asked while hours can still be given."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance import projection, spans
from services.attendance.messages import (
    AcknowledgeEscalation,
    CallOffSession,
    MoveSession,
    ResolveEscalation,
    TimePassed,
    WeeklyHoursCorrected,
    WeeklyHoursFellShort,
    WeeklyHoursProjectedShort,
)
from services.attendance.record import Session
from services.attendance.state import due
from shared.events import attendance, codes, fhir
from shared.events.envelope import Event
from shared.events.escalation import EscalationEvent, EscalationRaised, EscalationResolved, EscalationUpdated
from shared.events.intake import EpisodePaused, EpisodeResumed
from shared.events.listed import schedule_id, slot_id
from shared.rules.calendar import Calendar
from tests.attendance.decide.test_ehr_booking import named
from tests.attendance.decide.test_guests import make_up as guest_seat
from tests.attendance.decide.test_make_ups import THURSDAY, came, make_up
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    GRACE,
    NEW_YORK,
    PATIENT,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    SETTINGS,
    admitted,
    check_in,
    discharged,
    evening,
    excused,
    paying,
    present,
    session,
)
from tests.attendance.grouping_story import EVENING_A, EVENING_B, ProgramStory, plan
from tests.attendance.story import MAKE_UPS, UNHURRIED, Story, changed
from tests.attendance.test_laws import stories
from tests.laws import examples
from tests.reopening import reopening
from tests.story import only

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK = (evening(1, 0, 0), evening(2, 0, 0))
NOON = evening(1, 2, 12)
"""On Wednesday of the second week, the first whole one."""
SECOND_FRIDAY = evening(1, 4)
SHORT = "projected-week-short"
Numbers = tuple[int, int, int]
"""Delivered, projected, still bookable."""


def stay(**changed: object) -> Story:
    """Until the second Monday, attended whole."""
    story = Story(admitted(), **UNHURRIED, **MAKE_UPS, **changed)
    story.attending_until(SECOND_MONDAY)
    return story


def numbers(emitted: list[Event]) -> list[Numbers]:
    found = only(emitted, WeeklyHoursProjectedShort)
    return [(each.minutes, each.projected_minutes, each.bookable_minutes) for each in found]


def missing_monday(**changed: object) -> Story:
    story = stay(**changed)
    story.until(SECOND_MONDAY + GRACE)
    return story


def asked(emitted: list[Event]) -> list[tuple[str, str, int]]:
    return [each for each in changed(emitted) if each[1] == SHORT]


def test_a_miss_is_found_in_the_week_at_once_with_what_can_still_be_given() -> None:
    """Three hours a day on Monday to Friday: on Monday 5 h 45 min are left, on which nothing is planned any more."""
    story = stay()
    assert numbers(story.until(SECOND_MONDAY + GRACE)) == [(0, 360, 540)]
    (found,) = only(story.all_emitted, WeeklyHoursProjectedShort)
    assert (found.week_start, found.week_end, found.minimum_minutes) == (*WEEK, 540)
    (issue,) = found.write(PATIENT)
    assert issue["status"] == "preliminary"
    assert issue["detail"] == "0 of 540 minutes delivered, 360 projected, 540 still bookable"
    assert issue["code"] == fhir.concept(codes.ESCALATION, "weekly-hours-short", attendance.WEEKLY_HOURS)


def test_each_change_of_it_is_found_and_the_same_again_is_not() -> None:
    story = missing_monday()
    assert numbers(story.until(SECOND_WEDNESDAY + HOUR)) == [(0, 180, 360)]
    came = check_in(SECOND_WEDNESDAY)
    story.until(SECOND_WEDNESDAY + 4 * HOUR)
    assert numbers(story.then(came)) == [(180, 360, 180)]
    assert numbers(story.then(came)) == []


def test_nobody_is_asked_before_wednesday_noon_and_one_person_then() -> None:
    story = missing_monday()
    assert asked(story.until(NOON - MINUTE)) == []
    assert asked(story.until(NOON)) == [("Raised", SHORT, 2)]
    assert asked(story.until(NOON + HOUR - MINUTE)) == []


def test_its_task_states_what_the_week_needs_has_will_have_and_could_be_given() -> None:
    story = missing_monday()
    (raised,) = [each for each in only(story.until(NOON), EscalationRaised) if each.escalation.reason == SHORT]
    assert {each.code: each.number for each in raised.details} == {
        "least-minutes": 540,
        "delivered-minutes": 0,
        "projected-minutes": 360,
        "bookable-minutes": 540,
    }
    (found,) = only(story.all_emitted, WeeklyHoursProjectedShort)
    assert [each.evidence for each in raised.escalation.signals] == [f"DetectedIssue/{found.issue_id}"]
    task = raised.write(PATIENT)[0]
    assert isinstance(task["input"], list)
    assert {"type": fhir.concept(codes.INPUT, "bookable-minutes"), "valueInteger": 540} in task["input"]


def test_whatever_is_done_about_it_states_its_minutes_too() -> None:
    story = missing_monday()
    story.until(NOON)
    taken = story.then(AcknowledgeEscalation(escalation_id=story.open_id(SHORT), by="robin"))
    assert [len(each.details) for each in only(taken, EscalationEvent)] == [4]


def test_a_week_that_becomes_short_after_noon_asks_at_once() -> None:
    story = stay()
    story.attending_until(SECOND_WEDNESDAY)
    assert asked(story.until(SECOND_WEDNESDAY + GRACE)) == [("Raised", SHORT, 2)]


def test_a_worse_week_is_stated_anew_in_the_same_task() -> None:
    story = missing_monday()
    story.until(NOON)
    story.accept()
    emitted = story.until(SECOND_WEDNESDAY + GRACE)
    assert asked(emitted) == [("Updated", SHORT, 2)]
    (updated,) = [each for each in only(emitted, EscalationUpdated) if each.escalation.reason == SHORT]
    assert {each.code: each.number for each in updated.details}["projected-minutes"] == 180


def test_a_late_check_in_takes_it_back() -> None:
    story = missing_monday()
    story.until(NOON)
    emitted = story.then(check_in(SECOND_MONDAY))
    assert asked(emitted) == [("Retracted", SHORT, 2)]
    assert [each.week_start for each in only(emitted, WeeklyHoursCorrected)] == [WEEK[0]]


def test_an_excuse_is_no_miss_and_the_hours_lack_all_the_same() -> None:
    story = stay()
    story.then(excused(SECOND_FRIDAY))
    assert asked(story.attending_until(NOON)) == [("Raised", SHORT, 2)]


def test_a_session_that_the_program_calls_off_is_owed() -> None:
    """It counts against nobody, and the patient lacks it while a make-up can be held."""
    story = stay()
    story.then(CallOffSession(session_id=session(SECOND_FRIDAY)))
    assert asked(story.attending_until(NOON)) == [("Raised", SHORT, 2)]
    assert only(story.attending_until(evening(2, 2)), WeeklyHoursFellShort) == []


def test_a_session_that_moves_within_the_week_takes_nothing_and_to_the_next_one_its_hours() -> None:
    story = stay()
    assert numbers(story.then(MoveSession(session_id=session(SECOND_MONDAY), start=evening(1, 1)))) == []
    moved = MoveSession(session_id=session(SECOND_WEDNESDAY), start=evening(2, 1))
    assert numbers(story.then(moved)) == []
    assert story.state.projection is not None and story.state.projection.finding == ""


def test_what_is_not_reported_yet_is_not_too_little() -> None:
    """An open Encounter, and the first of two of one session."""
    story = stay()
    story.until(SECOND_MONDAY + HOUR)
    assert numbers(story.then(check_in(SECOND_MONDAY, None))) == []
    story.until(SECOND_WEDNESDAY + 2 * HOUR)
    assert numbers(story.then(present(SECOND_WEDNESDAY, SECOND_WEDNESDAY, SECOND_WEDNESDAY + 90 * MINUTE))) == []
    over = SECOND_WEDNESDAY + timedelta(hours=3 + 24)
    assert numbers(story.until(over - MINUTE)) == []
    assert [each[1] for each in numbers(story.until(over))] == [450]


def test_the_week_over_its_task_is_closed_and_its_finding_stays_one() -> None:
    story = missing_monday()
    story.attending_until(NOON)
    (projected,) = only(story.all_emitted, WeeklyHoursProjectedShort)
    emitted = story.attending_until(evening(2, 1))
    assert [each.reason for each in only(emitted, EscalationResolved) if each.escalation.reason == SHORT] == [
        "week-over"
    ]
    (short,) = only(emitted, WeeklyHoursFellShort)
    assert short.issue_id == projected.issue_id and only(emitted, WeeklyHoursCorrected) == []
    assert story.state.projection is not None and story.state.projection.former == ()


def test_a_report_after_the_week_takes_back_what_was_projected_of_it() -> None:
    story = missing_monday()
    story.attending_until(WEEK[1] + HOUR)
    story.then(check_in(SECOND_MONDAY))
    emitted = story.attending_until(WEEK[1] + 2 * DAY)
    assert [each.week_start for each in only(emitted, WeeklyHoursCorrected)] == [WEEK[0]]
    assert only(emitted, WeeklyHoursFellShort) == []


def test_what_a_person_has_answered_is_asked_again_only_when_it_becomes_worse() -> None:
    story = missing_monday()
    story.until(NOON)
    story.then(ResolveEscalation(escalation_id=story.open_id(SHORT), reason="acted-on", by="robin"))
    story.until(SECOND_WEDNESDAY)
    assert SHORT not in story.escalations
    assert asked(story.until(SECOND_WEDNESDAY + GRACE)) == [("Raised", SHORT, 2)]


def test_what_was_resolved_by_mistake_is_theirs_again() -> None:
    story = missing_monday()
    story.until(NOON)
    resolve = ResolveEscalation(escalation_id=story.open_id(SHORT), reason="acted-on", by="robin")
    (resolved,) = only(story.then(resolve), EscalationResolved)
    again = story.then(reopening(resolved), at=story.now + MINUTE)
    assert asked(again) == [("Reopened", SHORT, 2)] and [
        len(each.details) for each in only(again, EscalationEvent)
    ] == [4]


def test_a_make_up_that_is_booked_takes_it_back_and_one_that_is_missed_asks_again() -> None:
    """The miss stays one."""
    story = missing_monday()
    story.until(NOON)
    story.accept()
    assert asked(story.then(make_up(THURSDAY))) == [("Retracted", SHORT, 2)]
    story.attending_until(THURSDAY)
    assert asked(story.until(THURSDAY + GRACE)) == [("Raised", SHORT, 2)]
    assert story.outcome(SECOND_MONDAY) == "missed" and "missed-session" in story.escalations


def test_a_make_up_that_is_attended_saves_the_week() -> None:
    story = missing_monday()
    story.until(NOON)
    came(story, named(story.then(make_up(THURSDAY))), THURSDAY)
    emitted = story.attending_until(evening(2, 2))
    assert SHORT not in story.escalations and only(emitted, WeeklyHoursFellShort) == []
    assert story.outcome(SECOND_MONDAY) == "missed"


def test_its_task_names_where_seats_are_free_before_the_week_ends() -> None:
    """Of the content and the time of day of what was missed; a group of another one is no make-up, nor is their own."""
    plans = {EVENING_A: plan(), EVENING_B: plan(), "by-day": plan(time="day"), "skills": plan(kind="skills")}
    program = ProgramStory(plans, **MAKE_UPS)
    patient = program.admits("robin")
    program.until(NOON)
    assert patient.group == EVENING_A
    (raised,) = [each for each in only(patient.all_emitted, EscalationRaised) if each.escalation.reason == SHORT]
    schedule = f"Schedule/{schedule_id('demo', EVENING_B)}"
    searched = f"Slot?status=free&schedule={schedule}&start=ge2026-01-14T17:00:00Z&start=lt2026-01-19T05:00:00Z"
    assert raised.free_slots == searched
    task = raised.write(PATIENT)[0]
    assert isinstance(task["input"], list)
    assert {"type": fhir.concept(codes.INPUT, "free-slots"), "valueUri": searched} in task["input"]


TWO_EVENINGS = [[1, "18:00", 180], [3, "18:00", 180]]


def named_slots(emitted: list[Event]) -> list[tuple[str, ...]]:
    """Of each event of the Task, the sessions that it names."""
    about = [each for each in only(emitted, EscalationEvent) if each.escalation.reason == SHORT]
    return [each.slots for each in about]


def slot_of(group: str, start: datetime) -> str:
    return slot_id(schedule_id("demo", group), int(start.timestamp()) // 60)


def test_its_task_names_the_sessions_with_a_free_seat_once_their_groups_have_answered() -> None:
    """But none at the time of a session of the patient's own, and none of another week."""
    program = ProgramStory({EVENING_A: plan(), "thursdays": plan(meetings=TWO_EVENINGS), EVENING_B: plan()}, **MAKE_UPS)
    patient = program.admits("robin")
    program.until(NOON)
    assert named_slots(patient.all_emitted) == [(), (slot_of("thursdays", THURSDAY),)]
    task = only(patient.all_emitted, EscalationUpdated)[-1].write(PATIENT)[0]
    assert isinstance(task["input"], list)
    reference = fhir.reference("Slot", slot_of("thursdays", THURSDAY))
    assert {"type": fhir.concept(codes.INPUT, "slot"), "valueReference": reference} in task["input"]


def test_a_seat_that_is_taken_meanwhile_is_named_no_more_when_the_week_changes() -> None:
    program = ProgramStory({EVENING_A: plan(), "thursdays": plan(seats=1, meetings=TWO_EVENINGS)}, **MAKE_UPS)
    patient, other = program.admits("robin"), program.admits("kim")
    program.until(NOON)
    assert named_slots(patient.all_emitted)[-1] == (slot_of("thursdays", THURSDAY),)
    program.then(other.patient, guest_seat(other, THURSDAY, "thursdays"))
    before = len(patient.all_emitted)
    program.until(SECOND_WEDNESDAY + 2 * HOUR)
    assert named_slots(patient.all_emitted[before:])[-1] == ()
    assert patient.state.projection is not None and patient.state.projection.open == ()


def test_a_program_that_names_none_asks_no_group() -> None:
    plans = {EVENING_A: plan(), "thursdays": plan(meetings=TWO_EVENINGS)}
    program = ProgramStory(plans, **MAKE_UPS, make_up_slots_most=0)
    patient = program.admits("robin")
    program.until(NOON)
    assert named_slots(patient.all_emitted) == [()]


def test_a_program_without_groups_names_none() -> None:
    story = missing_monday()
    (raised,) = [each for each in only(story.until(NOON), EscalationRaised) if each.escalation.reason == SHORT]
    assert raised.free_slots == ""


def test_the_first_week_of_a_stay_is_partial_and_nobody_is_asked() -> None:
    story = Story(admitted(), **UNHURRIED, **MAKE_UPS)
    assert numbers(story.until(evening(1, 0, 9))) == []


@pytest.mark.parametrize("closed", ["2026-01-14", "2026-01-12/2026-01-16"])
def test_a_week_of_a_holiday_could_never_have_held_its_hours(closed: str) -> None:
    story = stay(calendar=Calendar(closed={closed: "holiday"}))
    assert asked(story.until(evening(2, 0, 9))) == []


def paused(at: datetime) -> EpisodePaused:
    return EpisodePaused(episode_id=EPISODE, level="2.1", referral_id="", admitted_at=ADMISSION, at=at)


def test_a_paused_stay_owes_no_hours() -> None:
    story = missing_monday()
    story.until(NOON)
    emitted = story.then(paused(story.now))
    assert asked(emitted) == [("Resolved", SHORT, 2)] and len(only(emitted, WeeklyHoursCorrected)) == 1
    story.until(SECOND_WEDNESDAY + HOUR)
    resumed = EpisodeResumed(episode_id=EPISODE, level="2.1", referral_id="", admitted_at=ADMISSION, at=story.now)
    story.then(resumed)
    assert SHORT not in story.escalations


def test_a_stay_that_ends_in_the_week_owes_no_hours() -> None:
    story = missing_monday()
    story.until(NOON)
    emitted = story.then(discharged(story.now))
    assert asked(emitted) == [("Resolved", SHORT, 2)] and len(only(emitted, WeeklyHoursCorrected)) == 1
    assert story.state.projection is None


def test_a_program_that_holds_no_make_ups_asks_nobody() -> None:
    story = Story(admitted(), **UNHURRIED)
    story.attending_until(SECOND_MONDAY)
    assert asked(story.until(evening(2, 0, 9))) == []
    assert len(only(story.all_emitted, WeeklyHoursProjectedShort)) == 3


def test_a_day_of_make_ups_gives_what_is_planned_on_it_once_and_today_what_is_left() -> None:
    """On Friday evening at eleven an hour is left, and the program holds none at the week's end."""
    story = missing_monday()
    assert numbers(story.until(SECOND_FRIDAY + 5 * HOUR))[-1] == (0, 0, 180)
    story = stay()
    story.attending_until(SECOND_FRIDAY)
    story.until(SECOND_FRIDAY + 5 * HOUR)
    assert projection.bookable(story.state, WEEK[1], story.now, SETTINGS) == 60


@settings(max_examples=examples(50))
@given(stories(), some.integers(0, 400))
def test_delivered_is_at_most_projected_and_that_at_most_what_is_scheduled(story: Story, hours: int) -> None:
    story.until(story.now + hours * HOUR)
    story.then(TimePassed())
    episode, known = story.state.episode, story.state.projection
    assert (deadline := due(story.state)) is None or deadline > story.now
    if episode is None or known is None:
        return
    here = [each for each in story.state.sessions if known.start <= each.minute < known.end]
    delivered, projected = projection.counted(episode, here, known, SETTINGS.timezone)
    held = [each for each in here if each.outcome not in ("cancelled", "excused")]
    assert 0 <= delivered.minutes <= projected.minutes <= spans.minutes_planned(episode, held)
    lacks = projected.minutes < known.minimum_minutes or projected.days < known.minimum_days
    assert (known.finding == "short") <= lacks
    assert (SHORT in story.escalations) <= known.asks


OF_DAYS: dict[str, Any] = {"payers": paying(least_minutes=300, least_days=3, day_minutes=120)}
"""Whoever pays asks for five hours, and for three days of two."""
Days = tuple[int, int, int]
"""Delivered, projected, needed."""


def days(emitted: list[Event]) -> list[Days]:
    found = only(emitted, WeeklyHoursProjectedShort)
    return [(each.days, each.projected_days, each.minimum_days) for each in found]


def test_a_week_with_its_minutes_and_too_few_days_asks_a_person_too() -> None:
    """Two evenings of three hours are six, of the five that are asked for."""
    story = missing_monday(**OF_DAYS)
    assert (numbers(story.all_emitted), days(story.all_emitted)) == ([(0, 360, 540)], [(0, 2, 3)])
    (raised,) = [each for each in only(story.until(NOON), EscalationRaised) if each.escalation.reason == SHORT]
    stated = {each.code: each.number for each in raised.details}
    assert (stated["least-days"], stated["delivered-days"], stated["projected-days"]) == (3, 0, 2)
    (issue,) = only(story.all_emitted, WeeklyHoursProjectedShort)[-1].write(PATIENT)
    attended = fhir.concept(codes.ESCALATION, "days-attended") | {"text": "0 of 3 days delivered, 2 projected"}
    assert issue["evidence"] == [{"code": [attended]}]


def test_a_make_up_on_a_day_that_counts_already_gives_no_day_and_one_on_another_day_does() -> None:
    story = missing_monday(**OF_DAYS)
    story.until(NOON)
    assert asked(story.then(make_up(evening(1, 4, 9)))) == [("Updated", SHORT, 2)]
    assert (numbers(story.all_emitted)[-1][:2], days(story.all_emitted)[-1]) == ((0, 540), (0, 2, 3))
    story = missing_monday(**OF_DAYS)
    story.until(NOON)
    assert asked(story.then(make_up(THURSDAY))) == [("Retracted", SHORT, 2)]


def test_a_session_attended_in_part_gives_its_day_until_its_reports_are_over() -> None:
    """Under three quarters it counts for no day, but another Encounter of it may come."""
    story = stay(**OF_DAYS)
    story.until(SECOND_MONDAY + 3 * HOUR)
    assert days(story.then(check_in(SECOND_MONDAY, 134))) == []
    over = SECOND_MONDAY + timedelta(hours=3 + 24)
    assert days(story.until(over - MINUTE)) == []
    assert days(story.until(over)) == [(0, 2, 3)]


def test_days_that_the_plan_does_not_have_are_not_projected() -> None:
    story = Story(admitted(template=admitted().template[:2]), **UNHURRIED, **MAKE_UPS, **OF_DAYS)
    story.attending_until(evening(3, 0))
    assert days(story.all_emitted) == []


def test_what_a_person_has_answered_is_asked_again_when_a_day_more_lacks() -> None:
    """A make-up on a day that counts gives as many minutes as the day that is lost takes."""
    story = missing_monday(**OF_DAYS)
    story.until(NOON)
    story.then(ResolveEscalation(escalation_id=story.open_id(SHORT), reason="acted-on", by="robin"))
    story.then(make_up(evening(1, 4, 9)))
    assert SHORT not in story.escalations
    assert asked(story.until(SECOND_WEDNESDAY + GRACE)) == [("Raised", SHORT, 2)]
    assert [each[1] for each in numbers(story.all_emitted)][-2:] == [540, 360]


def test_while_a_day_lacks_only_sessions_that_add_one_are_named() -> None:
    """Another evening's group, and none in the morning of an evening that counts already."""
    morning = plan(meetings=[[4, "09:00", 180]])
    plans = {EVENING_A: plan(), "fridays": morning, "thursdays": plan(meetings=TWO_EVENINGS)}
    named_by_payer = []
    for payers in ({}, OF_DAYS):
        program = ProgramStory(plans, **MAKE_UPS, **payers)
        patient = program.admits("robin")
        program.until(NOON)
        named_by_payer.append(set(named_slots(patient.all_emitted)[-1]))
    thursday, friday = slot_of("thursdays", THURSDAY), slot_of("fridays", evening(1, 4, 9))
    assert named_by_payer == [{thursday, friday}, {thursday}]


def test_two_short_sessions_of_one_day_that_make_it_count_together_are_both_named() -> None:
    blocks = plan(meetings=[[3, "16:00", 90], [3, "18:00", 90]])
    program = ProgramStory({EVENING_A: plan(), "blocks": blocks}, **MAKE_UPS, **OF_DAYS)
    patient = program.admits("robin")
    program.until(NOON)
    assert len(named_slots(patient.all_emitted)[-1]) == 2
    short = plan(meetings=[[3, "18:00", 90]])
    program = ProgramStory({EVENING_A: plan(), "short": short}, **MAKE_UPS, **OF_DAYS)
    patient = program.admits("robin")
    program.until(NOON)
    assert named_slots(patient.all_emitted)[-1] == ()


def plainly(story: Story, here: Sequence[Session], *, hopes: bool) -> int:
    """Counted again second by second: the days on which enough is attended, or may be where somebody `hopes`."""
    episode, known = story.state.episode, story.state.projection
    assert episode is not None and known is not None
    by_day: dict[date, set[int]] = {}
    for each in here:
        begins, length = each.minute * 60, episode.minutes(each) * 60
        there = [(start, end) for one in each.presences for start, end in one.spans if end is not None]
        if each.mark == "fulfilled" and not each.presences:
            there.append((0, length))
        may_be_whole = each.outcome == "planned" or each.lasts or (each.presences != () and each.deferred_until != 0)
        if hopes and may_be_whole:
            there.append((min((one.spans[0][0] for one in each.presences), default=0), length))
        seconds = {begins + second for start, end in there for second in range(start, end)}
        if len(seconds) >= 60 and len(seconds) // 60 * 100 >= known.session_percent * length // 60:
            by_day.setdefault(each.start.astimezone(NEW_YORK).date(), set()).update(seconds)
    return sum(len(each) // 60 >= known.day_minutes for each in by_day.values())


@settings(max_examples=examples(50))
@given(stories(**OF_DAYS), some.integers(0, 400))
def test_days_are_projected_as_a_plain_count_has_them_and_never_below_those_delivered(story: Story, hours: int) -> None:
    story.until(story.now + hours * HOUR)
    story.then(TimePassed())
    episode, known = story.state.episode, story.state.projection
    if episode is None or known is None or not known.minimum_days:
        return
    here = [each for each in story.state.sessions if known.start <= each.minute < known.end]
    delivered, projected = projection.counted(episode, here, known, SETTINGS.timezone)
    assert (delivered.days, projected.days) == tuple(plainly(story, here, hopes=each) for each in (False, True))
    assert delivered.days <= projected.days
    if projected.minutes == delivered.minutes:
        assert projected.days == delivered.days
    is_whole = delivered.minutes >= known.minimum_minutes and delivered.days >= known.minimum_days
    assert not (is_whole and known.finding == "short")
    if known.finding == "short":
        assert (known.days, known.projected_days) == (delivered.days, projected.days)
