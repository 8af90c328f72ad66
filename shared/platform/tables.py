"""Tables that come with the program (`services/*/data`), read once, when their module is imported."""

import csv
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from shared.platform.settings import ConfigurationError, configuration

T = TypeVar("T")
Row = Mapping[str, str]


def by_key(file: Path, key: str, read: Callable[[Row], T]) -> dict[str, T]:
    """Of each row of a CSV what `read` makes of it, by its `key`. Raises ConfigurationError naming file and line."""
    found: dict[str, T] = {}
    with configuration(file), file.open(encoding="utf-8", newline="") as opened:
        rows = csv.DictReader(opened, strict=True)
        try:
            for row in rows:
                with configuration(f"{file}, line {rows.line_num}"):
                    _require_whole(row, key, found)
                    found[row[key]] = read(row)
        except csv.Error as wrong:
            raise ConfigurationError(f"{file}, near line {rows.line_num}: {wrong}.") from wrong
        if not found:
            raise ValueError("must have rows")
    return found


def _require_whole(row: Row, key: str, known: Mapping[str, object]) -> None:
    if None in row or None in row.values():
        raise ValueError("must have as many fields as the first line")
    if not row[key] or row[key] in known:
        raise ValueError(f"{key} must be stated, and once only")


def structured(file: Path, form: type[T]) -> T:
    """A TOML file as this type. Raises ConfigurationError naming the file and the place in it."""
    with configuration(file):
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), type=form)
