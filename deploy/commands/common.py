"""What several commands share: finding the hub and its databases, and talking to a person."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

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

_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Controls of a terminal, and what turns the direction of a text."""


class Terminal(Console):
    """Prints what others wrote, as it stands: nothing in it steers a terminal, and its brackets and colons are no
    markup. What would steer one is U+FFFD, in JSON too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=True, highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every text comes by here, that in a table too."""
        return super().render_str(_STEERS.sub("\N{REPLACEMENT CHARACTER}", text), **options)


out = Terminal()
stderr = Terminal(stderr=True)


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
