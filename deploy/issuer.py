"""A small token issuer for one's own machine: SMART Backend Services, `private_key_jwt` and nothing else.

    POST /token     client_credentials with a signed assertion -> an access token (JWT, ES256); with
                    `person`, of the member of staff for whom the client acts
    GET  /jwks.json, /.well-known/openid-configuration, /.well-known/smart-configuration, /health/live

Where real patients are concerned the organization's identity provider takes this place: services only need an issuer
address with a `jwks.json`.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import uvicorn
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy import keys
from deploy.processes import EXIT_CONFIGURATION
from shared.edge import server
from shared.edge.body import read_body
from shared.edge.outcome import HttpRefusal
from shared.platform import log
from shared.platform.client_assertion import ASSERTION_TYPE
from shared.platform.clients import RegisteredClient, registered
from shared.platform.keys import read_private
from shared.platform.scopes import granted
from shared.platform.settings import AnyProcess, ConfigurationError, environment, staff
from shared.rules.staff import Staff

ASSERTION_ALGORITHMS = ("ES384", "RS384")  # what SMART asks every server to take
ASSERTION_SECONDS_MOST = 300
CLOCK_LEEWAY_SECONDS = 10
# SMART advises 300 s; an hour lets a person work with one token, and only this issuer for one's own machine does it.
TOKEN_SECONDS = 3600
REQUEST_BYTES_MOST = 64 * 1024


class TokenRefusedError(Exception):
    """An OAuth error: code, what was wrong (never the value), HTTP status."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@dataclass
class Issuer:
    """Who may have which token. `used` holds each assertion's id until it expires: none is accepted twice."""

    url: str
    audience: str
    clients: Mapping[str, RegisteredClient]
    public_keys: Mapping[str, KeySet]
    signing_key: ECKey
    staff: Mapping[str, Staff] = field(default_factory=dict)
    """Of each program, for whom a client may ask."""
    now: Callable[[], float] = time.time
    used: dict[tuple[str, str], float] = field(default_factory=dict)

    def issue(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The token answer to a token request. Raises TokenRefusedError."""
        if form.get("grant_type") != "client_credentials":
            raise TokenRefusedError("unsupported_grant_type", "grant_type must be client_credentials")
        name = self._authenticated(form)
        client = self.clients[name]
        program = form.get("program") or client.programs[0]
        if program not in client.programs:
            raise TokenRefusedError(
                "invalid_request", "program: the client is not registered for this program (clients.toml)"
            )
        scopes = granted(client.scopes, tuple(form.get("scope", "").split()))
        if not scopes:
            raise TokenRefusedError(
                "invalid_scope", "scope: none of the requested scopes is registered for the client (clients.toml)"
            )
        if "person" in form:
            return self._of_person(name, program, form["person"], scopes)
        return self._token(name, program, " ".join(scopes))

    def _of_person(self, client: str, program: str, person: str, scopes: Sequence[str]) -> dict[str, Any]:
        """There are no passwords here: a registered client answers for which of the staff is in front of it."""
        if person not in self.staff.get(program, {}):
            raise TokenRefusedError(
                "invalid_request", "person: must be the id of a member of the program's staff (program.toml)"
            )
        of_user = " ".join(each.replace("system/", "user/", 1) for each in scopes)
        return self._token(client, program, of_user, {"sub": person, "client_id": client})

    def _authenticated(self, form: Mapping[str, str]) -> str:
        """The client whose assertion this is; each assertion is accepted once."""
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise _unknown_client(f"client_assertion_type must be {ASSERTION_TYPE}")
        name, claims = self._verified(form.get("client_assertion", ""))
        now = self.now()
        if claims.get("sub") != name or claims.get("aud") != f"{self.url}/token":
            raise _unknown_client(
                "client_assertion: iss and sub must be the client's id, aud must be the address of this token endpoint"
            )
        expires_at, identity = claims.get("exp"), claims.get("jti")
        if not isinstance(expires_at, int | float) or not isinstance(identity, str) or not identity:
            raise _unknown_client("client_assertion: exp (a number) and jti (a text) are required")
        if not now - CLOCK_LEEWAY_SECONDS < expires_at <= now + ASSERTION_SECONDS_MOST + CLOCK_LEEWAY_SECONDS:
            raise _unknown_client("client_assertion: exp must be in the future, by at most five minutes")
        self.used = {each: until for each, until in self.used.items() if until > now - CLOCK_LEEWAY_SECONDS}
        if (name, identity) in self.used:
            raise _unknown_client("client_assertion: its jti was used before; each assertion must have its own")
        self.used[name, identity] = expires_at
        return name

    def _verified(self, assertion: str) -> tuple[str, dict[str, Any]]:
        """The client whose key signed the assertion, and its claims."""
        for name, key_set in self.public_keys.items():
            with suppress(JoseError, ValueError):
                claims = jwt.decode(assertion, key_set, algorithms=ASSERTION_ALGORITHMS).claims
                if claims.get("iss") == name:
                    return name, claims
        raise _unknown_client(
            "client_assertion: must be signed with the key of a registered client (clients.toml), by ES384 or RS384"
        )

    def _token(
        self, client: str, program: str, scope: str, more: Mapping[str, str] = MappingProxyType({})
    ) -> dict[str, Any]:
        now = int(self.now())
        claims = {
            "iss": self.url,
            "sub": client,
            "aud": self.audience,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "scope": scope,
            "program": program,
            "jti": str(uuid4()),
            **more,
        }
        header = {"alg": "ES256", "typ": "at+jwt", "kid": self.signing_key.kid}
        token = jwt.encode(header, claims, self.signing_key, algorithms=["ES256"])
        return {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS, "scope": scope}


def _unknown_client(description: str) -> TokenRefusedError:
    return TokenRefusedError("invalid_client", description, 401)


def application(issuer: Issuer) -> Starlette:
    """The issuer's HTTP side."""

    async def token(request: Request) -> Response:
        try:
            body = await read_body(request, REQUEST_BYTES_MOST)
        except HttpRefusal as wrong:
            return _answer({"error": "invalid_request", "error_description": wrong.issues[0].diagnostics}, wrong.status)
        try:
            return _answer(issuer.issue(dict(parse_qsl(body.decode("ascii", "replace")))))
        except TokenRefusedError as refused:
            return _answer({"error": refused.error, "error_description": refused.description}, refused.status)

    async def jwks(request: Request) -> Response:
        return JSONResponse(KeySet([issuer.signing_key]).as_dict(private=False))

    async def discovery(request: Request) -> Response:
        return JSONResponse(_discovery(issuer))

    async def live(request: Request) -> Response:
        return Response(status_code=200)

    return Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/jwks.json", jwks),
            Route("/.well-known/openid-configuration", discovery),
            Route("/.well-known/smart-configuration", discovery),
            Route("/health/live", live),
        ]
    )


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _discovery(issuer: Issuer) -> dict[str, Any]:
    scopes = {scope for client in issuer.clients.values() for scope in client.scopes}
    return {
        "issuer": issuer.url,
        "jwks_uri": f"{issuer.url}/jwks.json",
        "token_endpoint": f"{issuer.url}/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "scopes_supported": sorted(scopes),
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
    }


def load(url: str, audience: str, deploy: Path, folder: Path) -> Issuer:
    """An issuer from clients.toml and the folder of keys. Raises ConfigurationError."""
    known = registered(deploy)
    return Issuer(
        url=url,
        audience=audience,
        clients=known,
        public_keys={name: KeySet([keys.read(folder / client.key)]) for name, client in known.items()},
        signing_key=read_private(folder / "issuer.private.json"),
        staff=staff(deploy),
    )


def main() -> None:
    """Serve until stopped; addresses and folders come from `IOP_...`."""
    try:
        process = environment(AnyProcess)
        issuer = load(process.issuer, process.audience, process.deploy, process.keys)
        listening = server.listening(process.host, process.http_port, "IOP_HOST, IOP_HTTP_PORT")
    except ConfigurationError as wrong:
        log.configure("issuer")
        log.get().error(str(wrong), error="ConfigurationError")
        sys.exit(EXIT_CONFIGURATION)
    uvicorn.Server(server.config(application(issuer))).run([listening])


if __name__ == "__main__":
    main()
