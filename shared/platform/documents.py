"""Documents: the bytes as received at an edge, encrypted, so that nothing accepted is lost whatever becomes of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from shared.platform.db import Connection, Executor
from shared.platform.keys import Keys

_PRUNE = """DELETE FROM documents d USING unnest($1::text[], $2::timestamptz[]) AS u(program, before)
    WHERE d.program = u.program AND d.received_at < u.before AND NOT d.unmatched"""


async def store(
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
    """Store a document once; the same again changes nothing."""
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


async def prune(pool: Executor, days: Mapping[str, int], now: datetime) -> None:
    """Delete each program's documents after its days, unless one still waits for its patient."""
    await pool.execute(_PRUNE, list(days), [now - timedelta(days=each) for each in days.values()])
