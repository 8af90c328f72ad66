"""The codes of sessions and groups can be read as FHIR at attendance, each with what it means."""

import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from services.attendance.definitions import definitions
from services.attendance.edge import EDGE
from services.attendance.edge.grouping import INSTEAD_OF_GROUP
from services.attendance.groups.plan import GroupPlan
from shared.edge import canonicals
from shared.edge.fhir import validate
from shared.events import codes
from shared.events.attendance import MODALITIES, SESSION_KINDS, Shortfall
from shared.events.group_listed import GroupListed

DEFINED = {name: json.loads(msgspec.json.encode(each)) for name, each in definitions().items()}
LISTED = GroupListed(
    group_id="g",
    schedule_id="s",
    group="evening-a",
    active=True,
    members=(),
    kind="group",
    seats=12,
    time="evening",
    track="substance",
    literacy="special-assignment",
    language="es",
    gender="female",
    modality="video",
    closed_from="2026-02-02",
)
"""With every trait that a group may have."""
_listed: Any = LISTED.write("")[0]["characteristic"]
TRAITS = [each["code"]["coding"][0]["code"] for each in _listed]


def concepts(url: str) -> dict[str, str]:
    stated = DEFINED["CodeSystem", url.rpartition("/")[2]]["concept"]
    return {each["code"]: each["display"] for each in stated}


@pytest.mark.parametrize("name", DEFINED, ids="/".join)
def test_a_definition_is_valid_fhir(name: tuple[str, str]) -> None:
    assert validate(DEFINED[name]) == ()


@pytest.mark.parametrize(
    ("url", "used"),
    [
        (codes.SESSION, SESSION_KINDS),
        (codes.MODALITY, MODALITIES),
        (codes.ATTENDANCE, [each for each in get_args(Shortfall) if each]),
        (codes.GROUP_TRAIT, TRAITS),
        (codes.GROUP_TIME, get_args(get_type_hints(GroupPlan)["time"])),
        (codes.GROUP_CHOICE, INSTEAD_OF_GROUP),
    ],
    ids=["kinds", "modalities", "outcomes", "traits", "times", "choices"],
)
def test_every_code_that_is_used_stands_in_its_system_and_no_other(url: str, used: Any) -> None:
    assert sorted(concepts(url)) == sorted(used)
    assert all(concepts(url).values())


@pytest.mark.parametrize("url", [codes.SESSION, codes.GROUP_CHOICE])
def test_a_code_system_is_found_by_its_url(url: str) -> None:
    asked = [("url", url)]
    assert canonicals.are_asked(EDGE.definitions, "CodeSystem", asked)
    found, total = canonicals.search(EDGE.definitions, "CodeSystem", asked)
    assert ([each["url"] for each in found], total) == ([url], 1)


def test_a_code_system_of_another_service_is_not_found_here() -> None:
    assert canonicals.search(EDGE.definitions, "CodeSystem", [("url", codes.LEVEL)]) == ([], 0)


def test_a_search_by_a_version_finds_none_of_those_that_have_none() -> None:
    assert canonicals.search(EDGE.definitions, "CodeSystem", [("version", "2026.1")]) == ([], 0)
