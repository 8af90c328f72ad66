"""The link in a page, `{public url}/e/{token}`: whose page it is, and a secret that stands nowhere.

The secret is made of the page's id by the service's own key, so that each try of a page has the same link; stored is
only its digest.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from shared.platform.keys import Keys

PATH = "/e/"
_ID_LETTERS = 22
_TOKEN = re.compile(r"[A-Za-z0-9_-]{65}")


@dataclass(frozen=True)
class Links:
    """`base` is the address of the service for those outside."""

    base: str
    keys: Keys

    def url(self, id: UUID) -> str:
        return f"{self.base}{PATH}{self.token(id)}"

    def token(self, id: UUID) -> str:
        return f"{_text(id.bytes)}{self._secret(id)}"

    def digest(self, id: UUID) -> str:
        return digest(self._secret(id))

    def _secret(self, id: UUID) -> str:
        return _text(self.keys.derive(b"page", id.bytes))


def digest(secret: str) -> str:
    """Of a secret, as it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split(token: str) -> tuple[UUID, str] | None:
    """The page's id and the secret; None for what has not the form of a token."""
    if not _TOKEN.fullmatch(token):
        return None
    return UUID(bytes=urlsafe_b64decode(f"{token[:_ID_LETTERS]}==")), token[_ID_LETTERS:]


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
