"""Turns: of several processes that create on the same condition, or update the same resource, one at a time looks and
stores. Within one process they take turns before (`shared/edge/submissions.py`), so this seldom waits.
"""

from collections.abc import Iterable, Sequence

from shared.path.transaction import puts, resources
from shared.path.transaction.delivery import AnyDelivery, Commanded
from shared.platform.db import Connection


def asked_by(deliveries: Iterable[AnyDelivery]) -> list[str]:
    """The turns that they wait for, before anything is looked at."""
    return [name for each in _asking(deliveries) for name in _names(each)]


async def done_meanwhile(connection: Connection, deliveries: Iterable[AnyDelivery]) -> list[Commanded]:
    """Those of which another process has created what they would create, or stored the same update, since they were
    looked for. It is their turn: to the end of this transaction no other does."""
    asking = _asking(deliveries)
    if not asking:
        return []
    updated = await puts.standing(connection, asking)
    created = await _created(connection, asking)
    return [each for each in asking if id(each) in created or not updated.isdisjoint(puts.names(each))]


def _asking(deliveries: Iterable[AnyDelivery]) -> list[Commanded]:
    return [each for each in deliveries if isinstance(each, Commanded) and (each.puts or each.creates)]


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
