"""Another week is planned: what has not begun is booked anew, and what has begun is never touched."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from services.attendance.messages import (
    AcceptSession,
    CallOffSession,
    CancelSession,
    ConfirmAttendance,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    MarkMissed,
    ReinstateSession,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
    StageAdvanced,
    WeeklyHoursFellShort,
)
from shared.events.envelope import name_id
from shared.events.intake import DischargeWithdrawn, TemplateSlot
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    EVENINGS,
    GRACE,
    MONDAY,
    NAMES,
    admitted,
    check_in,
    discharged,
    evening,
    excused,
    session,
)
from tests.attendance.story import Story, in_treatment, refusal, starts
from tests.story import only

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MORNINGS = tuple(TemplateSlot("group", weekday, "09:00", 180) for weekday in (0, 2, 4))
INDIVIDUAL = TemplateSlot("individual", 1, "18:00", 60)
TAPERED = EVENINGS[:2]


def advanced(at: datetime, template: Sequence[TemplateSlot], stage: str = "maintenance") -> StageAdvanced:
    return StageAdvanced(
        episode_id=EPISODE,
        plan_id=name_id(NAMES, "plan"),
        stage=stage,
        former="engagement",
        template=tuple(template),
        admitted_at=ADMISSION,
        advanced_at=at,
    )


def at_noon_on_tuesday() -> Story:
    """Of the third week, all attended so far."""
    story = in_treatment()
    story.attending_until(evening(2, 1, 12))
    return story


def planned(story: Story) -> list[datetime]:
    return sorted(each.start for each in story.planned)


def test_sessions_ahead_of_the_former_week_are_called_off_and_those_of_the_new_one_booked_at_once() -> None:
    story = at_noon_on_tuesday()
    ahead = planned(story)
    emitted = story.then(advanced(story.now, MORNINGS))
    assert sorted(starts(emitted, SessionCancelled)) == ahead
    assert {each.reason for each in only(emitted, SessionCancelled)} == {"plan-changed"}
    assert starts(emitted, SessionScheduled) == planned(story)
    assert planned(story)[:3] == [evening(2, 2, 9), evening(2, 4, 9), evening(3, 0, 9)]


def test_sessions_of_both_weeks_stay_as_they_are() -> None:
    story = at_noon_on_tuesday()
    emitted = story.then(advanced(story.now, (*EVENINGS, INDIVIDUAL)))
    assert only(emitted, SessionCancelled) == []
    assert {each.weekday() for each in starts(emitted, SessionScheduled)} == {1}


def test_the_same_week_in_another_stage_changes_no_session() -> None:
    story = at_noon_on_tuesday()
    sessions = story.state.sessions
    assert story.then(advanced(story.now, EVENINGS, "early-recovery")) == []
    assert story.state.sessions == sessions


def test_what_has_begun_is_never_touched_and_can_still_be_missed() -> None:
    story = in_treatment()
    story.until(evening(2, 0) + timedelta(minutes=1))
    emitted = story.then(advanced(story.now, MORNINGS))
    assert evening(2, 0) not in starts(emitted, SessionCancelled)
    assert starts(story.until(evening(2, 0) + GRACE), SessionMissed) == [evening(2, 0)]


def test_a_session_that_was_called_off_for_another_week_is_no_miss() -> None:
    story = at_noon_on_tuesday()
    story.then(advanced(story.now, ()))
    assert only(story.until(story.now + 4 * WEEK), SessionMissed) == []


def test_a_session_with_a_report_stays_as_it_was_reported() -> None:
    story = at_noon_on_tuesday()
    story.then(excused(evening(2, 2), "illness"))
    story.until(evening(2, 4) - HOUR)
    story.then(ConfirmAttendance(session_id=session(evening(2, 4)), held=False))
    emitted = story.then(advanced(story.now, MORNINGS))
    assert evening(2, 4) not in starts(emitted, SessionCancelled)
    assert (story.outcome(evening(2, 2)), story.outcome(evening(2, 4))) == ("excused", "present")


def test_who_cancelled_too_late_owes_no_session_of_a_week_that_is_planned_no_more() -> None:
    story = at_noon_on_tuesday()
    story.then(CancelSession(session_id=session(evening(2, 2))))
    emitted = story.then(advanced(story.now, MORNINGS))
    assert evening(2, 2) in starts(emitted, SessionCancelled)
    assert evening(2, 2) not in starts(story.until(evening(2, 2) + DAY), SessionMissed)


def test_on_the_day_of_the_change_what_has_begun_was_the_session_of_its_kind() -> None:
    story = in_treatment()
    story.until(evening(2, 0) + HOUR)
    late = TemplateSlot("group", 0, "21:30", 60)
    emitted = story.then(advanced(story.now, (late,)))
    assert evening(2, 0, 21, 30) not in starts(emitted, SessionScheduled)
    assert evening(3, 0, 21, 30) in starts(emitted, SessionScheduled)


def test_nobody_is_booked_into_two_sessions_at_once() -> None:
    story = in_treatment()
    story.until(evening(2, 0) + HOUR)
    alone = TemplateSlot("individual", 0, "20:00", 60)
    emitted = story.then(advanced(story.now, (alone,)))
    assert evening(2, 0, 20) not in starts(emitted, SessionScheduled)
    assert evening(3, 0, 20) in starts(emitted, SessionScheduled)


def test_the_week_goes_on_being_booked_as_it_is_planned_now() -> None:
    story = at_noon_on_tuesday()
    story.then(advanced(story.now, TAPERED))
    story.attending_until(evening(6, 0, 12))
    assert {each.weekday() for each in planned(story)} == {0, 2}


def test_a_week_that_is_planned_again_brings_its_sessions_back_under_their_ids() -> None:
    story = at_noon_on_tuesday()
    before = planned(story)
    story.then(advanced(story.now, MORNINGS))
    again = story.then(advanced(story.now + HOUR, EVENINGS), at=story.now + HOUR)
    assert planned(story) == before
    assert sorted(starts(again, SessionScheduled)) == before


def test_an_older_change_that_comes_again_changes_nothing() -> None:
    story = at_noon_on_tuesday()
    older = advanced(story.now, MORNINGS)
    story.then(older)
    story.then(advanced(story.now + HOUR, TAPERED), at=story.now + HOUR)
    state = story.state
    assert story.then(older, at=story.now + HOUR) == []
    assert story.state == state


def test_the_same_change_again_changes_nothing() -> None:
    story = at_noon_on_tuesday()
    change = advanced(story.now, MORNINGS)
    story.then(change)
    state = story.state
    assert story.then(change) == []
    assert story.state == state


def test_another_stays_change_is_none_of_this_one() -> None:
    story = at_noon_on_tuesday()
    other = StageAdvanced(
        episode_id=name_id(NAMES, "another"),
        plan_id="p",
        stage="maintenance",
        former="engagement",
        template=MORNINGS,
        admitted_at=ADMISSION,
        advanced_at=story.now,
    )
    assert story.then(other) == []
    assert Story().then(other) == []


def test_a_paused_stay_books_the_new_week_once_it_goes_on() -> None:
    story = at_noon_on_tuesday()
    story.then(EpisodePaused(episode_id=EPISODE, level="2.1", referral_id="r", admitted_at=ADMISSION, at=story.now))
    assert only(story.then(advanced(story.now, MORNINGS)), SessionScheduled) == []
    story.until(story.now + DAY)
    story.then(EpisodeResumed(episode_id=EPISODE, level="2.1", referral_id="r", admitted_at=ADMISSION, at=story.now))
    assert planned(story)[:2] == [evening(2, 4, 9), evening(3, 0, 9)]
    assert {each.slot for each in story.planned} == {3, 4, 5}


def test_a_stay_that_is_over_books_nothing_until_its_discharge_is_withdrawn() -> None:
    story = at_noon_on_tuesday()
    story.then(discharged(story.now))
    assert only(story.then(advanced(story.now, MORNINGS)), SessionScheduled) == []
    withdrawn = DischargeWithdrawn(
        episode_id=EPISODE,
        encounter_id=name_id(NAMES, "stay"),
        plan_id="p",
        admitted_at=ADMISSION,
        withdrawn_at=story.now,
        client="ehr",
    )
    assert starts(story.then(withdrawn), SessionScheduled) == planned(story)
    assert {each.slot for each in story.planned} == {3, 4, 5}


@pytest.mark.parametrize(
    "attempt", [ReinstateSession(session_id=session(evening(2, 2))), MarkMissed(session_id=session(evening(2, 2)))]
)
def test_a_session_of_the_former_week_is_not_booked_again_nor_missed(attempt: ReinstateSession | MarkMissed) -> None:
    story = at_noon_on_tuesday()
    story.then(advanced(story.now, MORNINGS))
    story.then(attempt)
    assert refusal(story) == ("conflict", "Appointment.status")


def test_a_session_that_was_declined_before_is_not_accepted_into_a_week_that_is_planned_no_more() -> None:
    story = at_noon_on_tuesday()
    story.then(CancelSession(session_id=session(evening(2, 2)), declined=True))
    story.then(advanced(story.now, MORNINGS))
    story.then(AcceptSession(session_id=session(evening(2, 2))))
    assert refusal(story) == ("conflict", "Appointment.status")


@pytest.mark.parametrize("late", [excused(evening(2, 2)), CallOffSession(session_id=session(evening(2, 2)))])
def test_a_cancellation_of_what_is_called_off_already_changes_nothing(late: CancelSession | CallOffSession) -> None:
    story = at_noon_on_tuesday()
    story.then(advanced(story.now, MORNINGS))
    state = story.state
    assert story.then(late) == []
    assert story.state == state


def test_who_came_to_a_session_of_the_former_week_was_there() -> None:
    story = at_noon_on_tuesday()
    story.then(advanced(story.now, TAPERED))
    story.until(evening(2, 4) + 4 * HOUR)
    story.then(check_in(evening(2, 4)))
    assert (story.outcome(evening(2, 4)), story.minutes(evening(2, 4))) == ("attended", 180)


def test_the_week_of_the_change_is_judged_by_what_was_owed() -> None:
    story = at_noon_on_tuesday()
    story.then(advanced(story.now, TAPERED))
    story.attending_until(evening(3, 0, 12))
    assert only(story.until(evening(3, 1, 12)), WeeklyHoursFellShort) == []


def test_a_miss_in_the_week_of_the_change_is_short_where_its_hours_were_owed() -> None:
    story = in_treatment()
    story.missing(evening(2, 0))
    story.attending_until(evening(2, 1, 12))
    story.then(advanced(story.now, EVENINGS))
    story.attending_until(evening(3, 0, 12))
    assert [each.minutes for each in only(story.until(evening(3, 1, 12)), WeeklyHoursFellShort)] == [360]


def stepped(at: datetime, template: Sequence[TemplateSlot], plan_id: str = name_id(NAMES, "plan")) -> EpisodeStepped:
    return EpisodeStepped(
        episode_id=EPISODE,
        plan_id=plan_id,
        referral_id=name_id(NAMES, "referral"),
        level="1.5",
        direction="step-down",
        track="general",
        flags=(),
        template=tuple(template),
        admitted_at=ADMISSION,
        stepped_at=at,
        signed=name_id(NAMES, "sign"),
        by="clinician-1",
    )


def test_a_step_to_another_level_plans_its_week_and_its_hours_are_none_of_an_iop() -> None:
    story = at_noon_on_tuesday()
    emitted = story.then(stepped(story.now, (INDIVIDUAL,)))
    assert evening(2, 2) in starts(emitted, SessionCancelled)
    assert {each.weekday() for each in planned(story)} == {1}
    assert only(story.until(evening(5, 1, 12)), WeeklyHoursFellShort) == []


def test_a_step_of_a_stay_whose_plan_nobody_knows_changes_no_session() -> None:
    story = at_noon_on_tuesday()
    before = planned(story)
    assert story.then(stepped(story.now, (), plan_id="")) == []
    assert planned(story) == before


def test_a_stay_is_replanned_on_its_first_day() -> None:
    story = Story(admitted())
    emitted = story.then(advanced(ADMISSION, MORNINGS))
    assert MONDAY in starts(emitted, SessionCancelled)
    assert planned(story)[0] == evening(0, 0, 9)
