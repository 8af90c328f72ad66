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

from shared.platform.cache import cache as cache_folder

ANY_TEXT = ""
"""The kind of a primitive of which the models ask nothing but that it is a string."""
_PACKAGES = ("fhir.resources", "fhir-core")
_MADE_BY = ("models.py", "tables.py")

T = TypeVar("T")


class Element(msgspec.Struct, frozen=True, omit_defaults=True):
    """One element as R4B defines it: a primitive of this `kind` (`element` is empty), an element, or any resource.

    `label` is its name in FHIRPath. `codes` are those of a required binding. `targets` are the types a Reference may
    point to, None for any.
    """

    label: str
    many: bool
    element: str = ""
    kind: str = ANY_TEXT
    codes: frozenset[str] | None = None
    targets: frozenset[str] | None = None


class Demand(msgspec.Struct, frozen=True):
    """An element that must be there, by its name in FHIRPath. `extension` is the JSON name under which an extension
    may say why a required primitive is absent; empty where nothing can stand for it."""

    label: str
    name: str
    extension: str = ""


class Choice(msgspec.Struct, frozen=True):
    """The JSON names of a choice such as value[x], of which at most one stands in an element."""

    label: str
    names: frozenset[str]
    required: bool


class Table(msgspec.Struct, frozen=True):
    """A type: whether it is a concrete resource, its elements by JSON name, and what must be there."""

    is_resource: bool
    elements: dict[str, Element]
    demands: tuple[Demand, ...]
    choices: tuple[Choice, ...]


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
