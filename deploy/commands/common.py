"""What several commands share: finding the hub and its databases, and talking to a person."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy import hubfile, queries
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.paths import SETTINGS

Data = Annotated[
    Path,
    typer.Option("--data", envvar="IOP_DATA", help="Folder of the hub.", show_default=True, file_okay=False),
]
DEFAULT_DATA = Path(".iop")
Settings = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        envvar="IOP_DEPLOY",
        help="Folder of program.toml, clients.toml, partners.toml, topics.toml, feeds.toml and meetings; default: the "
        "running hub's, else the one that comes with it.",
        show_default=False,
        exists=True,
        file_okay=False,
    ),
]

out = Console(soft_wrap=True, highlight=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)


def settings_of(data: Path, chosen: Path | None) -> Path:
    """The folder of settings that was chosen, else the one with which the hub of this folder runs."""
    if chosen is not None:
        return chosen
    try:
        return Path(hubfile.read(data).settings)
    except CannotContinueError:
        return SETTINGS


@asynccontextmanager
async def database(
    hub: Hub, service: str, connect: Callable[[str], Awaitable[queries.Connection]] = queries.reading
) -> AsyncIterator[queries.Connection]:
    """A connection to one service's database, read-only unless `connect` says otherwise.

    Raises:
        CannotContinueError: there is no such service, or its database does not answer.
    """
    if service not in hub.postgres:
        raise CannotContinueError(f"this hub has no service {service}; it has: {', '.join(hub.postgres)}")
    try:
        connection = await connect(hub.postgres[service])
        try:
            yield connection
        finally:
            await connection.close()
    except queries.DATABASE_ERRORS as failure:
        raise CannotContinueError(f"the database of {service} does not answer ({type(failure).__name__})") from None
