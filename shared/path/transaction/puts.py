"""The same update again: it changes nothing, so it decides nothing, and gets the answer that the first one got."""

from collections.abc import Sequence

import msgspec

from shared.path.transaction.delivery import Answer, AnyDelivery, Commanded, Committed, Incomplete, Put, Redriven, bare
from shared.path.transaction.resources import NAMED, Name
from shared.platform.db import Connection, Row

_REMEMBER = f"""INSERT INTO puts (program, type, id, digest, remarks, incomplete, asked, version)
    SELECT u.*, r.version
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[])
        AS u(program, type, id, digest, remarks, incomplete, asked) JOIN resources r ON {NAMED}
    ON CONFLICT (program, type, id) DO UPDATE SET digest = excluded.digest, remarks = excluded.remarks,
        incomplete = excluded.incomplete, asked = excluded.asked, version = excluded.version"""
_FORGET = """DELETE FROM puts p USING unnest($1::text[], $2::text[], $3::text[]) AS u(program, type, id)
    WHERE p.program = u.program AND p.type = u.type AND p.id = ANY($3) AND p.id = u.id AND p.incomplete"""
_REPEATED = f"""SELECT u.type, u.id, u.digest, p.version, p.remarks, p.incomplete, p.asked FROM puts p
    JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(program, type, id, digest)
        USING (program, type, id, digest)
    JOIN resources r ON {NAMED} AND r.version = p.version"""


PutName = tuple[str, str, str, str]
"""Program, type and id of what is updated, and the digest of what it shall be."""


class Repeated(msgspec.Struct, frozen=True):
    """What the first one got: the version that stands, what was said of it, whether it is decided later, and the ids of
    the Tasks that it led to."""

    version: int
    remarks: str = "[]"
    incomplete: bool = False
    asked: tuple[str, ...] = ()


async def repeated(connection: Connection, program: str, puts: Sequence[Put]) -> dict[Name, Repeated]:
    """Those of these updates that came before with the same content, and nothing has changed the resource since."""
    rows = await _rows(connection, program, puts) if puts else []
    return {(row["type"], row["id"]): _repeated(row) for row in rows}


def _repeated(row: Row) -> Repeated:
    return Repeated(row["version"], row["remarks"], row["incomplete"], tuple(row["asked"].split()))


async def _rows(connection: Connection, program: str, puts: Sequence[Put]) -> list[Row]:
    columns = [each.type for each in puts], [each.id for each in puts], [each.digest for each in puts]
    return await connection.fetch(_REPEATED, [program] * len(puts), *columns)


async def standing(connection: Connection, updating: Sequence[Commanded]) -> set[PutName]:
    """Those of these updates that are stored and stand."""
    stored: set[PutName] = set()
    for program in {each.program for each in updating}:
        asked = [put for each in updating for put in each.puts if each.program == program]
        rows = await _rows(connection, program, asked) if asked else []
        stored |= {(program, row["type"], row["id"], row["digest"]) for row in rows}
    return stored


def names(updating: Commanded) -> list[PutName]:
    return [(updating.program, each.type, each.id, each.digest) for each in updating.puts]


def new_tasks(answer: Answer) -> tuple[str, ...]:
    """The ids of the Tasks that came of it: a person is asked."""
    resources = answer.resources if isinstance(answer, Committed) else ()
    return tuple(name for kind, name, version in resources if kind == "Task" and version == 1)


async def remember(connection: Connection, answers: Sequence[tuple[AnyDelivery, Answer]]) -> None:
    """The updates of a batch that were decided or parked. One refused later is forgotten: it may be tried again."""
    stored: dict[tuple[str, str, str], tuple[str, str, bool, str]] = {}
    refused: list[tuple[str, str, str]] = []
    for delivery, answer in answers:
        plain = bare(delivery)
        for put in plain.puts if isinstance(plain, Commanded) else ():
            name = (plain.program, put.type, put.id)
            if isinstance(answer, Committed | Incomplete):
                asked = " ".join(new_tasks(answer))
                stored[name] = (put.digest, put.remarks, isinstance(answer, Incomplete), asked)
            elif isinstance(delivery, Redriven):
                refused.append(name)
    if stored:
        rows = [(*name, *row) for name, row in stored.items()]
        await connection.execute(_REMEMBER, *(list(column) for column in zip(*rows, strict=True)))
    if refused:
        await connection.execute(_FORGET, *(list(column) for column in zip(*refused, strict=True)))
