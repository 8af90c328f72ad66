"""Tables that are only added to are partitioned by month of clinic time, so that what is past its days goes whole."""

from datetime import datetime

from shared.platform.db import Connection


async def ensure(connection: Connection, table: str, at: datetime) -> None:
    """The partition of this month, where there is none yet."""
    start = datetime(at.year, at.month, 1, tzinfo=at.tzinfo)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=at.tzinfo)
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table}_{at:%Y_%m} PARTITION OF {table} "
        f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
    )
