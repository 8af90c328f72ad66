"""Nights elsewhere: no session is owed, silence about one is no absence, and afterwards the stay goes on."""

from datetime import datetime, timedelta

from services.attendance.messages import (
    DischargeWithdrawn,
    EpisodePaused,
    EpisodeResumed,
    ReinstateSession,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
    WeeklyHoursFellShort,
)
from tests.attendance.given import ADMISSION, EPISODE, SETTLED, admitted, check_in, discharged, excused, session
from tests.attendance.story import Story, changed, in_treatment, starts
from tests.story import only

DAY = timedelta(days=1)


def paused(at: datetime) -> EpisodePaused:
    return EpisodePaused(episode_id=EPISODE, level="2.1", referral_id="r", admitted_at=ADMISSION, at=at)


def resumed(at: datetime) -> EpisodeResumed:
    return EpisodeResumed(episode_id=EPISODE, level="2.1", referral_id="r", admitted_at=ADMISSION, at=at)


def in_hospital_since(at: datetime) -> Story:
    story = in_treatment()
    story.attending_until(at)
    story.then(paused(at))
    return story


def test_while_the_patient_is_elsewhere_nothing_is_missed_however_long() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    later = story.until(story.now + 60 * DAY)
    assert only(later, SessionMissed) == [] and changed(later) == []
    assert only(later, WeeklyHoursFellShort) == []


def test_sessions_since_then_are_called_off_and_a_miss_among_them_is_taken_back() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    emitted = story.then(paused(SETTLED[0] - DAY))
    assert SETTLED[0] in starts(emitted, SessionCancelled)
    assert {each.reason for each in only(emitted, SessionCancelled)} == {"care-elsewhere"}
    assert story.escalations == {}


def test_a_miss_before_that_stands() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.then(paused(SETTLED[1] - DAY))
    assert story.escalations == {"missed-session": 1}


def test_the_same_pause_again_changes_nothing() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    assert story.then(paused(SETTLED[0] - DAY)) == []


def test_afterwards_sessions_ahead_take_place_and_absences_count_again() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    story.until(SETTLED[1] - DAY)
    emitted = story.then(resumed(SETTLED[1] - DAY))
    assert SETTLED[1] in starts(emitted, SessionScheduled)
    assert story.outcome(SETTLED[0]) == "cancelled"
    assert starts(story.until(SETTLED[1] + DAY), SessionMissed) == [SETTLED[1]]


def test_a_stay_that_begins_paused_owes_nothing_until_it_goes_on() -> None:
    story = Story(admitted(), paused(ADMISSION))
    assert changed(story.until(SETTLED[0] - DAY)) == []
    assert {each.waits for each in story.state.sessions} == {False}
    assert SETTLED[1] in starts(story.then(resumed(SETTLED[0])), SessionScheduled)


def test_after_a_long_pause_sessions_are_booked_on() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    story.until(story.now + 60 * DAY)
    assert len(only(story.then(resumed(story.now)), SessionScheduled)) > 3


def test_a_pause_that_never_was_gives_the_misses_back() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.then(paused(SETTLED[0] - DAY))
    assert SETTLED[0] in starts(story.then(resumed(ADMISSION)), SessionMissed)
    assert "missed-session" in story.escalations


def test_no_session_of_a_pause_is_booked_again_and_one_before_it_is() -> None:
    story = in_treatment()
    story.then(excused(SETTLED[0]), excused(SETTLED[1]), paused(SETTLED[1] - DAY))
    assert story.refusal(ReinstateSession(session_id=session(SETTLED[1]))).code == "conflict"
    story.then(ReinstateSession(session_id=session(SETTLED[0])))
    assert story.outcome(SETTLED[0]) == "planned"


def test_who_comes_all_the_same_was_there() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    story.until(SETTLED[0])
    story.then(check_in(SETTLED[0]))
    assert story.outcome(SETTLED[0]) == "attended"


def test_a_stay_that_ended_meanwhile_brings_nothing_back() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    story.then(discharged(SETTLED[1]))
    assert only(story.then(resumed(SETTLED[1])), SessionScheduled) == []


def test_a_discharge_that_was_wrong_ends_the_pause_too() -> None:
    story = in_hospital_since(SETTLED[0] - DAY)
    story.then(discharged(story.now))
    back = DischargeWithdrawn(
        episode_id=EPISODE,
        encounter_id="e",
        plan_id="p",
        admitted_at=ADMISSION,
        withdrawn_at=story.now,
        client="ehr",
    )
    assert SETTLED[1] in starts(story.then(back), SessionScheduled)


def test_the_pause_of_another_stay_changes_nothing() -> None:
    story = Story(admitted())
    other = EpisodePaused(episode_id="another", level="2.1", referral_id="r", admitted_at=ADMISSION, at=ADMISSION)
    assert story.then(other) == []
    assert story.then(resumed(ADMISSION)) == []
