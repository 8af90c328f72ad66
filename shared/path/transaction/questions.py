"""Work of no patient that a command raises: stored once, in the transaction that stores what raised it."""

from collections.abc import Iterable

from shared.path.transaction import resources
from shared.path.transaction.delivery import Commanded, Delivery
from shared.platform.db import Connection


async def add(connection: Connection, deliveries: Iterable[Delivery]) -> None:
    """The same again changes nothing. All are stored in one order, so that none waits for another in a ring."""
    raised = [
        (each.program, question, each.at)
        for each in deliveries
        if isinstance(each, Commanded)
        for question in each.questions
    ]
    for program, question, at in sorted(raised, key=lambda each: (each[0], each[1].type, each[1].id)):
        await resources.add(connection, [question], program, at)
