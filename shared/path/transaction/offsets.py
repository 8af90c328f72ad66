"""Up to where the consumed topic is stored: what a database knows of its own past, whatever Kafka remembers."""

from collections.abc import Collection, Mapping
from uuid import UUID

from shared.path.transaction.store import all_processed
from shared.platform.db import Executor

# What is stored stays stored: a replica that lost the partition, or begins behind it, never makes it less. So only a
# database that was set back has less than was stored in it.
_STORE = """INSERT INTO offsets (partition, next) SELECT * FROM unnest($1::int[], $2::bigint[])
    ON CONFLICT (partition) DO UPDATE SET next = greatest(offsets.next, excluded.next),
        catch_up = CASE WHEN greatest(offsets.next, excluded.next) < offsets.catch_up
            THEN offsets.catch_up ELSE 0 END"""
_SET_BACK = """INSERT INTO offsets (partition, next, catch_up)
    SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[])
    ON CONFLICT (partition) DO UPDATE SET next = greatest(offsets.next, excluded.next),
        catch_up = greatest(offsets.catch_up, excluded.catch_up)"""
_CONSENTS_READ = """UPDATE offsets SET consents_unread = false WHERE consents_unread AND partition = ANY($1::int[])
    RETURNING partition"""
_NEXT = "SELECT partition, next FROM offsets"
BEHIND = "SELECT bool_or(next < catch_up) FROM offsets"
"""Whether records that were consumed once must be consumed again: the database was set back."""


class DatabaseSetBack(Exception):
    """The database has less stored than this process stored in it: the process must end, and begin where that ends."""


async def store(connection: Executor, offsets: Mapping[int, int]) -> None:
    """Everything before these is stored (partition -> offset). Never before it is committed."""
    await connection.execute(_STORE, list(offsets), list(offsets.values()))


async def stored(connection: Executor) -> dict[int, int]:
    """The first offset of each partition that is not stored."""
    return {row["partition"]: row["next"] for row in await connection.fetch(_NEXT)}


async def passed_over_consents(connection: Executor, partitions: Collection[int]) -> list[int]:
    """Those of which consents were passed over unread, before this service had a gate. Once: by now it reads them."""
    return [row["partition"] for row in await connection.fetch(_CONSENTS_READ, list(partitions))]


async def set_back(connection: Executor, offsets: Mapping[int, tuple[int, int]]) -> None:
    """These are read again (partition -> from where, up to where); until then the consent gate is shut."""
    starts, ends = zip(*offsets.values(), strict=True)
    await connection.execute(_SET_BACK, list(offsets), list(starts), list(ends))


async def require_stored(connection: Executor, offsets: Mapping[int, int], deliveries: Collection[UUID]) -> None:
    """Raises DatabaseSetBack where less is stored than these offsets, which were, or one of these deliveries, which
    were processed since, is not."""
    found = await stored(connection)
    if any(found.get(partition, 0) < offset for partition, offset in offsets.items()):
        raise DatabaseSetBack
    if not await all_processed(connection, deliveries):
        raise DatabaseSetBack
