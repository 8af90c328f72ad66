"""Attendance as `iop` meets it from elsewhere: over HTTP, with an address and a token."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import uvicorn

from services.attendance import app
from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import EdgeDependencies
from shared.path.inbound.readiness import Check
from shared.platform.clients import registered
from shared.platform.settings import staff
from tests.attendance.given import ADMISSION
from tests.deploy.test_cli import iop
from tests.service import DEPLOY, ServiceOnPostgres, StartService
from tests.shared.edge.conftest import AUDIENCE, Issuer, issuer

__all__ = ["issuer"]


@dataclass
class Attendance:
    """The service as `iop` meets it from elsewhere: an address and a token."""

    service: ServiceOnPostgres
    url: str
    token_file: Path

    async def iop(self, *arguments: str) -> CompletedProcess[str]:
        where = ("--url", self.url, "--token-file", str(self.token_file))
        return await asyncio.to_thread(iop, *arguments, *where)


@pytest.fixture
async def attendance(start_service: StartService, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Attendance]:
    async def well() -> Sequence[Check]:
        return ()

    service = await start_service(app.assemble, "attendance", ADMISSION)
    verifier = TokenVerifier(issuer.url, AUDIENCE, registered(DEPLOY), staff(DEPLOY))
    dependencies = EdgeDependencies(
        service.running.submissions, verifier, service.reader, service.inbox, issuer.url, ready=well
    )
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build(dependencies), log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    token = tmp_path / "token"
    token.write_text(issuer.token())
    yield Attendance(service, f"http://127.0.0.1:{listening.getsockname()[1]}/fhir", token)
    server.should_exit = True
    await serving
