"""`iop document`: the bytes of something received, as a Task of no patient names them."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from deploy import hubfile, queries
from deploy.commands.common import DEFAULT_DATA, Data, database, stderr
from deploy.failure import CannotContinueError
from deploy.queries import ReceivedDocument
from shared.platform.keys import Keys


def document(
    id: Annotated[UUID, typer.Argument(help="As the Task names it (input `document`).")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Write what was received, byte for byte: part of patients' records. Who sent it and when goes to stderr."""
    found = asyncio.run(_read(data, id))
    if not found:
        raise CannotContinueError("no service stores a document of this id; it is deleted after `documents_days`")
    for service, row in found.items():
        stderr.print(
            f"{service}  {row.program}  {row.client}  {row.media_type}  {row.received_at:%Y-%m-%d %H:%M:%S}",
            markup=False,
        )
        sys.stdout.buffer.write(Keys.load(data / "keys", service).decrypt(row.content))
        sys.stdout.buffer.flush()


async def _read(data: Path, id: UUID) -> dict[str, ReceivedDocument]:
    """By the service that stores it."""
    hub, found = hubfile.read(data), {}
    for name in hub.postgres:
        async with database(hub, name) as connection:
            row = await queries.document(connection, id)
        if row is not None:
            found[name] = row
    return found
