"""Tokens by which a client proves to Kafka who it is (OAUTHBEARER): client credentials, renewed before they end."""

import asyncio
from functools import cache

import httpx
import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.errors import AuthenticationFailedError

from shared.platform.clock import ticks
from shared.platform.kafka_security import Security, variable

ASK_SECONDS_MOST = 5.0
RENEW_AT = 0.8
"""Of a token's life: what is left is for the token server to be away."""
LIFE_SECONDS = 300.0
"""Where the server does not say for how long (RFC 6749, 5.1: `expires_in` is only recommended)."""


ACKNOWLEDGED = b"\x01"
"""A broker says first why it refuses a token, and refuses it once that was acknowledged (RFC 7628, 3.2.3)."""


class Authenticator(OAuthAuthenticator):  # type: ignore[misc]
    """aiokafka's takes no notice of a refusal: what follows would read as an empty answer, again and again."""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """What to send next, and whether an answer comes; None once Kafka knows who we are."""
        if payload:
            return ACKNOWLEDGED, True
        return await super().step(payload)  # type: ignore[no-any-return]


def _authenticator(connection: AIOKafkaConnection) -> Authenticator:
    return Authenticator(sasl_oauth_token_provider=connection._sasl_oauth_token_provider)


AIOKafkaConnection.authenticator_oauth = _authenticator


class Token(msgspec.Struct, frozen=True):
    """What a token server answers (RFC 6749, 5.1); `expires_in` in seconds."""

    access_token: str
    expires_in: float | None = None

    @property
    def life_seconds(self) -> float:
        return self.expires_in if self.expires_in and self.expires_in > 0 else LIFE_SECONDS


class TokenProvider(AbstractTokenProvider):  # type: ignore[misc]
    """Asks for a token when there is none, or most of its life is over."""

    def __init__(self, security: Security, password: str) -> None:
        self._security = security
        self._password = password
        self._token: Token | None = None
        self._asked_at = 0.0
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """Raises AuthenticationFailedError where the server gives none and the last one has ended."""
        async with self._asking:
            age = ticks() - self._asked_at
            if self._token is None or age >= self._token.life_seconds * RENEW_AT:
                await self._renew(age)
            assert self._token is not None
            return self._token.access_token

    async def _renew(self, age: float) -> None:
        at = ticks()
        try:
            self._token, self._asked_at = await self._ask(), at
        except AuthenticationFailedError:
            if self._token is None or age >= self._token.life_seconds:
                raise

    async def _ask(self) -> Token:
        its = self._security
        assert its.token_url is not None and its.client_id is not None
        form = {"grant_type": "client_credentials", **({"scope": its.scope} if its.scope else {})}
        try:
            async with httpx.AsyncClient(timeout=ASK_SECONDS_MOST) as client:
                answer = await client.post(its.token_url, data=form, auth=(its.client_id, self._password))
        except httpx.HTTPError as away:
            why = type(away).__name__
            raise AuthenticationFailedError(f"{variable('token_url')} does not answer ({why})") from None
        if not answer.is_success:
            raise AuthenticationFailedError(
                f"{variable('token_url')} answers {answer.status_code}: check {variable('client_id')}, "
                f"{variable('password_file')} and {variable('scope')}"
            )
        try:
            return msgspec.json.decode(answer.content, type=Token, strict=False)  # some write the number as text
        except msgspec.MsgspecError:
            raise AuthenticationFailedError(f"{variable('token_url')} answers no access token") from None


@cache
def token_provider(security: Security, password: str) -> TokenProvider:
    """One for all clients of a process, so that they share a token."""
    return TokenProvider(security, password)
