"""The cached meeting feeds: files in the public Meeting Guide format, read at start, readable as HealthcareService.

A program lists its feeds by name; a feed belongs to one program, for its meetings are rows of that program. One that
can't be read, is empty or has shrunk is not trusted: the last good copy, in the database, counts until a person has
looked.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from services.aftercare.feeds import directory
from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meetings.meeting import Meeting, Source, without_secrets
from services.aftercare.meetings.meeting_guide import read
from services.aftercare.meetings.uniting import united
from services.aftercare.settings import Settings
from shared.events.wire import Unreadable
from shared.path.transaction import feeds as copies
from shared.platform import log, metrics
from shared.platform.db import Pool


def load(deploy: Path, feeds: Iterable[str]) -> tuple[Meeting, ...]:
    """The meetings of these feeds. One that can't be read is logged and leaves the others as they are."""
    found: list[Meeting] = []
    for name in feeds:
        try:
            feed = read(Source(feed=name), (deploy / "meetings" / f"{name}.json").read_bytes())
        except (OSError, Unreadable) as wrong:
            log.get().error("meeting feed unreadable", id=name, error=type(wrong).__name__)
            continue
        for reason, count in sorted({**feed.left_out, **feed.lacking}.items()):
            log.get().warning("meetings lack", id=name, code=reason, count=count)
            metrics.MEETINGS_LACKING.labels(name, reason).set(count)
        found.extend(map(without_secrets, feed.meetings))  # the copies and the settings are not sealed
    return tuple(found)


async def trusted(
    snapshots: Snapshots, deploy: Path, pool: Pool, settings: Mapping[str, Settings], now: datetime
) -> None:
    """The meetings that count of each program become its snapshot, and stand in the read model too."""
    found = {program: united(await _of_feeds(deploy, pool, program, each, now)) for program, each in settings.items()}
    for program, meetings in found.items():
        snapshots.replace(program, meetings)
    await directory.store(pool, found, now)


async def _of_feeds(deploy: Path, pool: Pool, program: str, settings: Settings, now: datetime) -> tuple[Meeting, ...]:
    found: list[Meeting] = []
    for feed in settings.feeds:
        read = load(deploy, [feed])
        found.extend(await _trusted(pool, program, feed, read, settings.feed_percent_least, now))
    return tuple(found)


async def _trusted(
    pool: Pool, program: str, feed: str, read: tuple[Meeting, ...], percent_least: int, now: datetime
) -> tuple[Meeting, ...]:
    """What was read, which is the last good copy from now on; or that copy."""
    async with pool.acquire() as connection:
        stored = await copies.read(connection, program, feed)
        copy = msgspec.json.decode(stored, type=tuple[Meeting, ...]) if stored else ()
        doubt = why_not_trusted(read, copy, percent_least)
        metrics.MEETING_FEED_DOUBTED.labels(feed).set(doubt is not None)
        if doubt is None:
            await copies.store(connection, program, feed, msgspec.json.encode(read).decode(), now)
            return read
    log.get().error(
        "a person must look at this meeting feed: its last good copy counts", id=feed, code=doubt, count=len(copy)
    )
    return copy


def why_not_trusted(read: Sequence[Meeting], copy: Sequence[Meeting], percent_least: int) -> str | None:
    """A feed cut in half, of another format or with its ids repeated has fewer meetings that can be read, or none."""
    if not read:
        return "empty-or-unreadable"
    return "shrunk" if len(read) * 100 < len(copy) * percent_least else None
