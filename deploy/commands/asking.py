"""Commands that ask the services over HTTP with a token: which of them, and with whose."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
import typer

from deploy import clock, hubfile
from deploy import token as tokens
from deploy.commands.common import DEFAULT_DATA, Data
from deploy.work_list import Owners
from shared.platform.clients import registered
from shared.platform.settings import ConfigurationError, programs, require_url

T = TypeVar("T")


@dataclass(frozen=True)
class Where:
    """Which services are asked, and with whose token."""

    data: Path
    urls: Sequence[str]
    token_file: Path | None
    client: str
    program: str | None
    scope: str

    @property
    def now(self) -> datetime:
        """The clinic's time: of a hub of this machine it may be set by hand."""
        return datetime.now(UTC) if self.urls else clock.now(self.data)

    @property
    def zone(self) -> tzinfo | None:
        """The program's, of a hub of this machine; elsewhere this machine's (None)."""
        if self.urls:
            return None
        settings = Path(hubfile.read(self.data).settings)
        known = registered(settings).get(self.client)
        program = programs(settings).get(self.program or (known.programs[0] if known else ""))
        return None if program is None else ZoneInfo(program["timezone"])

    def ask(self, question: Callable[[Owners], Awaitable[T]]) -> T:
        bases, token = self._hub() if not self.urls else self._elsewhere()

        async def asked() -> T:
            async with AsyncExitStack() as stack:
                owners = {}
                for name, base in bases.items():
                    headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
                    client = httpx.AsyncClient(base_url=f"{base}/", headers=headers, trust_env=False)
                    owners[name] = await stack.enter_async_context(client)
                return await question(owners)

        return asyncio.run(asked())

    def _hub(self) -> tuple[dict[str, str], str]:
        hub = hubfile.read(self.data)
        token = tokens.fetch(hub.issuer, self.data / "keys", self.client, self.program, self.scope)
        return {name: each.fhir for name, each in hub.services.items()}, token

    def _elsewhere(self) -> tuple[dict[str, str], str]:
        if self.token_file is None:
            raise typer.BadParameter("--url needs --token-file: a file with a bearer token and nothing else")
        try:
            bases = {each: require_url(each, "--url").rstrip("/") for each in self.urls}
        except ConfigurationError as wrong:
            raise typer.BadParameter(str(wrong)) from None
        return bases, self.token_file.read_text().strip()


def _where(
    scope: str,
    url: Annotated[
        list[str] | None, typer.Option("--url", help="A service's FHIR base; several. Default: those of the hub.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="For --url: a file with a bearer token.", exists=True, dir_okay=False),
    ] = None,
    client: Annotated[str, typer.Option(help="Without --url: whose token of clients.toml.")] = "ehr",
    program: Annotated[str | None, typer.Option(help="One of the client's programs; default: its first.")] = None,
    data: Data = DEFAULT_DATA,
) -> Where:
    return Where(data, url or [], token_file, client, program, scope)


def asking(scope: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command with the options of `_where` behind its own; it gets what they come to, for a token of this scope."""
    shared = [each for name, each in signature(_where).parameters.items() if name != "scope"]

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        own = [each for each in signature(command).parameters.values() if each.annotation is not Where]

        @wraps(command)
        def asking(**given: Any) -> None:
            where = _where(scope, **{each.name: given.pop(each.name) for each in shared})
            command(where, **given)

        parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (*own, *shared)]
        asking.__annotations__ = {each.name: each.annotation for each in parameters}
        asking.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        return asking

    return with_options
