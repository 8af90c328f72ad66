"""Every recommendation explains itself: by which answers each rule holds, what is undecided, what has changed."""

from datetime import datetime, timedelta

from hypothesis import given as for_any
from hypothesis import settings as limits
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.messages import Input, RuleChange, RuleReason, Undecided
from services.intake.table import TABLE, answer_of
from tests.intake.given import IOP_NEEDS, MONDAY, PATIENT, TUESDAY, assessment, found, received, referral, resource
from tests.intake.story import Story, given
from tests.laws import examples


def assessed(*facts: str, needs: dict[str, str] = IOP_NEEDS, at: datetime = MONDAY) -> w.RecordAssessment:
    return received(assessment(needs, *facts, at=at))


def last(story: Story) -> w.Recommendation:
    made = [each for each in story.all_emitted if isinstance(each, w.LevelOfCareRecommended)]
    return made[-1].recommendation


def reason(story: Story, rule: str) -> RuleReason:
    (one,) = [each for each in last(story).explanation.rules if each.rule == rule]
    return one


def test_a_rule_names_the_answers_by_which_it_holds_with_their_time_and_resource() -> None:
    story = given(assessed("cows=14", "safe-housing"), referral())
    assert reason(story, "R5") == RuleReason(
        "R5", (Input("cows", "moderate", MONDAY, resource("cows")),), (w.Need("withdrawal", "1.7"),)
    )


def test_a_rule_that_asks_for_a_stated_need_names_it() -> None:
    story = given(assessed("safe-housing"), referral())
    need = Input("substance-use-risk", "2.1", MONDAY, resource("substance-use-risk"), is_need=True)
    assert reason(story, "R14").inputs == (need,)


def test_the_rules_stand_in_their_order_each_once_with_a_reason() -> None:
    recommended = last(given(assessed("cows=14", "not safe-housing", "several-days-support-needed"), referral()))
    assert tuple(each.rule for each in recommended.explanation.rules) == recommended.rules == ("R5", "R12", "R14")
    assert all(each.inputs for each in recommended.explanation.rules)


def test_every_need_and_score_is_considered_also_where_no_rule_asks_for_it() -> None:
    recommended = last(given(assessed("dsm-5-criteria=6", "audit-c=3"), referral()))
    answers = {each.code: each.answer for each in recommended.explanation.considered}
    assert answers == {**IOP_NEEDS, "dsm-5-criteria": "severe", "audit-c": "positive-in-women"}


def test_a_condition_and_the_track_say_by_what_they_are() -> None:
    explanation = last(given(assessed("not safe-housing", "primary-opioid"), referral())).explanation
    assert explanation.conditions == (w.ConditionReason("recovery-residence", ("R12",)),)
    assert explanation.track == (Input("primary-opioid", "yes", MONDAY, resource("primary-opioid")),)


def test_the_other_half_of_a_condition_that_nobody_answered_is_missing() -> None:
    explanation = last(given(assessed("withdrawal-seizure-history"), referral())).explanation
    assert explanation.undecided == (Undecided("R3", "daily-heavy-use", "missing"),)


def test_what_was_denied_is_not_missing() -> None:
    explanation = last(given(assessed("withdrawal-seizure-history", "not daily-heavy-use"), referral())).explanation
    assert explanation.undecided == ()


def test_an_answer_past_its_window_is_too_old_to_decide() -> None:
    before = w.RecordAssessment(findings=found("cows=14", at=MONDAY - timedelta(days=8)))
    explanation = last(given(before, assessed(), referral())).explanation
    assert explanation.undecided == (Undecided("R5", "cows", "too-old"),)


def test_a_safety_rule_without_an_assessment_says_what_is_missing() -> None:
    story = given(w.RecordAssessment(findings=found("c-ssrs-q4")), referral())
    undecided = last(story).explanation.undecided
    assert undecided[:5] == tuple(Undecided("R0", each, "missing") for each in TABLE.dimensions)


def test_a_recommendation_renewed_says_which_rule_was_added_and_by_which_input() -> None:
    story = given(assessed("safe-housing"), referral())
    first = last(story)
    story.at(TUESDAY).and_then(w.RecordAssessment(findings=found("cows=14", at=TUESDAY)))
    explanation = last(story).explanation
    assert explanation.changes == (RuleChange("R5", "added", ("cows",)),)
    assert explanation.replaces_id == first.recommendation_id


def test_a_recommendation_renewed_says_which_rule_is_gone_and_by_which_input() -> None:
    story = given(assessed("cows=14", "safe-housing"), referral()).at(TUESDAY)
    story.and_then(w.RecordAssessment(sources=(resource("cows"),)))
    assert last(story).explanation.changes == (RuleChange("R5", "gone", ("cows",)),)


def test_another_need_is_told_as_a_change_too() -> None:
    story = given(assessed(), referral()).at(TUESDAY)
    story.and_then(assessed(needs={**IOP_NEEDS, "biomedical": "2.7"}, at=TUESDAY))
    assert RuleChange("", "changed", ("biomedical",)) in last(story).explanation.changes


def test_the_first_recommendation_replaces_none() -> None:
    explanation = last(given(assessed(), referral())).explanation
    assert (explanation.changes, explanation.replaces_id) == ((), None)


def test_the_request_names_each_resource_that_was_received() -> None:
    request = last(given(assessed("cows=14"), referral())).request("active", PATIENT)
    named = [each["reference"] for each in request["supportingInfo"]]  # type: ignore[attr-defined]
    assert {resource(each) for each in (*IOP_NEEDS, "cows")} <= set(named)


def test_every_score_has_a_severity_from_nothing_on_in_rising_order() -> None:
    assert set(TABLE.severity) == set(TABLE.evidence.scores)
    for code, severities in TABLE.severity.items():
        points = list(severities.values())
        assert points[0] == 0 and points == sorted(set(points)), code


def test_a_score_is_told_as_its_severity_and_a_fact_as_yes_or_no() -> None:
    assert [answer_of("ciwa-ar", each) for each in (9, 10, 18, 19)] == ["mild", "moderate", "moderate", "severe"]
    assert [answer_of("no-housing", each) for each in (0, 1)] == ["no", "yes"]


answers = some.sets(some.sampled_from([*sorted(TABLE.facts()), "cows=14", "ciwa-ar=20", "c-ssrs-risk=2", "phq-9=12"]))


@limits(max_examples=examples(60))
@for_any(answers)
def test_every_rule_of_any_recommendation_has_an_input_and_every_condition_a_place(facts: set[str]) -> None:
    """R0 alone has none: it says what is missing."""
    recommended = last(given(assessed(*sorted(facts - {"under-18"})), referral()))
    explanation = recommended.explanation
    assert tuple(each.rule for each in explanation.rules) == recommended.rules
    assert all(each.inputs for each in explanation.rules if each.rule != "R0")
    assert tuple(each.condition for each in explanation.conditions) == recommended.conditions
    assert all(one.evidence for each in explanation.rules for one in each.inputs)
