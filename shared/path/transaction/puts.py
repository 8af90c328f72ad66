"""The same update again: it changes nothing, so it decides nothing, and gets the answer that the first one got."""

from collections.abc import Iterable, Sequence

import msgspec

from shared.path.transaction.delivery import Answer, AnyDelivery, Commanded, Committed, Incomplete, Put, Redriven, bare
from shared.path.transaction.resources import Name
from shared.platform.db import Connection, Row

_REMEMBER = """INSERT INTO puts (program, type, id, digest, remarks, incomplete, version)
    SELECT u.*, r.version FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[])
        AS u(program, type, id, digest, remarks, incomplete) JOIN resources r USING (program, type, id)
    ON CONFLICT (program, type, id) DO UPDATE SET digest = excluded.digest, remarks = excluded.remarks,
        incomplete = excluded.incomplete, version = excluded.version"""
_FORGET = """DELETE FROM puts p USING unnest($1::text[], $2::text[], $3::text[]) AS u(program, type, id)
    WHERE p.program = u.program AND p.type = u.type AND p.id = u.id AND p.incomplete"""
_REPEATED = """SELECT p.type, p.id, p.digest, p.version, p.remarks, p.incomplete FROM puts p
    JOIN unnest($2::text[], $3::text[], $4::text[]) AS u(type, id, digest) USING (type, id, digest)
    JOIN resources r ON (r.program, r.type, r.id, r.version) = (p.program, p.type, p.id, p.version)
    WHERE p.program = $1"""

_TAKE_TURNS = """SELECT pg_advisory_xact_lock($1, hash)
    FROM (SELECT DISTINCT hashtext(unnest($2::text[])) AS hash ORDER BY 1) AS sorted"""
_LOCK_SPACE = 75


class Repeated(msgspec.Struct, frozen=True):
    """What the first one got: the version that stands, what was said of it, and whether it is decided later."""

    version: int
    remarks: str = "[]"
    incomplete: bool = False


async def repeated(connection: Connection, program: str, puts: Sequence[Put]) -> dict[Name, Repeated]:
    """Those of these updates that came before with the same content, and nothing has changed the resource since."""
    rows = await _rows(connection, program, puts) if puts else []
    return {(row["type"], row["id"]): Repeated(row["version"], row["remarks"], row["incomplete"]) for row in rows}


async def _rows(connection: Connection, program: str, puts: Sequence[Put]) -> list[Row]:
    columns = [each.type for each in puts], [each.id for each in puts], [each.digest for each in puts]
    return await connection.fetch(_REPEATED, program, *columns)


async def asked_meanwhile(connection: Connection, deliveries: Iterable[AnyDelivery]) -> list[Commanded]:
    """Those of which another process has stored the same update since it was looked for. From here to the end of this
    transaction no other updates the same resources: of several processes one at a time looks and stores."""
    updating = [each for each in deliveries if isinstance(each, Commanded) and each.puts]
    if not updating:
        return []
    names = [f"{each.program}|{put.type}/{put.id}" for each in updating for put in each.puts]
    await connection.execute(_TAKE_TURNS, _LOCK_SPACE, names)
    stored = await _stored(connection, updating)
    return [each for each in updating if not stored.isdisjoint((each.program, *_key(put)) for put in each.puts)]


async def _stored(connection: Connection, updating: Sequence[Commanded]) -> set[tuple[str, ...]]:
    """Program, type, id and digest of those updates that are stored and stand."""
    stored: set[tuple[str, ...]] = set()
    for program in {each.program for each in updating}:
        asked = [put for each in updating for put in each.puts if each.program == program]
        rows = await _rows(connection, program, asked)
        stored |= {(program, row["type"], row["id"], row["digest"]) for row in rows}
    return stored


def _key(put: Put) -> tuple[str, str, str]:
    return put.type, put.id, put.digest


async def remember(connection: Connection, answers: Sequence[tuple[AnyDelivery, Answer]]) -> None:
    """The updates of a batch that were decided or parked. One refused later is forgotten: it may be tried again."""
    stored: dict[tuple[str, str, str], tuple[str, str, bool]] = {}
    refused: list[tuple[str, str, str]] = []
    for delivery, answer in answers:
        plain = bare(delivery)
        for put in plain.puts if isinstance(plain, Commanded) else ():
            name = (plain.program, put.type, put.id)
            if isinstance(answer, Committed | Incomplete):
                stored[name] = (put.digest, put.remarks, isinstance(answer, Incomplete))
            elif isinstance(delivery, Redriven):
                refused.append(name)
    if stored:
        rows = [(*name, *row) for name, row in stored.items()]
        await connection.execute(_REMEMBER, *(list(column) for column in zip(*rows, strict=True)))
    if refused:
        await connection.execute(_FORGET, *(list(column) for column in zip(*refused, strict=True)))
