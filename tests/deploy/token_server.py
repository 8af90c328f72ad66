"""A token server on loopback: client credentials (RFC 6749, 4.4) in a header, tokens that are JWTs, its keys beside."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from deploy.demo.serving import Taking, serving

AUDIENCE = "kafka"
KEY = {"kid": "one", "use": "sig", "alg": "ES256"}
SECRET = "of-every-client"  # noqa: S105


@dataclass
class TokenServer:
    """What it puts into tokens is changed by tests; `given` counts them."""

    address: str = ""
    key: ECKey = field(
        default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
    )
    audience: str = AUDIENCE
    life_seconds: int = 300
    given: int = 0

    @property
    def keys(self) -> str:
        return f"{self.address}/jwks.json"

    def answer(self, authorization: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """To a token request: the status, and what is said."""
        client, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if secret != SECRET:
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        self.given += 1
        now, scope = int(time.time()), " ".join(form.get("scope", ["kafka"]))
        claims = {"iss": self.address, "sub": client, "aud": self.audience, "scope": scope, "iat": now}
        header = {"alg": "ES256", "kid": KEY["kid"], "typ": "JWT"}
        token = jwt.encode(header, claims | {"exp": now + self.life_seconds}, self.key)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.life_seconds}


@contextmanager
def answering() -> Iterator[TokenServer]:
    server = TokenServer()

    class TokenHandler(Taking):
        def do_POST(self) -> None:
            form = parse_qs(self.body().decode())
            self._answer(*server.answer(self.headers.get("Authorization", ""), form))

        def do_GET(self) -> None:
            self._answer(200, dict(KeySet([server.key]).as_dict(private=False)))

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    with serving(TokenHandler) as address:
        server.address = address
        yield server
