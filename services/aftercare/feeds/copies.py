"""The last good copy of a feed: packed, and sealed with the service's key, for it holds how groups are joined from
afar."""

import asyncio

import msgspec

from services.aftercare.feeds.reading import unpacked
from services.aftercare.meetings.meeting import Meeting
from shared.path.transaction import feeds as stored_feeds
from shared.platform.db import Executor
from shared.platform.keys import Keys

Key = tuple[str, str]
"""Program and name of a feed."""


def sealed(keys: Keys, key: Key, packed: bytes) -> bytes:
    return keys.encrypt(packed, _purpose(key))


async def meetings(executor: Executor, keys: Keys, key: Key) -> list[Meeting]:
    """What stands in the copy; nothing where there is none. Raises ValueError where these keys don't open it."""
    copy = await stored_feeds.copy(executor, key)
    if copy.sealed is not None:
        return await unpacked(await asyncio.to_thread(keys.decrypt, copy.sealed, _purpose(key)))
    return msgspec.json.decode(copy.plain, type=list[Meeting]) if copy.plain else []


def _purpose(key: Key) -> bytes:
    return "meeting feed {}/{}".format(*key).encode()
