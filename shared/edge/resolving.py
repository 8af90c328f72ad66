"""What a submission is about: its entries with the hub's ids, what they replace, and the one patient they concern."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import msgspec

from shared.edge import conditional, fhir, patients
from shared.edge.clients import Caller
from shared.edge.contract import Edge, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import refuse
from shared.events.intake import Digest
from shared.path.transaction import resources
from shared.path.transaction.resources import Name
from shared.platform.db import Connection, Row
from shared.platform.keys import Identifier, Keys


@dataclass(frozen=True)
class Submission:
    """What was asked, as entries; `cause` names it, so that the same again gets the same answer."""

    kind: Literal["transaction", "message", "single"]
    entries: tuple[BundleEntry, ...]
    cause: UUID
    repeatable: bool
    digest: str


@dataclass(frozen=True)
class Resolved:
    """`existing` are those whose ifNoneExist found what it asked for, with their versions. `patient` is None while
    nobody knows them."""

    entries: tuple[BundleEntry, ...]
    existing: dict[Name, int]
    stored: dict[Name, StoredResource]
    patient: str | None
    digests: tuple[Digest, ...]


async def resolve(connection: Connection, keys: Keys, edge: Edge, submission: Submission, caller: Caller) -> Resolved:
    """Ids, references and the patient of a submission. Raises Refusal; nothing is guessed."""
    sought = {id(entry): conditional.of(entry) for entry in submission.entries if entry.if_none_exist is not None}
    entries, existing = await _identified(connection, keys, edge, submission, caller, sought, {})
    stored = await _stored(connection, entries, caller)
    patient, digests = await _patient(connection, keys, edge, entries, stored, caller)
    found = {}
    for entry, entry_out in zip(submission.entries, entries, strict=True):
        if id(entry) in sought and (entry_out.type, entry_out.id) not in existing:
            found[id(entry)] = await conditional.matching(connection, entry, sought[id(entry)], patient or "", caller)
    if any(found.values()):
        entries, existing = await _identified(connection, keys, edge, submission, caller, sought, found)
    patients.rewrite(entries, patient or "")
    return Resolved(entries, existing, stored, patient, digests)


def cause_of(bundle: Mapping[str, Any] | None, caller: Caller) -> tuple[UUID, bool]:
    """The submission's own name: from `Bundle.identifier`, within client and program, or a new one."""
    named = (bundle or {}).get("identifier") or {}
    if named.get("value"):
        name = f"{caller.name}|{caller.program}|{named.get('system', '')}|{named['value']}"
        return uuid5(NAMESPACE_URL, name), True
    return uuid4(), False


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def _identified(
    connection: Connection,
    keys: Keys,
    edge: Edge,
    submission: Submission,
    caller: Caller,
    sought: Mapping[int, Identifier],
    found: Mapping[int, str | None],
) -> tuple[tuple[BundleEntry, ...], dict[Name, int]]:
    """The entries with ids: a Patient's by its identifiers, others by the cause, or by their ifNoneExist."""
    assigned: dict[int, str] = {}
    asked: list[Name] = []
    for ordinal, entry in enumerate(submission.entries):
        if entry.type == "Patient" and edge.creates_patients:
            known = await conditional.known(connection, keys, entry, sought.get(id(entry)), caller)
            assigned[id(entry)] = known or await patients.of_patient_entry(connection, keys, entry, caller)
            if known:
                asked.append((entry.type, known))
        elif id(entry) in sought:
            looked_for = sought[id(entry)]
            name = f"{caller.name}|{caller.program}|{entry.type}?{looked_for.system}|{looked_for.value}"
            assigned[id(entry)] = found.get(id(entry)) or str(uuid5(NAMESPACE_URL, name))
            asked.append((entry.type, assigned[id(entry)]))
        else:
            assigned[id(entry)] = str(uuid5(submission.cause, str(ordinal)))
    existing = await resources.versions(connection, asked)
    entries = fhir.resolve(submission.entries, lambda entry: assigned[id(entry)])
    conditional.made_logical(entries)
    return entries, existing


async def _stored(
    connection: Connection, entries: Sequence[BundleEntry], caller: Caller
) -> dict[tuple[str, str], StoredResource]:
    """What each PUT replaces. There is no update-as-create: ids are the hub's to give."""
    updates = [entry for entry in entries if entry.method == "PUT"]
    if not updates:
        return {}
    found = await resources.stored(connection, caller.program, [(each.type, str(each.id)) for each in updates])
    for entry in updates:
        if (entry.type, str(entry.id)) not in found:
            raise refuse(404, "not-found", f"{entry.place}.id", "Nothing here has this id; the hub gives ids.")
    return {name: _stored_row(row) for name, row in found.items()}


async def _patient(
    connection: Connection,
    keys: Keys,
    edge: Edge,
    entries: Sequence[BundleEntry],
    stored: Mapping[tuple[str, str], StoredResource],
    caller: Caller,
) -> tuple[str | None, tuple[Digest, ...]]:
    if edge.creates_patients:
        own = {str(entry.id) for entry in entries if entry.type == "Patient"}
        if len(own) > 1:
            raise refuse(422, "business-rule", entries[0].place, "A transaction is about one patient.")
        if own:
            patient = own.pop()
            await _require_own(connection, keys, entries, patient, caller)
            return patient, ()
    owners = {each.patient for each in stored.values() if each.patient}
    found, digests = await patients.of_references(connection, keys, entries, caller)
    owners |= {found} if found else set()
    if len(owners) > 1:
        raise refuse(422, "business-rule", entries[0].place, "A transaction is about one patient.")
    if not owners and not (edge.waits and digests):
        if not digests:
            raise refuse(422, "required", entries[0].place, "Nothing here says which patient it is about.")
        raise refuse(
            409,
            "transient",
            entries[0].place,
            "This patient is not known yet; try again soon.",
            Retry_After=str(patients.RETRY_SECONDS),
        )
    return (owners.pop() if owners else None), digests


async def _require_own(
    connection: Connection, keys: Keys, entries: Sequence[BundleEntry], patient: str, caller: Caller
) -> None:
    """With a Patient in it, whoever is pointed to must be that patient: a mix-up is never filed.

    A patient nobody knows may be meant where nothing points to the one that came: real senders write another id there.
    """
    written, own = msgspec.json.encode([each.resource for each in entries]), f"Patient/{patient}".encode()
    others = written.replace(own, b"")
    if b"Patient/" not in others and b'"type":"Patient"' not in others:
        return  # a walk through them all costs ten times this look
    strangers: dict[str, str] = {}
    for entry in entries:
        for place, reference in fhir.references(entry.resource, entry.place):
            if not patients.points_to_a_patient(reference) or reference.get("reference") == f"Patient/{patient}":
                continue
            found = await patients.owner_of(connection, keys, reference, place, caller)
            if found is None:
                strangers.setdefault(reference.get("reference") or str(reference.get("identifier")), place)
            if found not in (None, patient) or len(strangers) > 1 or (strangers and own in written):
                raise refuse(422, "business-rule", place, "A transaction is about one patient; this points to another.")


def _stored_row(row: Row) -> StoredResource:
    body = {} if row["sealed"] else fhir.parse(row["body"].encode()).resource
    return StoredResource(row["patient"], body, row["version"])
