"""What the hub says to a reader blames nobody: the guidance of escalations, the scripts, the letter."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.house.test_rooms import ROOT

TABLES = (
    "services/testing/data/guidance.toml",
    "services/attendance/data/scripts.toml",
    "services/aftercare/data/scripts.toml",
    "services/aftercare/data/letters.toml",
)
BLAMING = re.compile(
    r"\b(diver(t|sion)|relaps|fail|dirty|clean|tamper|abus|addict|junkie|cheat|lied|lying|denie)", re.I
)
"""Beginnings of words that accuse, or call a person what a test is said to be."""


def texts(stated: object, within: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a table with its place; a `source` is the maintainer's."""
    match stated:
        case str():
            yield within, stated
        case dict():
            for key, value in stated.items():
                if key != "source":
                    yield from texts(value, f"{within}.{key}" if within else key)
        case list():
            for value in stated:
                yield from texts(value, within)
        case _:
            pass


def blaming(stated: object) -> list[str]:
    return [f"{place}: {found[0]}" for place, text in texts(stated) if (found := BLAMING.search(text))]


@pytest.mark.parametrize("table", TABLES)
def test_no_text_for_a_reader_accuses(table: str) -> None:
    stated = tomllib.loads((ROOT / table).read_text("utf-8"))
    assert len(list(texts(stated))) > 10
    assert blaming(stated) == []


@pytest.mark.parametrize("term", ["Diversion", "relapsed", "failed", "dirty", "clean", "tampered with"])
def test_what_accuses_is_found_wherever_it_stands(term: str) -> None:
    stated = {"reasons": {"any": {"text": f"The patient {term}.", "source": term}}, "more": [term]}
    assert [each.partition(":")[0] for each in blaming(stated)] == ["reasons.any.text", "more"]
