"""What a submission is about: its entries with the hub's ids, what they replace, and the one patient they concern."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from shared.edge import fhir, patients
from shared.edge.clients import Caller
from shared.edge.contract import Edge, Stored
from shared.edge.fhir import Entry
from shared.edge.outcome import refuse
from shared.path.db import Connection
from shared.path.identity import Keys
from shared.words.intake import Digest

_STORED = """SELECT type, id, patient, program, body, sealed FROM resources r
    JOIN unnest($1::text[], $2::text[]) AS u(type, id) USING (type, id)"""


@dataclass(frozen=True)
class Submission:
    """What was asked, as entries; `cause` names it, so that the same again gets the same answer."""

    kind: Literal["transaction", "message", "single"]
    entries: tuple[Entry, ...]
    cause: UUID
    repeatable: bool
    digest: str


@dataclass(frozen=True)
class Resolved:
    """`existing` are those whose ifNoneExist found what it asked for. `patient` is None while nobody knows them."""

    entries: tuple[Entry, ...]
    existing: set[tuple[str, str]]
    stored: dict[tuple[str, str], Stored]
    patient: str | None
    digests: tuple[Digest, ...]


async def resolve(connection: Connection, keys: Keys, edge: Edge, submission: Submission, caller: Caller) -> Resolved:
    """Ids, references and the patient of a submission. Raises Refusal; nothing is guessed."""
    entries, existing = await _identified(connection, keys, edge, submission, caller)
    stored = await _stored(connection, entries, caller)
    patient, digests = await _patient(connection, keys, edge, entries, stored, caller)
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
    connection: Connection, keys: Keys, edge: Edge, submission: Submission, caller: Caller
) -> tuple[tuple[Entry, ...], set[tuple[str, str]]]:
    """The entries with ids: a Patient's by its identifiers, others by the cause, or by their ifNoneExist."""
    assigned: dict[int, str] = {}
    asked: dict[tuple[str, str], None] = {}
    for ordinal, entry in enumerate(submission.entries):
        if entry.type == "Patient" and edge.keeps_patients:
            assigned[id(entry)] = await patients.of_patient_entry(connection, keys, entry, caller)
        elif entry.if_none_exist is not None:
            name = f"{caller.name}|{caller.program}|{entry.type}?{entry.if_none_exist}"
            assigned[id(entry)] = str(uuid5(NAMESPACE_URL, name))
            asked[entry.type, assigned[id(entry)]] = None
        else:
            assigned[id(entry)] = str(uuid5(submission.cause, str(ordinal)))
    existing: set[tuple[str, str]] = set()
    if asked:
        rows = await connection.fetch(_STORED, [kind for kind, _ in asked], [name for _, name in asked])
        existing = {(row["type"], row["id"]) for row in rows}
    return fhir.resolve(submission.entries, lambda entry: assigned[id(entry)]), existing


async def _stored(connection: Connection, entries: Sequence[Entry], caller: Caller) -> dict[tuple[str, str], Stored]:
    """What each PUT replaces. There is no update-as-create: ids are the hub's to give."""
    updates = [entry for entry in entries if entry.method == "PUT"]
    if not updates:
        return {}
    rows = await connection.fetch(_STORED, [each.type for each in updates], [str(each.id) for each in updates])
    found = {(row["type"], row["id"]): row for row in rows if row["program"] == caller.program}
    for entry in updates:
        if (entry.type, str(entry.id)) not in found:
            raise refuse(404, "not-found", f"{entry.place}.id", "Nothing here has this id; the hub gives ids.")
    return {name: _stored_row(row) for name, row in found.items()}


async def _patient(
    connection: Connection,
    keys: Keys,
    edge: Edge,
    entries: Sequence[Entry],
    stored: Mapping[tuple[str, str], Stored],
    caller: Caller,
) -> tuple[str | None, tuple[Digest, ...]]:
    if edge.keeps_patients:
        own = {str(entry.id) for entry in entries if entry.type == "Patient"}
        if len(own) > 1:
            raise refuse(422, "business-rule", entries[0].place, "A transaction is about one patient.")
        if own:
            return own.pop(), ()
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


def _stored_row(row: Mapping[str, Any]) -> Stored:
    return Stored(row["patient"], {} if row["sealed"] else fhir.parse(row["body"].encode()).resource)
