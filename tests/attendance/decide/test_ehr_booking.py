"""The EHR books sessions: each once, whoever planned it first, and none where none may be."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.attendance.decide.ehr_booking import SESSIONS_MOST, SLOTS_MOST
from services.attendance.messages import (
    BookingNumber,
    BookSession,
    CallOffSession,
    CancelSession,
    CheckIn,
    ConfirmAttendance,
    EpisodePaused,
    EpisodeResumed,
    MarkMissed,
    MoveSession,
    OfOneSession,
    ReinstateSession,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
    StandsFor,
    WithdrawBooking,
)
from services.attendance.record import BY_ITSELF, SessionSlot
from shared.events.envelope import name_id
from tests.attendance.decide.test_calendar import closing, learns
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    GRACE,
    MONDAY,
    NAMES,
    SECOND_MONDAY,
    SETTINGS,
    TIME_PASSED,
    admitted,
    discharged,
    evening,
    session,
)
from tests.attendance.story import UNHURRIED, Story, refusal, starts
from tests.attendance.test_laws import TAPERED, replanned
from tests.story import only

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
TUESDAY, THURSDAY = evening(0, 1), evening(1, 3)
PLANNED = ReinstateSession(session_id="")
"""What an Appointment that is `booked` says."""
GIVEN = name_id(NAMES, "appointment")


def booking(
    start: datetime,
    kind: str = "individual",
    minutes: int = 60,
    report: OfOneSession = PLANNED,
    numbers: tuple[BookingNumber, ...] = (),
    **more: Any,
) -> BookSession:
    slot = SessionSlot(kind, BY_ITSELF, "", minutes, **more)
    return BookSession(appointment_id=GIVEN, start=start, slot=slot, report=report, numbers=numbers)


def named(emitted: Any) -> str:
    """The session that the answer names."""
    (found,) = only(emitted, StandsFor)
    return found.id


def admitted_story(**changed: Any) -> Story:
    return Story(admitted(), **(UNHURRIED | changed))


def test_a_session_that_the_hub_did_not_plan_is_booked_and_named_by_its_own_id() -> None:
    emitted = admitted_story().then(booking(TUESDAY, "workshop", 90, modality="video", topic="stress"))
    (scheduled,) = only(emitted, SessionScheduled)
    assert (scheduled.kind, scheduled.start, scheduled.end) == ("workshop", TUESDAY, TUESDAY + timedelta(minutes=90))
    assert (scheduled.modality, scheduled.topic) == ("video", "stress")
    assert named(emitted) == scheduled.session_id == session(TUESDAY, 3)


def test_the_same_again_books_nothing_and_names_the_same() -> None:
    story = admitted_story()
    first = named(story.then(booking(TUESDAY)))
    again = story.then(booking(TUESDAY))
    assert named(again) == first
    assert only(again, SessionScheduled) == []


def test_it_is_booked_in_a_stay_whose_week_was_planned_anew() -> None:
    story = admitted_story()
    story.then(replanned(EPISODE, TAPERED, story.now))
    (scheduled,) = only(story.then(booking(TUESDAY + HOUR, "workshop")), SessionScheduled)
    assert scheduled.start == TUESDAY + HOUR


def test_silence_makes_a_miss_of_it_as_of_any_other() -> None:
    story = admitted_story()
    story.then(booking(TUESDAY))
    story.attending_until(MONDAY + HOUR)
    assert starts(story.until(TUESDAY + GRACE), SessionMissed) == [TUESDAY]


def test_who_comes_to_it_has_come() -> None:
    story = admitted_story()
    identity = named(story.then(booking(TUESDAY)))
    story.attending_until(TUESDAY)
    story.now = TUESDAY + HOUR
    came = CheckIn(session_ids=(identity,), encounter_id=name_id(NAMES, "there"), periods=((TUESDAY, story.now),))
    story.then(came)
    assert (story.outcome(TUESDAY), story.minutes(TUESDAY)) == ("attended", 60)


@pytest.mark.parametrize("minutes", [-15, 0, 15])
def test_one_of_the_same_kind_within_a_quarter_of_an_hour_is_the_one_that_the_hub_planned(minutes: int) -> None:
    story = admitted_story()
    emitted = story.then(booking(MONDAY + minutes * MINUTE, "group", 180))
    assert named(emitted) == session(MONDAY)
    assert only(emitted, SessionScheduled) == []


def test_a_minute_further_away_it_is_another_one_and_overlaps() -> None:
    story = admitted_story()
    story.then(booking(MONDAY - 16 * MINUTE, "group", 180))
    assert refusal(story) == ("conflict", "Appointment.start")


def test_one_of_another_kind_at_the_same_time_is_refused() -> None:
    story = admitted_story()
    story.then(booking(MONDAY, "individual"))
    assert refusal(story) == ("conflict", "Appointment.start")


def test_where_the_other_one_was_called_off_it_is_booked() -> None:
    story = admitted_story()
    story.then(CallOffSession(session_id=session(MONDAY)))
    assert starts(story.then(booking(MONDAY, "individual")), SessionScheduled) == [MONDAY]


def test_the_one_that_was_called_off_is_booked_again_once_its_time_is_free() -> None:
    story = admitted_story()
    story.then(CallOffSession(session_id=session(MONDAY)))
    instead = named(story.then(booking(MONDAY, "individual")))
    again = ReinstateSession(session_id=session(MONDAY))
    story.then(again)
    assert refusal(story) == ("conflict", "Appointment.status")
    story.then(CallOffSession(session_id=instead), again)
    assert story.outcome(MONDAY) == "planned"


def test_one_that_was_called_off_and_is_booked_again_takes_place() -> None:
    story = admitted_story()
    story.then(CallOffSession(session_id=session(MONDAY)))
    emitted = story.then(booking(MONDAY, "group", 180))
    assert named(emitted) == session(MONDAY)
    assert starts(emitted, SessionScheduled) == [MONDAY]


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (ConfirmAttendance(session_id="", held=False), "present"),
        (MarkMissed(session_id=""), "missed"),
        (CancelSession(session_id="", reason="illness"), "excused"),
        (CallOffSession(session_id=""), "cancelled"),
    ],
)
def test_an_appointment_that_comes_afterwards_says_what_became_of_it(report: OfOneSession, outcome: str) -> None:
    story = admitted_story()
    story.attending_until(TUESDAY + HOUR)
    story.then(booking(TUESDAY, report=report))
    assert story.outcome(TUESDAY) == outcome


def test_one_that_is_reported_afterwards_is_waited_for_as_long_as_any_other() -> None:
    """Nobody could have come to what nobody had booked."""
    story = admitted_story()
    story.attending_until(TUESDAY + 5 * HOUR)
    booked_at = story.now
    emitted = story.then(booking(TUESDAY), TIME_PASSED)
    assert only(emitted, SessionMissed) == []
    assert starts(story.until(booked_at + GRACE), SessionMissed) == [TUESDAY]


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (ADMISSION - MINUTE, "business-rule"),
        (ADMISSION + SETTINGS.book_days * DAY, "business-rule"),
        (ADMISSION + 365 * DAY, "business-rule"),
    ],
    ids=["before the admission", "further ahead than is booked", "next year"],
)
def test_one_that_no_stay_has_yet_is_refused(at: datetime, code: str) -> None:
    story = admitted_story()
    story.then(booking(at))
    assert refusal(story) == (code, "Appointment.start")


def test_one_before_anybody_is_admitted_waits() -> None:
    story = Story()
    story.then(booking(TUESDAY))
    assert refusal(story)[0] == "transient"


def test_one_that_was_too_long_ago_is_refused_and_asked_about() -> None:
    story = admitted_story()
    story.attending_until(TUESDAY + (SETTINGS.correction_days + 1) * DAY)
    story.then(booking(TUESDAY))
    assert "late-report" in story.escalations


def test_after_the_discharge_only_what_was_before_it_is_booked() -> None:
    story = admitted_story()
    story.attending_until(evening(0, 3))
    story.then(discharged(story.now))
    story.then(booking(evening(0, 5)))
    assert refusal(story) == ("business-rule", "Appointment.start")
    assert starts(story.then(booking(TUESDAY)), SessionScheduled) == [TUESDAY]


def paused(at: datetime) -> EpisodePaused:
    return EpisodePaused(episode_id=EPISODE, level="2.1", referral_id="", admitted_at=ADMISSION, at=at)


def test_in_a_pause_none_is_booked_and_after_it_those_ahead_take_place() -> None:
    story = admitted_story()
    story.then(booking(THURSDAY), paused(MONDAY - HOUR))
    assert story.outcome(THURSDAY) == "cancelled"
    story.then(booking(evening(1, 1)))
    assert refusal(story) == ("conflict", "Appointment.start")
    story.now = MONDAY
    story.then(EpisodeResumed(episode_id=EPISODE, level="2.1", referral_id="", admitted_at=ADMISSION, at=story.now))
    assert story.outcome(THURSDAY) == "planned"


def test_another_week_leaves_it_where_it_is() -> None:
    story = admitted_story()
    story.then(booking(THURSDAY), replanned(EPISODE, TAPERED, story.now + MINUTE))
    assert story.outcome(THURSDAY) == "planned"
    story.attending_until(THURSDAY)
    assert starts(story.until(THURSDAY + GRACE), SessionMissed) == [THURSDAY]


def test_the_plan_books_nothing_where_it_stands() -> None:
    """The week that is planned now has an hour at seven each Monday; the EHR has booked eight to nine by then."""
    story = admitted_story()
    half_past = evening(1, 0, 19, 30)
    story.then(CallOffSession(session_id=session(SECOND_MONDAY)), booking(half_past, "family"))
    story.then(replanned(EPISODE, TAPERED, story.now + MINUTE))
    assert evening(1, 0, 19) not in [each.start for each in story.planned]


def test_a_week_that_is_booked_on_books_nothing_where_it_stands() -> None:
    """Booked a day before the hub would book it."""
    story = admitted_story()
    story.attending_until(evening(0, 0, 22))
    there = evening(2, 0, 19)
    story.then(booking(there))
    story.attending_until(evening(0, 4))
    assert there in [each.start for each in story.planned]
    assert evening(2, 0) not in [each.start for each in story.state.sessions]


def test_a_closed_day_closes_it_and_one_is_booked_on_none() -> None:
    story = admitted_story()
    story.then(booking(THURSDAY))
    learns(story, closing(THURSDAY))
    story.then(TIME_PASSED)
    assert story.outcome(THURSDAY) == "cancelled"
    story.then(booking(THURSDAY + 2 * HOUR))
    assert refusal(story) == ("conflict", "Appointment.start")


def test_a_calendar_that_closes_another_day_leaves_it() -> None:
    story = admitted_story()
    story.then(booking(THURSDAY))
    learns(story, closing(SECOND_MONDAY))
    story.then(TIME_PASSED)
    assert story.outcome(THURSDAY) == "planned"


def test_one_that_was_booked_in_error_was_never_owed() -> None:
    story = admitted_story()
    identity = named(story.then(booking(TUESDAY)))
    story.attending_until(TUESDAY)
    story.until(TUESDAY + GRACE)
    (gone,) = only(story.then(WithdrawBooking(session_id=identity)), SessionCancelled)
    assert (gone.start, gone.reason) == (TUESDAY, "booked-in-error")
    assert story.escalations == {}


def test_what_the_program_planned_is_cancelled_and_not_withdrawn() -> None:
    story = admitted_story()
    story.then(WithdrawBooking(session_id=session(MONDAY)))
    assert refusal(story) == ("conflict", "Appointment.status")


def test_one_that_moves_may_last_longer() -> None:
    story = admitted_story()
    identity = named(story.then(booking(TUESDAY)))
    emitted = story.then(MoveSession(session_id=identity, start=THURSDAY, end=THURSDAY + 2 * HOUR))
    (there,) = only(emitted, SessionScheduled)
    assert (there.start, there.end) == (THURSDAY, THURSDAY + 2 * HOUR)
    assert starts(emitted, SessionCancelled) == [TUESDAY]


def test_one_that_is_to_last_longer_stays_the_same_session() -> None:
    story = admitted_story()
    identity = named(story.then(booking(TUESDAY)))
    (there,) = only(
        story.then(MoveSession(session_id=identity, start=TUESDAY, end=TUESDAY + 2 * HOUR)), SessionScheduled
    )
    assert (there.session_id, there.end) == (identity, TUESDAY + 2 * HOUR)


def test_where_one_was_moved_away_from_another_one_may_be_booked() -> None:
    story = admitted_story()
    identity = named(story.then(booking(TUESDAY)))
    story.then(MoveSession(session_id=identity, start=THURSDAY))
    emitted = story.then(booking(TUESDAY))
    assert named(emitted) not in (identity, session(THURSDAY, 3))
    assert starts(emitted, SessionScheduled) == [TUESDAY]


def test_an_hour_each_day_for_a_year_needs_one_slot_and_a_bounded_state() -> None:
    story = admitted_story()
    for day in range(1, 365):
        story.attending_until(ADMISSION + day * DAY)
        story.then(booking(ADMISSION + day * DAY + timedelta(minutes=day % 50), minutes=30 + day % 50))
    assert story.state.episode is not None
    assert len(story.state.episode.template) <= 3 + SLOTS_MOST
    assert len(story.state.sessions) <= SESSIONS_MOST


def test_more_than_a_state_holds_are_refused() -> None:
    story = admitted_story(correction_days=35, book_days=35)
    for number in range(SESSIONS_MOST):
        story.then(booking(ADMISSION + number * 4 * HOUR + 2 * MINUTE, minutes=1))
    assert refusal(story) == ("business-rule", "Appointment.start")
    assert len(msgspec.json.encode(story.state)) < 16 * 1024


def test_its_numbers_are_for_whoever_reads_it_and_never_on_a_topic() -> None:
    number = BookingNumber("https://ehr.example.org/appointment", "4711")
    (scheduled,) = only(admitted_story().then(booking(TUESDAY, numbers=(number,))), SessionScheduled)
    assert list(scheduled.identifiers()) == [scheduled.session_id]
    assert "4711" not in str(scheduled.write("patient"))


def test_a_report_that_cannot_be_books_nothing_either() -> None:
    story = admitted_story()
    story.then(booking(THURSDAY, report=MarkMissed(session_id="")))
    assert refusal(story) == ("conflict", "Appointment.status")
    assert THURSDAY not in [each.start for each in story.state.sessions]
