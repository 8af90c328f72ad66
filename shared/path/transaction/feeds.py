"""Public feeds: the last good copy of each, sealed, and what came of looking at it last. But for the commands the one
reader and writer of table feeds. Instants are machine time."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from shared.platform.db import Connection, Executor, Row

_COLUMNS = """program, name, digest, meetings, origin, validators, counts, stored_at, tried_at, next_at, trouble,
    troubled_at, asked"""
_ALL = f"SELECT {_COLUMNS} FROM feeds"
_ONE = f"SELECT {_COLUMNS} FROM feeds WHERE program = $1 AND name = $2 FOR UPDATE"
_COPY = "SELECT sealed, content FROM feeds WHERE program = $1 AND name = $2"
_ADD = """INSERT INTO feeds (program, name) SELECT * FROM unnest($1::text[], $2::text[]) AS u(program, name)
    ON CONFLICT (program, name) DO NOTHING"""
_STORE = """UPDATE feeds SET digest = $3, meetings = $4, origin = $5, validators = $6, counts = $7, stored_at = $8,
        tried_at = $9, next_at = $10, trouble = $11, troubled_at = $12, asked = $13
    WHERE program = $1 AND name = $2"""
_SEAL = "UPDATE feeds SET sealed = $3, content = NULL WHERE program = $1 AND name = $2"
_ASK = "UPDATE feeds SET asked = $3 WHERE program = $1 AND name = $2"
_FORGET = "DELETE FROM feeds WHERE program = $1 AND name = $2"


Asked = Literal["refresh", "trust"]
"""By a person: look at it now, and trust what is read this once though it has shrunk."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed was read as: so many `entries`, which are `meetings`, were `merged` into one, or are left out for a
    reason; what the meetings are `lacking`, by reason."""

    meetings: int
    entries: int
    merged: int = 0
    left_out: Mapping[str, int] = {}
    lacking: Mapping[str, int] = {}
    faults: tuple[tuple[int, str, str], ...] = ()
    """Of a table the first of them: line, column and reason."""


class StoredFeed(msgspec.Struct, frozen=True, kw_only=True):
    """All of a feed but its copy, which has so many `meetings` and this `digest`."""

    program: str
    name: str
    digest: str = ""
    meetings: int = 0
    origin: str = ""
    validators: str = ""
    counts: str = ""
    stored_at: datetime | None = None
    tried_at: datetime | None = None
    next_at: datetime | None = None
    trouble: str = ""
    troubled_at: datetime | None = None
    asked: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.program, self.name

    @property
    def read_as(self) -> Counts | None:
        """Of what was read last, whether it was trusted or not."""
        return msgspec.json.decode(self.counts, type=Counts) if self.counts else None

    def age(self, now: datetime) -> timedelta | None:
        """Since the copy was last found to be what is published; None without one."""
        return None if self.stored_at is None else now - self.stored_at


class Copy(msgspec.Struct, frozen=True):
    """What is stored of a feed's meetings: sealed, or as an earlier release had it. Neither where there is none."""

    sealed: bytes | None
    plain: str | None


async def known(executor: Executor) -> list[StoredFeed]:
    return [_feed(row) for row in await executor.fetch(_ALL)]


async def add(executor: Executor, keys: Sequence[tuple[str, str]]) -> None:
    """Each (program, name) has a row from now on."""
    await executor.execute(_ADD, [program for program, _ in keys], [name for _, name in keys])


async def one(connection: Connection, key: tuple[str, str]) -> StoredFeed | None:
    """The feed, locked until the transaction ends."""
    row = await connection.fetchrow(_ONE, *key)
    return None if row is None else _feed(row)


async def copy(executor: Executor, key: tuple[str, str]) -> Copy:
    row = await executor.fetchrow(_COPY, *key)
    return Copy(None, None) if row is None else Copy(row["sealed"], row["content"])


async def store(connection: Connection, feed: StoredFeed, sealed: bytes | None = None) -> None:
    """Write what is known of the feed, with a new copy where one is given."""
    await connection.execute(_STORE, *msgspec.structs.astuple(feed))
    if sealed is not None:
        await connection.execute(_SEAL, *feed.key, sealed)


async def ask(connection: Connection, key: tuple[str, str], asked: Asked) -> None:
    """Whoever fetches looks at it within seconds."""
    await connection.execute(_ASK, *key, asked)


async def forget(connection: Connection, key: tuple[str, str]) -> None:
    await connection.execute(_FORGET, *key)


def _feed(row: Row) -> StoredFeed:
    return StoredFeed(**row)
