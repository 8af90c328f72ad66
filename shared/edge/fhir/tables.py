"""What R4B says about each type, as small files in the project's cache: made from the models once a machine.

They lie under the versions and digests of the packages they are made from and of the code that makes them, so a table
of another version is never read. Where the folder can't be written each process makes its own.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import msgspec

from shared.edge.fhir.shape import Table
from shared.platform.cache import cache as cache_folder

_PACKAGES = ("fhir.resources", "fhir-core")
_MADE_BY = ("models.py", "shape.py", "tables.py")

T = TypeVar("T")


def table(name: str) -> Table:
    """The table of an element or resource type of `type_names`."""
    return _stored_or_made(f"{name}.json", Table, lambda: _models().table(name))


def type_names() -> list[str]:
    """Every type of R4B that has a table, resource or element."""
    return _stored_or_made("types.json", list[str], lambda: _models().type_names())


@cache
def folder() -> Path:
    """Where the tables of these packages and of this code lie."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        digest.update((metadata.distribution(package).read_text("RECORD") or "").encode())
    for name in _MADE_BY:
        digest.update(Path(__file__).with_name(name).read_bytes())
    versions = "-".join(metadata.version(package) for package in _PACKAGES)
    return cache_folder() / "fhir" / f"{versions}-{digest.hexdigest()[:16]}"


def _models() -> ModuleType:
    """The models, loaded only now: 14 MB a service."""
    from shared.edge.fhir import models

    return models


def _stored_or_made(file: str, form: type[T], make: Callable[[], T]) -> T:
    place = folder() / file
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(place.read_bytes(), type=form)
    made = make()
    with suppress(OSError):
        _write(place, msgspec.json.encode(made))
    return made


def _write(place: Path, content: bytes) -> None:
    """Whole or not at all: several processes start at once."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(name, place)
