"""Documents: the bytes as received at an edge, encrypted, so that nothing accepted is lost whatever becomes of it."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.path.db import Connection
from shared.path.identity import Keys

KEPT_DAYS = 30
"""After that many days a document is deleted, unless it still waits for its patient."""


async def keep(
    connection: Connection,
    keys: Keys,
    *,
    identity: UUID,
    program: str,
    client: str,
    media_type: str,
    content: bytes,
    unmatched: bool,
    now: datetime,
) -> None:
    """Keep a document once; the same again changes nothing."""
    await connection.execute(
        """INSERT INTO documents (id, program, client, media_type, content, unmatched, received_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING""",
        identity,
        program,
        client,
        media_type,
        keys.encrypt(content),
        unmatched,
        now,
    )


async def read(connection: Connection, keys: Keys, identity: UUID) -> bytes | None:
    secret = await connection.fetchval("SELECT content FROM documents WHERE id = $1", identity)
    return None if secret is None else keys.decrypt(bytes(secret))


async def prune(pool: Any, now: datetime) -> None:
    await pool.execute(
        "DELETE FROM documents WHERE NOT unmatched AND received_at < $1", now - timedelta(days=KEPT_DAYS)
    )
