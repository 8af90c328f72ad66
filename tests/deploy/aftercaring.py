"""Aftercare as `iop` meets it from elsewhere: over HTTP, with an address and a token, and a partner to send to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import uvicorn

from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.path.inbound.readiness import Check
from shared.platform.clients import registered
from shared.platform.settings import staff
from tests.aftercare.conftest import aftercare_alone, partner
from tests.aftercare.running import Aftercare
from tests.deploy.test_cli import iop
from tests.service import DEPLOY
from tests.shared.edge.conftest import AUDIENCE, Issuer, issuer

__all__ = ["aftercare_alone", "issuer", "partner"]


@dataclass
class Reachable:
    """The service, its address, and a token for it."""

    service: Aftercare
    url: str
    token_file: Path

    async def iop(self, *arguments: str) -> CompletedProcess[str]:
        where = ("--url", self.url, "--token-file", str(self.token_file))
        return await asyncio.to_thread(iop, *arguments, *where)


@pytest.fixture
async def reachable(aftercare_alone: Aftercare, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Reachable]:
    async def well() -> Sequence[Check]:
        return ()

    service = aftercare_alone
    verifier = TokenVerifier(issuer.url, AUDIENCE, registered(DEPLOY), staff(DEPLOY))
    dependencies = EdgeDependencies(
        service.running.submissions, verifier, service.reader, service.inbox, issuer.url, ready=well
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build(dependencies), log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    token = tmp_path / "token"
    token.write_text(issuer.token())
    yield Reachable(service, f"http://127.0.0.1:{listening.getsockname()[1]}/fhir", token)
    server.should_exit = True
    await serving
