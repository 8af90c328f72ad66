"""Who a patient is: digests of identifiers, each bound to one patient of one program. Patient ids are random."""

from collections.abc import Iterable, Sequence

from shared.events.intake import Digest
from shared.platform.db import Connection

# The existing patient wins, or two posts of one MRN at the same moment make two patients.
_LEARN = """INSERT INTO alias AS a (program, digest, patient) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
    ON CONFLICT (program, digest) DO UPDATE SET patient = excluded.patient WHERE a.patient = ''"""
_RESOLVE = "SELECT DISTINCT patient FROM alias WHERE program = $1 AND digest = ANY($2::text[]) AND patient <> ''"
_KNOWN = "SELECT EXISTS (SELECT 1 FROM alias WHERE program = $1 AND patient = $2)"
Bound = tuple[str, str]
"""Program and digest, as the table holds them."""


def column(digest: Digest) -> str:
    """A digest as the table holds it."""
    return f"{digest.key_id}:{digest.value}"


async def resolve(connection: Connection, program: str, digests: Sequence[Digest]) -> set[str]:
    """The patients these identifiers belong to: none, one, or (a person must look) several."""
    rows = await connection.fetch(_RESOLVE, program, [column(each) for each in digests])
    return {row["patient"] for row in rows}


async def is_known(connection: Connection, program: str, patient: str) -> bool:
    known: bool = await connection.fetchval(_KNOWN, program, patient)
    return known


async def bind(connection: Connection, program: str, digests: Sequence[Digest], patient: str) -> set[str]:
    """Bind identifiers to a patient, unless they already belong to one. Returns whose they are now."""
    await learn(connection, [(program, column(each), patient) for each in digests])
    return await resolve(connection, program, digests)


async def learn(connection: Connection, bindings: Iterable[tuple[str, str, str]]) -> list[Bound]:
    """Bind each (program, digest, patient) unless it is bound; of two for one digest the first counts."""
    first: dict[Bound, str] = {}
    for program, digest, patient in bindings:
        first.setdefault((program, digest), patient)
    rows = sorted((*bound, patient) for bound, patient in first.items())
    if rows:
        await connection.execute(_LEARN, *(list(values) for values in zip(*rows, strict=True)))
    return [(program, digest) for program, digest, _ in rows]
