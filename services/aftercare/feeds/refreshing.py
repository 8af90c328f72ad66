"""Looks at each feed when its time has come: one process at a time fetches, reads and stores.

The read model is written before the copy and says the same twice, so that a crash between the two repeats it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import msgspec

from services.aftercare.feeds import copies, directory, publishers
from services.aftercare.feeds.judging import Failed, Look, Read, Unchanged, doubt, fact, is_due, judged, source_of
from services.aftercare.feeds.reading import ReadFailed, Reading, read_apart, unpacked
from services.aftercare.meetings.meeting import Meeting
from shared.path.outbound.fetching import NO_VALIDATORS, FetchFailed, Validators
from shared.path.outbound.lane import run_lane
from shared.path.transaction import feeds as stored_feeds
from shared.path.transaction import operations
from shared.path.transaction.feeds import StoredFeed
from shared.path.transaction.inbox import Inbox
from shared.platform import log
from shared.platform.build import build
from shared.platform.clock import machine_now
from shared.platform.db import Connection
from shared.platform.feeds import RegisteredFeed
from shared.platform.keys import Keys

LANE = "feeds"
LOOK_SECONDS = 2.0
FETCHES_MOST = 4
"""At once; one at a time is read."""


@dataclass(frozen=True)
class Refreshing:
    """The feeds of one service: where they are, and where what they hold is stored."""

    feeds: Mapping[str, RegisteredFeed]
    deploy: Path
    inbox: Inbox
    keys: Keys
    fetches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FETCHES_MOST))
    reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def run(self, dsn: str) -> None:
        """For ever, while this process holds the lane."""
        await run_lane(dsn, LANE, self._begun, self._turn)

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[None]:
        """What was read by another build, with other settings or of a file is looked at again at once."""
        async with self.inbox.pool.acquire() as connection, connection.transaction():
            for row in await stored_feeds.known(connection):
                feed = self.feeds.get(row.name)
                if feed is not None and (feed.file or row.origin != origin(feed)):
                    await stored_feeds.store(connection, msgspec.structs.replace(row, next_at=None))
        yield

    async def _turn(self, connection: Connection, _: None) -> None:
        """Look at what is due. Raises what the database raises."""
        rows, now = await stored_feeds.known(connection), machine_now()
        for row in rows:
            if not self._is_listed(row):
                await self._withdraw(row)
        listed = [row for row in rows if self._is_listed(row)]
        due = [self.refresh(row, listed) for row in listed if is_due(row, now)]
        for done in await asyncio.gather(*due, return_exceptions=True):
            if isinstance(done, BaseException):
                raise done
        await asyncio.sleep(LOOK_SECONDS)

    def _is_listed(self, row: StoredFeed) -> bool:
        feed = self.feeds.get(row.name)
        return feed is not None and feed.program == row.program

    async def refresh(self, row: StoredFeed, rows: Sequence[StoredFeed]) -> None:
        """Look at one feed; `rows` are all, this one among them."""
        feed = self.feeds[row.name]
        of_others = sum(each.meetings for each in rows if each.program == row.program and each.name != row.name)
        try:
            found = await self._read(feed, row)
        except (FetchFailed, ReadFailed) as failed:
            wait = failed.retry_after if isinstance(failed, FetchFailed) else None
            await self._settle(feed, row, Failed(failed.code, *([wait] if wait else [])))
            return
        if found is None:
            await self._settle(feed, row, Unchanged())
            return
        look, packed = found
        percent_least = self.inbox.settings[feed.program].feed_percent_least
        if why := doubt(look.reading, row, percent_least, of_others):
            await self._settle(feed, row, Failed(why), look.reading)
            return
        await self._publish(feed, row, look.reading, packed)
        await self._settle(feed, row, look, sealed=copies.sealed(self.keys, row.key, packed))

    async def _read(self, feed: RegisteredFeed, row: StoredFeed) -> tuple[Read, bytes] | None:
        """None where what was read before is what is published. Raises FetchFailed, ReadFailed."""
        known = row.validators and row.origin == origin(feed)
        validators = msgspec.json.decode(row.validators, type=Validators) if known else NO_VALIDATORS
        async with self.fetches:
            published = await publishers.fetch(feed, self.deploy, validators)
        if published is None:
            return None
        async with self.reads:
            reading, packed = await read_apart(feed.kind, source_of(feed), published.documents)
        return Read(reading, published.validators), packed

    async def _publish(self, feed: RegisteredFeed, row: StoredFeed, reading: Reading, packed: bytes) -> None:
        """What is as it was is written again only where another build writes it."""
        if reading.digest == row.digest and row.origin == origin(feed):
            return
        before, meetings = await self._copied(row), await unpacked(packed)
        there = {each.slug for each in meetings}
        gone = [each for each in before if each.slug not in there]
        await directory.publish(self.inbox.pool, feed, meetings, gone, self.inbox.clock.now())

    async def _copied(self, row: StoredFeed) -> Sequence[Meeting]:
        """Of a copy that these keys don't open nobody knows what was in it."""
        try:
            return await copies.meetings(self.inbox.pool, self.keys, row.key)
        except ValueError:
            return ()

    async def _settle(
        self,
        feed: RegisteredFeed,
        looked_at: StoredFeed,
        look: Look,
        reading: Reading | None = None,
        sealed: bytes | None = None,
    ) -> None:
        """Store what became of it, and what operations hear."""
        fed: frozenset[str] = frozenset()
        async with self.inbox.pool.acquire() as connection, connection.transaction():
            before = await stored_feeds.one(connection, looked_at.key)
            if before is None:
                return
            after = judged(before, feed, look, origin(feed), machine_now())
            if before.asked != looked_at.asked:
                after = msgspec.structs.replace(after, asked=before.asked)
            if reading is not None:
                after = msgspec.structs.replace(after, counts=msgspec.json.encode(reading.counts).decode())
            await stored_feeds.store(connection, after, sealed)
            if (event := fact(before, after)) is not None:
                fed = await operations.report(connection, self.inbox.routes, event, self.inbox.clock.now())
        self.inbox.wake(fed)
        if after.trouble:
            log.get().warning("meeting feed in trouble", id=feed.name, code=after.trouble, count=after.meetings)

    async def _withdraw(self, row: StoredFeed) -> None:
        """A feed that is listed no more: its meetings are inactive, its copy is forgotten."""
        gone = await self._copied(row)
        feed = RegisteredFeed(
            name=row.name, program=row.program, kind="table", zone="UTC", attribution=f"{row.name}, no longer read"
        )
        await directory.publish(self.inbox.pool, feed, (), gone, self.inbox.clock.now())
        async with self.inbox.pool.acquire() as connection:
            await stored_feeds.forget(connection, row.key)


def origin(feed: RegisteredFeed) -> str:
    """Names what a copy was made with: other settings or another build make it anew."""
    return sha256(msgspec.json.encode((feed, build()))).hexdigest()
