"""What kinds of meetings there are: the type codes of the Meeting Guide format, and what BMLT's formats are among them.

Both are tables in `data`, each row with the version of its source. BMLT's formats count by their world id alone: their
other ids and letters are each server's own.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from shared.platform.tables import Row, by_key

_DATA = Path(__file__).parent / "data"
OPEN, CLOSED = "O", "C"
_OTHER_NAMES = {"sign language": "ASL", "outdoor meeting": "OUT", "step meeting": "ST", "step": "ST"}
"""What publishers called a type before; the importer of 12-step-meeting-list reads them so."""


class Kind(msgspec.Struct, frozen=True):
    """A type code: `language` is a BCP 47 code where the type is a language."""

    language: str
    names: tuple[str, ...]


def _kind(row: Row) -> Kind:
    return Kind(row["language"], (row["name"], *filter(None, row["other_names"].split("|"))))


TYPES = by_key(_DATA / "types.csv", "code", _kind)
LANGUAGES = {kind.language: code for code, kind in TYPES.items() if kind.language}
"""BCP 47 primary language to type code."""


def _codes(row: Row) -> tuple[str, ...]:
    found = tuple(row["codes"].split())
    if not set(found) <= TYPES.keys():
        raise ValueError("codes must be type codes of the Meeting Guide format")
    return found


WORLD_IDS = by_key(_DATA / "bmlt_formats.csv", "world_id", _codes)
"""World id of a BMLT format to type codes, of which there may be none."""
_BY_NAME = _OTHER_NAMES | {name.casefold(): code for code, kind in TYPES.items() for name in (code, *kind.names)}
_LANGUAGE_NAMES = {name: code for name, code in _BY_NAME.items() if TYPES[code].language and len(name) > 3} | {
    "español": "S", "français": "FR", "deutsch": "DE", "italiano": "ITA", "português": "POR", "polski": "POL",
    "русский": "RUS", "فارسی": "FA", "farsi": "FA", "suomi": "FI", "svenska": "SV",
}  # fmt: skip
"""Also as speakers of the language call it."""


def read(stated: Iterable[str], fellowship: str) -> tuple[tuple[str, ...], int]:
    """The codes that are stated, each as itself or by its name, and how many of the stated are none.

    Where a meeting is stated open and closed, it is closed. The fellowship `na` states BMLT's world ids as types too.
    """
    found: dict[str, None] = {}
    unknown = 0
    for name in stated:
        code = _BY_NAME.get(name.casefold())
        codes = (code,) if code else WORLD_IDS.get(name.upper()) if fellowship == "na" else None
        unknown += codes is None
        found.update(dict.fromkeys(codes or ()))
    if CLOSED in found:
        found.pop(OPEN, None)
    return tuple(found), unknown


def languages(name: str) -> tuple[str, ...]:
    """The codes of the languages that a text names, as "Lithuanian/Russian" or "English speaking"."""
    letters = "".join(each if each.isalpha() else " " for each in name.casefold())
    return tuple(dict.fromkeys(code for each in letters.split() if (code := _LANGUAGE_NAMES.get(each))))
