"""Records that are no events of the hub's: they hold nobody, unless they may have been a revocation of a patient here.

Of a stray its place, size and digest are stored, never its content: that stays in Kafka as long as the topic's days.
"""

from collections.abc import Sequence
from uuid import uuid5

from shared.events.technical import StraysStored
from shared.events.wire import RecordPlace
from shared.path.inbound.records import Stray
from shared.path.transaction import operations
from shared.path.transaction.delivery import Consumed, Unreadable
from shared.path.transaction.inbox import Inbox
from shared.platform import log, metrics

Found = Consumed | Unreadable | Stray
_STORE = """INSERT INTO strays (topic, partition, "offset", size, digest, at)
    SELECT u.*, $6 FROM unnest($1::text[], $2::int[], $3::bigint[], $4::int[], $5::text[]) AS u
    ON CONFLICT DO NOTHING RETURNING "offset" """
# A row that only a record of nobody's program made is no patient's.
_OURS = "SELECT key FROM state WHERE kind = 'patient' AND key = ANY($1::text[]) AND program <> ''"


async def sorted_out(inbox: Inbox, found: Sequence[Found]) -> tuple[list[Consumed | Unreadable], set[int]]:
    """The deliveries among them, in their order, and which of these (by identity) were strays of a patient of ours; the
    other strays are stored."""
    strays = [each for each in found if isinstance(each, Stray)]
    if not strays:
        return [each for each in found if not isinstance(each, Stray)], set()
    ours = await _ours(inbox, found)
    await _store(inbox, [each for each in strays if each.delivery.key not in ours])
    parked = {id(each.delivery): each.delivery for each in strays if each.delivery.key in ours}
    deliveries = [each.delivery if isinstance(each, Stray) else each for each in found]
    foreign = {id(each.delivery) for each in strays} - parked.keys()
    return [each for each in deliveries if id(each) not in foreign], set(parked)


async def _ours(inbox: Inbox, found: Sequence[Found]) -> set[str]:
    """The keys among them that are patients here, or are about to be."""
    keys = [each.delivery.key for each in found if isinstance(each, Stray)]
    known = {row["key"] for row in await inbox.pool.fetch(_OURS, keys)}
    return (known | {each.key for each in found if not isinstance(each, Stray)}) - {""}


async def _store(inbox: Inbox, strays: Sequence[Stray]) -> None:
    """Store and report those not stored before."""
    if not strays:
        return
    places = [each.place for each in strays]
    columns = [[each.topic for each in places], [each.partition for each in places], [each.offset for each in places]]
    now = inbox.clock.now()
    async with inbox.pool.acquire() as connection, connection.transaction():
        sizes, digests = [each.size for each in strays], [each.digest for each in strays]
        stored = len(await connection.fetch(_STORE, *columns, sizes, digests, now))
        fed = (
            await operations.report(connection, inbox.routes, _report(inbox, places[0], stored), now) if stored else ()
        )
    if stored:
        log.get().warning("strays stored", topic=places[0].topic, partition=places[0].partition, count=stored)
        metrics.STRAYS.labels(inbox.service.name).inc(stored)
    inbox.wake(fed)


def _report(inbox: Inbox, first: RecordPlace, count: int) -> StraysStored:
    identity = str(uuid5(first.identity, f"{inbox.service.name}:strays"))
    details = f"{count} records from {first} on are no events of this hub; their sender must not write to this topic."
    return StraysStored(outcome_id=identity, service=inbox.service.name, details=details)
