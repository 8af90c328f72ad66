"""When a program's senders last spoke: the journal knows, so every replica does, and no report costs more for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.events.internal import NEVER
from shared.platform.db import Connection

REACH = timedelta(days=45)
"""Further back nobody looks: no session waits for so long."""
# The last decision of a program on one of these commands. From the end of the index: while senders speak it is near.
_LAST = """SELECT now FROM journal WHERE program = $1 AND delivery = 'commanded' AND now > $2 AND outcome = 'decided'
    AND string_to_array(event, '+') && $3::text[] ORDER BY now DESC LIMIT 1"""


async def last(connection: Connection, program: str, commands: Sequence[str], now: datetime) -> datetime:
    """The clinic time of the last one of these commands that was decided, NEVER without one."""
    found: datetime | None = await connection.fetchval(_LAST, program, now - REACH, commands)
    return NEVER if found is None else found
