"""The feeds of one running service: the snapshot that counts, and the tasks that renew it."""

from collections.abc import Coroutine, Sequence
from typing import Any

from services.aftercare.feeds.loading import Loading
from services.aftercare.feeds.refreshing import Refreshing
from services.aftercare.feeds.snapshot import Snapshots
from shared.path.transaction import feeds as stored_feeds
from shared.platform.feeds import registered_feeds
from shared.process import Running


class MeetingFeeds:
    def __init__(self) -> None:
        self.snapshots = Snapshots()

    async def prepare(self, running: Running) -> None:
        """The copies count at once; a file of which there is none yet is read before anything is decided."""
        feeds, inbox = registered_feeds(running.process.deploy), running.inbox
        self._loading = Loading(feeds, inbox.pool, running.keys, self.snapshots)
        self._refreshing = Refreshing(feeds, running.process.deploy, inbox, running.keys)
        await stored_feeds.add(inbox.pool, [(each.program, each.name) for each in feeds.values()])
        rows = await stored_feeds.known(inbox.pool)
        for row in rows:
            if row.tried_at is None and row.name in feeds and feeds[row.name].file:
                await self._refreshing.refresh(row, rows)
        await self._loading.look()

    def tasks(self, running: Running) -> Sequence[Coroutine[Any, Any, None]]:
        """After `prepare`."""
        return self._refreshing.run(running.process.database_url), self._loading.run()
