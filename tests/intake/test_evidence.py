"""Evidence stands until it is withdrawn: windows, sources, and the limits of what is remembered."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from deploy.paths import REPOSITORY
from services.intake.messages import ReportedFinding
from services.intake.placement.assessment import Assessment
from services.intake.placement.evidence import (
    ALL_PIECES_MOST,
    PIECES_MOST,
    SAFETY_PIECES_MOST,
    Evidence,
    act_of,
    ended,
    merged,
)
from services.intake.placement.levels import LEVELS, Combined, combine
from services.intake.placement.recommendation import recommend
from services.intake.settings import Settings
from services.intake.table import TABLE, window_of
from tests.intake.given import IOP_NEEDS, MONDAY, SETTINGS, known, stated
from tests.intake.given import settings as intake_settings
from tests.laws import examples

CODES = sorted(TABLE.facts() | set(TABLE.evidence.scores) | TABLE.disorders())
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def answer(code: str, value: int = 1, at: datetime = MONDAY, source: str = "Observation/1") -> ReportedFinding:
    return ReportedFinding(code, value, at, source)


def values_of(evidence: Evidence, now: datetime = MONDAY) -> dict[str, int]:
    return dict(Assessment((), evidence, now).values)


def test_a_no_half_an_hour_later_of_another_source_removes_no_yes() -> None:
    yes, no = answer("c-ssrs-q5"), answer("c-ssrs-q5", 0, MONDAY + HOUR / 2, "Observation/2")
    assert values_of(merged({}, [yes, no])) == values_of(merged({}, [no, yes])) == {"c-ssrs-q5": 1}


def test_a_corrected_version_of_the_same_source_replaces_what_it_said() -> None:
    evidence = merged({}, [answer("c-ssrs-q5"), answer("c-ssrs-q4")])
    assert values_of(merged(evidence, [answer("c-ssrs-q5", 0)], ["Observation/1"])) == {}


def test_a_mistaken_source_leaves_and_what_else_stands_decides() -> None:
    evidence = merged({}, [answer("ciwa-ar", 25, source="Observation/2"), answer("ciwa-ar", 11)])
    assert values_of(merged(evidence, [], ["Observation/2"])) == {"ciwa-ar": 11}


@pytest.mark.parametrize(
    ("code", "days", "after"),
    [
        ("c-ssrs-q4", 30, {}),
        ("c-ssrs-behavior", 90, {}),
        ("cows", 7, {}),
        ("pregnant", 300, {}),
        ("daily-support-needed", 7, {"daily-support-needed": 1}),
    ],
)
def test_an_answer_speaks_for_its_window(code: str, days: int, after: dict[str, int]) -> None:
    evidence = merged({}, [answer(code, 40)]) if code == "cows" else merged({}, [answer(code)])
    last = Assessment((), evidence, MONDAY + days * DAY)
    over = Assessment((), evidence, MONDAY + days * DAY + timedelta(minutes=1))
    assert set(last.current) == {code}
    assert (dict(over.current), dict(over.values)) == ({}, after)


def test_an_old_fact_asks_to_be_confirmed_and_lowers_nothing() -> None:
    in_remission = known(dict.fromkeys(IOP_NEEDS, "1.0"), "stable-remission", at=MONDAY - 8 * DAY)
    today = Assessment(stated(dict.fromkeys(IOP_NEEDS, "1.0")), in_remission.evidence, MONDAY)
    assert recommend(today, SETTINGS).level == "1.5"
    needs_support = known(IOP_NEEDS, "daily-support-needed", at=MONDAY - 8 * DAY)
    found = recommend(Assessment(stated(IOP_NEEDS), needs_support.evidence, MONDAY), SETTINGS)
    assert (found.level, found.to_confirm) == ("2.5", ("daily-support-needed",))


def test_a_no_after_the_window_ends_an_old_yes() -> None:
    no = answer("daily-support-needed", 0, MONDAY + 8 * DAY, "Observation/2")
    evidence = merged({}, [answer("daily-support-needed"), no])
    assert values_of(evidence, MONDAY + 7 * DAY) == {"daily-support-needed": 1}
    assert values_of(evidence, MONDAY + 8 * DAY) == {"daily-support-needed": 0}


def test_pregnancy_and_medication_stand_until_a_newer_answer_says_no() -> None:
    for code in ("pregnant", "moud-continue"):
        no = answer(code, 0, MONDAY + DAY, "Observation/2")
        assert values_of(merged({}, [answer(code)]), MONDAY + 60 * DAY) == {code: 1}
        assert values_of(merged({}, [answer(code), no]), MONDAY + 2 * DAY) == {code: 0}
        assert values_of(merged({}, [no, answer(code)]), MONDAY + 2 * DAY) == {code: 0}
        assert Assessment((), merged({}, [answer(code)]), MONDAY + 31 * DAY).to_confirm([code]) == (code,)


def test_a_pregnancy_ends_fourteen_days_after_its_due_date_and_not_by_an_earlier_one() -> None:
    def stands(due_on: date, now: datetime) -> bool:
        evidence = merged({}, [answer("pregnant"), answer("delivery-due", due_on.toordinal(), source="Observation/2")])
        return "pregnant" in values_of(evidence, now)

    due_on = date(2026, 2, 1)
    assert stands(due_on, datetime(2026, 2, 15, 12, tzinfo=UTC))
    assert not stands(due_on, datetime(2026, 2, 16, 12, tzinfo=UTC))
    assert stands(date(2024, 2, 1), MONDAY)
    assert stands(date.max, MONDAY)


def test_history_stands_for_ever_whatever_is_said_later() -> None:
    no = answer("withdrawal-seizure-history", 0, MONDAY + DAY, "Observation/2")
    evidence = merged({}, [answer("withdrawal-seizure-history"), no])
    assert values_of(evidence, MONDAY + 3650 * DAY) == {"withdrawal-seizure-history": 1}


def test_a_flood_of_negative_screens_pushes_out_no_positive_one() -> None:
    flood = [answer("c-ssrs-q1", 1, MONDAY + number * HOUR, f"Observation/{number}") for number in range(2, 40)]
    evidence = merged({}, [answer("c-ssrs-q5"), *flood])
    assert values_of(evidence)["c-ssrs-q5"] == 1
    assert sum(len(pieces) for pieces in evidence.values()) == SAFETY_PIECES_MOST


def test_a_falling_score_loses_no_band() -> None:
    scores = [answer("cows", 48 - number, MONDAY + number * HOUR, f"Observation/{number}") for number in range(40)]
    evidence = merged({}, scores)
    assert {each.value for each in evidence["cows"]} >= {25, 13}
    assert values_of(evidence, MONDAY + 7 * DAY + 30 * HOUR)["cows"] >= 13


def test_what_a_clinician_ended_decides_nothing_and_the_same_answer_again_revives_nothing() -> None:
    evidence = ended(merged({}, [answer("c-ssrs-q4")]), {"c-ssrs-q4"}, act_of("an escalation"))
    assert values_of(merged(evidence, [answer("c-ssrs-q4")])) == {}
    assert values_of(merged(evidence, [answer("c-ssrs-q4", source="Observation/2")])) == {"c-ssrs-q4": 1}


# Laws

findings = some.builds(
    ReportedFinding,
    some.sampled_from(["c-ssrs-q4", "c-ssrs-behavior", "cows", "pregnant", "safe-housing", "daily-heavy-use"]),
    some.integers(0, 40),
    some.integers(-400, 0).map(lambda days: MONDAY + days * DAY),
    some.integers(0, 5).map(lambda number: f"Observation/{number}"),
)


def one_of_each_source(reported: Sequence[ReportedFinding]) -> list[ReportedFinding]:
    """Each source says one thing about a code: what it says later would be a correction."""
    return list({(each.code, each.evidence): each for each in reported}.values())


@settings(max_examples=examples(300), deadline=None)
@given(some.lists(findings, max_size=30).map(one_of_each_source), some.data())
def test_any_order_and_repetition_of_evidence_says_the_same(
    reported: list[ReportedFinding], data: some.DataObject
) -> None:
    one: Evidence = {}
    for each in reported:
        one = merged(one, [each])
    other: Evidence = {}
    for each in data.draw(some.permutations([*reported, *reported[: len(reported) // 2]])):
        other = merged(other, [each])
    assert answered(one) == answered(other)


def answered(evidence: Evidence) -> dict[str, int]:
    """Of a code that asks for a yes, "no" and "never stated" mean the same."""
    current = Assessment((), evidence, MONDAY).current
    return {code: value for code, value in current.items() if value or window_of(code).answer != "highest"}


@settings(max_examples=examples(300), deadline=None)
@given(some.lists(findings, max_size=30), findings)
def test_one_answer_more_of_another_source_makes_nothing_milder(
    reported: list[ReportedFinding], more: ReportedFinding
) -> None:
    evidence = merged({}, reported)
    before = Assessment((), evidence, MONDAY).current
    after = Assessment((), merged(evidence, [ReportedFinding(more.code, more.value, more.at, "Observation/9")]), MONDAY)
    for code, value in before.items():
        if window_of(code).answer == "highest":
            assert after.current[code] >= value


@settings(max_examples=examples(100), deadline=None)
@given(some.lists(some.builds(answer, some.sampled_from(CODES), some.integers(0, 67)), max_size=80))
def test_what_is_remembered_stays_within_its_limits(reported: list[ReportedFinding]) -> None:
    several = [
        ReportedFinding(each.code, each.value, each.at, f"Observation/{place}") for place, each in enumerate(reported)
    ]
    evidence = merged({}, several)
    assert sum(len(pieces) for pieces in evidence.values()) <= ALL_PIECES_MOST
    assert all(len(pieces) <= max(PIECES_MOST, SAFETY_PIECES_MOST) for pieces in evidence.values())


def test_a_yes_to_every_question_is_remembered() -> None:
    every = [answer(code, 40 if code in TABLE.evidence.scores else 1, source=f"Observation/{code}") for code in CODES]
    flood = [answer("cows", 30, MONDAY + HOUR * number, f"Observation/{number}") for number in range(99)]
    assert set(merged({}, [*flood, *every])) == set(CODES)


PROGRAMS = [
    SETTINGS,
    intake_settings(partner_prescriber="harbor-clinic", attests=("block-grant",)),
    intake_settings(partner_prescriber="harbor-clinic", attests=("co-occurring",)),
]
NEVER_RAISES = {"stable-remission", "safe-housing", "under-18"}
"""A yes of these is good news, or takes the patient out of the rules (R0)."""
LEFT_TO_A_PARTNER = ("moud-start", "moud-titrate")
"""Where a partner prescriber is attested, these say that a need for 1.7 is met beside the IOP (domain 2.3)."""
RAISING = sorted((TABLE.facts() | TABLE.disorders()) - NEVER_RAISES)


@settings(max_examples=examples(500), deadline=None)
@given(
    some.sampled_from(PROGRAMS),
    some.fixed_dictionaries(dict.fromkeys(TABLE.dimensions, some.sampled_from(LEVELS))),
    some.lists(some.sampled_from(RAISING), max_size=4, unique=True),
    some.fixed_dictionaries(dict.fromkeys(TABLE.evidence.scores, some.integers(0, 48))),
    some.sampled_from(RAISING),
    some.sampled_from(TABLE.evidence.scores),
)
def test_a_higher_score_or_one_more_fact_never_gives_a_lower_level(
    program: Settings, needs: dict[str, str], facts: list[str], scores: dict[str, int], fact: str, score: str
) -> None:
    def rank(*more: str) -> int:
        counted = [f"{code}={value}" for code, value in scores.items()]
        level = recommend(known(needs, *facts, *counted, *more), program).level
        assert level is not None
        return RANK[base(level)]

    if not (program.partner_prescriber and fact in LEFT_TO_A_PARTNER):
        assert rank(fact) >= rank()
    assert rank(f"{score}={scores[score] + 9}") >= rank()


@settings(max_examples=examples(300), deadline=None)
@given(some.lists(some.sampled_from(LEVELS), max_size=5), some.sampled_from(LEVELS), some.booleans())
def test_one_more_need_never_gives_a_lower_level_or_loses_its_form(needs: list[str], more: str, attested: bool) -> None:
    before = combine(needs, co_occurring_attested=attested)
    after = combine([*needs, more], co_occurring_attested=attested)
    assert RANK[base(after.level)] >= RANK[base(before.level)]
    assert after.level in ("4", "4-psych") or forms(after) >= forms(before)


def base(level: str) -> str:
    return level.split("-COE")[0].split("-BIO")[0]


def forms(found: Combined) -> set[str]:
    """The co-occurring and the biomedically enhanced form: of the level, or as the condition of it."""
    conditions = {"co-occurring-capability-attested": "COE", "biomedically-enhanced": "BIO"}
    return {*found.level.split("-")[1:]} | {conditions[each] for each in found.conditions if each in conditions}


BASE = ("none", "1.0", "1.5", "1.7", "2.1", "2.5", "2.7", "3.1", "3.5", "3.7", "4-psych", "4")
RANK = {level: place for place, level in enumerate(BASE)}


def test_the_document_says_how_many_pieces_a_state_holds() -> None:
    rules = (REPOSITORY / "docs" / "clinical-rules.md").read_text()
    (held,) = re.findall(
        r"A state holds (\d+) pieces of a safety instrument, (\d+) of any other code and (\d+) in all", rules
    )
    assert tuple(map(int, held)) == (SAFETY_PIECES_MOST, PIECES_MOST, ALL_PIECES_MOST)
