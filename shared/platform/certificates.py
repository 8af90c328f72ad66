"""Laboratories' certificates, as they lie in the folder of keys: `laboratories/NAME.pem`, by the client's name.

A laboratory has one, or two while the newer takes the older one's place. They are public; what binds them to the client
is that whoever runs the hub put them there. Nobody's authority is trusted: a certificate is known by its SHA-256.
"""

import hashlib
import re
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.platform import private_files

FOLDER = "laboratories"
CERTIFICATES_MOST = 2
BYTES_MOST = 64 * 1024
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", re.ASCII)


class Certificate(NamedTuple):
    """`fingerprint` is the SHA-256 of its DER, in hex."""

    fingerprint: str
    pem: str


class Bound(NamedTuple):
    """A certificate and the client whose it is."""

    client: str
    certificate: Certificate


class Unusable(NamedTuple):
    """A file whose certificates count for nobody, and why."""

    file: Path
    reason: str


def file_of(keys: Path, client: str) -> Path:
    return keys / FOLDER / f"{client}.pem"


def in_pem(content: bytes) -> list[Certificate]:
    """The certificates of a text in PEM, whatever else stands in it. Raises ValueError where there is none."""
    if len(content) > BYTES_MOST:
        raise ValueError(f"must be at most {BYTES_MOST} bytes")
    found = [_certificate(each) for each in _PEM.findall(content.decode("ascii", "replace"))]
    if not found:
        raise ValueError("must be a certificate in PEM")
    return found


def _certificate(pem: str) -> Certificate:
    try:
        der = ssl.PEM_cert_to_DER_cert(pem)
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError) as wrong:
        raise ValueError("must be a certificate in PEM") from wrong
    return Certificate(fingerprint_of(der), ssl.DER_cert_to_PEM_cert(der))


def fingerprint_of(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def of_client(keys: Path, client: str) -> list[Certificate]:
    """Those of one client, none where it has no file. Raises ValueError, OSError."""
    file = file_of(keys, client)
    if not file.exists():
        return []
    found = in_pem(file.read_bytes())
    if len(found) > CERTIFICATES_MOST:
        raise ValueError(f"must hold at most {CERTIFICATES_MOST} certificates")
    return found


def bound(keys: Path, clients: Iterable[str]) -> tuple[list[Bound], list[Unusable]]:
    """Those of all these clients, each bound to one. A file that can't be read, or a certificate that two clients have,
    counts for nobody and is named; the others go on."""
    read, unusable = list[Bound](), list[Unusable]()
    for client in sorted(clients):
        try:
            read.extend(Bound(client, each) for each in of_client(keys, client))
        except ValueError as wrong:
            unusable.append(Unusable(file_of(keys, client), str(wrong)))
        except OSError as unread:
            unusable.append(Unusable(file_of(keys, client), f"can't be read ({type(unread).__name__})"))
    shared = _of_several(read)
    unusable += [
        Unusable(file_of(keys, each.client), "holds a certificate of another client too")
        for each in read
        if each.certificate.fingerprint in shared
    ]
    return [each for each in read if each.certificate.fingerprint not in shared], unusable


def _of_several(read: Sequence[Bound]) -> set[str]:
    owners: dict[str, set[str]] = {}
    for each in read:
        owners.setdefault(each.certificate.fingerprint, set()).add(each.client)
    return {fingerprint for fingerprint, clients in owners.items() if len(clients) > 1}


def store(keys: Path, client: str, certificates: Sequence[Certificate]) -> None:
    """Write the file of a client whole, mode 0600; without certificates it is removed."""
    file = file_of(keys, client)
    if not certificates:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    private_files.store(file, "".join(each.pem for each in certificates).encode())
