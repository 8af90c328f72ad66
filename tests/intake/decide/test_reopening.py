"""Who resolved an escalation of intake's by mistake has it again, where what it was about still stands."""

from datetime import timedelta

import pytest
from hypothesis import assume, settings
from hypothesis import given as any_of
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.placement.evidence import act_of
from shared.rules.escalation import STANDS_NO_MORE, STAY_OVER
from tests.intake.decide.test_clocks import reasons
from tests.intake.decide.test_death import DIED, LIVES
from tests.intake.decide.test_safety import end_evidence, in_danger
from tests.intake.decide.test_signals import MISS, POSITIVE
from tests.intake.given import MONDAY, TUESDAY, escalated, found, resolved, retracted, sign
from tests.intake.story import Story, admitted, given, referred
from tests.laws import examples
from tests.reopening import reopening
from tests.story import only

HOUR = timedelta(hours=1)


def tick_off(story: Story, reason: str = "acted-on") -> w.EscalationResolved:
    (known,) = story.state.escalations
    resolve = w.ResolveEscalation(escalation_id=known.escalation.id, reason=reason, by="clinician-1")
    (event,) = only(story.then(resolve, at=story.now + HOUR), w.EscalationResolved)
    return event


def suicidal() -> Story:
    return given(w.ReportFindings(findings=found("c-ssrs-q4")))


def combined() -> Story:
    return admitted().and_then(MISS, POSITIVE)


def late() -> Story:
    story = referred()
    story.until(TUESDAY)
    return story


@pytest.mark.parametrize("begin", [suicidal, combined, late, lambda: admitted().and_then(DIED)])
def test_it_is_the_same_again_and_theirs(begin: "some.SearchStrategy[Story]") -> None:
    story: Story = begin()  # type: ignore[operator]
    before, signals, waiting = story.state.escalations[0], story.state.signals, story.state.waiting
    event = tick_off(story)
    assert story.then(reopening(event), at=story.now + HOUR) == only(story.emitted, w.EscalationReopened)
    (stands,) = story.state.escalations
    assert (stands.accepted_by, stands.escalation.id, stands.escalation.tier) == (
        "clinician-1",
        before.escalation.id,
        before.escalation.tier,
    )
    assert stands.escalation.signals == before.escalation.signals
    assert (story.state.signals, story.state.waiting) == (signals, waiting)
    assert story.then(reopening(event)) == [] and story.refused is None


def ended(story: Story, reason: w.EndReason = "mistaken") -> w.EscalationResolved:
    """Somebody ends what stands behind the one that is open."""
    (event,) = only(story.then(end_evidence(story, reason), at=story.now + HOUR), w.EscalationResolved)
    return event


@pytest.mark.parametrize("reason", ["mistaken", "reassessed-lower-risk"])
def test_what_an_answer_ended_by_mistake_stands_again_and_the_level_with_it(reason: w.EndReason) -> None:
    story = in_danger()
    evidence, recommended = story.state.evidence, story.state.recommended
    event = ended(story, reason)
    assert story.state.recommended is not None and story.state.recommended.level == "2.1"
    assert [type(each).__name__ for each in story.then(reopening(event))] == [
        "EscalationReopened",
        "RecommendationWithdrawn",
        "LevelOfCareRecommended",
    ]
    assert story.state.evidence == evidence
    assert recommended is not None and story.state.recommended.level == recommended.level == "4-psych"
    assert reasons(story) == ["suicide-risk"]
    assert story.then(reopening(event)) == []


def test_evidence_stays_ended_where_the_answer_itself_was_no_mistake() -> None:
    story = suicidal()
    event = ended(story)
    assert story.refusal(reopening(event, reason="not-done")) == STANDS_NO_MORE


def test_evidence_that_its_source_has_corrected_since_does_not_come_back() -> None:
    story = suicidal()
    event = ended(story)
    story.and_then(w.RecordAssessment(findings=(screen("c-ssrs-q4", 0, "c-ssrs-q4"),)))
    assert story.refusal(reopening(event)) == STANDS_NO_MORE
    assert "c-ssrs-q4" not in story.state.evidence


def test_what_an_earlier_answer_ended_stays_ended() -> None:
    story = suicidal()
    ended(story)
    story.and_then(w.RecordAssessment(findings=(screen("c-ssrs-q4", 1, "later"),)))
    event = ended(story)
    story.then(reopening(event))
    later, earlier = story.state.evidence["c-ssrs-q4"]
    assert later.ended == 0 and earlier.ended == act_of(only(story.all_emitted, w.EscalationRaised)[0].escalation.id)


def screen(code: str, value: int, source: str, minutes: int = 30) -> w.ReportedFinding:
    return w.ReportedFinding(code, value, MONDAY + timedelta(minutes=minutes), f"Observation/{source}")


screens = some.builds(
    screen,
    some.sampled_from(["c-ssrs-q4", "c-ssrs-q3", "c-ssrs-risk", "cows", "safe-housing"]),
    some.integers(0, 3),
    some.sampled_from(["c-ssrs-q4", "a", "b"]),
    some.sampled_from([0, 30, 60]),
)
others = some.one_of(
    some.builds(lambda each: w.RecordAssessment(findings=(each,)), screens),
    some.builds(lambda each: w.RecordAssessment(sources=(f"Observation/{each}",)), some.sampled_from(["a", "b"])),
)


@settings(max_examples=examples(200))
@any_of(some.lists(others, max_size=3), some.lists(others, max_size=3), some.lists(others, max_size=3))
def test_reopened_after_a_mistake_the_evidence_is_as_if_nobody_had_answered(
    before: list[w.RecordAssessment], between: list[w.RecordAssessment], after: list[w.RecordAssessment]
) -> None:
    story, untouched = in_danger(), in_danger()
    story.and_then(*before)
    assume("suicide-risk" in reasons(story))
    (known,) = (each.escalation for each in story.state.escalations if each.escalation.reason == "suicide-risk")
    answer = w.EndEvidence(escalation_id=known.id, finding=known.reason, reason="mistaken", by="clinician-1")
    (event,) = only(story.then(answer), w.EscalationResolved)
    story.and_then(*between)
    story.then(reopening(event))
    assume(story.refused is None)
    story.and_then(*after)
    untouched.and_then(*before, *between, *after)
    assert story.state.evidence == untouched.state.evidence
    assert level(story) == level(untouched)


def level(story: Story) -> str | None:
    return story.state.recommended.level if story.state.recommended else None


def test_a_death_that_was_withdrawn_is_not_asked_about_again() -> None:
    story = admitted().and_then(DIED)
    event = tick_off(story)
    story.and_then(LIVES)
    assert story.refusal(reopening(event)) == STANDS_NO_MORE
    mistaken = admitted().and_then(DIED)
    assert mistaken.refusal(reopening(tick_off(mistaken, "mistaken"))) == STANDS_NO_MORE


def test_what_was_signed_since_waits_no_more() -> None:
    story = late()
    event = tick_off(story)
    story.and_then(sign(story.state))
    assert story.refusal(reopening(event)) == STANDS_NO_MORE


def test_what_was_reopened_and_is_signed_then_waits_no_more() -> None:
    story = late()
    story.then(reopening(tick_off(story)))
    story.and_then(sign(story.state))
    assert reasons(story) == []


def test_signals_of_which_one_was_taken_back_combine_no_more() -> None:
    story = combined()
    event = tick_off(story)
    story.and_then(retracted(MISS))
    assert story.refusal(reopening(event)) == STANDS_NO_MORE


def test_a_signal_that_is_taken_back_afterwards_retracts_it() -> None:
    story = combined()
    story.then(reopening(tick_off(story)))
    assert "EscalationRetracted" in story.and_then(retracted(POSITIVE)).names()
    assert reasons(story) == []


def test_one_that_newer_signals_raised_since_is_named_instead() -> None:
    story = combined()
    event = tick_off(story)
    story.and_then(escalated("another positive", "unexpected-positive", MONDAY + timedelta(days=6)))
    (instead,) = story.state.escalations
    assert f"Task/{instead.escalation.id}" in story.refusal(reopening(event)).reason


def test_another_services_that_is_reopened_is_named_as_before() -> None:
    story = admitted().and_then(MISS, POSITIVE, resolved(MISS))
    signals = story.state.signals
    again = w.EscalationReopened(escalation=MISS.escalation, at=MONDAY, reason="not-done", by="therapist-2")
    assert story.and_then(again).names() == [] and story.state.signals == signals


def test_after_the_discharge_nothing_of_the_stay_is_asked() -> None:
    story = combined()
    event = tick_off(story)
    assert story.state.episode is not None
    story.and_then(
        w.Discharge(
            episode_id=story.state.episode.id, encounter_id="encounter", disposition="completed", at=story.now + HOUR
        )
    )
    assert story.refusal(reopening(event), at=story.now + 2 * HOUR) == STAY_OVER


@settings(max_examples=examples(40))
@any_of(some.permutations(["reopened", "a miss gone", "a positive gone", "reopened again"]))
def test_in_any_order_of_reopening_and_withdrawal_nothing_combined_is_left_without_its_signals(
    order: list[str],
) -> None:
    story = combined()
    event = tick_off(story)
    for step in order:
        match step:
            case "a miss gone":
                story.and_then(retracted(MISS))
            case "a positive gone":
                story.and_then(retracted(POSITIVE))
            case _:
                story.then(reopening(event))
    assert story.state.escalations == ()
