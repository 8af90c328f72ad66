"""The copies as a snapshot: read again in every process where they change, so that a restart needs no publisher."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

import msgspec

from services.aftercare.feeds import copies
from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meetings.meeting import Meeting
from services.aftercare.meetings.uniting import united
from shared.path.transaction import feeds as stored_feeds
from shared.path.transaction.feeds import StoredFeed
from shared.platform import db, log, metrics
from shared.platform.clock import machine_now
from shared.platform.db import Pool
from shared.platform.feeds import RegisteredFeed
from shared.platform.keys import Keys

LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class _Loaded:
    digest: str = ""
    meetings: Sequence[Meeting] = ()


@dataclass(frozen=True)
class Loading:
    feeds: Mapping[str, RegisteredFeed]
    pool: Pool
    keys: Keys
    snapshots: Snapshots
    _loaded: dict[str, _Loaded] = field(default_factory=dict)

    async def run(self) -> None:
        await db.every(LOOK_SECONDS, self.look, name="feeds")

    async def look(self) -> None:
        """Read what has changed since the last look. Raises what the database raises."""
        rows = {row.name: row for row in await stored_feeds.known(self.pool) if self._is_listed(row)}
        changed = {row.program for row in rows.values() if row.digest != self._digest(row.name)}
        for row in rows.values():
            if row.digest != self._digest(row.name):
                self._loaded[row.name] = await self._load(row)
        for program in sorted(changed):
            await self._replace(program)
        _measure(rows.values(), machine_now())

    def _is_listed(self, row: StoredFeed) -> bool:
        feed = self.feeds.get(row.name)
        return feed is not None and feed.program == row.program

    def _digest(self, name: str) -> str:
        return self._loaded.get(name, _Loaded()).digest

    async def _load(self, row: StoredFeed) -> _Loaded:
        """A copy that these keys don't open is none, and is fetched anew."""
        try:
            return _Loaded(row.digest, await copies.meetings(self.pool, self.keys, row.key))
        except ValueError:
            log.get().error("the copy of a meeting feed can't be opened: it is fetched anew", id=row.name)
        async with self.pool.acquire() as connection, connection.transaction():
            stored = await stored_feeds.one(connection, row.key)
            if stored is not None and stored.digest == row.digest:
                await stored_feeds.store(
                    connection, msgspec.structs.replace(stored, digest="", origin="", next_at=None)
                )
        return self._loaded.get(row.name, _Loaded())

    async def _replace(self, program: str) -> None:
        names = sorted(name for name, feed in self.feeds.items() if feed.program == program and name in self._loaded)
        digest = sha256("".join(f"{name} {self._digest(name)}\n" for name in names).encode()).hexdigest()
        every = [each for name in names for each in self._loaded[name].meetings]
        self.snapshots.replace(program, await asyncio.to_thread(united, every), digest)


def _measure(rows: Iterable[StoredFeed], now: datetime) -> None:
    metrics.MEETINGS_LACKING.clear()
    for row in rows:
        age = row.age(now)
        metrics.MEETING_FEED_DOUBTED.labels(row.name).set(bool(row.trouble))
        if age is not None:
            metrics.MEETING_FEED_AGE.labels(row.name).set(age.total_seconds())
        if (counts := row.read_as) is not None:
            for reason, number in (*counts.left_out.items(), *counts.lacking.items()):
                metrics.MEETINGS_LACKING.labels(row.name, reason).set(number)
