"""Silence is evidence only while we were listening: when did this service begin to listen?

A start that finds the last heartbeat more than a minute of clinic time old, or a running process that finds a gap of
more than a minute of machine time, was away. Measured only one way, every step of a stepped clock would look like an
outage, or a short outage on it like none. Senders' queues drain first: silence counts again once they had as long as
the outage was, at most `catch_up`.
"""

from datetime import datetime, timedelta

from shared.platform.clock import Clock, ticks
from shared.platform.db import Pool, every

GAP_MOST = timedelta(seconds=60)
BEAT_SECONDS = 5.0
CATCH_UP_MOST = timedelta(hours=4)
_STORED = "SELECT heartbeat_at, listening_since FROM service"
_STORE = """INSERT INTO service (heartbeat_at, listening_since) VALUES ($1, $2)
    ON CONFLICT (one) DO UPDATE SET heartbeat_at = $1, listening_since = $2"""


class Listening:
    def __init__(self, pool: Pool, clock: Clock, catch_up: timedelta = CATCH_UP_MOST) -> None:
        self._pool = pool
        self._catch_up = catch_up
        self._clock = clock
        self._last = ticks()
        self.since: datetime = clock.now()

    async def start(self) -> None:
        """Compare with the last stored heartbeat, and store this one."""
        now = self._clock.now()
        row = await self._pool.fetchrow(_STORED)
        if row is not None:
            self.since = row["listening_since"]
            self._after_outage(now, now - row["heartbeat_at"])
        await self._store(now)

    async def run(self) -> None:
        """Beat while the process lives. Trouble is no beat: the gap is found when the database is back."""
        await every(BEAT_SECONDS, self.beat, name="heartbeat")

    async def beat(self) -> None:
        now = self._clock.now()
        self._after_outage(now, timedelta(seconds=ticks() - self._last))
        await self._store(now)
        self._last = ticks()

    def _after_outage(self, now: datetime, away: timedelta) -> None:
        if away > GAP_MOST:
            self.since = max(self.since, now + min(away, self._catch_up))

    async def _store(self, now: datetime) -> None:
        await self._pool.execute(_STORE, now, self.since)
