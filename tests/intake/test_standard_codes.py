"""The table of standard codes: each with its source, and what diagnoses and answers about housing are evidence of."""

from datetime import timedelta
from typing import Any

import pytest

from services.intake import messages as w
from services.intake.instruments import INSTRUMENTS, STATED
from services.intake.table import TABLE, window_of
from shared.events import codes
from shared.platform.keys import Keys
from tests.intake import bundles
from tests.intake.bundles import MONDAY
from tests.intake.story import Story
from tests.intake.test_interpret import (
    LASTING,
    WHO,
    clinical,
    commands_of,
    findings,
    keys,
    loinc,
    one,
    remarks_of,
    response,
)

__all__ = ["keys"]
Json = dict[str, Any]


def test_every_group_of_codes_names_its_source() -> None:
    sources = [
        *(each.source for each in INSTRUMENTS.asked),
        *(each.source for each in INSTRUMENTS.answers.values()),
        *(each.source for each in INSTRUMENTS.sum.values()),
        *(each.source for each in TABLE.diagnosis),
    ]
    assert all(each.strip() for each in sources)


def test_every_code_stands_once_and_asks_for_what_the_hub_knows() -> None:
    listed = [code for each in INSTRUMENTS.asked for code in each.codes]
    assert len(listed) == len(set(listed))
    assert {finding for each in INSTRUMENTS.asked for finding in each.codes.values()} <= STATED
    tables = {each.answers for each in INSTRUMENTS.asked} | set(INSTRUMENTS.answered.values()) | {"fact"}
    assert tables - {""} <= set(INSTRUMENTS.answers)
    evident = {fact for each in TABLE.diagnosis for fact in each.facts()}
    assert evident <= STATED | TABLE.disorders()


def evidence(keys: Keys, icd10: str, **changed: Any) -> dict[str, int]:
    found = commands_of(keys, bundles.condition(WHO, icd10) | changed)
    return {each.code: each.value for each in one(found, w.RecordConditions).findings} if found else {}


@pytest.mark.parametrize(
    ("icd10", "found"),
    [
        ("F10.10", {"alcohol-use-disorder": 1, "dsm-5-criteria": 2}),
        ("F10.20", {"alcohol-use-disorder": 1, "dsm-5-criteria": 4}),
        ("F10.90", {"alcohol-use-disorder": 1}),
        ("F10.230", {"alcohol-use-disorder": 1, "dsm-5-criteria": 4, "in-withdrawal": 1}),
        ("F11.23", {"opioid-use-disorder": 1, "dsm-5-criteria": 4, "in-withdrawal": 1}),
        ("Z59.00", {"no-housing": 1}),
        ("Z5912", {"safe-housing": 0}),
        ("Z56.0", {"barrier-work": 1}),
        ("Z60.2", {"barrier-social": 1}),
        ("Z63.0", {"barrier-family": 1}),
        ("Z65.1", {"barrier-legal": 1}),
        ("Z65.5", {"barrier-psychosocial": 1}),
        ("Z59.82", {"barrier-transport": 1}),
        ("Z59.86", {"barrier-money": 1}),
        ("Z63.6", {"barrier-family": 1, "barrier-caregiving": 1}),
        ("O99.324", {"pregnant": 0}),
    ],
)
def test_a_code_is_evidence_by_the_longest_prefix_of_each_group(keys: Keys, icd10: str, found: dict[str, int]) -> None:
    assert evidence(keys, icd10) == found


def test_delirium_in_withdrawal_is_told_at_once_and_is_history_later(keys: Keys) -> None:
    now = commands_of(keys, bundles.condition(WHO, "F10.231"))
    assert [each.code for each in one(now, w.ReportFindings).findings] == [
        "withdrawal-delirium",
        "delirium-tremens-history",
    ]
    (raised,) = Story().and_then(*now).state.escalations
    assert (raised.escalation.reason, raised.escalation.tier) == ("medical-emergency", 4)
    long_ago = commands_of(keys, bundles.condition(WHO, "F10.231") | {"onsetDateTime": "2024-05"})
    assert Story().and_then(*long_ago).state.escalations == ()
    assert evidence(keys, "F10.231", **clinical("resolved")) == {"delirium-tremens-history": 1}


OVERDOSE = {"current-overdose": 1, "recent-overdose": 1, "overdose-history": 1}


@pytest.mark.parametrize(
    ("icd10", "found"),
    [
        *((f"T40.1X{intent}A", OVERDOSE) for intent in "134"),
        ("T40.1X2A", {**OVERDOSE, "self-harm-diagnosed": 1}),
        ("T51.0X2D", {"recent-overdose": 1, "overdose-history": 1, "self-harm-diagnosed": 1}),
        ("T36.92XA", {**OVERDOSE, "self-harm-diagnosed": 1}),
        ("T40.1X2S", {"overdose-history": 1}),
        ("T40411A", OVERDOSE),
        ("T36.91XA", OVERDOSE),
        ("T51.0X1A", OVERDOSE),
        ("T40.1X1D", {"recent-overdose": 1, "overdose-history": 1}),
        ("T40.1X1S", {"overdose-history": 1}),
        ("T40.1X5A", {}),
        ("T40.1X6A", {}),
        ("T36.95XA", {}),
        ("T52.0X1A", {}),
    ],
)
def test_an_overdose_counts_by_its_intent_and_its_seventh_character(
    keys: Keys, icd10: str, found: dict[str, int]
) -> None:
    assert evidence(keys, icd10) == found


@pytest.mark.parametrize("icd10", ["T40.1", "T40.1X1", "T40.1X7A", "T40.1X1B"])
def test_of_an_overdose_that_does_not_say_how_or_when_a_person_is_asked(keys: Keys, icd10: str) -> None:
    assert evidence(keys, icd10) == LASTING
    remark = "not read: intent or 7th character missing; a person is asked"
    assert remarks_of(keys, bundles.condition(WHO, icd10)) == [remark]
    assert evidence(keys, icd10, **clinical("resolved")) == {}


def test_an_adverse_effect_is_stored_and_decides_nothing(keys: Keys) -> None:
    remark = "not read: decides nothing by its status, intent or encounter"
    assert remarks_of(keys, bundles.condition(WHO, "T40.2X5A")) == [remark]


def test_an_overdose_of_this_year_may_be_of_today(keys: Keys) -> None:
    sent = bundles.condition(WHO, "T40.1X1A") | {"onsetDateTime": "2026"}
    assert {each.at for each in one(commands_of(keys, sent), w.ReportFindings).findings} == {MONDAY}
    assert len(Story().and_then(*commands_of(keys, sent)).state.escalations) == 1
    before = bundles.condition(WHO, "T40.1X1A") | {"onsetDateTime": (MONDAY - timedelta(days=8)).isoformat()}
    assert Story().and_then(*commands_of(keys, before)).state.escalations == ()


def test_an_overdose_is_recent_for_ninety_days() -> None:
    assert (window_of("recent-overdose").days, window_of("recent-overdose").after) == (90, "ends")
    assert window_of("overdose-history").days is None


@pytest.mark.parametrize(
    ("code", "answer", "found"),
    [
        ("71802-3", "LA30190-5", {"no-housing": 1}),
        ("71802-3", "LA30189-7", {"no-housing": 0}),
        ("71802-3", "LA31995-6", {"no-housing": 1}),
        ("93026-3", "LA32-8", {"safe-housing": 0}),
        ("93026-3", "LA33-6", {"safe-housing": 1}),
        ("82810-3", "LA15173-0", {"pregnant": 1}),
        ("82810-3", "60001007", {"pregnant": 0}),
        ("96843-8", "LA18934-2", {"taps-drugs": 4}),
        ("75889-6", "LA6270-8", {"taps-alcohol": 0}),
    ],
)
def test_an_answer_is_read_by_the_table_of_its_question(
    keys: Keys, code: str, answer: str, found: dict[str, int]
) -> None:
    concept = {"coding": [{"system": codes.LOINC, "code": answer}]}
    assert findings(keys, loinc(code, valueCodeableConcept=concept)) == found
    item = {"linkId": f"/93042-0/{code}", "answer": [{"valueCoding": concept["coding"][0]}]}
    assert findings(keys, response(item)) == found


def test_a_yes_to_housing_status_says_neither_housing_nor_none(keys: Keys) -> None:
    assert findings(keys, loinc("71802-3", valueBoolean=True)) == {"screen-unreadable": 1}


def test_who_chooses_not_to_answer_is_asked_again_only_where_it_is_about_safety(keys: Keys) -> None:
    declined = {"coding": [{"system": codes.LOINC, "code": "LA30122-8"}]}
    assert commands_of(keys, loinc("93026-3", valueCodeableConcept=declined)) == ()
    assert remarks_of(keys, loinc("93026-3", valueCodeableConcept=declined)) == ["not read: no answer"]
    assert findings(keys, loinc("93249-1", valueCodeableConcept=declined)) == LASTING


def test_a_number_under_the_code_of_a_panel_is_its_total(keys: Keys) -> None:
    assert findings(keys, loinc("69737-5", valueInteger=11), loinc("82666-9", valueQuantity={"value": 4})) == {
        "gad-7": 11,
        "dast-10": 4,
    }


@pytest.mark.parametrize("value", [{"valueString": "imminent"}, {"valueCodeableConcept": {"text": "acute"}}])
def test_a_risk_of_suicide_that_is_not_known_as_low_asks_for_a_screen(keys: Keys, value: Json) -> None:
    sent = loinc("93374-7", **value)
    assert findings(keys, sent) == {"c-ssrs-risk": 2, **LASTING}
    reasons = {each.escalation.reason for each in Story().and_then(*commands_of(keys, sent)).state.escalations}
    assert reasons == {"suicide-screen", "screen-unreadable"}


AUDIT = [
    "68518-0",
    "68519-8",
    "68520-6",
    *(f"9773{each}" for each in ("4-8", "5-5", "6-3", "7-1", "8-9", "9-7")),
    "97740-5",
]


def test_an_audit_is_summed_from_its_items_by_the_codes_of_loincs_panel(keys: Keys) -> None:
    answers = ["Monthly or less", "1 or 2", "Never", *["Weekly"] * 5, "No", "Yes, but not in the last year"]
    items = [loinc(code, valueString=answer) for code, answer in zip(AUDIT, answers, strict=True)]
    assert findings(keys, *items) == {"audit-c": 1, "audit": 1 + 5 * 3 + 2}
    whole = {"linkId": "group", "item": [{"linkId": f"/{code}", "answer": [{"valueInteger": 4}]} for code in AUDIT]}
    assert findings(keys, response(whole)) == {"audit-c": 12, "audit": 40}


def test_a_yes_to_the_last_items_of_an_audit_that_does_not_say_when_sums_nothing(keys: Keys) -> None:
    items = [loinc(code, valueString="Never") for code in AUDIT[:-1]]
    assert "audit" not in findings(keys, *items, loinc(AUDIT[-1], valueString="Yes"))


@pytest.mark.parametrize(
    ("icd10", "days", "reasons"),
    [
        ("T40.1X2A", 0, {"medical-emergency", "suicide-screen"}),
        ("T40.1X2A", 90, {"suicide-screen"}),
        ("T40.1X2D", 90, {"suicide-screen"}),
        ("T40.1X2D", 91, set()),
        ("T40.1X1D", 0, set()),
        ("T14.91XA", 90, {"suicide-screen"}),
        ("T14.91XA", 91, set()),
        ("R45.851", 30, {"suicide-screen"}),
        ("R45.851", 31, set()),
    ],
)
def test_self_harm_and_suicidal_ideation_in_a_diagnosis_ask_for_a_screen_the_same_day(
    keys: Keys, icd10: str, days: int, reasons: set[str]
) -> None:
    onset = {"onsetDateTime": (MONDAY - timedelta(days=days)).isoformat()}
    state = Story().and_then(*commands_of(keys, bundles.condition(WHO, icd10) | onset)).state
    assert {each.escalation.reason for each in state.escalations} == reasons


def test_self_harm_is_screened_though_the_overdose_is_over_and_ideation_that_is_over_is_not(keys: Keys) -> None:
    over = clinical("resolved")
    assert evidence(keys, "T40.1X2A", **over)["self-harm-diagnosed"] == 1
    assert evidence(keys, "R45.851", **over) == {}
