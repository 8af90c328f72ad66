"""Tables that are only added to are partitioned by month of clinic time, so that what is past its days goes whole."""

from datetime import datetime

from shared.platform.db import Connection


async def ensure(connection: Connection, table: str, at: datetime) -> None:
    """The partition of this month, where there is none yet; inside a transaction of which there is one at a time.

    It is made first and attached then: made as a partition at once, it would wait for whoever reads the table, and
    everybody else for it.
    """
    name = f"{table}_{at:%Y_%m}"
    if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
        return
    start = datetime(at.year, at.month, 1, tzinfo=at.tzinfo)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=at.tzinfo)
    await connection.execute(f"CREATE TABLE {name} (LIKE {table})")
    await connection.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    )
