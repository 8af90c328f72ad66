"""What becomes of a feed after it was looked at: which copy counts, when it is looked at again, what operations hear.
Pure.

A feed that can't be had, is no feed, is empty or has shrunk is in trouble: its last good copy counts, and operations
hear of it once, again where the trouble becomes another one, and when it ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zlib import crc32

import msgspec

from services.aftercare.feeds.reading import Reading
from services.aftercare.meetings.meeting import Source
from shared.events.envelope import name_id
from shared.events.technical import FeedRecovered, FeedTroubled, OperationsEvent
from shared.path.outbound.fetching import NO_VALIDATORS, Validators
from shared.path.transaction.feeds import StoredFeed
from shared.platform.feeds import RegisteredFeed

PROGRAM_MEETINGS_MOST = 100_000
AGAIN_AFTER = timedelta(hours=1)
"""A feed in trouble is looked at so soon again, or as often as any time where that is sooner."""
JITTER = 0.1
"""Up to this part of the time is added, so that not everybody asks a publisher on the hour."""
STALE = "stale"


@dataclass(frozen=True, slots=True)
class Read:
    """The feed was had, and read."""

    reading: Reading
    validators: Validators = NO_VALIDATORS


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The publisher says that what was read before is what is published."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It can't be had or read; `code` says why, `retry_after` how long its publisher asks to be left alone."""

    code: str
    retry_after: timedelta = timedelta()


Look = Read | Unchanged | Failed


def source_of(feed: RegisteredFeed) -> Source:
    return Source(feed=feed.name, fellowship=feed.fellowship, zone=feed.zone, regions=feed.regions)


def doubt(reading: Reading, stored: StoredFeed, percent_least: int, of_others: int) -> str | None:
    """Why what was read is not trusted: a feed cut in half, of another format or with its ids repeated has fewer
    meetings that can be read, or none. `of_others`: how many the program's other feeds have."""
    meetings = reading.counts.meetings
    if not meetings:
        return "empty"
    if of_others + meetings > PROGRAM_MEETINGS_MOST:
        return "program-full"
    shrunk = meetings * 100 < stored.meetings * percent_least
    return "shrunk" if shrunk and stored.asked != "trust" else None


def judged(stored: StoredFeed, feed: RegisteredFeed, look: Look, origin: str, now: datetime) -> StoredFeed:
    """The feed after this look. A `Read` here is trusted."""
    looked = msgspec.structs.replace(stored, tried_at=now, asked="", trouble="", troubled_at=None)
    match look:
        case Read(reading, validators):
            return msgspec.structs.replace(
                looked,
                digest=reading.digest,
                meetings=reading.counts.meetings,
                counts=msgspec.json.encode(reading.counts).decode(),
                origin=origin,
                validators=msgspec.json.encode(validators).decode(),
                stored_at=now,
                next_at=now + _spread(feed, now, feed.every),
            )
        case Unchanged():
            return msgspec.structs.replace(looked, stored_at=now, next_at=now + _spread(feed, now, feed.every))
        case Failed(code, retry_after):
            age = stored.age(now)
            trouble = STALE if age is not None and age >= feed.stale_after else code
            return msgspec.structs.replace(
                looked,
                next_at=now + max(_spread(feed, now, min(feed.every, AGAIN_AFTER)), retry_after),
                trouble=trouble,
                troubled_at=stored.troubled_at or now,
            )


def _spread(feed: RegisteredFeed, now: datetime, wait: timedelta) -> timedelta:
    return wait * (1 + JITTER * crc32(f"{feed.name} {now.isoformat()}".encode()) / 2**32)


def is_due(stored: StoredFeed, now: datetime) -> bool:
    return bool(stored.asked) or stored.next_at is None or stored.next_at <= now


def fact(before: StoredFeed, after: StoredFeed) -> OperationsEvent | None:
    """What operations hear: that a trouble began, became another one, or ended."""
    if after.trouble == before.trouble:
        return None
    at = after.tried_at.isoformat() if after.tried_at else ""
    identity = name_id(str(_FEEDS), f"{after.program}/{after.name}/{after.trouble}/{at}")
    named = f"Of program {after.program}, feed {after.name}"
    if not after.trouble:
        return FeedRecovered(outcome_id=identity, service="aftercare", details=f"{named} is as it should be again.")
    counts = f"its last good copy counts, with {after.meetings} meetings" if after.stored_at else "it has no copy"
    text = f"{named} is in trouble ({after.trouble}): {counts}. `iop feeds show {after.name}` says what to do."
    return FeedTroubled(outcome_id=identity, service="aftercare", details=text)


_FEEDS = UUID("0e1f5f0e-6d55-4f3b-9c3a-6c1f6f3f5d21")
"""In which the ids of these facts are named."""
