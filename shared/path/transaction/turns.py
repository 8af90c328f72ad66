"""Turns: of several processes that create on the same condition, or update the same resource, one at a time looks and
stores. Within one process they take turns before (`shared/edge/submissions.py`), so this seldom waits.
"""

from collections.abc import Iterable, Sequence

from shared.path.transaction import puts, resources
from shared.path.transaction.delivery import AnyDelivery, Commanded
from shared.platform.db import Connection

# Held to the end of the transaction.
_TAKE = """SELECT pg_advisory_xact_lock($1, hash)
    FROM (SELECT DISTINCT hashtext(unnest($2::text[])) AS hash ORDER BY 1) AS sorted"""
_LOCK_SPACE = 75


async def done_meanwhile(connection: Connection, deliveries: Iterable[AnyDelivery]) -> list[Commanded]:
    """Those of which another process has created what they would create, or stored the same update, since they were
    looked for. From here to the end of this transaction no other does."""
    asking = [each for each in deliveries if isinstance(each, Commanded) and (each.puts or each.creates)]
    if not asking:
        return []
    await connection.execute(_TAKE, _LOCK_SPACE, [name for each in asking for name in _names(each)])
    updated = await puts.standing(connection, asking)
    created = await _created(connection, asking)
    return [each for each in asking if id(each) in created or not updated.isdisjoint(puts.names(each))]


def _names(asking: Commanded) -> list[str]:
    """What it waits for: the resources that it updates, and the conditions on which it creates others."""
    updates = [f"{asking.program}|{each.type}/{each.id}" for each in asking.puts]
    return updates + [f"{asking.program}|{each.type}?{each.identifier}" for each in asking.creates]


async def _created(connection: Connection, asking: Sequence[Commanded]) -> set[int]:
    """Those, by their identity in memory, of which something is there: under the id that the same client gives it, or
    of the same patient and under another one."""
    creates = [(delivery, each) for delivery in asking for each in delivery.creates]
    sought = [(by.program, by.key, each.type, each.id, each.identifier) for by, each in creates]
    return {id(creates[number][0]) for number in await resources.created(connection, sought)}
