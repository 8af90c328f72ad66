"""The key material of one service: keyed digests of identifiers, parts sealed for one reader, encryption at rest.

An identifier leaves intake only as HMAC-SHA256 of program, system and value, or inside a part that one service can
open.
"""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from shared.events.catalogue import CONSUMES, INTAKE_EVENTS
from shared.events.intake import Digest
from shared.platform.settings import ConfigurationError, configuration

_ALGORITHM = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
_NONCE_BYTES = 12
KEY_BYTES = 32
PUBLIC = ".public.json"
READERS = frozenset(name for name, topic in CONSUMES.items() if topic == INTAKE_EVENTS)
"""For whom intake seals parts: without one's public key nobody could be identified to them."""
T = TypeVar("T")


class Identifier(msgspec.Struct, frozen=True):
    """An identifier as received: it lives in memory only, while a request is answered."""

    system: str
    value: str


@dataclass(frozen=True, eq=False)
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
        """Raises ConfigurationError naming the file that is missing or wrong."""
        names = {path.name.removesuffix(PUBLIC) for path in folder.glob(f"*{PUBLIC}")}
        needed = READERS if service == "intake" else frozenset()
        return cls(
            service=service,
            digest_keys=_read(folder / "digest.key", "a line `id:hex` of 32 bytes, or more of them", _digest_keys),
            private=read_private(folder / f"{service}.private.json"),
            public={name: read_key(folder / f"{name}{PUBLIC}") for name in names | needed},
            documents=_read(folder / f"documents.{service}.key", "32 bytes in hex", _secret),
        )

    def digests(self, program: str, identifiers: Iterable[Identifier]) -> tuple[Digest, ...]:
        """Every identifier under every key held; a patient in two programs is two patients."""
        return tuple(Digest(name, _hmac(key, program, each)) for each in identifiers for name, key in self.digest_keys)

    def seal(self, reader: str, part: Mapping[str, Any]) -> str:
        """A compact JWE that only `reader` can open; its `kid` names the reader."""
        header = {**_ALGORITHM, "kid": reader}
        return jwe.encrypt_compact(header, msgspec.json.encode(part), self.public[reader])

    def part(self, sealed: Sequence[str]) -> str | None:
        """The part that says it is sealed for this service."""
        return next((each for each in sealed if _reader(each) == self.service), None)

    def open(self, sealed: Sequence[str]) -> dict[str, Any] | None:
        """The part sealed for this service, if there is one that can be opened."""
        own = self.part(sealed)
        if own is None:
            return None
        try:
            plain = jwe.decrypt_compact(own, self.private).plaintext or b""
            opened: dict[str, Any] = msgspec.json.decode(plain)
        except (JoseError, msgspec.DecodeError, ValueError):
            return None
        return opened

    def encrypt(self, plain: bytes, purpose: bytes = b"") -> bytes:
        """AES-GCM under this service's own key: nonce, then ciphertext. It opens for the same purpose only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.documents).encrypt(nonce, plain, purpose)

    def derive(self, purpose: bytes, of: bytes) -> bytes:
        """32 bytes that only this service can make of it, the same each time."""
        return hmac.new(self.documents, purpose + b"\0" + of, hashlib.sha256).digest()

    def cover(self, block: bytes, purpose: bytes) -> bytes:
        """16 bytes for 16 bytes, the same each time, which only this service can `uncover`."""
        encryptor = self._covering(purpose).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    def uncover(self, block: bytes, purpose: bytes) -> bytes:
        """Of any 16 bytes, so that who guesses gets some that name nothing."""
        decryptor = self._covering(purpose).decryptor()
        return decryptor.update(block) + decryptor.finalize()

    def _covering(self, purpose: bytes) -> Cipher[modes.ECB]:
        """A single block: there is nothing for a mode to chain."""
        return Cipher(algorithms.AES(self.derive(purpose, b"cover")), modes.ECB())

    def decrypt(self, secret: bytes, purpose: bytes = b"") -> bytes:
        """Raises ValueError where it is not what was encrypted here for this purpose."""
        try:
            return AESGCM(self.documents).decrypt(secret[:_NONCE_BYTES], secret[_NONCE_BYTES:], purpose)
        except InvalidTag:
            raise ValueError("encrypted under another key, for another purpose, or changed since") from None


def read_key(file: Path) -> ECKey:
    """A private or public key. Raises ConfigurationError."""
    return _read(file, "a key of an elliptic curve as JWK", lambda text: ECKey.import_key(json.loads(text)))


def read_private(file: Path) -> ECKey:
    """A key to sign or open with. Raises ConfigurationError."""
    key = read_key(file)
    if not key.is_private:
        raise ConfigurationError(f"{file}: must be a private key, not its public part.")
    return key


def _read(file: Path, what: str, parse: Callable[[str], T]) -> T:
    """What the file holds. Raises ConfigurationError naming the file, never what stands in it."""
    with configuration(file):
        content = file.read_bytes()
    try:
        return parse(content.decode())
    except (ValueError, TypeError, LookupError, JoseError):
        raise ConfigurationError(f"{file}: must be {what}.") from None


def _digest_keys(text: str) -> tuple[tuple[str, bytes], ...]:
    pairs = tuple((name, _secret(key)) for name, _, key in (line.partition(":") for line in text.split()))
    if not pairs or not all(name for name, _ in pairs):
        raise ValueError
    return pairs


def _secret(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != KEY_BYTES:
        raise ValueError
    return key


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
