"""Excused and called off."""

from datetime import timedelta

import pytest

from services.attendance.messages import (
    CallOffSession,
    CancelSession,
    ResolveEscalation,
    SessionAttended,
    SessionCancelled,
    SessionExcused,
    SessionMissed,
    SignalsCorrected,
)
from shared.events.attendance import SessionEvent
from tests.attendance.given import GRACE, MONDAY, SETTLED, admitted, check_in, evening, excused, session
from tests.attendance.story import Story, changed, in_treatment, refusal, starts
from tests.story import only

DAY = timedelta(days=1)


def test_an_excuse_beforehand_means_no_miss() -> None:
    story = Story(admitted())
    assert starts(story.then(excused(MONDAY)), SessionExcused) == [MONDAY]
    assert only(story.until(MONDAY + GRACE), SessionMissed) == []


def test_an_excuse_afterwards_retracts_what_the_miss_raised() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    emitted = story.then(excused(SETTLED[0], "illness"))
    assert changed(emitted) == [("Retracted", "missed-session", 1)]
    assert story.escalations == {} and story.outcome(SETTLED[0]) == "excused"


@pytest.mark.parametrize("reason", ["acted-on", "illness"])
def test_a_miss_that_a_person_has_answered_is_withdrawn_for_whoever_counts_it(reason: str) -> None:
    """By the outreach itself, or by what becomes known afterwards; and once."""
    story = in_treatment()
    story.missing(SETTLED[0])
    emitted = story.then(ResolveEscalation(escalation_id=story.open_id("missed-session"), reason=reason))
    if reason == "acted-on":
        assert only(emitted, SignalsCorrected) == []
        emitted = story.then(check_in(SETTLED[0]))
    (withdrawn,) = only(emitted, SignalsCorrected)
    assert [each.at for each in withdrawn.gone] == [SETTLED[0]]
    assert only(story.then(excused(SETTLED[0], "illness"), check_in(SETTLED[0])), SignalsCorrected) == []


def test_an_answered_miss_that_was_excused_by_mistake_is_asked_about_anew() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    story.then(ResolveEscalation(escalation_id=story.open_id("missed-session"), reason="acted-on"))
    story.then(excused(SETTLED[0], "illness"))
    assert changed(story.then(CancelSession(session_id=session(SETTLED[0])))) == [("Raised", "missed-session", 1)]


def test_an_excused_session_breaks_no_row() -> None:
    story = in_treatment()
    story.then(excused(SETTLED[1]))
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


@pytest.mark.parametrize("command", [excused(MONDAY), CallOffSession(session_id=session(MONDAY))])
def test_what_was_attended_stays_attended(command: CancelSession | CallOffSession) -> None:
    story = Story(admitted())
    story.until(MONDAY)
    story.then(check_in(MONDAY))
    assert only(story.then(command), SessionEvent) == []
    assert story.outcome(MONDAY) == "attended" and story.minutes(MONDAY) == 180


def test_who_came_to_what_was_called_off_attended() -> None:
    story = Story(admitted(), CallOffSession(session_id=session(MONDAY)))
    story.until(MONDAY)
    assert starts(story.then(check_in(MONDAY)), SessionAttended) == [MONDAY]


def test_who_was_excused_and_came_all_the_same_attended() -> None:
    story = Story(admitted(), excused(MONDAY))
    story.until(MONDAY)
    assert starts(story.then(check_in(MONDAY)), SessionAttended) == [MONDAY]


def test_a_session_that_is_not_planned_is_not_found() -> None:
    story = Story(admitted())
    assert story.then(excused(evening(8, 0))) == []
    assert refusal(story) == ("not-found", "appointment")
