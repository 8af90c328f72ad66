"""The key material of one service: keyed digests of identifiers, parts sealed for one reader, encryption at rest.

An identifier leaves intake only as HMAC-SHA256 of program, system and value, or inside a part that one service can
open.
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from shared.events.intake import Digest

_ALGORITHM = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
_NONCE_BYTES = 12


class Identifier(msgspec.Struct, frozen=True):
    """An identifier as received: it lives in memory only, while a request is answered."""

    system: str
    value: str


@dataclass(frozen=True)
class Keys:
    """The keys one service may hold: the digest keys, its own private key, everybody's public key."""

    service: str
    digest_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    """Key id and key; the first is the current one, more only during a rotation."""
    private: ECKey = field(repr=False)
    public: Mapping[str, ECKey] = field(repr=False)
    documents: bytes = field(repr=False)

    @classmethod
    def load(cls, folder: Path, service: str) -> "Keys":
        lines = (folder / "digest.key").read_text().split()
        pairs = tuple((name, bytes.fromhex(key)) for name, _, key in (line.partition(":") for line in lines))
        public = {
            path.name.removesuffix(".public.json"): ECKey.import_key(json.loads(path.read_text()))
            for path in folder.glob("*.public.json")
        }
        return cls(
            service=service,
            digest_keys=pairs,
            private=ECKey.import_key(json.loads((folder / f"{service}.private.json").read_text())),
            public=public,
            documents=bytes.fromhex((folder / f"documents.{service}.key").read_text().strip()),
        )

    def digests(self, program: str, identifiers: Iterable[Identifier]) -> tuple[Digest, ...]:
        """Every identifier under every key held; a patient in two programs is two patients."""
        return tuple(Digest(name, _hmac(key, program, each)) for each in identifiers for name, key in self.digest_keys)

    def seal(self, reader: str, part: Mapping[str, Any]) -> str:
        """A compact JWE that only `reader` can open; its `kid` names the reader."""
        header = {**_ALGORITHM, "kid": reader}
        return jwe.encrypt_compact(header, msgspec.json.encode(part), self.public[reader])

    def open(self, sealed: Sequence[str]) -> dict[str, Any] | None:
        """The part sealed for this service, if there is one that can be opened."""
        own = next((part for part in sealed if _reader(part) == self.service), None)
        if own is None:
            return None
        try:
            plain = jwe.decrypt_compact(own, self.private).plaintext or b""
            opened: dict[str, Any] = msgspec.json.decode(plain)
        except (JoseError, msgspec.DecodeError, ValueError):
            return None
        return opened

    def encrypt(self, plain: bytes) -> bytes:
        """AES-GCM under this service's own key: nonce, then ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.documents).encrypt(nonce, plain, None)

    def decrypt(self, secret: bytes) -> bytes:
        return AESGCM(self.documents).decrypt(secret[:_NONCE_BYTES], secret[_NONCE_BYTES:], None)


def _hmac(key: bytes, program: str, identifier: Identifier) -> str:
    text = f"{program}|{identifier.system.strip()}|{identifier.value.strip()}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _reader(part: str) -> str | None:
    encoded = part.split(".", 1)[0]
    try:
        header = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except ValueError:
        return None
    return str(header.get("kid"))
