"""The rules R0 to R19 (domain 2.8): what fires, in which order, and what it recommends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.intake.placement.recommendation import Recommendation, recommend
from services.intake.table import TABLE
from shared.events.intake import Need
from tests.intake.given import IOP_NEEDS, MONDAY, known, settings

LOW = dict.fromkeys(IOP_NEEDS, "1.0")


def recommended(needs: dict[str, str], *facts: str) -> Recommendation:
    return recommend(known(needs, *facts), settings())


def attested(needs: dict[str, str], *facts: str, attests: tuple[str, ...] = ()) -> Recommendation:
    changed = settings(partner_prescriber="harbor-clinic", attests=attests)
    return recommend(known(needs, *facts), changed)


def test_needs_of_several_days_a_week_are_the_iop() -> None:
    found = recommended(IOP_NEEDS, "safe-housing")
    assert (found.level, found.rules, found.conditions) == ("2.1", ("R14",), ())


def test_medication_to_be_started_beside_2_1_is_2_7() -> None:
    found = recommended(IOP_NEEDS, "moud-start")
    assert (found.level, found.rules) == ("2.7", ("R5", "R14"))


def test_the_same_is_2_1_where_a_partner_prescriber_is_attested() -> None:
    found = attested(IOP_NEEDS, "moud-start")
    assert (found.level, found.conditions) == ("2.1", ("partner-prescriber-starts-moud",))


def test_a_stated_need_of_1_7_for_starting_medication_may_be_left_to_the_partner_too() -> None:
    assert recommended({**IOP_NEEDS, "withdrawal": "1.7"}, "moud-start").level == "2.7"
    assert attested({**IOP_NEEDS, "withdrawal": "1.7"}, "moud-start").level == "2.1"


def test_withdrawal_itself_is_never_left_to_the_partner() -> None:
    assert attested(IOP_NEEDS, "moud-start", "cows=13").level == "2.7"
    assert attested({**IOP_NEEDS, "withdrawal": "1.7"}).level == "2.7"
    assert attested({**IOP_NEEDS, "biomedical": "1.7"}, "moud-start").level == "2.7"


def test_continuing_medication_raises_nothing() -> None:
    assert recommended(IOP_NEEDS, "moud-continue").level == "2.1"


@pytest.mark.parametrize(
    "fact", ["c-ssrs-q4", "c-ssrs-q5", "c-ssrs-behavior", "imminent-harm", "unsafe-psychosis-or-mania"]
)
def test_r1_is_no_iop_even_when_every_need_is_missing(fact: str) -> None:
    found = recommended({}, fact)
    assert (found.level, found.rules) == ("4-psych", ("R1", "R0"))
    assert "crisis-line-988" in found.conditions
    assert "withdrawal" in found.missing


def test_r1_beside_a_withdrawal_risk_asks_for_a_setting_that_manages_both() -> None:
    found = recommended(IOP_NEEDS, "c-ssrs-q4", "ciwa-ar=19")
    assert (found.level, "withdrawal-management-there" in found.conditions) == ("4-psych", True)
    assert "withdrawal-management-there" not in recommended(IOP_NEEDS, "c-ssrs-q4").conditions


def test_r2_is_an_emergency() -> None:
    found = recommended(IOP_NEEDS, "withdrawal-delirium")
    assert (found.level, found.rules) == ("4", ("R2", "R14"))


def test_r3_puts_withdrawal_management_first() -> None:
    assert recommended(IOP_NEEDS, "ciwa-ar=19").level == "3.7"
    found = recommended(IOP_NEEDS, "withdrawal-seizure-history", "daily-heavy-use")
    assert (found.level, found.rules, found.conditions) == ("3.7", ("R3", "R14"), ("withdrawal-management-first",))


def test_a_withdrawal_seizure_before_without_heavy_use_now_is_no_r3() -> None:
    assert recommended(IOP_NEEDS, "withdrawal-seizure-history").level == "2.1"


def test_an_old_safety_finding_is_history() -> None:
    answered = known(IOP_NEEDS, "c-ssrs-q4", at=MONDAY, now=MONDAY + timedelta(days=31))
    assert recommend(answered, settings(assessment_days=60)).level == "2.1"


@pytest.mark.parametrize("dimension", TABLE.dimensions)
def test_r0_names_the_missing_need_and_places_nobody(dimension: str) -> None:
    needs = {name: level for name, level in IOP_NEEDS.items() if name != dimension}
    found = recommended(needs)
    assert (found.level, found.rules, found.missing) == (None, ("R0",), (dimension,))


def test_r0_asks_for_a_recent_assessment() -> None:
    week_old = known(IOP_NEEDS, now=MONDAY + timedelta(days=7))
    older = known(IOP_NEEDS, now=MONDAY + timedelta(days=7, minutes=1))
    assert recommend(week_old, settings()).level == "2.1"
    assert recommend(older, settings()).missing == ("recent-assessment",)


def test_under_18_the_rules_do_not_apply() -> None:
    assert recommended(IOP_NEEDS, "under-18").missing == ("adult",)


def test_an_unknown_age_is_not_taken_for_an_adult() -> None:
    without_age = known(IOP_NEEDS)
    nobody_knows = recommend(type(without_age)(without_age.needs, {}, MONDAY), settings())
    assert nobody_knows.missing == ("age",)


def test_an_unknown_need_code_is_never_ignored() -> None:
    found = recommended({**IOP_NEEDS, "biomedical": "2.1-COE"})
    assert (found.level, found.missing) == (None, ("biomedical",))


@pytest.mark.parametrize("score", ["ciwa-ar=10", "ciwa-ar=18", "cows=25"])
def test_r4_holds_for_a_same_day_medical_evaluation(score: str) -> None:
    found = recommended(IOP_NEEDS, score)
    assert found.hold
    assert "same-day-medical-evaluation" in found.conditions
    assert "R4" in found.rules


def test_a_score_of_withdrawal_speaks_for_seven_days() -> None:
    """A second placement within the month must not be made by the first one's withdrawal."""
    for score in ("ciwa-ar=18", "cows=25", "cows=14"):
        needs, before = known(IOP_NEEDS, "safe-housing"), known({}, score, at=MONDAY - timedelta(days=8))
        both = replace(needs, evidence={**before.evidence, **needs.evidence})
        found = recommend(both, settings(partner_prescriber="harbor-clinic"))
        assert (found.level, found.rules, found.hold) == ("2.1", ("R14",), False)


@pytest.mark.parametrize(
    ("score", "level", "rules"),
    [
        ("cows=12", "2.1", ("R14",)),
        ("cows=13", "2.7", ("R5", "R14")),
        ("cows=24", "2.7", ("R5", "R14")),
        ("cows=25", "2.7", ("R4", "R5", "R14")),
        ("cows=48", "2.7", ("R4", "R5", "R14")),
        ("ciwa-ar=9", "2.1", ("R14",)),
        ("ciwa-ar=10", "2.7", ("R4", "R14")),
        ("ciwa-ar=19", "3.7", ("R3", "R4", "R14")),
    ],
)
def test_a_worse_score_of_withdrawal_never_gives_a_lower_level(score: str, level: str, rules: tuple[str, ...]) -> None:
    found = recommended(IOP_NEEDS, score)
    assert (found.level, found.rules) == (level, rules)


@pytest.mark.parametrize(
    ("facts", "level", "rule"),
    [
        (("daily-medical-management",), "2.7", "R6"),
        (("nursing-24-hour",), "3.7", "R6"),
        (("pregnant", "no-prenatal-care"), "2.7", "R7"),
        (("psychiatric-24-hour-structure",), "3.5-COE", "R8"),
        (("psychiatric-skilled-treatment",), "2.5-COE", "R9"),
        (("imminent-risky-use",), "3.5", "R10"),
        (("cannot-function-in-environment",), "3.5", "R10"),
        (("risky-use-without-structured-residence",), "3.1", "R11"),
        (("no-environment-support", "no-residence-skills"), "3.1", "R11"),
        (("daily-support-needed",), "2.5", "R13"),
    ],
)
def test_facts_raise_the_need(facts: tuple[str, ...], level: str, rule: str) -> None:
    found = recommended(IOP_NEEDS, *facts)
    assert (found.level, rule in found.rules) == (level, True)


def test_facts_never_lower_a_stated_need() -> None:
    assert recommended({**LOW, "biomedical": "3.7"}, "daily-medical-management").level == "3.7"


def test_a_raised_need_stands_beside_the_stated_one() -> None:
    found = recommended({**LOW, "substance-use-risk": "1.7"}, "daily-support-needed")
    assert found.level == "2.7"
    assert Need("substance-use-risk", "2.7") in found.needs


def test_an_attested_program_treats_a_psychiatric_need_in_the_dual_diagnosis_track() -> None:
    found = attested(IOP_NEEDS, "psychiatric-skilled-treatment", attests=("co-occurring",))
    assert (found.level, found.track) == ("2.1", "dual-diagnosis")
    assert found.conditions == ("co-occurring-capability-attested",)


@pytest.mark.parametrize("fact", ["not safe-housing", "no-housing"])
def test_r12_adds_a_recovery_residence_to_an_outpatient_level(fact: str) -> None:
    found = recommended(IOP_NEEDS, fact)
    assert (found.level, found.rules, found.conditions) == ("2.1", ("R12", "R14"), ("recovery-residence",))


def test_r12_adds_nothing_to_a_residential_level() -> None:
    found = recommended(IOP_NEEDS, "no-housing", "imminent-risky-use")
    assert (found.level, found.conditions, "R12" in found.rules) == ("3.5", (), True)


def test_weekly_outpatient_not_holding_is_evidence_for_2_1() -> None:
    found = recommended(LOW, "weekly-outpatient-not-holding")
    assert (found.level, found.rules) == ("2.1", ("R14", "R19"))


def test_r15_no_need_above_weekly_support_is_1_5() -> None:
    assert recommended(LOW).level == "1.5"
    assert recommended(LOW).rules == ("R15",)


def test_r15_stable_remission_is_1_0() -> None:
    assert recommended(LOW, "stable-remission").level == "1.0"
    assert recommended({**LOW, "biomedical": "1.5"}, "stable-remission").level == "1.5"


def test_r16_low_readiness_never_lowers_the_level() -> None:
    found = recommended(IOP_NEEDS, "not-ready-for-abstinence", "mandated")
    assert (found.level, found.track, found.rules) == ("2.1", "pretreatment", ("R14", "R16"))


def test_being_mandated_alone_does_not_count() -> None:
    assert recommended(IOP_NEEDS, "mandated").rules == ("R14",)


def test_r17_a_step_down_starts_within_a_week() -> None:
    assert recommended(IOP_NEEDS, "step-down").conditions == ("first-session-within-7-days",)


def test_r7_pregnancy_with_active_use_is_reviewed_whatever_the_level() -> None:
    found = recommended(IOP_NEEDS, "pregnant", "active-use")
    assert (found.level, found.reviews) == ("2.1", ("R7",))


def test_priority_clocks_run_only_where_block_grant_funded() -> None:
    assert recommended(IOP_NEEDS, "injecting-use").conditions == ()
    assert attested(IOP_NEEDS, "injecting-use", attests=("block-grant",)).conditions == ("admit-within-14-days",)


@pytest.mark.parametrize(
    ("facts", "track"),
    [
        ((), "general"),
        (("opioid-use-disorder",), "opioid"),
        (("alcohol-use-disorder",), "alcohol"),
        (("primary-alcohol", "opioid-use-disorder"), "alcohol"),
        (("stimulant-use-disorder",), "stimulant"),
        (("psychiatric-diagnosis", "alcohol-use-disorder", "phq-9=10"), "dual-diagnosis"),
        (("psychiatric-diagnosis", "alcohol-use-disorder", "phq-9=9"), "alcohol"),
        (("alcohol-use-disorder", "phq-9=20"), "alcohol"),
        (("psychiatric-diagnosis", "gad-7=10"), "dual-diagnosis"),
    ],
)
def test_the_track_follows_the_facts(facts: tuple[str, ...], track: str) -> None:
    assert recommended(IOP_NEEDS, *facts).track == track
