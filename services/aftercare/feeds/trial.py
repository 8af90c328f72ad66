"""`iop feeds try`: a feed is fetched and read as a running hub would, and nothing is stored."""

from pathlib import Path

import msgspec

from services.aftercare.feeds import publishers
from services.aftercare.feeds.judging import source_of
from services.aftercare.feeds.reading import ReadFailed, read_apart, unpacked
from shared.path.outbound.fetching import NO_VALIDATORS, FetchFailed
from shared.platform.feeds import RegisteredFeed, Trial, Tried, registered_feeds
from shared.platform.settings import ConfigurationError, Process

NAMED_MOST = 5


async def answer(process: Process, asked: str) -> Tried:
    """Raises ConfigurationError where no feed has this name."""
    feed = _feed(process.deploy, msgspec.json.decode(asked, type=Trial))
    try:
        published = await publishers.fetch(feed, process.deploy, NO_VALIDATORS)
        assert published is not None  # nothing was asked on a condition
        reading, packed = await read_apart(feed.kind, source_of(feed), published.documents)
    except (FetchFailed, ReadFailed) as failed:
        return Tried(failed=failed.code)
    first = tuple(each.name for each in (await unpacked(packed))[:NAMED_MOST])
    return Tried(**msgspec.structs.asdict(reading.counts), first=first)


def _feed(deploy: Path, asked: Trial) -> RegisteredFeed:
    if not asked.name:
        here = RegisteredFeed(name="tried", program="", kind=asked.kind, zone="UTC", attribution="tried")
        return msgspec.structs.replace(here, file=asked.file)
    known = registered_feeds(deploy)
    if asked.name not in known:
        raise ConfigurationError(
            f"{deploy}/feeds.toml: has no feed of this name; it has: {', '.join(known) or 'none'}."
        )
    return known[asked.name]
