"""What recommendations speak of can be read as FHIR, and says what the tables decide by."""

import json
from typing import Any

import msgspec
import pytest

from services.intake.definitions import definitions
from services.intake.placement.levels import LEVELS
from services.intake.table import TABLE
from shared.edge.fhir import validate
from shared.events import codes
from tests.intake.given import IOP_NEEDS, assessment, referral, settings
from tests.intake.story import Story, given

DEFINED = {name: json.loads(msgspec.json.encode(each)) for name, each in definitions().items()}
PLAN = DEFINED["PlanDefinition", "level-of-care"]


def concepts(url: str) -> set[str]:
    return {each["code"] for each in DEFINED["CodeSystem", url.rpartition("/")[2]]["concept"]}


@pytest.mark.parametrize("name", DEFINED, ids="/".join)
def test_a_definition_is_valid_fhir(name: tuple[str, str]) -> None:
    assert validate(DEFINED[name]) == ()


def test_the_plan_is_the_table_and_has_its_version() -> None:
    assert (PLAN["url"], PLAN["version"]) == (codes.RULE_TABLE, TABLE.version)
    assert [each["title"] for each in PLAN["action"]] == [each.id for each in TABLE.rule]
    conditions = [[one["expression"]["expression"] for one in each["condition"]] for each in PLAN["action"]]
    assert ["ciwa-ar >= 10 | cows >= 25 | daily-benzodiazepine-dependence"] in conditions
    assert ["attested block-grant", "pregnant"] in conditions


def test_every_level_is_a_code_and_only_equal_ones_are_mapped() -> None:
    assert concepts(codes.LEVEL) == set(LEVELS)
    (group,) = DEFINED["ConceptMap", "level-of-care-colorado"]["group"]
    assert [each["code"] for each in group["element"]] == ["2.1", "2.5", "3.1"]


def coded(value: Any) -> set[tuple[str, str]]:
    if isinstance(value, dict):
        own = {(value["system"], value["code"])} if {"system", "code"} <= value.keys() else set()
        return own.union(*(coded(each) for each in value.values()))
    return set().union(*(coded(each) for each in value)) if isinstance(value, list) else set()


STORIES = {
    "every fact": given(assessment(IOP_NEEDS, *sorted(TABLE.facts() - {"under-18"})), referral()),
    "none": given(assessment(IOP_NEEDS), referral()),
    "danger alone": given(assessment({}, "c-ssrs-q4", "ciwa-ar=20"), referral()),
    "attested": Story(
        assessment({**IOP_NEEDS, "psychiatric-cognitive": "1.5-COE"}, "moud-start", "psychiatric-skilled-treatment"),
        referral(),
        settings=settings(attests=("co-occurring", "block-grant"), partner_prescriber="Dr. Partner"),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_whatever_a_recommendation_says_stands_in_a_code_system(name: str) -> None:
    written = [each for event in STORIES[name].all_emitted for each in event.write("a")]
    requests = [
        each for each in written if (each["resourceType"], each.get("intent")) == ("ServiceRequest", "proposal")
    ]
    used = coded(json.loads(msgspec.json.encode(requests)))
    served = {each["url"] for (kind, _), each in DEFINED.items() if kind == "CodeSystem"}
    assert {each for each in used if each[0] in served and each[1] not in concepts(each[0])} == set()
    assert requests and {system for system, _ in used} <= served
