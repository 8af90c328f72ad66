"""Feeds as aftercare sees them: a publisher over HTTP, the copies in PostgreSQL, and a process that reads them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.aftercare.feeds.loading import Loading
from services.aftercare.feeds.refreshing import Refreshing
from services.aftercare.feeds.snapshot import Snapshots
from shared.path.transaction import feeds as stored_feeds
from shared.path.transaction.feeds import StoredFeed
from shared.platform.feeds import RegisteredFeed
from tests.aftercare.running import Aftercare
from tests.publisher import Publisher

LINK, PHONE = "https://zoom.example/j/5550123?pwd=SEEDED-SECRET", "+1 555 555 0123"


def entry(slug: str, **more: Any) -> dict[str, Any]:
    return {"name": f"Meeting {slug}", "slug": slug, "day": 1, "time": "18:30", "conference_url": LINK, **more}


def of(count: int, **more: Any) -> bytes:
    return json.dumps([entry(f"m{number}", **more) for number in range(count)]).encode()


def registered(address: str, name: str = "west", **more: Any) -> RegisteredFeed:
    place = {"file" if "://" not in address else "root" if more.get("kind") == "bmlt" else "url": address}
    given = {"kind": "meeting-guide", "zone": "America/New_York", "attribution": "West Intergroup", **place, **more}
    return RegisteredFeed(name=name, program="demo", **given)


@dataclass
class Feeds:
    """What one process knows of the feeds, and how it looks at them."""

    aftercare: Aftercare
    feeds: dict[str, RegisteredFeed]
    deploy: Path = Path("/nowhere")
    snapshots: Snapshots = field(default_factory=Snapshots)

    def __post_init__(self) -> None:
        self.refreshing = Refreshing(self.feeds, self.deploy, self.aftercare.inbox, self.aftercare.keys)
        self.loading = Loading(self.feeds, self.aftercare.pool, self.aftercare.keys, self.snapshots)

    async def look(self, name: str = "west") -> StoredFeed:
        """At the feed, as if its time had come; then every process reads the copies."""
        await stored_feeds.add(self.aftercare.pool, [(each.program, each.name) for each in self.feeds.values()])
        rows = await stored_feeds.known(self.aftercare.pool)
        await self.refreshing.refresh(next(row for row in rows if row.name == name), rows)
        await self.loading.look()
        return await self.stored(name)

    async def stored(self, name: str = "west") -> StoredFeed:
        rows = await stored_feeds.known(self.aftercare.pool)
        return next(row for row in rows if row.name == name)

    @property
    def slugs(self) -> list[str]:
        return [each.slug for each in self.snapshots.current("demo")]

    async def active(self) -> dict[str, bool]:
        """Each meeting that the read model has of a feed of a test, by its name."""
        found = await self.aftercare.found("HealthcareService", ("_count", "200"))
        return {each["name"]: each["active"] for each in found if each["name"].startswith("Meeting ")}

    async def operations(self) -> list[str]:
        return await self.aftercare.emitted_to("iop.operations")


@asynccontextmanager
async def publishing() -> AsyncIterator[Publisher]:
    async with Publisher().open() as opened:
        yield opened
