"""The link in a page, `{public url}/e/{token}`: a handle by which it is found, and a secret that stands nowhere.

Both are made of the page's id by the service's own key, so that each try of a page has the same link, and nobody can
make either of the id, which its receiver knows; of the secret only a digest is stored.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from shared.platform.keys import Keys

PATH = "/e/"
_HANDLE_BYTES, _HANDLE_LETTERS = 16, 22
_TOKEN = re.compile(r"[A-Za-z0-9_-]{65}")


@dataclass(frozen=True)
class Links:
    """`base` is the address of the service for those outside."""

    base: str
    keys: Keys

    def url(self, id: UUID) -> str:
        return f"{self.base}{PATH}{self.token(id)}"

    def token(self, id: UUID) -> str:
        return f"{self.handle(id)}{self._secret(id)}"

    def handle(self, id: UUID) -> str:
        return _text(self.keys.derive(b"page-handle", id.bytes)[:_HANDLE_BYTES])

    def digest(self, id: UUID) -> str:
        return digest(self._secret(id))

    def _secret(self, id: UUID) -> str:
        return _text(self.keys.derive(b"page", id.bytes))


def digest(secret: str) -> str:
    """Of a secret, as it is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split(token: str) -> tuple[str, str] | None:
    """The handle and the secret; None for what has not the form of a token."""
    return (token[:_HANDLE_LETTERS], token[_HANDLE_LETTERS:]) if _TOKEN.fullmatch(token) else None


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
