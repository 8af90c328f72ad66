"""Databases with the hub's schema: what a test has written is taken out again, and the next test gets the same one.

A new one costs as much again: its files are copied, and each connection to it reads its catalogue anew. One whose
schema a test has changed, or what a migration has put there, goes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

_PAUSE_SECONDS = 0.002
_OTHERS = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_MONTHS = """SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relispartition AND relkind = 'r'"""
_WRITTEN = """SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT IN ('migrations', 'retention')
        AND pg_relation_size(oid) > 0"""
_COUNTED_ANEW = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
# A copy has the numbers of what it was copied from, those of its rows' transactions too.
_MADE_OF = """SELECT
    (SELECT string_agg(concat_ws(' ', oid, relname, relnatts, relchecks, relacl, reloptions), ',' ORDER BY oid)
        FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_attribute WHERE attrelid >= 16384),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_constraint),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
    (SELECT concat(count(*), ' ', sum(xmin::text::bigint)) FROM pg_namespace),
    (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
    (SELECT string_agg(concat(xmin, ' ', name), ',' ORDER BY name) FROM migrations),
    (SELECT string_agg(concat(xmin, ' ', finished_at), ',') FROM retention)"""


class Databases:
    """Of one server; `address` has `{}` where a database's name stands."""

    def __init__(self, maintenance: asyncpg.Connection, template: str, address: str) -> None:
        self._maintenance = maintenance
        self._template = template
        self._address = address
        self._empty: list[tuple[str, asyncpg.Connection]] = []
        self._made_of: asyncpg.Record | None = None

    def as_new(self) -> "Databases":
        """Of the same template, none of them made yet."""
        return Databases(self._maintenance, self._template, self._address)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """The address of an empty one."""
        name, connection = self._empty.pop() if self._empty else await self._new()
        try:
            yield self._address.format(name)
        finally:
            if await self._emptied(connection):
                self._empty.append((name, connection))
            else:
                await self._drop(name, connection)

    async def drop(self) -> None:
        """All that nobody has."""
        while self._empty:
            await self._drop(*self._empty.pop())

    async def _new(self) -> tuple[str, asyncpg.Connection]:
        name = f"test_{uuid4().hex}"
        await self._maintenance.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" STRATEGY file_copy')
        connection = await asyncpg.connect(self._address.format(name))
        self._made_of = self._made_of or await connection.fetchrow(_MADE_OF)
        return name, connection

    async def _emptied(self, connection: asyncpg.Connection) -> bool:
        """Whether it is as a new one."""
        try:
            others = True
            while others:
                others = await connection.fetchval(_OTHERS)
                await asyncio.sleep(_PAUSE_SECONDS if others else 0)
            if months := await connection.fetchval(_MONTHS):
                await connection.execute(f"DROP TABLE {months}")
            if await connection.fetchrow(_MADE_OF) != self._made_of:
                return False
            if written := await connection.fetchval(_WRITTEN):
                await connection.execute(f"TRUNCATE {written}")
            await connection.execute(_COUNTED_ANEW)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False
        return True

    async def _drop(self, name: str, connection: asyncpg.Connection) -> None:
        connection.terminate()
        await self._maintenance.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
