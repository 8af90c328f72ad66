"""What laboratories' own codes mean: the one reader and writer of table laboratory_codes."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

import msgspec

from shared.platform.db import Connection, Executor

_ALL = """SELECT program, laboratory, code, meaning, reviewed_by, valid_from, former FROM laboratory_codes
    ORDER BY program, laboratory, code"""
_PUT = """INSERT INTO laboratory_codes (program, laboratory, code, meaning, reviewed_by, valid_from)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[])
    ON CONFLICT (program, laboratory, code) DO UPDATE SET meaning = EXCLUDED.meaning,
        former = CASE laboratory_codes.meaning WHEN EXCLUDED.meaning THEN laboratory_codes.former
            ELSE laboratory_codes.meaning END,
        reviewed_by = EXCLUDED.reviewed_by, valid_from = EXCLUDED.valid_from, stored_at = now()
    WHERE (laboratory_codes.meaning, laboratory_codes.reviewed_by, laboratory_codes.valid_from)
        IS DISTINCT FROM (EXCLUDED.meaning, EXCLUDED.reviewed_by, EXCLUDED.valid_from)
    RETURNING code"""

_GIVEN = ("program", "laboratory", "code", "meaning", "reviewed_by", "valid_from")


class MappedCode(msgspec.Struct, frozen=True):
    """A laboratory's own code in a program, what it means, who reviewed that, and from which day it counts."""

    program: str
    laboratory: str
    code: str
    meaning: str
    reviewed_by: str
    valid_from: date
    former: str = ""
    """What it meant before, as the database remembers."""


EXAMINE = "laboratory-codes"
"""As first argument of testing: lines and codes are examined, and nothing is stored."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What `iop lab map` asks of a program's lines: whether they can be, and what a code would be read as by them."""

    program: str
    lines: tuple[MappedCode, ...] = ()
    code: str = ""


class CodeReading(msgspec.Struct, frozen=True, kw_only=True):
    """A code from one laboratory: read by a public table, by a map (`meaning`), or by nothing: it is asked about."""

    laboratory: str
    by: Literal["public-table", "map", "nothing"]
    meaning: str = ""
    analyte: str = ""
    kind: str = ""
    definitive: bool = False


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """The lines as they are stored, why some can't be (the place of each in the list), and what the code is read as."""

    lines: tuple[MappedCode, ...]
    faults: tuple[tuple[int, str], ...]
    readings: tuple[CodeReading, ...]


async def known(connection: Executor) -> list[MappedCode]:
    return [MappedCode(**row) for row in await connection.fetch(_ALL)]


async def put(connection: Connection, lines: Sequence[MappedCode]) -> int:
    """All of them or none; each in place of what its code meant before. How many of them changed anything."""
    columns = [[getattr(each, name) for each in lines] for name in _GIVEN]
    return len(await connection.fetch(_PUT, *columns))
