"""Whose tokens are taken: an issuer, the keys that it publishes, and for whom it may speak."""

import asyncio
import json
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Literal

from joserfc.jwk import KeySet

from shared.path.outbound.http import fetch_json
from shared.platform.clients import RegisteredClient
from shared.platform.clock import ticks
from shared.platform.issuers import NamedIssuer, key_set
from shared.platform.scopes import granted

FRESH_SECONDS = 300.0
"""So long keys are taken without asking."""
TRUSTED_SECONDS = 3600.0
"""So long while the issuer is away: no token that they signed lives longer."""
UNKNOWN_SECONDS = 60.0
"""At most so often it is asked for a key that it had not: whoever makes up keys shall not make us ask."""
AGAIN_SECONDS = 5.0
"""After it gave none."""


class PublicKeys:
    """An issuer's keys at an address or in a file, read again when they are old or an unknown one signs."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._keys: KeySet | None = None
        self._read_at = self._asked_at = -inf
        self._asking = asyncio.Lock()

    async def with_key(self, kid: str | None) -> KeySet:
        """The keys, this one among them if the issuer has it. Raises OSError where there are none to be had."""
        async with self._asking:
            if self._is_due(kid):
                await self._read()
            if self._keys is None or ticks() - self._read_at > TRUSTED_SECONDS:
                raise OSError("the issuer's keys can't be had")
            return self._keys

    def _is_due(self, kid: str | None) -> bool:
        waited = ticks() - self._asked_at
        if self._keys is None or ticks() - self._read_at > FRESH_SECONDS:
            return waited >= AGAIN_SECONDS
        is_known = kid is None or any(each.kid == kid for each in self._keys.keys)
        return not is_known and waited >= UNKNOWN_SECONDS

    async def _read(self) -> None:
        self._asked_at = ticks()
        try:
            self._keys, self._read_at = key_set(await self._document()), self._asked_at
        except (OSError, ValueError):
            return

    async def _document(self) -> object:
        if "://" in self._place:
            return await fetch_json(self._place)
        return json.loads(await asyncio.to_thread(Path(self._place).read_bytes))


@dataclass(frozen=True)
class Issuer:
    """The hub's own, or one that clients.toml names."""

    url: str
    audience: str
    keys: PublicKeys
    named: NamedIssuer | None = None

    @classmethod
    def of(cls, named: NamedIssuer) -> "Issuer":
        return cls(named.url, named.audience, PublicKeys(named.jwks), named)

    @property
    def person_claim(self) -> Literal["fhirUser", "sub"] | None:
        """Which claim names a person; None: the first of them that does."""
        return self.named.person_claim if self.named else None

    def programs_of(self, name: str, client: RegisteredClient) -> tuple[str, ...]:
        """Those in which it may speak for the client of this name."""
        if self.named is None:
            return client.programs
        return self.named.programs_of(client) if name in self.named.clients else ()

    def names_of(self, subject: str) -> tuple[str, ...]:
        """How the list of staff may name a subject: by its id alone only the hub's own, for a `sub` is one issuer's."""
        by_issuer = f"{self.url}|{subject}"
        return (subject, by_issuer) if self.named is None else (by_issuer,)

    def scopes_of(self, client: RegisteredClient, asked: tuple[str, ...]) -> tuple[str, ...]:
        """What a token's scopes open; of others than the hub's own no more than is registered for the client."""
        return asked if self.named is None else granted(client.scopes, asked)
