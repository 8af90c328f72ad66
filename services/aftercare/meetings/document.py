"""What a publisher's answer holds: JSON, also within a callback's brackets, or the rows of a sheet. Pure."""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from shared.events.wire import Unreadable

_CALLBACK = re.compile(r"[\w.$]{1,100}\s*\((.*)\)\s*;?\s*", re.DOTALL | re.ASCII)
_DIGITS_MOST = 18
_WRAPPINGS = ("meetings", "values", "data", "results")
"""Members in which publishers wrap the array; `values` is a sheet as Google's API gives it."""


class Sheet(NamedTuple):
    """Each row with its line, and its fields by column; a row that can't be read has none."""

    columns: tuple[str, ...]
    rows: list[tuple[int, dict[str, str]]]


def json_value(feed: str, content: bytes) -> Any:
    """The JSON of an answer, with or without a callback around it. Raises Unreadable."""
    stated = _text(content).strip()
    called = None if _is_json(stated) else _CALLBACK.fullmatch(stated)
    try:
        return json.loads(called[1] if called else stated, parse_int=_number)
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"meeting feed {feed}") from wrong


def entries(feed: str, content: bytes) -> list[Any]:
    """The entries of a feed: an array, one within an object, or a sheet whose first row names its columns.

    Raises Unreadable where it is none of these.
    """
    stated = _text(content).strip()
    if not _is_json(stated) and _CALLBACK.fullmatch(stated) is None:
        return [row for _, row in sheet(feed, content).rows]
    found = _array(json_value(feed, content))
    if found is None:
        raise Unreadable(f"meeting feed {feed}")
    return found


def sheet(feed: str, content: bytes) -> Sheet:
    """A CSV file whose first row names its columns; empty rows are none.

    Raises Unreadable where no column is called `name`.
    """
    rows = _csv_rows(_text(content))
    _, columns = next(rows, (0, []))
    if not _names_columns(columns):
        raise Unreadable(f"meeting feed {feed}")
    return Sheet(tuple(columns), [(line, _by_column(columns, row)) for line, row in rows])


def _by_column(columns: list[str], row: list[str]) -> dict[str, str]:
    """Nothing of a row with more fields than columns: a comma too many moves all behind it."""
    return {} if any(row[len(columns) :]) else dict(zip(columns, row, strict=False))


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(text.splitlines(keepends=True))
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield rows.line_num, []
            continue
        if any(field.strip() for field in row):
            yield rows.line_num, row


def _array(value: Any) -> list[Any] | None:
    if isinstance(value, dict):
        value = next((value[each] for each in _WRAPPINGS if each in value), None)
    if isinstance(value, dict) and value and all(isinstance(each, dict) for each in value.values()):
        return list(value.values())
    if not isinstance(value, list):
        return None
    if value and isinstance(value[0], list) and _names_columns(value[0]):
        columns = list(map(str, value[0]))
        return [dict(zip(columns, row, strict=False)) for row in value[1:] if isinstance(row, list) and any(row)]
    return value


def _names_columns(row: list[Any]) -> bool:
    return bool({str(each).strip().casefold() for each in row} & {"name", "meeting"})


def _is_json(text: str) -> bool:
    return text[:1] in ("[", "{")


def _number(digits: str) -> int | str:
    """A number too large to be any is a text, so that it spoils its own entry and no other."""
    return int(digits) if len(digits) <= _DIGITS_MOST else digits


def _text(content: bytes) -> str:
    """UTF-8; Latin-1, as Windows writes it, where nothing in it is UTF-8 beyond ASCII."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        found = content.decode("utf-8-sig", errors="replace")
    is_utf_8 = any(not each.isascii() and each != "\ufffd" for each in found)
    return found if is_utf_8 else content.decode("cp1252", errors="replace")
