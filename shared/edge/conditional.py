"""Conditional creates (If-None-Exist) and conditional references (`Patient?identifier=system|value`).

A condition is one identifier with its system; nothing else is searched for.
"""

import re
from collections.abc import Collection, Sequence
from urllib.parse import parse_qsl

import msgspec

from shared.edge import fhir
from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal, refuse
from shared.events.envelope import PatientId
from shared.path.transaction import resources
from shared.path.transaction.delivery import Create
from shared.platform.db import Connection
from shared.platform.keys import Identifier

_conditional = re.compile(r"([A-Z][A-Za-z]+)\?(.*)", re.DOTALL)
_before = re.compile(r"^[A-Za-z]*\?")
"""What may stand before a condition; a system is often an address, and may hold a question mark itself."""
_written = re.compile(rb'"reference":"[A-Z][A-Za-z]+\?')


def of(entry: BundleEntry) -> Identifier:
    """What an entry's ifNoneExist looks for. Raises HttpRefusal 400."""
    return sought_by(entry.if_none_exist or "", _place(entry))


def turns(entries: Sequence[BundleEntry], caller: Caller) -> list[str]:
    """What the entries ask to be created once: two that ask for the same take turns, for a batch looks once."""
    asked = {f"{each.type}?{each.if_none_exist}" for each in entries if each.if_none_exist is not None}
    return sorted(f"{caller.program}|{each}" for each in asked)


def creates(entries: Sequence[BundleEntry]) -> tuple[Create, ...]:
    """What these create unless it exists. A Patient is not among them: its identifiers are bound once."""
    return tuple(
        Create(each.type, str(each.id), _written_out(of(each)))
        for each in entries
        if each.if_none_exist is not None and each.method == "POST" and each.type != "Patient"
    )


def _written_out(sought: Identifier) -> str:
    return msgspec.json.encode({"system": sought.system, "value": sought.value}).decode()


async def known(
    connection: Connection, entry: BundleEntry, owners: Collection[PatientId], caller: Caller
) -> str | None:
    """The patient that a Patient's ifNoneExist finds, of the owners of what it asks for, once that one is stored: an
    identifier may be bound before."""
    if len(owners) > 1:
        raise _too_many(entry)
    stored = await resources.versions(connection, [(caller.program, "Patient", each) for each in owners])
    return next((name for _, _, name in stored), None)


async def matching(
    connection: Connection, seeking: Sequence[tuple[BundleEntry, Identifier]], patient: str, caller: Caller
) -> list[str | None]:
    """For each entry the resource of this patient and of its type that carries the identifier, whoever sent it."""
    sought = [(entry.type, {"system": each.system, "value": each.value}) for entry, each in seeking]
    found = await resources.matching(connection, caller.program, patient, sought)
    for (entry, _), ids in zip(seeking, found, strict=True):
        if len(ids) > 1:
            raise _too_many(entry)
    return [next(iter(ids), None) for ids in found]


def made_logical(entries: Sequence[BundleEntry]) -> None:
    """`Patient?identifier=system|value` says whom by an identifier, and so does a logical reference. In place."""
    if not _written.search(msgspec.json.encode([each.resource for each in entries])):
        return  # a walk through them all costs ten times this look
    for entry in entries:
        for place, reference in fhir.references(entry.resource, entry.place):
            asked = _conditional.fullmatch(reference.get("reference", ""))
            if asked:
                sought = sought_by(asked[2], f"{place}.reference")
                del reference["reference"]
                reference["type"] = asked[1]
                reference["identifier"] = {"system": sought.system, "value": sought.value}


def sought_by(criteria: str, place: str) -> Identifier:
    """The identifier in `identifier=system|value`, escaped or not. Nothing else is looked for by a condition."""
    asked = parse_qsl(_before.sub("", criteria))
    system, _, value = asked[0][1].partition("|") if len(asked) == 1 and asked[0][0] == "identifier" else ("", "", "")
    if not system or not value or "\0" in criteria + system + value:
        raise refuse(
            400, "not-supported", place, "A condition must be one identifier with its system: identifier=system|value."
        )
    return Identifier(system, value)


def _place(entry: BundleEntry) -> str:
    head, found, _ = entry.place.rpartition(".resource")
    return f"{head}.request.ifNoneExist" if found else ""


def _too_many(entry: BundleEntry) -> HttpRefusal:
    return refuse(412, "multiple-matches", _place(entry), "More than one resource has this identifier.")
