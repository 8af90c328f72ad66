"""MLLP with mutual TLS on one's own machine: `iop up --mllp-tls` makes, under DIR/keys/mllp,

    ca.key, ca.pem    the demo's authority: laboratories trust nobody else
    server.pem        what they are shown, certificate and key, made anew with each start
    <laboratory>.pem  a laboratory's own certificate and key, which is bound to it as by `iop client add-laboratory`

What exists is never touched, but for the server's.
"""

from collections.abc import Iterable
from pathlib import Path

from deploy.certificates import Authority
from shared.platform import certificates
from shared.platform.private_files import store

FOLDER = "mllp"
NAME = "iop-mllp"
SERVER = "server.pem"


def make(keys: Path, laboratories: Iterable[str]) -> None:
    """Make what is missing in this folder of keys."""
    folder = keys / FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    authority = Authority(folder)
    authority.make("iop-mllp-authority")
    server = authority.sign(NAME)
    store(folder / SERVER, server.certificate + server.key)
    for name in laboratories:
        _make_laboratory(keys, authority, name)


def _make_laboratory(keys: Path, authority: Authority, name: str) -> None:
    """One that has brought a certificate of its own has no other made for it."""
    own = authority.folder / f"{name}.pem"
    if own.exists() or certificates.file_of(keys, name).exists():
        return
    made = authority.sign(name)
    store(own, made.certificate + made.key)
    certificates.store(keys, name, certificates.in_pem(made.certificate))
