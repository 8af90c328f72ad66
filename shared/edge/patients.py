"""Identifiers and references to a patient, resolved to the hub's id. Nothing is guessed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID, uuid4

from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry, references
from shared.edge.outcome import refuse
from shared.events.codes import HUB
from shared.events.intake import Digest
from shared.path.transaction import aliases
from shared.platform.db import Connection
from shared.platform.keys import Identifier, Keys

Reference = Mapping[str, object]
"""FHIR's Reference, already validated."""
RETRY_SECONDS = 5
"""A patient may not have arrived yet: lag must not look like a permanent refusal."""


def identifiers(patient: Mapping[str, object], caller: Caller, full_url: str | None = None) -> tuple[Identifier, ...]:
    """What names this Patient: its identifiers, and where the client keeps it (two EHRs both have a Patient/123)."""
    written = patient.get("identifier")
    named = [
        Identifier(each["system"], each["value"])
        for each in (written if isinstance(written, list) else ())
        if each.get("system") and each.get("value")
    ]
    if patient.get("id"):
        named.append(Identifier(caller.client.base_url, f"Patient/{patient['id']}"))
    base, found, own = (full_url or "").rpartition("/Patient/")
    if found and base != caller.client.base_url:
        named.append(Identifier(base, f"Patient/{own}"))
    return tuple(named)


async def of_patient_entry(connection: Connection, keys: Keys, entry: BundleEntry, caller: Caller) -> str:
    """The hub's id of a Patient that came along: the one its identifiers belong to, else a new one bound to them."""
    if entry.method == "PUT" and entry.id is not None:
        candidate = entry.id
        named = identifiers({key: value for key, value in entry.resource.items() if key != "id"}, caller)
    else:
        candidate, named = str(uuid4()), identifiers(entry.resource, caller, entry.full_url)
    if not named and entry.method == "POST":
        raise refuse(
            422, "required", f"{entry.place}.identifier", "A Patient must have an identifier with system and value."
        )
    digests = keys.digests(caller.program, named)
    owners = await aliases.bind(connection, caller.program, digests, candidate) if digests else {candidate}
    return _only(owners, f"{entry.place}.identifier")


async def of_references(
    connection: Connection, keys: Keys, entries: Sequence[BundleEntry], caller: Caller
) -> tuple[str | None, tuple[Digest, ...]]:
    """The one patient that the entries are about, or None; and the digests under which an unknown one may wait."""
    owners: set[str] = set()
    digests: list[Digest] = []
    asked: set[tuple[str, str, str]] = set()
    for entry in entries:
        for _, reference in references(entry.resource, entry.place):
            named_by = _named_by(reference)
            if named_by in asked:
                continue
            asked.add(named_by)
            found, named = await _of_reference(connection, keys, reference, caller)
            owners |= found
            digests.extend(named)
        if entry.type == "Patient":
            named_ = keys.digests(caller.program, identifiers(entry.resource, caller, entry.full_url))
            owners |= await aliases.resolve(connection, caller.program, named_)
            digests.extend(named_)
    return (_only(owners, entries[0].place) if owners else None), tuple(dict.fromkeys(digests))


async def owner_of(connection: Connection, keys: Keys, reference: Reference, place: str, caller: Caller) -> str | None:
    """The patient that one reference points to, or None where nobody knows them."""
    owners, _ = await _of_reference(connection, keys, reference, caller)
    return _only(owners, place) if owners else None


async def _of_reference(
    connection: Connection, keys: Keys, reference: Reference, caller: Caller
) -> tuple[set[str], tuple[Digest, ...]]:
    literal = _literal(reference)
    base, _, own = literal.rpartition("Patient/")
    if literal and not literal.startswith("#") and literal.endswith(f"Patient/{own}") and own:
        if not base and _is_hub_id(own) and await aliases.is_known(connection, caller.program, own):
            return {own}, ()
        named = [Identifier(base.rstrip("/") or caller.client.base_url, f"Patient/{own}")]
    elif not literal and _names_a_patient(reference):
        named = [Identifier(*_named_by(reference)[1:])]
    else:
        return set(), ()
    digests = keys.digests(caller.program, named)
    return await aliases.resolve(connection, caller.program, digests), digests


def _named_by(reference: Reference) -> tuple[str, str, str]:
    """The reference as written, and its identifier's system and value."""
    named = reference.get("identifier")
    system, value = (named.get("system", ""), named.get("value", "")) if isinstance(named, dict) else ("", "")
    return str(reference.get("reference", "")), system, value


def _literal(reference: Reference) -> str:
    """The reference as written, without a version."""
    return str(reference.get("reference", "")).partition("/_history/")[0]


def _names_a_patient(reference: Reference) -> bool:
    """A logical reference that may mean a patient; the hub's own systems name partners, roles and staff."""
    _, system, value = _named_by(reference)
    return reference.get("type") in (None, "Patient") and bool(system and value) and not system.startswith(HUB)


def _is_hub_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _only(owners: set[str], place: str) -> str:
    if len(owners) > 1:
        raise refuse(409, "multiple-matches", place, "The identifiers must belong to one patient.")
    (owner,) = owners
    return owner


def rewrite(entries: Iterable[BundleEntry], patient: str) -> None:
    """Every reference to a patient in these (already copied) resources becomes the hub's own. In place."""
    for entry in entries:
        for _, reference in references(entry.resource, entry.place):
            if _points_to_a_patient(reference):
                reference["reference"] = f"Patient/{patient}"
                reference.pop("identifier", None)
                reference.pop("display", None)


def pointing_elsewhere(entries: Iterable[BundleEntry], patient: str) -> Iterator[tuple[str, Reference]]:
    """Each reference to a patient that is not written as this one, with its place."""
    for entry in entries:
        for place, reference in references(entry.resource, entry.place):
            if _points_to_a_patient(reference) and reference.get("reference") != f"Patient/{patient}":
                yield place, reference


def _points_to_a_patient(reference: Reference) -> bool:
    literal = _literal(reference)
    return bool(literal.rpartition("/")[0].endswith("Patient") if literal else reference.get("type") == "Patient")
