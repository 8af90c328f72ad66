"""Key material of a local hub, under DIR/keys: made once, readable by its owner only.

    digest.key                        `id:hex`, 32 bytes: the HMAC key for identifiers; more lines during a rotation
    documents.<service>.key           hex, 32 bytes: AES-GCM for the documents a service stores
    <service>.private.json / .public  JWK, EC P-256: sealed parts are encrypted to a service with the public one
    issuer.private.json               JWK, EC P-256: signs access tokens (ES256)
    clients/<name>.private.json       JWK, EC P-384: signs a client's assertions (ES384); a client that brings its
                                      own key gives us clients/<name>.public.json alone

Elsewhere than on one's own machine these come from the organization's key management.
"""

import json
import secrets
from collections.abc import Iterable
from pathlib import Path

from joserfc.jwk import ECKey

from shared.platform import private_files
from shared.platform.keys import read_key

SERVICES = ("intake", "attendance", "testing", "aftercare")
CLIENTS = ("ehr", "lab", "ops", "riverbend-alumni")


def make(data: Path, clients: Iterable[str] = CLIENTS) -> Path:
    """Make what is missing under `data/keys` and return that folder; what exists is never touched."""
    folder = (data / "keys").resolve()
    (folder / "clients").mkdir(parents=True, exist_ok=True, mode=0o700)
    _store(folder / "digest.key", f"{secrets.token_hex(4)}:{secrets.token_hex(32)}\n")
    for service in SERVICES:
        _store(folder / f"documents.{service}.key", f"{secrets.token_hex(32)}\n")
        _store_pair(folder, service, "P-256", use="enc")
    _store_pair(folder, "issuer", "P-256", use="sig")
    for client in clients:
        _store_pair(folder / "clients", client, "P-384", use="sig")
    return folder


def of(client: str) -> str:
    """Where a client's public key lies in the folder of keys when we make the pair."""
    return f"clients/{client}.public.json"


def read(path: Path) -> ECKey:
    """A private or public key from its JWK file. Raises ConfigurationError."""
    return read_key(path)


def _store_pair(folder: Path, name: str, curve: str, use: str) -> None:
    private, public = folder / f"{name}.private.json", folder / f"{name}.public.json"
    if public.exists() and not private.exists():
        return  # somebody else holds the private one
    if not private.exists():
        made = ECKey.generate_key(curve, parameters={"use": use}, auto_kid=True)
        _store(private, json.dumps(made.as_dict(private=True)))
    _store(public, json.dumps(read(private).as_dict(private=False)))


def _store(path: Path, text: str) -> None:
    """What exists stays."""
    if not path.exists():
        private_files.store(path, text.encode())
