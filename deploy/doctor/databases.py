"""Asking one service's database, once, all that the checks judge."""

from datetime import UTC, datetime

import asyncpg

from deploy import queries
from deploy.commands import ledger
from deploy.doctor.facts import Database, NoAnswer, Rows
from deploy.queries import Connection
from shared.path.outbound.lane import oldest_unsent_seconds
from shared.path.transaction import feeds
from shared.platform import agreement
from shared.platform.agreement import Agreement

RIGHTS_ARE_MISSING = NoAnswer("rights are missing", asked=False)


async def ask(service: str, dsn: str, clinic_now: datetime, discloses: bool) -> Database:
    """Its rows are asked for where the user has every right, and the schema is this release's; its gate, where it
    discloses anything."""
    connection = await queries.reading(dsn)
    try:
        version: int = connection.get_server_version().major
        agrees = await _agreement(connection)
        lacking = await queries.lacking(connection)
        if lacking or isinstance(agrees, NoAnswer):
            return Database(version, lacking, agrees, RIGHTS_ARE_MISSING)
        if agreement.schema_wrong(agrees):
            return Database(version, (), agrees, NoAnswer("its schema is another release's", asked=False))
        return Database(version, (), agrees, await _rows_or_why(service, connection, clinic_now, discloses))
    finally:
        connection.terminate()


async def _agreement(connection: Connection) -> Agreement | NoAnswer:
    """A database without any schema, or whose schema is hidden from its user, lacks every step of it."""
    try:
        return await agreement.ask(connection)
    except asyncpg.UndefinedTableError:
        return Agreement(absent=tuple(sorted(agreement.STEPS)))
    except asyncpg.InsufficientPrivilegeError:
        return RIGHTS_ARE_MISSING


async def _rows_or_why(service: str, connection: Connection, clinic_now: datetime, discloses: bool) -> Rows | NoAnswer:
    """A table that somebody changed by hand can't be read, though the schema is this release's."""
    try:
        return await _rows(service, connection, clinic_now, discloses)
    except asyncpg.PostgresError as refused:
        return NoAnswer(f"its rows can't be read ({type(refused).__name__})")


async def _rows(service: str, connection: Connection, clinic_now: datetime, discloses: bool) -> Rows:
    waits = await queries.waits(connection, clinic_now)
    stop = (await queries.consumer_state(connection)).stop
    return Rows(
        lanes=await oldest_unsent_seconds(connection),
        parked=await queries.parked_classes(connection),
        stopped="" if stop is None else f"{stop.record} ({stop.place})",
        strays=waits.strays,
        waiting=waits.waiting,
        waiting_seconds=waits.waiting_seconds,
        late_deadlines=waits.late_deadlines,
        retention_seconds=waits.retention_seconds,
        unreadable_settings=await queries.unreadable_settings(connection),
        without_settings=waits.without_settings,
        gate=await _shut(service, connection) if discloses else "",
        silent_feeds=await queries.silent_feeds(connection),
        meeting_feeds=[each for each in await feeds.known(connection) if each.trouble],
        reader_lacks=await queries.reader_lacks(connection),
    )


async def _shut(service: str, connection: Connection) -> str:
    return ledger.shut(await queries.partitions(connection), datetime.now(UTC), service)
