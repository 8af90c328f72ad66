"""What a submission is about: its entries with the hub's ids, what they replace, and the one patient they concern."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import msgspec

from shared.edge import conditional, fhir, forms, patients, several
from shared.edge.admission import OneKey, OnePatient, contradicting
from shared.edge.along import Along, apart
from shared.edge.clients import Caller
from shared.edge.contract import Edge, Minutes, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import members
from shared.edge.outcome import refuse
from shared.events.envelope import PatientId, patient_id
from shared.events.intake import Digest
from shared.path.transaction import aliases, resources, waiting
from shared.path.transaction.resources import Name, OfProgram
from shared.platform import traits
from shared.platform.db import Connection, Row
from shared.platform.keys import Identifier, Keys
from shared.platform.traits import NO_TRAITS, Traits


@dataclass(frozen=True)
class Submission:
    """What was asked, as entries; `cause` names it, so that the same again gets the same answer."""

    kind: Literal["transaction", "message", "single"]
    entries: tuple[BundleEntry, ...]
    cause: UUID
    repeatable: bool
    digest: str
    size: int = 0
    """Of the body, in bytes."""


@dataclass(frozen=True)
class Resolved:
    """`existing` are those whose ifNoneExist found what it asked for, with their versions. `patient` is None while
    nobody knows them, and may wait under the `digests`, or while the `traits` that came along contradict them: `doubts`
    counts in how much. `binds` are bound to the patient with what is stored. `along` are the places of what came as
    context, which is not among the entries. `other` is what it is about where that is no patient."""

    entries: tuple[BundleEntry, ...]
    existing: dict[Name, int]
    stored: dict[Name, StoredResource]
    patient: PatientId | None
    digests: tuple[Digest, ...]
    binds: tuple[Digest, ...] = ()
    along: frozenset[int] = frozenset()
    other: OneKey | None = None
    traits: Traits = NO_TRAITS
    doubts: int = 0


async def same_minute(
    connection: Connection, patient: PatientId, program: str, minutes: Minutes
) -> dict[str, StoredResource]:
    """The patient's Observations of these minutes, by id."""
    rows = await resources.of_minutes(connection, program, patient, "Observation", minutes)
    return {row["id"]: _stored_row(row) for row in rows}


def panels_touched(entries: Sequence[BundleEntry]) -> bool:
    """Whether these may be panels, or change what panels sum."""
    return any(each.type == "Observation" and (each.method == "PUT" or members(each.resource)) for each in entries)


async def panels(
    connection: Connection, patient: PatientId, program: str, entries: Sequence[BundleEntry]
) -> dict[str, StoredResource]:
    """By id, the patient's panels that have one of these updates as member, and the members of those and of these."""
    observed = [each for each in entries if each.type == "Observation"]
    updated = {str(each.id) for each in observed if each.method == "PUT"}
    rows = await resources.panels(connection, program, patient) if updated else []
    found = {row["id"]: _stored_row(row) for row in rows}
    touched = {name: each for name, each in found.items() if not updated.isdisjoint(members(each.body))}
    bodies = (*(each.resource for each in observed), *(each.body for each in touched.values()))
    names = [("Observation", each) for each in dict.fromkeys(name for body in bodies for name in members(body))]
    others = await stored(connection, program, names) if names else {}
    return touched | {name: each for (_, name), each in others.items() if each.patient == patient}


async def stored(connection: Connection, program: str, names: Sequence[Name]) -> dict[Name, StoredResource]:
    """Those of these resources that this program has, as they are now."""
    return {name: _stored_row(row) for name, row in (await resources.stored(connection, program, names)).items()}


async def resolve(connection: Connection, keys: Keys, edge: Edge, submission: Submission, caller: Caller) -> Resolved:
    """Ids, references and the patient of a submission. Raises HttpRefusal; nothing is guessed."""
    types = edge.context_of(submission.entries)
    sought = {
        id(entry): conditional.of(entry)
        for entry in submission.entries
        if entry.if_none_exist is not None and entry.type not in types
    }
    resolving = _Resolving(connection, keys, edge, submission, caller, sought)
    stored = await resolving.stored()
    identified, existing = await resolving.identified({})
    if (other := _other_key(edge, identified, stored, caller)) is not None:
        return Resolved(identified, existing, stored, None, (), other=other)
    await asyncio.sleep(0)  # each look through a large submission takes a tenth of a second: others have their turn
    along = apart(identified, submission.entries, edge, caller)
    patient, digests = await resolving.patient(along, stored)
    sent = traits.digested(keys, caller.program, along.person)
    doubts = await resolving.doubts(patient, sent, stored)
    patient = None if doubts == traits.BOTH else patient
    found = await resolving.found(identified, existing, patient)
    if any(found.values()):
        identified, existing = await resolving.identified(found)
        along = apart(identified, submission.entries, edge, caller)
    entries = await resolving.updating(along.entries, existing, stored, patient)
    await resolving.require_nobody_awaited(stored, digests)
    untyped = patients.rewrite(entries, patient or "")
    if untyped and patient is not None:
        await patients.rewrite_untyped(connection, keys, untyped, patient, resolving.binds, caller)
    binds = tuple(resolving.binds)
    return Resolved(entries, existing, stored, patient, digests, binds, along.ordinals, traits=sent, doubts=doubts)


def cause_of(bundle: Mapping[str, object] | None, caller: Caller) -> tuple[UUID, bool]:
    """The submission's own name: from `Bundle.identifier`, within client and program, or a new one."""
    named = (bundle or {}).get("identifier")
    if isinstance(named, dict) and named.get("value"):
        name = f"{caller.name}|{caller.program}|{named.get('system', '')}|{named['value']}"
        return uuid5(NAMESPACE_URL, name), True
    return uuid4(), False


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True)
class _Resolving:
    """The steps of resolving one submission; `sought` is what its conditional creates look for, by entry. Nothing is
    written: what is to be bound to a patient is in `binds`, by identifier of a Patient in it; nothing is stored of the
    `new` ones among them."""

    connection: Connection
    keys: Keys
    edge: Edge
    submission: Submission
    caller: Caller
    sought: Mapping[int, Identifier]
    binds: dict[Digest, PatientId] = field(default_factory=dict)
    new: set[str] = field(default_factory=set)

    async def identified(self, found: Mapping[int, str | None]) -> tuple[tuple[BundleEntry, ...], dict[Name, int]]:
        """The entries with ids, and those that exist. `found` are resources that carry the identifier sought."""
        assigned: dict[int, str] = {}
        asked: list[OfProgram] = []
        for ordinal, entry in enumerate(self.submission.entries):
            identity, may_exist = await self._identity(entry, ordinal, found.get(id(entry)))
            assigned[id(entry)] = identity
            if may_exist:
                asked.append((self.caller.program, entry.type, identity))
        found_now = await resources.versions(self.connection, asked)
        existing = {(kind, name): version for (_, kind, name), version in found_now.items()}
        entries = fhir.resolve(self.submission.entries, lambda entry: assigned[id(entry)])
        conditional.made_logical(entries)
        return entries, existing

    async def _identity(self, entry: BundleEntry, ordinal: int, found: str | None) -> tuple[str, bool]:
        """A Patient's id by its identifiers, another's by the cause or by its condition; whether it may exist."""
        sought = self.sought.get(id(entry))
        if entry.type == forms.QUESTIONNAIRE and self.edge.forms:
            return forms.id_of(entry, self.caller), False
        if entry.type == "Patient" and self.edge.unknown_patient == "created":
            return await self._patient(entry, sought)
        if sought is not None:
            name = f"{self.caller.name}|{self.caller.program}|{entry.type}?{sought.system}|{sought.value}"
            return found or str(uuid5(NAMESPACE_URL, name)), True
        return str(uuid5(self.submission.cause, str(ordinal))), False

    async def _patient(self, entry: BundleEntry, sought: Identifier | None) -> tuple[PatientId, bool]:
        """Whose Patient this is: that its condition finds, to whom its identifiers belong, or a new one; whether it may
        exist."""
        condition = self.keys.digests(self.caller.program, [sought] if sought else ())
        digests = self.keys.digests(self.caller.program, patients.named(entry, self.caller))
        bound = await aliases.owners(self.connection, self.caller.program, [*condition, *digests])
        found = {bound[each] for each in condition if each in bound}
        if (known := await conditional.known(self.connection, entry, found, self.caller)) is not None:
            return patient_id(known), True
        patients.require_named(entry, digests)
        bound |= self.binds
        owners = {bound[each] for each in digests if each in bound}
        if entry.method == "PUT":
            owners.add(patient_id(str(entry.id)))
        patient = patients.only(owners or {patient_id(str(uuid4()))}, f"{entry.place}.identifier")
        if not owners:
            self.new.add(patient)
        self.binds.update(dict.fromkeys(digests, patient))
        return patient, False

    async def stored(self) -> dict[Name, StoredResource]:
        """What each PUT replaces, before anything else is looked at. There is no update-as-create: ids are the hub's to
        give."""
        types = self.edge.context_of(self.submission.entries)
        updates = [
            entry
            for entry in self.submission.entries
            if entry.method == "PUT" and entry.id is not None and entry.type not in types
        ]
        if not updates:
            return {}
        names = [(each.type, str(each.id)) for each in updates]
        found = await stored(self.connection, self.caller.program, names)
        for entry in updates:
            if (entry.type, str(entry.id)) not in found:
                raise refuse(404, "not-found", f"{entry.place}.id", "No resource has this id; the hub assigns ids.")
        return found

    async def found(
        self, entries: Sequence[BundleEntry], existing: Mapping[Name, int], patient: str | None
    ) -> dict[int, str | None]:
        """Resources that carry the identifier of a condition, whoever sent them, by the entry that looks for one."""
        if patient in self.new:
            return {}
        seeking = [
            (entry, self.sought[id(entry)])
            for entry, identified in zip(self.submission.entries, entries, strict=True)
            if id(entry) in self.sought and (identified.type, identified.id) not in existing
        ]
        found = await conditional.matching(self.connection, seeking, patient or "", self.caller)
        return {id(entry): identity for (entry, _), identity in zip(seeking, found, strict=True)}

    async def updating(
        self,
        entries: Sequence[BundleEntry],
        existing: dict[Name, int],
        stored: dict[Name, StoredResource],
        patient: str | None,
    ) -> tuple[BundleEntry, ...]:
        """A conditional update changes what exists, and creates what doesn't. In `existing` and `stored` it is then as
        any other. Raises HttpRefusal where it would change what another patient has."""
        names = [(each.type, str(each.id)) for each in entries if each.conditional]
        found = await resources.stored(self.connection, self.caller.program, names) if names else {}
        for name, row in found.items():
            if row["patient"] not in ("", patient):
                raise patients.another_patient(name[0])
            stored[name] = _stored_row(row)
            existing.pop(name, None)
        return tuple(
            msgspec.structs.replace(each, method="POST")
            if each.conditional and (each.type, str(each.id)) not in found
            else each
            for each in entries
        )

    async def require_nobody_awaited(self, stored: Mapping[Name, StoredResource], digests: Sequence[Digest]) -> None:
        """What waits for one patient is not updated to be of another: it would be of both once the first is known. A
        Task asks about it, and does not wait itself."""
        for (kind, name), each in stored.items():
            if (
                kind != "Task"
                and not each.patient
                and await waiting.awaits_another(self.connection, self.caller.program, name, digests)
            ):
                raise patients.another_patient(kind)

    async def patient(
        self, along: Along, stored: Mapping[Name, StoredResource]
    ) -> tuple[PatientId | None, tuple[Digest, ...]]:
        """The one patient it is about, None while nobody knows them; and the digests they may wait under."""
        entries = along.entries
        own = {
            patient_id(str(entry.id))
            for entry in entries
            if entry.type == "Patient" and self.edge.unknown_patient == "created"
        }
        if own:
            await self._require_no_merge(entries, own)
            patient = _one(own, entries[0].place)
            await self._require_own(entries, patient)
            return patient, ()
        owners = {patient_id(each.patient) for each in stored.values() if each.patient}
        found, digests = await patients.of_references(self.connection, self.keys, entries, self.caller, along.named)
        owners |= {found} if found else set()
        if along.named:
            named = self.keys.digests(self.caller.program, along.named)
            await patients.require_nobody_else(self.connection, self.keys, entries, self.caller, named, found)
        if not owners:
            self._require_may_wait(digests, entries[0].place)
            return None, digests
        return _one(owners, entries[0].place), digests

    async def doubts(self, patient: PatientId | None, sent: Traits, stored: Mapping[Name, StoredResource]) -> int:
        """What contradicts of family name and birth date. Raises HttpRefusal where what a patient has would become
        another one's."""
        if patient is None:
            return 0
        found = await contradicting(self.connection, self.keys, OnePatient(self.caller.program, patient), sent)
        if found == traits.BOTH and any(each.patient for each in stored.values()):
            raise patients.another_patient("Patient")
        return found

    async def _require_no_merge(self, entries: Sequence[BundleEntry], own: set[PatientId]) -> None:
        """Two records are one person where a person says so. Raises SeveralPatients."""
        for place, patient, other in several.merges(entries):
            known = await patients.owner_of(self.connection, self.keys, other, place, self.caller)
            raise several.SeveralPatients({patient, *own, *([known] if known else [])}, place)

    def _require_may_wait(self, digests: Sequence[Digest], place: str) -> None:
        if not digests:
            raise refuse(422, "required", place, "A reference to the patient is required.")
        if self.edge.unknown_patient != "waiting":
            later = str(patients.RETRY_SECONDS)
            raise refuse(409, "transient", place, "The patient is not known yet; try again later.", Retry_After=later)

    async def _require_own(self, entries: Sequence[BundleEntry], patient: str) -> None:
        """With a Patient in it, whoever is pointed to must be that patient: a mix-up is never filed.

        A patient nobody knows may be meant where nothing points to the one that came: real senders write another id
        there.
        """
        written, own = msgspec.json.encode([each.resource for each in entries]), f"Patient/{patient}".encode()
        others = written.replace(own, b"")
        if b"Patient/" not in others and b'"type":"Patient"' not in others:
            return  # a walk through them all costs ten times this look
        strangers: set[str] = set()
        for place, reference in patients.pointing_elsewhere(entries, patient):
            found = await patients.owner_of(self.connection, self.keys, reference, place, self.caller)
            if found is None:
                strangers.add(str(reference.get("reference") or reference.get("identifier")))
            if found not in (None, patient) or len(strangers) > 1 or (strangers and own in written):
                raise patients.another_patient(place)


def _other_key(
    edge: Edge, entries: Sequence[BundleEntry], stored: Mapping[Name, StoredResource], caller: Caller
) -> OneKey | None:
    """The one key that these are about, where that is no patient. Raises HttpRefusal for what is about several."""
    keys = {
        name: OneKey(of.kind, key)
        for name, each in stored.items()
        if (of := edge.others.get(name[0])) is not None and (key := of.of(caller.program, each.body)) is not None
    }
    found, others = set(keys.values()), [each for each in entries if (each.type, str(each.id)) in keys]
    if not found:
        return None
    if len(found) > 1 or len(others) < len(entries):
        (kind, *_) = sorted(each.kind for each in found)
        text = f"A transaction with a {others[0].type} must be about one {kind}, and hold nothing else."
        raise refuse(422, "business-rule", others[0].place, text)
    return found.pop()


def _one(owners: set[PatientId], place: str) -> PatientId:
    if len(owners) > 1:
        raise refuse(422, "business-rule", place, "A transaction must be about one patient.")
    (owner,) = owners
    return owner


def _stored_row(row: Row) -> StoredResource:
    body = {} if row["sealed"] else fhir.parse(row["body"].encode())
    return StoredResource(row["patient"], body, row["version"])
