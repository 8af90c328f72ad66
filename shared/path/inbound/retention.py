"""Deletes what is past its days: every hour in each service, and by `iop retention`. One process at a time.

In small steps, which wait while the lanes are late: retention has time, patients have not.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import msgspec

from shared.path.outbound.lane import oldest_unsent_seconds
from shared.path.service import Service
from shared.path.transaction import records
from shared.platform import db, metrics, retention
from shared.platform.db import Connection, Row
from shared.platform.retention import ROWS_MOST, RetentionPolicy, Sweep
from shared.platform.settings import Retention

LATE_SECONDS = 1.0
PAUSE_SECONDS = 0.5
PAUSED_SECONDS_MOST = 600.0
"""Of one run, altogether; the rest waits for the next one."""
DROP_WAIT = "500ms"
"""For the lock of the whole journal: who waits for it has everybody else wait behind."""
KEYS_AT_ONCE = 500
TABLES = (
    *("processed", "documents", "waiting_results", "strays", "pages", "quarantine", "redrives", "puts", "resources"),
    *("journal", "reads"),
)
_LOCK = 7_300_002
_FINISHED = "UPDATE retention SET finished_at = now()"
_KEYS = """SELECT key, array_agg(DISTINCT program) AS programs FROM {month} WHERE key > $1
    GROUP BY key ORDER BY key LIMIT $2"""
_OF_PROGRAMS = "{month} WHERE program = ANY($1::text[])"
_OTHERS = "SELECT EXISTS (SELECT FROM {month} WHERE program <> ALL ($1::text[]))"
_OF_KEYS = "{month} WHERE key = ANY($1::text[]) AND program = ANY($2::text[])"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `iop retention` asks of a service: to delete as of `now` (clinic time), or with `dry_run` only to count."""

    now: datetime
    dry_run: bool


class Forgotten(msgspec.Struct, kw_only=True):
    """Rows deleted by table, or with `dry_run` those that would be; why it stopped early, where it did."""

    service: str
    dry_run: bool
    deleted: dict[str, int] = {}
    stopped: str = ""


class Late(Exception):
    """The lanes have been late for longer than a run waits."""


async def forget(dsn: str, service: Service, policy: RetentionPolicy, asked: Asked) -> Forgotten:
    """Delete what is past its days, or count it."""
    done = Forgotten(service=service.name, dry_run=asked.dry_run, deleted=dict.fromkeys(TABLES, 0))
    async with _alone(dsn) as connection:
        if connection is None:
            done.stopped = "another process is at it"
            return done
        try:
            await _Run(connection, service, policy, asked, done.deleted).all()
        except Late:
            done.stopped = f"lanes were late for {PAUSED_SECONDS_MOST:.0f} s, the rest waits for the next hour"
    return done


@asynccontextmanager
async def _alone(dsn: str) -> AsyncIterator[Connection | None]:
    """A connection of its own that holds the lock; None where another process does."""
    connection = await db.connect(dsn)
    try:
        yield connection if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK) else None
    finally:
        await connection.close()


@dataclass
class _Run:
    """One run. What is counted and what is deleted is chosen by the same statements."""

    connection: Connection
    service: Service
    policy: RetentionPolicy
    asked: Asked
    deleted: dict[str, int]
    paused: float = 0.0
    looked_at: set[tuple[str, str]] = field(default_factory=set)

    async def all(self) -> None:
        for sweep in retention.sweeps(self.policy, self.asked.now):
            await self._sweep(sweep)
        await self._records()
        for month, over in await self._over("journal", lambda each: each.journal_days):
            await self._month(month, over)
        for month, over in await self._over("reads", lambda each: each.accounting_days):
            await self._month_of_reads(month, over)
        if not self.asked.dry_run:
            await self.connection.execute(_FINISHED)

    async def _sweep(self, sweep: Sweep) -> None:
        """All of it, so many rows at a time."""
        if self.asked.dry_run:
            self.deleted[sweep.table] += await self.connection.fetchval(sweep.count, *sweep.values)
            return
        more = True
        while more:
            await self._calm()
            rows = int((await self.connection.execute(sweep.delete, *sweep.values)).rpartition(" ")[2])
            self._count(sweep.table, rows)
            more = rows == ROWS_MOST

    async def _records(self) -> None:
        now, programs = self.asked.now, self.policy.programs
        before = {program: now - timedelta(days=each.records_days) for program, each in programs.items()}
        async for program, patients in records.unchanged(self.connection, before):
            await self._calm()
            new = [each for each in patients if (program, each) not in self.looked_at]
            self.looked_at.update((program, each) for each in new)
            for patient in sorted(set(new) - await records.in_care(self.connection, self.service, new)):
                await self._record(program, patient, before[program])

    async def _record(self, program: str, patient: str, before: datetime) -> None:
        if self.asked.dry_run:
            self.deleted["resources"] += len(await records.old(self.connection, program, patient, before))
            return
        self._count("resources", await records.delete(self.connection, self.service, program, patient, before))
        await self._calm()

    async def _month(self, month: str, over: Sequence[str]) -> None:
        """The rows of whom nothing lives; where that is all of them, the month at once."""
        sweeps, all_of_it = list[Sweep](), True
        async for rows in self._keys(month):
            keys = [row["key"] for row in rows]
            living = await records.in_care(self.connection, self.service, keys)
            free = [key for key in keys if key not in living]
            sweeps.append(Sweep("journal", _OF_KEYS.format(month=month), (free, list(over))))
            programs = {program for row in rows for program in row["programs"]}
            all_of_it = all_of_it and not living and programs <= set(over)
        if all_of_it and not self.asked.dry_run:
            await self._drop("journal", month, sweeps)
            return
        for sweep in sweeps:
            await self._sweep(sweep)

    async def _over(self, table: str, days: Callable[[Retention], int]) -> Sequence[tuple[str, list[str]]]:
        """The months of a table that are past the days of some programs, and which."""
        of_program = {program: days(each) for program, each in self.policy.programs.items()}
        months = await retention.months(self.connection, table)
        over = [(month, sorted(retention.over_in(month, of_program, self.asked.now))) for month in months]
        return [(month, programs) for month, programs in over if programs]

    async def _month_of_reads(self, month: str, over: Sequence[str]) -> None:
        sweep = Sweep("reads", _OF_PROGRAMS.format(month=month), (list(over),))
        if self.asked.dry_run or await self.connection.fetchval(_OTHERS.format(month=month), list(over)):
            await self._sweep(sweep)
        else:
            await self._drop("reads", month, [sweep])

    async def _keys(self, month: str) -> AsyncIterator[Sequence[Row]]:
        after = ""
        while rows := await self.connection.fetch(_KEYS.format(month=month), after, KEYS_AT_ONCE):
            after = rows[-1]["key"]
            yield rows

    async def _drop(self, table: str, month: str, sweeps: Sequence[Sweep]) -> None:
        """Where a reader of the journal, a replay, is in the way, the month waits for the next run."""
        count = sum([await self.connection.fetchval(each.count, *each.values) for each in sweeps])
        await self._calm()
        try:
            async with self.connection.transaction():
                await self.connection.execute(f"SET LOCAL lock_timeout = '{DROP_WAIT}'")
                await self.connection.execute(f"DROP TABLE {month}")
        except asyncpg.LockNotAvailableError:
            return
        self._count(table, count)

    def _count(self, table: str, rows: int) -> None:
        self.deleted[table] += rows
        metrics.RETENTION_DELETED.labels(self.service.name, table).inc(rows)

    async def _calm(self) -> None:
        """Wait while what was emitted waits too long to be sent. A partner's lane is late while the partner is away."""
        while True:
            ages = await oldest_unsent_seconds(self.connection)
            if max((age for lane, age in ages.items() if not lane.startswith("partner:")), default=0.0) <= LATE_SECONDS:
                return
            if self.paused >= PAUSED_SECONDS_MOST:
                raise Late
            await asyncio.sleep(PAUSE_SECONDS)
            self.paused += PAUSE_SECONDS
