"""Documents: the bytes as received at an edge, encrypted, so that nothing accepted is lost whatever becomes of it."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import msgspec

from shared.platform.db import Connection
from shared.platform.keys import Keys


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sent, encrypted. `digest` tells its content from another one under the same id; `unmatched` is one
    whose patient nobody knows yet."""

    id: UUID
    program: str
    client: str
    media_type: str
    content: bytes
    digest: str
    received_at: datetime
    unmatched: bool = False


_STORE = """INSERT INTO documents (id, program, client, media_type, content, digest, received_at, unmatched)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::timestamptz[],
        $8::bool[]) ON CONFLICT DO NOTHING RETURNING id, digest"""
_ONE = """SELECT id, program, client, media_type, content, digest, received_at, unmatched FROM documents
    WHERE id = $1"""
_SINCE = "SELECT id FROM documents WHERE client = $1 AND received_at >= $2 ORDER BY received_at, id"
_DIGESTS = "SELECT id, digest FROM documents WHERE id = ANY($1::uuid[])"
_TAKE_BACK = """DELETE FROM documents d USING unnest($1::uuid[], $2::timestamptz[]) AS u(id, received_at)
    WHERE d.id = u.id AND d.received_at = u.received_at"""


async def store(connection: Connection, documents: Sequence[Document]) -> dict[UUID, str]:
    """Store each once; the same again changes nothing. Returns the digest of what now stands under each id.

    Sorted, so that two transactions never wait for each other in a ring.
    """
    if not documents:
        return {}
    ordered = sorted(documents, key=attrgetter("id"))
    columns = zip(*map(attrgetter(*Document.__struct_fields__), ordered), strict=True)
    rows = await connection.fetch(_STORE, *(list(column) for column in columns))
    fresh = {row["id"] for row in rows}
    if before := [each.id for each in ordered if each.id not in fresh]:
        rows += await connection.fetch(_DIGESTS, before)
    return {row["id"]: row["digest"] for row in rows}


async def take_back(connection: Connection, documents: Sequence[Document]) -> None:
    """Delete what this transaction stored of something that is refused; what was received before stays."""
    if documents:
        await connection.execute(_TAKE_BACK, [each.id for each in documents], [each.received_at for each in documents])


async def read(connection: Connection, keys: Keys, identity: UUID) -> bytes | None:
    document = await one(connection, identity)
    return None if document is None else keys.decrypt(document.content)


async def one(connection: Connection, identity: UUID) -> Document | None:
    row = await connection.fetchrow(_ONE, identity)
    return None if row is None else Document(**{**row, "content": bytes(row["content"])})


async def since(connection: Connection, client: str, moment: datetime) -> list[UUID]:
    """What a client sent from then on, in the order in which it came."""
    return [row["id"] for row in await connection.fetch(_SINCE, client, moment)]
