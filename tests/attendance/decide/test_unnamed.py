"""An Encounter that names no session: a person sees it with the day's list; where the EHR books, it makes its own."""

from datetime import datetime, timedelta
from typing import Any

from services.attendance.messages import (
    CheckIn,
    CheckInWithdrawn,
    SessionAttended,
    SessionCancelled,
    SessionCheckedIn,
    SessionMissed,
    SessionScheduled,
    WithdrawCheckIn,
)
from shared.events.envelope import name_id
from tests.attendance.decide.test_ehr_booking import booking, named
from tests.attendance.given import (
    ADMISSION,
    GRACE,
    MONDAY,
    NAMES,
    SETTINGS,
    admitted,
    evening,
    session,
)
from tests.attendance.story import UNHURRIED, Story, starts
from tests.story import only

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
TUESDAY = evening(0, 1)
ENCOUNTER = name_id(NAMES, "unnamed")


def unnamed(since: datetime, until: datetime | None, kind: str = "group", **more: Any) -> CheckIn:
    return CheckIn(session_ids=(), encounter_id=ENCOUNTER, periods=((since, until),), kind=kind, **more)


def hub() -> Story:
    return Story(admitted(), **UNHURRIED)


def ehr() -> Story:
    return Story(admitted(), books="ehr", **UNHURRIED)


def after(story: Story, moment: datetime) -> Story:
    story.until(moment)
    return story


def test_where_the_hub_books_a_person_is_shown_the_sessions_of_that_day() -> None:
    story = after(hub(), MONDAY + 3 * HOUR)
    story.then(unnamed(MONDAY + 10 * MINUTE, story.now))
    (asked,) = [each for each in story.still_open if each.reason == "check-presence"]
    assert [each.evidence for each in asked.signals] == [f"Encounter/{ENCOUNTER}", f"Appointment/{session(MONDAY)}"]
    assert story.outcome(MONDAY) == "missed"


def test_a_day_without_a_session_shows_the_encounter_alone() -> None:
    story = after(hub(), TUESDAY + HOUR)
    story.then(unnamed(TUESDAY, story.now))
    (asked,) = [each for each in story.still_open if each.reason == "check-presence"]
    assert [each.evidence for each in asked.signals] == [f"Encounter/{ENCOUNTER}"]


def test_once_it_names_its_session_nobody_is_asked() -> None:
    story = after(hub(), MONDAY + 3 * HOUR)
    story.then(unnamed(MONDAY, story.now))
    story.then(CheckIn(session_ids=(session(MONDAY),), encounter_id=ENCOUNTER, periods=((MONDAY, story.now),)))
    assert "check-presence" not in story.escalations
    assert story.outcome(MONDAY) == "attended"


def test_one_that_names_its_session_no_more_reports_it_no_more() -> None:
    story = after(hub(), MONDAY + 3 * HOUR)
    story.then(CheckIn(session_ids=(session(MONDAY),), encounter_id=ENCOUNTER, periods=((MONDAY, story.now),)))
    assert starts(story.then(unnamed(MONDAY, story.now)), CheckInWithdrawn) == [MONDAY]


def test_before_an_admission_it_waits() -> None:
    story = Story()
    story.then(unnamed(MONDAY, None))
    assert story.refused is not None
    assert story.refused.code == "transient"


def test_one_of_too_long_ago_is_asked_about() -> None:
    story = after(hub(), MONDAY + (SETTINGS.correction_days + 1) * DAY)
    story.then(unnamed(MONDAY, MONDAY + HOUR))
    assert "late-report" in story.escalations


def test_where_the_ehr_books_the_hub_books_none_and_misses_none() -> None:
    story = after(ehr(), ADMISSION + 20 * DAY)
    assert only(story.all_emitted, SessionScheduled) == []
    assert story.escalations == {}


def test_what_the_ehr_booked_is_missed_by_silence() -> None:
    story = ehr()
    story.then(booking(MONDAY, "group", 180))
    assert starts(story.until(MONDAY + GRACE), SessionMissed) == [MONDAY]


def test_there_an_encounter_makes_its_session_as_it_was_held() -> None:
    story = after(ehr(), TUESDAY + 2 * HOUR)
    emitted = story.then(unnamed(TUESDAY, TUESDAY + 95 * MINUTE, "workshop", class_code="VR"))
    (scheduled,), (attended,) = only(emitted, SessionScheduled), only(emitted, SessionAttended)
    assert (scheduled.kind, scheduled.start, scheduled.end) == ("workshop", TUESDAY, TUESDAY + 95 * MINUTE)
    assert (scheduled.modality, attended.minutes, attended.session_id) == ("video", 95, scheduled.session_id)


def test_one_that_lasts_is_as_long_as_it_was_in_the_end() -> None:
    story = after(ehr(), TUESDAY + 5 * MINUTE)
    (first,) = only(story.then(unnamed(TUESDAY, None)), SessionCheckedIn)
    story.now = TUESDAY + 4 * HOUR
    emitted = story.then(unnamed(TUESDAY, story.now))
    (attended,) = only(emitted, SessionAttended)
    assert (attended.session_id, attended.minutes, attended.end) == (first.session_id, 240, story.now)


def test_one_that_was_another_day_leaves_nothing_owed_where_it_was() -> None:
    story = after(ehr(), TUESDAY + DAY + 2 * HOUR)
    story.then(unnamed(TUESDAY, TUESDAY + HOUR))
    emitted = story.then(unnamed(TUESDAY + DAY, TUESDAY + DAY + HOUR))
    assert starts(emitted, SessionCancelled) == [TUESDAY]
    assert starts(emitted, SessionAttended) == [TUESDAY + DAY]
    assert only(story.until(story.now + 2 * DAY), SessionMissed) == []


def test_taken_back_it_is_no_miss() -> None:
    story = after(ehr(), TUESDAY + 2 * HOUR)
    story.then(unnamed(TUESDAY, TUESDAY + HOUR), WithdrawCheckIn(encounter_id=ENCOUNTER))
    assert story.outcome(TUESDAY) == "cancelled"
    assert only(story.until(story.now + DAY), SessionMissed) == []


def test_it_is_of_the_session_that_was_booked_at_its_time() -> None:
    story = ehr()
    booked = named(story.then(booking(TUESDAY, "group", 90)))
    after(story, TUESDAY + 2 * HOUR)
    emitted = story.then(unnamed(TUESDAY + 5 * MINUTE, TUESDAY + 80 * MINUTE))
    assert [each.session_id for each in only(emitted, SessionAttended)] == [booked]
    assert only(emitted, SessionScheduled) == []


def test_one_of_another_kind_at_the_time_of_a_booked_one_is_shown_to_a_person() -> None:
    story = ehr()
    story.then(booking(TUESDAY, "group", 90))
    after(story, TUESDAY + 2 * HOUR)
    story.then(unnamed(TUESDAY, TUESDAY + HOUR, "family"))
    assert "check-presence" in story.escalations
    assert story.outcome(TUESDAY) == "missed"


def test_one_that_does_not_tell_its_kind_is_shown_to_a_person() -> None:
    story = after(ehr(), TUESDAY + 2 * HOUR)
    story.then(unnamed(TUESDAY, TUESDAY + HOUR, ""))
    assert list(story.escalations) == ["check-presence"]


def test_one_outside_of_the_stay_is_shown_to_a_person() -> None:
    story = after(ehr(), TUESDAY)
    story.then(unnamed(ADMISSION - DAY, ADMISSION - DAY + HOUR))
    assert list(story.escalations) == ["check-presence"]
    assert story.state.sessions == ()
