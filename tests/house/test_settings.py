"""Numbers are data: each with its value, its unit and where it comes from."""

import tomllib
from collections.abc import Iterator
from typing import Any

from tests.house.test_rooms import ROOT

PLAIN = frozenset({"timezone", "staff", "organization", "local_codes", "plan_codes", "referral_levels"})
"""Settings of the program that are no number."""


def settings(table: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    for name, each in table.items():
        if name in PLAIN:
            continue
        if isinstance(each, dict) and not {"value", "unit", "source"} & set(each):
            yield from settings(each, f"{place}.{name}")
        else:
            yield f"{place}.{name}", each


def test_every_setting_has_a_value_a_unit_and_a_source() -> None:
    with (ROOT / "deploy" / "program.toml").open("rb") as file:
        program = tomllib.load(file)["program"]
    found = dict(settings(program, "program"))
    assert len(found) > 30
    lacking = [
        name for name, each in found.items() if not isinstance(each, dict) or set(each) != {"value", "unit", "source"}
    ]
    assert lacking == []
    assert [name for name, each in found.items() if not each["unit"] or not each["source"]] == []
