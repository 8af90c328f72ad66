"""The codes of kinds of meetings: what the Meeting Guide specification lists, and what BMLT's formats are of them."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from services.aftercare.meetings import type_codes

DATA = Path(type_codes.__file__).parent / "data"
SPECIFICATION = "@code4recovery/spec"


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_all_types_are_of_one_version_of_the_specification() -> None:
    (source,) = {row["source"] for row in rows("types.csv")}
    assert source.split()[0] == SPECIFICATION and len(type_codes.TYPES) == len(rows("types.csv"))


def test_no_name_of_a_type_is_the_name_or_the_code_of_another() -> None:
    for row in rows("types.csv"):
        for name in (row["code"], row["name"], *filter(None, row["other_names"].split("|"))):
            assert type_codes.read([name], "aa") == ((row["code"],), 0)


def test_each_language_has_one_code() -> None:
    languages = [row["language"] for row in rows("types.csv") if row["language"]]
    assert len(languages) == len(set(languages)) == len(type_codes.LANGUAGES)
    assert (type_codes.LANGUAGES["es"], type_codes.LANGUAGES["pt"]) == ("S", "POR")


@pytest.mark.parametrize(("world_id", "codes"), [("W", ("W",)), ("GL", ("LGBTQ",)), ("TC", ("TC",)), ("RA", ())])
def test_a_world_id_is_a_type_or_none(world_id: str, codes: tuple[str, ...]) -> None:
    assert type_codes.WORLD_IDS[world_id] == codes


@pytest.mark.skipif(
    "IOP_SPECIFICATION" not in os.environ or shutil.which("node") is None,
    reason="IOP_SPECIFICATION names no unpacked @code4recovery/spec, or there is no Node to read it with",
)
def test_the_types_are_those_of_the_package() -> None:
    """`npm pack @code4recovery/spec`, unpacked; its own code tells its types."""
    script = "const p=require(process.argv[1]); console.log(JSON.stringify(p.getTypesForLanguage('en')))"
    asked = ["node", "-e", script, os.environ["IOP_SPECIFICATION"]]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(answer) == {row["code"]: row["name"] for row in rows("types.csv")}
