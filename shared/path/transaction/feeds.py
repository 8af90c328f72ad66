"""The last good copy of a public feed, as text: the one reader and writer of table feeds."""

from datetime import datetime

from shared.platform.db import Connection

_READ = "SELECT content FROM feeds WHERE program = $1 AND name = $2"
_STORE = """INSERT INTO feeds (program, name, content, stored_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (program, name) DO UPDATE SET content = excluded.content, stored_at = excluded.stored_at"""


async def read(connection: Connection, program: str, name: str) -> str | None:
    """The last good copy, or None where there never was one."""
    content: str | None = await connection.fetchval(_READ, program, name)
    return content


async def store(connection: Connection, program: str, name: str, content: str, now: datetime) -> None:
    """This is the last good copy from now on."""
    await connection.execute(_STORE, program, name, content, now)
