"""Intake behind its HTTP side, on a real database, with tokens signed by an issuer whose keys are fetched over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.intake import app
from shared.edge.app import build, build_admin
from shared.edge.clients import TokenVerifier
from shared.edge.http import FHIR_JSON, EdgeDependencies
from shared.path.inbound.readiness import Check
from shared.platform.clients import registered
from shared.platform.clock import machine_now
from shared.platform.settings import staff
from tests.intake.given import MONDAY
from tests.service import DEPLOY, ServiceOnPostgres, StartService

AUDIENCE = "iop-hub"


@dataclass
class Issuer:
    """Signs what it is asked to sign, as no real issuer does."""

    url: str
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))

    def token(self, typ: str | None = None, **claims: Any) -> str:
        claims = {
            "iss": self.url,
            "sub": "ehr",
            "aud": AUDIENCE,
            "exp": int(machine_now().timestamp()) + 600,
            "scope": "system/*.cruds",
            "program": "demo",
        } | claims
        header = {"alg": "ES256", "kid": self.key.kid} | ({"typ": typ} if typ else {})
        return jwt.encode(header, claims, self.key, algorithms=["ES256"])


@dataclass
class Counter:
    """The service as a client meets it."""

    intake: ServiceOnPostgres
    issuer: Issuer
    http: httpx.AsyncClient
    admin: httpx.AsyncClient
    """The port for operators."""
    dependencies: EdgeDependencies

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.issuer.token()}"} | more.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **more)

    async def operate(self, path: str, **claims: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.issuer.token(**claims)}"}
        return await self.admin.post(f"/admin/{path}", headers=headers)

    async def send(self, resource: dict[str, Any], path: str | None = None, **headers: str) -> httpx.Response:
        """POST a transaction, or a create of any other resource."""
        kind = resource["resourceType"]
        address = path or ("/fhir" if kind == "Bundle" else f"/fhir/{kind}")
        return await self.ask("POST", address, json=resource, headers={"Content-Type": FHIR_JSON, **headers})


@pytest.fixture(scope="session")
async def issuer() -> AsyncIterator[Issuer]:
    """One for all: uvicorn takes a fifth of a second to end."""
    listening = socket.create_server(("127.0.0.1", 0))
    known = Issuer(f"http://127.0.0.1:{listening.getsockname()[1]}")

    async def jwks(_: Request) -> Response:
        return JSONResponse(KeySet([known.key]).as_dict(private=False))

    config = uvicorn.Config(Starlette(routes=[Route("/jwks.json", jwks)]), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    yield known
    server.should_exit = True
    await serving


@pytest.fixture
async def counter(start_service: StartService, issuer: Issuer) -> AsyncIterator[Counter]:
    async def broken() -> Sequence[Check]:
        raise ArithmeticError("nobody foresaw Robin Synthetic here")

    intake = await start_service(app.assemble, "intake", MONDAY)
    token_verifier = TokenVerifier(issuer.url, AUDIENCE, registered(DEPLOY), staff(DEPLOY), service="intake")
    dependencies = EdgeDependencies(
        intake.running.submissions, token_verifier, intake.reader, intake.inbox, issuer.url, ready=broken
    )
    ports = [httpx.ASGITransport(each(dependencies)) for each in (build, build_admin)]
    http, admin = (httpx.AsyncClient(transport=each, base_url="http://127.0.0.1") for each in ports)
    async with http, admin:
        yield Counter(intake, issuer, http, admin, dependencies)
