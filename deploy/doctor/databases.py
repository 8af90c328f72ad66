"""Asking one service's database, once, all that the checks judge."""

from datetime import UTC, datetime

from deploy import queries
from deploy.commands import ledger
from deploy.doctor.facts import Database, NoAnswer, Rows
from deploy.queries import Connection
from shared.path.outbound.lane import oldest_unsent_seconds
from shared.platform import agreement

DISCLOSES = "aftercare"


async def ask(service: str, dsn: str, clinic_now: datetime) -> Database:
    """Where its user lacks a right, nothing more is asked: that comes first."""
    connection = await queries.reading(dsn)
    try:
        version: int = connection.get_server_version().major
        if lacking := await queries.lacking(connection):
            unasked = NoAnswer("rights are missing", asked=False)
            return Database(version, lacking, unasked, unasked)
        return Database(version, (), await agreement.ask(connection), await _rows(service, connection, clinic_now))
    finally:
        connection.terminate()


async def _rows(service: str, connection: Connection, clinic_now: datetime) -> Rows:
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
        unreadable_settings=await queries.unreadable_settings(connection),
        without_settings=waits.without_settings,
        gate=ledger.shut(await queries.partitions(connection), datetime.now(UTC)) if service == DISCLOSES else "",
    )
