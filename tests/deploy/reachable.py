"""A service as `iop` meets it from elsewhere: over HTTP, with an address and a token."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Generic, TypeVar

import uvicorn

from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.path.inbound.readiness import Check
from shared.platform.clients import registered
from shared.platform.settings import staff
from tests.deploy.test_cli import iop
from tests.service import DEPLOY, ServiceOnPostgres
from tests.shared.edge.conftest import AUDIENCE, Issuer

Service = TypeVar("Service", bound=ServiceOnPostgres)


@dataclass
class Reachable(Generic[Service]):
    """The service, its address, and a token for it."""

    service: Service
    url: str
    token_file: Path

    async def iop(self, *arguments: str) -> CompletedProcess[str]:
        where = ("--url", self.url, "--token-file", str(self.token_file))
        return await asyncio.to_thread(iop, *arguments, *where)


@asynccontextmanager
async def made_reachable(service: Service, issuer: Issuer, folder: Path) -> AsyncIterator[Reachable[Service]]:
    """Served on loopback; the token lies in this folder."""

    async def well() -> Sequence[Check]:
        return ()

    verifier = TokenVerifier(
        issuer.url, AUDIENCE, registered(DEPLOY), staff(DEPLOY), service=service.inbox.service.name
    )
    running = replace(service.running, token_verifier=verifier)
    dependencies = EdgeDependencies(
        running.submissions,
        verifier,
        service.reader,
        service.inbox,
        issuer.url,
        ready=well,
        more=service.parts.routes(running),
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build(dependencies), log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    token = folder / "token"
    token.write_text(issuer.token())
    yield Reachable(service, f"http://127.0.0.1:{listening.getsockname()[1]}/fhir", token)
    server.should_exit = True
    await serving
