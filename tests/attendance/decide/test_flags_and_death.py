"""Flags are those of today; a death stops everything at once, until it turns out to be wrong."""

from datetime import datetime, timedelta

from services.attendance.messages import (
    DeathWithdrawn,
    FlagsChanged,
    PatientDied,
    SessionCancelled,
    SessionMissed,
    SessionScheduled,
)
from shared.events.attendance import WeekEvent
from shared.events.escalation import EscalationRaised, EscalationUpdated
from tests.attendance.given import SETTLED, admitted, evening
from tests.attendance.story import Story, changed, in_treatment, starts
from tests.story import only

DAY = timedelta(days=1)


def flagged(*flags: str) -> FlagsChanged:
    return FlagsChanged(flags=flags, ended=(), changed_at=evening(2, 1))


def died(at: datetime | None = None, reported_at: datetime = SETTLED[2]) -> PatientDied:
    return PatientDied(died_at=at, reported_at=reported_at)


def test_a_miss_is_graded_by_the_flags_of_its_day() -> None:
    story = in_treatment()
    story.then(flagged("suicide-risk", "pregnant"))
    story.missing(SETTLED[0])
    assert story.escalations == {"missed-session": 3}


def test_a_new_risk_raises_what_is_open_and_asks_to_be_acknowledged_anew() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    (updated,) = only(story.then(flagged("overdose-risk")), EscalationUpdated)
    assert (updated.escalation.tier, updated.accepted) == (3, False)
    assert story.then(flagged("overdose-risk")) == []


def test_a_risk_that_ends_lowers_nothing_that_is_open() -> None:
    story = in_treatment("suicide-risk")
    story.missing(SETTLED[0])
    assert changed(story.then(flagged())) == [] and story.escalations == {"missed-session": 3}


def test_under_an_active_risk_each_miss_asks_anew_whoever_has_taken_on_the_others() -> None:
    story = in_treatment("suicide-risk")
    story.missing(*SETTLED[:2])
    story.until(SETTLED[2])
    emitted = story.until(SETTLED[2] + timedelta(minutes=15))
    assert {each.accepted for each in only(emitted, EscalationUpdated)} == {False}
    assert [each.accepted for each in story.state.escalations if each.kind == "two-misses"] == [False]


def test_after_a_death_nobody_is_missed_or_looked_for() -> None:
    story = in_treatment()
    story.missing(*SETTLED[:2])
    emitted = story.then(died())
    assert {event for event, _, _ in changed(emitted)} == {"Resolved"} and story.escalations == {}
    assert SETTLED[2] in starts(emitted, SessionCancelled)
    later = story.until(story.now + 60 * DAY)
    assert only(later, SessionMissed) == [] and only(later, WeekEvent) == [] and changed(later) == []
    assert story.then(died()) == []


def test_misses_after_a_death_that_became_known_later_are_taken_back() -> None:
    story = in_treatment()
    story.missing(*SETTLED[:2])
    story.then(died(SETTLED[1] - DAY))
    assert (story.outcome(SETTLED[0]), story.outcome(SETTLED[1])) == ("missed", "cancelled")


def test_a_death_that_was_wrong_brings_sessions_and_outreach_back() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.then(died())
    emitted = story.then(DeathWithdrawn(withdrawn_at=story.now))
    assert SETTLED[2] in starts(emitted, SessionScheduled)
    assert [each.escalation.reason for each in only(emitted, EscalationRaised)] == ["missed-session"]
    assert SETTLED[2] in starts(story.until(SETTLED[2] + DAY), SessionMissed)


def test_a_death_of_a_patient_who_is_not_in_a_stay_changes_nothing() -> None:
    assert Story(died(), DeathWithdrawn(withdrawn_at=SETTLED[2])).state == Story().state
    assert Story(admitted(), DeathWithdrawn(withdrawn_at=SETTLED[2])).emitted == []
