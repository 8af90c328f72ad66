"""Who a patient is: digests of identifiers, each bound to one patient of one program. Patient ids are random.

An identifier is bound in the transaction that stores what it came with, so a refused request binds nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.events.envelope import PatientId, patient_id
from shared.events.intake import Digest
from shared.path.transaction.delivery import AnyDelivery, Commanded, Unreadable, bare
from shared.platform.db import Connection

# The existing patient wins, or two posts of one MRN at the same moment make two patients.
_LEARN = """INSERT INTO alias AS a (program, digest, patient) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
    ON CONFLICT (program, digest) DO UPDATE SET patient = excluded.patient WHERE a.patient = ''
    RETURNING program, digest"""
_RESOLVE = "SELECT DISTINCT patient FROM alias WHERE program = $1 AND digest = ANY($2::text[]) AND patient <> ''"
_OWNERS = """SELECT program, digest, patient FROM alias JOIN unnest($1::text[], $2::text[]) AS u(program, digest)
    USING (program, digest) WHERE patient <> ''"""
_KNOWN = "SELECT EXISTS (SELECT 1 FROM alias WHERE program = $1 AND patient = $2)"
_KNOWN_OF = "SELECT DISTINCT patient FROM alias WHERE program = $1 AND patient = ANY($2::text[]) AND patient <> ''"
Bound = tuple[str, str]
"""Program and digest, as the table holds them."""


class BoundMeanwhile(Exception):
    """One of these identifiers belongs to another patient by now. Nothing is stored: take it again, and look first."""


def column(digest: Digest) -> str:
    """A digest as the table holds it."""
    return f"{digest.key_id}:{digest.value}"


async def resolve(connection: Connection, program: str, digests: Sequence[Digest]) -> set[PatientId]:
    """The patients these identifiers belong to: none, one, or (a person must look) several."""
    if not digests:
        return set()
    rows = await connection.fetch(_RESOLVE, program, [column(each) for each in digests])
    return {patient_id(row["patient"]) for row in rows}


async def owners(connection: Connection, program: str, digests: Sequence[Digest]) -> dict[Digest, PatientId]:
    """Which of these identifiers belong to whom."""
    known = await _owners(connection, [(program, column(each)) for each in digests])
    found = {each: known.get((program, column(each))) for each in digests}
    return {digest: patient for digest, patient in found.items() if patient is not None}


async def is_known(connection: Connection, program: str, patient: PatientId) -> bool:
    known: bool = await connection.fetchval(_KNOWN, program, patient)
    return known


async def known(connection: Connection, program: str, patients: Collection[str]) -> set[str]:
    """Those of these ids that are patients of this program."""
    rows = await connection.fetch(_KNOWN_OF, program, list(patients)) if patients else []
    return {row["patient"] for row in rows}


async def bound_elsewhere(connection: Connection, deliveries: Iterable[AnyDelivery]) -> list[AnyDelivery]:
    """Those that would bind what belongs to another patient, or is bound by an earlier one of them."""
    binding = [(each, bounds) for each in deliveries if (bounds := _bounds(each))]
    if not binding:
        return []
    owners = await _owners(connection, [bound for _, bounds in binding for bound in bounds])
    elsewhere = []
    for delivery, bounds in binding:
        if any(owners.get(bound, delivery.key) != delivery.key for bound in bounds):
            elsewhere.append(delivery)
        else:
            owners.update(dict.fromkeys(bounds, patient_id(delivery.key)))
    return elsewhere


async def bind(connection: Connection, deliveries: Iterable[AnyDelivery], refused: Iterable[AnyDelivery] = ()) -> None:
    """Bind the identifiers of these to their patients; those of what was `refused` are bound to nobody by it. Raises
    BoundMeanwhile where one of either belongs to another patient: who looked for it finds that one now."""
    wanted = _wanted(deliveries)
    new = await _write(connection, wanted)
    known = {bound: patient for bound, patient in wanted.items() if bound not in new} | _wanted(refused)
    owners = await _owners(connection, list(known)) if known else {}
    if any(owners.get(bound, patient) != patient for bound, patient in known.items()):
        raise BoundMeanwhile


def _wanted(deliveries: Iterable[AnyDelivery]) -> dict[Bound, PatientId]:
    """Raises BoundMeanwhile where two of them would bind one to two patients."""
    wanted: dict[Bound, PatientId] = {}
    for each in deliveries:
        for bound in _bounds(each):
            if wanted.setdefault(bound, patient_id(each.key)) != each.key:
                raise BoundMeanwhile
    return wanted


async def learn(connection: Connection, bindings: Iterable[tuple[str, str, PatientId]]) -> list[Bound]:
    """Bind each (program, digest, patient) unless it is bound; of two for one digest the first counts."""
    first: dict[Bound, PatientId] = {}
    for program, digest, patient in bindings:
        first.setdefault((program, digest), patient)
    await _write(connection, first)
    return sorted(first)


async def _write(connection: Connection, patients: Mapping[Bound, PatientId]) -> set[Bound]:
    """In one order, so that none waits for another in a ring; those that belonged to nobody."""
    rows = sorted((*bound, patient) for bound, patient in patients.items())
    written = await connection.fetch(_LEARN, *(list(values) for values in zip(*rows, strict=True))) if rows else []
    return {(row["program"], row["digest"]) for row in written}


def _bounds(delivery: AnyDelivery) -> list[Bound]:
    """What is bound with a delivery: commands that came with a Patient, be they parked as they break a statement."""
    match bare(delivery):
        case Commanded(program=program, binds=binds) | Unreadable(of=Commanded(program=program, binds=binds)):
            return [(program, column(each)) for each in binds]
        case _:
            return []


async def _owners(connection: Connection, bounds: Sequence[Bound]) -> dict[Bound, PatientId]:
    rows = await connection.fetch(_OWNERS, [program for program, _ in bounds], [digest for _, digest in bounds])
    return {(row["program"], row["digest"]): patient_id(row["patient"]) for row in rows}
