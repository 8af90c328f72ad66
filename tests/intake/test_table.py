"""The placement table is data; these say that it is well formed and that every line can come true."""

from services.intake.placement.levels import LEVELS
from services.intake.table import SAFETY_CODES, TABLE, Conditional, codes_asked

SCORES = set(TABLE.evidence.scores)
ROWS: tuple[Conditional, ...] = (*TABLE.rule, *TABLE.trigger, *TABLE.track, *TABLE.flag)


def test_every_level_and_dimension_of_a_rule_is_known() -> None:
    for rule in TABLE.rule:
        assert (rule.level is None) == (rule.dimension is None)
        assert rule.level is None or rule.level in LEVELS
        assert rule.dimension is None or rule.dimension in TABLE.dimensions


def test_safety_rules_stand_first_and_are_r1_to_r3() -> None:
    assert [each.id for each in TABLE.rule if each.safety] == ["R1", "R2", "R3", "R3"]
    assert all(each.safety for each in TABLE.rule[:4])


def test_a_rule_that_holds_does_so_in_each_of_its_rows() -> None:
    """A state knows by its rules alone whether a recommendation is held."""
    holding = {each.id for each in TABLE.rule if each.hold}
    assert holding == {"R4", "R20"} and all(each.hold for each in TABLE.rule if each.id in holding)


def test_a_score_is_compared_and_a_fact_is_not() -> None:
    for row in ROWS:
        for line in row.when:
            for part in line.split(" & "):
                compared = ">=" in part
                assert compared == (part.split(" ")[0] in SCORES), part


def test_no_fact_is_a_score_or_a_diagnosis() -> None:
    assert not TABLE.facts() & SCORES
    assert not TABLE.facts() & TABLE.disorders()


def test_a_trigger_of_t4_comes_from_the_safety_rules_alone() -> None:
    for each in TABLE.trigger:
        assert each.tier < 4 or each.rule in {"R1", "R2", "R3"}


def test_safety_looks_at_what_its_triggers_ask_for() -> None:
    assert codes_asked(TABLE.trigger[0].when) <= SAFETY_CODES


def test_each_group_of_diagnoses_has_a_name_of_its_own() -> None:
    names = [each.about for each in TABLE.diagnosis]
    assert len(set(names)) == len(names)
