"""What a process and its database must agree on: the version of the schema, and what time it is."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.platform.clock import machine_now
from shared.platform.db import SCHEMA, Executor

CLOCK_SECONDS_MOST = 5.0
STEPS = frozenset(each.name for each in SCHEMA.glob("*.sql"))
"""The schema of the code that runs: what an upgrade puts on the disk beside it is the next start's."""
_ASKED = "SELECT clock_timestamp() AS now, (SELECT array_agg(name) FROM migrations) AS migrations"


@dataclass(frozen=True)
class Agreement:
    """How far the database is from this process: by how many seconds its clock is ahead (behind: less than 0), which
    steps of the schema it lacks, and which it has that this code does not know."""

    ahead_seconds: float = 0.0
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


async def ask(executor: Executor) -> Agreement:
    """What the database says now."""
    before = machine_now()
    row = await executor.fetchrow(_ASKED)
    after = machine_now()
    assert row is not None
    return compared(STEPS, row["migrations"] or (), before, row["now"], after)


def compared(
    code: Collection[str], database: Collection[str], before: datetime, now: datetime, after: datetime
) -> Agreement:
    """Steps of the schema of code and database, and the database's clock, read between two looks at ours: however slow
    the answer was, only a time outside them differs."""
    ahead = now - after if now > after else min(now - before, timedelta())
    absent, unknown = set(code) - set(database), set(database) - set(code)
    return Agreement(ahead / timedelta(seconds=1), tuple(sorted(absent)), tuple(sorted(unknown)))


def schema_wrong(found: Agreement) -> str:
    """What is wrong with the schema, or nothing."""
    if found.absent:
        return f"The database's schema is older than the code: it lacks {found.absent[0]}."
    if found.unknown:
        return f"The database's schema is newer than the code: it has {found.unknown[-1]}."
    return ""


def clock_wrong(found: Agreement, seconds_most: float = CLOCK_SECONDS_MOST) -> str:
    """What is wrong with the clocks, or nothing."""
    if abs(found.ahead_seconds) <= seconds_most:
        return ""
    way = "ahead of" if found.ahead_seconds > 0 else "behind"
    return f"The database's clock is {abs(found.ahead_seconds):.0f} s {way} this machine's."
