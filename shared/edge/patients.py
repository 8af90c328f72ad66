"""Identifiers and references to a patient, resolved to the hub's id. Nothing is guessed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.edge.clients import Caller
from shared.edge.fhir import BundleEntry, references
from shared.edge.json import MutableJson
from shared.edge.outcome import HttpRefusal, refuse
from shared.edge.several import SeveralPatients
from shared.events.codes import HUB
from shared.events.envelope import PatientId, patient_id
from shared.events.intake import Digest
from shared.path.transaction import aliases
from shared.platform.db import Connection
from shared.platform.keys import Identifier, Keys

Reference = Mapping[str, object]
"""FHIR's Reference, already validated."""
Written = tuple[str, str, str]
"""A reference as written, and its identifier's system and value."""
REFERENCES_MOST = 500
"""Different ones in one submission that may mean a patient: each is looked up."""
Named = tuple[str, MutableJson]
"""A Reference with its place."""
Digests = Mapping[Digest, PatientId]
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


def named(entry: BundleEntry, caller: Caller) -> tuple[Identifier, ...]:
    """What names a Patient that came along; the id in a PUT is the hub's own."""
    if entry.method == "PUT":
        return identifiers({key: value for key, value in entry.resource.items() if key != "id"}, caller)
    return identifiers(entry.resource, caller, entry.full_url)


def require_named(entry: BundleEntry, names: Sequence[Digest]) -> None:
    """Raises HttpRefusal for a Patient to be created that nothing names."""
    if entry.method != "PUT" and not names:
        raise refuse(
            422, "required", f"{entry.place}.identifier", "A Patient must have an identifier with system and value."
        )


async def of_references(
    connection: Connection,
    keys: Keys,
    entries: Sequence[BundleEntry],
    caller: Caller,
    along: Sequence[Identifier] = (),
) -> tuple[PatientId | None, tuple[Digest, ...]]:
    """The one patient that the entries are about, or None; and the digests under which an unknown one may wait.

    `along` names the Patient that came with them as context.
    """
    digests = [*keys.digests(caller.program, along)]
    owners = await aliases.resolve(connection, caller.program, digests) if digests else set[PatientId]()
    asked: set[Written] = set()
    for entry in entries:
        for _, reference in references(entry.resource, entry.place):
            named_by = _named_by(reference)
            if named_by in asked or not _may_name_a_patient(reference):
                continue
            asked.add(named_by)
            if len(asked) > REFERENCES_MOST:
                raise refuse(
                    422, "too-costly", entry.place, f"Must refer to a patient in at most {REFERENCES_MOST} ways."
                )
            found, named = await _of_reference(connection, keys, reference, caller)
            owners |= found
            digests.extend(named)
        if entry.type == "Patient":
            named_ = keys.digests(caller.program, identifiers(entry.resource, caller, entry.full_url))
            owners |= await aliases.resolve(connection, caller.program, named_)
            digests.extend(named_)
    return (only(owners, entries[0].place) if owners else None), tuple(dict.fromkeys(digests))


async def require_nobody_else(
    connection: Connection,
    keys: Keys,
    entries: Sequence[BundleEntry],
    caller: Caller,
    own: Sequence[Digest],
    patient: PatientId | None,
) -> None:
    """With a Patient along, every reference to a patient must be named by what names that one, or be of the same
    patient: a mix-up is never filed. Raises HttpRefusal 422."""
    for place, reference in pointing_elsewhere(entries, ""):
        owners, digests = await _of_reference(connection, keys, reference, caller)
        if not set(own) & set(digests) and (patient is None or owners != {patient}):
            raise another_patient(place)


async def owner_of(
    connection: Connection, keys: Keys, reference: Reference, place: str, caller: Caller
) -> PatientId | None:
    """The patient that one reference points to, or None where nobody knows them."""
    owners, _ = await _of_reference(connection, keys, reference, caller)
    return only(owners, place) if owners else None


async def _of_reference(
    connection: Connection, keys: Keys, reference: Reference, caller: Caller
) -> tuple[set[PatientId], tuple[Digest, ...]]:
    if not _may_name_a_patient(reference):
        return set(), ()
    base, literal, own = _literal(reference).rpartition("Patient/")
    if literal:
        known = None if base else await _known(connection, caller, own)
        if known is not None:
            return {known}, ()
        named = [Identifier(base.rstrip("/") or caller.client.base_url, f"Patient/{own}")]
    else:
        named = [Identifier(*_named_by(reference)[1:])]
    digests = keys.digests(caller.program, named)
    return await aliases.resolve(connection, caller.program, digests), digests


def _may_name_a_patient(reference: Reference) -> bool:
    literal = _literal(reference)
    if not literal:
        return _names_a_patient(reference)
    _, found, own = literal.rpartition("Patient/")
    return bool(found and own) and not literal.startswith("#")


def _named_by(reference: Reference) -> Written:
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


async def _known(connection: Connection, caller: Caller, text: str) -> PatientId | None:
    """The patient of this program whose id, the hub's own, this is."""
    try:
        patient = patient_id(text)
    except ValueError:
        return None
    return patient if await aliases.is_known(connection, caller.program, patient) else None


def only(owners: set[PatientId], place: str) -> PatientId:
    """The one of them. Raises SeveralPatients (409) where identifiers belong to several."""
    if len(owners) > 1:
        raise SeveralPatients(owners, place)
    (owner,) = owners
    return owner


def rewrite(entries: Iterable[BundleEntry], patient: str) -> list[Named]:
    """Every reference to a patient in these (already copied) resources becomes the hub's own, in place. Returns those
    that only an identifier of no stated type says: they may mean a patient too."""
    untyped = []
    for entry in entries:
        for place, reference in references(entry.resource, entry.place):
            if _points_to_a_patient(reference):
                _point(reference, patient)
            elif not _literal(reference) and _names_a_patient(reference):
                untyped.append((place, reference))
    return untyped


async def rewrite_untyped(
    connection: Connection, keys: Keys, untyped: Sequence[Named], patient: str, binds: Digests, caller: Caller
) -> None:
    """Those of these that name the patient become the hub's own too, in place: an identifier is never stored in the
    clear. Raises HttpRefusal where one names another patient."""
    named = [keys.digests(caller.program, [Identifier(*_named_by(reference)[1:])]) for _, reference in untyped]
    owners = dict(binds)
    owners |= await aliases.owners(connection, caller.program, [each for several in named for each in several])
    for (place, reference), digests in zip(untyped, named, strict=True):
        found = {owners[each] for each in digests if each in owners}
        if found - {patient}:
            raise another_patient(place)
        if found:
            _point(reference, patient)


def another_patient(place: str) -> HttpRefusal:
    """A mix-up is never filed."""
    return refuse(422, "business-rule", place, "Every reference must point to the one patient.")


def _point(reference: MutableJson, patient: str) -> None:
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
