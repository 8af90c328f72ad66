"""A miss that somebody ticked off by mistake is theirs again, where the sessions still ask for it."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import ResolveEscalation
from services.attendance.requests import ASKED_OF_REPORT
from shared.events.escalation import EscalationReopened, EscalationResolved, EscalationRetracted
from shared.rules.escalation import STANDS_NO_MORE, STAY_OVER
from tests.attendance.given import SETTLED, check_in, discharged, excused, present, session
from tests.attendance.story import Story, in_treatment
from tests.laws import examples
from tests.reopening import reopening
from tests.story import only

HOUR = timedelta(hours=1)


def resolved(story: Story, reason: str, resolution: str = "reached") -> EscalationResolved:
    resolve = ResolveEscalation(escalation_id=story.open_id(reason), reason=resolution, by="robin")
    (event,) = only(story.then(resolve, at=story.now + HOUR), EscalationResolved)
    return event


def missing_two() -> Story:
    story = in_treatment()
    story.missing(SETTLED[0], SETTLED[1])
    return story


@pytest.mark.parametrize("reason", ["missed-session", "two-misses-in-7-days"])
def test_it_is_the_same_again_and_theirs(reason: str) -> None:
    story = missing_two()
    before = {each.id: each for each in story.state.escalations}
    event = resolved(story, reason)
    (again,) = only(story.then(reopening(event), at=story.now + HOUR), EscalationReopened)
    now = {each.id: each for each in story.state.escalations}
    assert now.keys() == before.keys()
    was, stands = before[event.escalation.id], now[event.escalation.id]
    assert (stands.kind, stands.place, stands.tier, stands.raised_at) == (was.kind, was.place, was.tier, was.raised_at)
    assert (stands.accepted, stands.accepted_by, stands.overdue) == (True, "robin", 0)
    assert stands.act_by > was.act_by
    assert again.escalation.signals == event.escalation.signals
    assert again.escalation in story.still_open
    assert story.then(reopening(event), at=story.now) == [] and story.refused is None


def test_a_check_in_that_comes_afterwards_retracts_it_like_any_other() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    event = resolved(story, "missed-session")
    story.then(reopening(event), at=story.now + HOUR)
    emitted = story.then(check_in(SETTLED[0]), at=story.now + HOUR)
    assert [each.escalation.id for each in only(emitted, EscalationRetracted)] == [event.escalation.id]
    assert story.state.escalations == ()


def test_who_turned_out_to_have_come_or_is_excused_is_not_asked_about_again() -> None:
    came, was_excused = in_treatment(), in_treatment()
    for story in (came, was_excused):
        story.missing(SETTLED[0])
    came_event = resolved(came, "missed-session")
    came.then(check_in(SETTLED[0]), at=came.now + HOUR)
    assert came.refusal(reopening(came_event), at=came.now + HOUR) == STANDS_NO_MORE
    excused_event = resolved(was_excused, "missed-session", "illness")
    assert was_excused.refusal(reopening(excused_event), at=was_excused.now + HOUR) == STANDS_NO_MORE


def test_another_one_about_the_same_sessions_is_named_instead() -> None:
    story = missing_two()
    event = resolved(story, "two-misses-in-7-days")
    story.missing(SETTLED[2])
    instead = story.open_id("two-misses-in-7-days")
    refused = story.refusal(reopening(event, resolved_at=story.now), at=story.now)
    assert refused.code == "conflict" and f"Task/{instead}" in refused.reason


def test_after_the_discharge_no_miss_of_the_stay_is_asked_about() -> None:
    story = in_treatment()
    story.missing(SETTLED[0])
    event = resolved(story, "missed-session")
    story.then(discharged(story.now), at=story.now + HOUR)
    assert story.refusal(reopening(event), at=story.now + HOUR) == STAY_OVER


def test_a_question_about_one_report_is_not_reopened() -> None:
    story = in_treatment()
    day_off = SETTLED[0] + timedelta(days=1)
    story.attending_until(day_off)
    story.then(present(SETTLED[0], day_off, day_off + HOUR), at=day_off + 2 * HOUR)
    event = resolved(story, "check-presence")
    assert story.refusal(reopening(event), at=story.now + HOUR) == ASKED_OF_REPORT


@settings(max_examples=examples(40))
@given(some.permutations(["reopened", "came", "excused", "reopened again"]), some.sampled_from([0, 1]))
def test_in_any_order_of_reopening_and_correction_nobody_is_asked_about_who_was_there(
    order: list[str], which: int
) -> None:
    story = missing_two()
    events = [resolved(story, each) for each in ("two-misses-in-7-days", "missed-session")]
    for step in order:
        match step:
            case "came":
                story.then(check_in(SETTLED[which]), at=story.now + HOUR)
            case "excused":
                story.then(excused(SETTLED[1 - which]), at=story.now + HOUR)
            case _:
                story.then(*(reopening(each) for each in events), at=story.now + HOUR)
    missed = {f"Appointment/{session(each.start)}" for each in story.state.sessions if each.counts_as_missed}
    assert all(signal.evidence in missed for each in story.still_open for signal in each.signals)
    assert all(each.signals for each in story.still_open)
