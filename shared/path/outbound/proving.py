"""A partner's requests with the proof of who sends them: none, a token in a file, or one of the partner's token server
(SMART Backend Services); mutual TLS besides. A secret is read when it is needed, so that it can be exchanged while the
hub runs, and stands in no log, text or error.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
from joserfc.jwk import ECKey

from shared.path.destination import Transport
from shared.path.outbound import http
from shared.path.outbound.http import HttpClient
from shared.path.outbound.sender import Content, NotSent, RefusedForGood, Reply, Send, Trouble, WhyNot
from shared.platform.client_assertion import ASSERTION_TYPE, CURVE, client_assertion
from shared.platform.clock import ticks
from shared.platform.keys import read_private
from shared.platform.settings import ConfigurationError, configuration
from shared.rules.partner_access import Access

RENEW_AT = 0.8
"""Of a token's life: a send begins with one that has not ended."""
LIFE_SECONDS = 300.0
"""Where the server does not say for how long (SMART: at most five minutes)."""
OTHERS = 0o077
UNAUTHORIZED = "http-401"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may follow `Bearer` (RFC 6750, 2.1)."""


class _Answer(msgspec.Struct, frozen=True):
    """Of a token server (RFC 6749, 5.1); `expires_in` in seconds."""

    access_token: str
    expires_in: float | None = None


def require_readable(access: Access) -> Access:
    """Whether each file is there, is what it must be, and a secret its owner's alone. Raises ConfigurationError."""
    for each in access.secrets:
        with configuration(each):
            if Path(each).stat().st_mode & OTHERS:
                raise ConfigurationError(f"{each}: others than its owner may read it; chmod 600 it.")
    if access.bearer_file:
        _bearer(access)
    if access.signing_key_file:
        _signing_key(access)
    http.tls(access)
    return access


class PartnerSender:
    """Sends to one partner. A token is asked for when there is none or it ends soon, and serves all sends till then."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._access = transport.access
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[HttpClient]:
        async with http.client(self._access) as opened:
            yield opened

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Send]:
        async with self.client() as client:
            yield partial(self._send, client)

    async def _send(
        self, opened: HttpClient, content: Content, row_id: str, traceparent: str | None, why_not: WhyNot
    ) -> Reply:
        """As a FHIR transaction. The row's id stands in it, and as `Idempotency-Key`."""
        headers = {"Content-Type": "application/fhir+json", "Idempotency-Key": row_id}
        if traceparent:
            headers["traceparent"] = traceparent
        return await self.post(opened, msgspec.json.encode(content), headers, why_not)

    async def post(self, opened: HttpClient, body: bytes, headers: Mapping[str, str], why_not: WhyNot) -> Reply:
        """As `http.post`. Nothing is sent where the hub can't prove who it is. A token that was given for an earlier
        send and is refused may have been taken back: the next send asks for another one."""
        before = self._token
        try:
            proof = await self._proof(opened)
        except ConfigurationError:
            return NotSent("credentials-unreadable")
        except OSError:
            return NotSent("no-token")
        reply = await http.post(opened, self._transport, body, {**headers, **proof}, why_not)
        if reply != RefusedForGood(UNAUTHORIZED) or not self._access.token_url:
            return reply
        used = proof["Authorization"].removeprefix("Bearer ")
        if used == self._token:
            self._renew_at = 0.0
        return Trouble(UNAUTHORIZED) if used == before else reply

    async def _proof(self, opened: HttpClient) -> dict[str, str]:
        """Raises ConfigurationError or OSError."""
        if self._access.bearer_file:
            return {"Authorization": f"Bearer {_bearer(self._access)}"}
        if not self._access.token_url:
            return {}
        async with self._asking:
            if ticks() >= self._renew_at:
                await self._renew(opened)
        return {"Authorization": f"Bearer {self._token}"}

    async def _renew(self, opened: HttpClient) -> None:
        its, at = self._access, ticks()
        form = {
            "grant_type": "client_credentials",
            "scope": its.scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(its.token_url, _signing_key(its), its.client_id),
        }
        content = await http.post_form(opened, its.token_url, form)
        try:
            answer = msgspec.json.decode(content, type=_Answer, strict=False)  # some write the number as text
        except msgspec.MsgspecError:
            raise OSError("no access token") from None
        if not _TOKEN.fullmatch(answer.access_token):
            raise OSError("no access token")
        life = answer.expires_in if answer.expires_in and answer.expires_in > 0 else LIFE_SECONDS
        self._token, self._renew_at = answer.access_token, at + life * RENEW_AT


def _bearer(access: Access) -> str:
    with configuration(access.bearer_file):
        content = Path(access.bearer_file).read_bytes()
    found = content.decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(found):
        raise ConfigurationError(f"{access.bearer_file}: must hold one token and nothing else.")
    return found


def _signing_key(access: Access) -> ECKey:
    key = read_private(Path(access.signing_key_file))
    if key.curve_name != CURVE or not key.kid:
        raise ConfigurationError(f"{access.signing_key_file}: must be a key of the curve {CURVE} with its kid.")
    return key
