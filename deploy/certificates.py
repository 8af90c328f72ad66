"""Certificates of a local hub: an authority of its own, and what it signs. EC P-256, PEM, readable by their owner only.

Elsewhere than on one's own machine they come from the organization's own authority.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.paths import LOOPBACK
from shared.platform.private_files import store

AUTHORITY, AUTHORITY_KEY = "ca.pem", "ca.key"
AUTHORITY_DAYS, SIGNED_DAYS = 3650, 825
LOCAL_NAMES = (x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost"))


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Authority:
    """`ca.pem` and `ca.key` in this folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """Whom the others trust."""
        return self.folder / AUTHORITY

    def make(self, name: str) -> None:
        """What exists is never touched."""
        key_file = self.folder / AUTHORITY_KEY
        if self.certificate.exists() and key_file.exists():
            return
        key, subject = ec.generate_private_key(ec.SECP256R1()), _name(name)
        certificate = (
            _builder(subject, subject, key.public_key(), AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        store(key_file, _private(key))
        store(self.certificate, _pem(certificate))

    def sign(self, name: str, days: float = SIGNED_DAYS) -> Pair:
        """A new key and its certificate, for this name and for loopback."""
        authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        signs = serialization.load_pem_private_key((self.folder / AUTHORITY_KEY).read_bytes(), password=None)
        assert isinstance(signs, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(name), authority.subject, key.public_key(), days)
            .add_extension(x509.SubjectAlternativeName(LOCAL_NAMES), critical=False)
            .sign(signs, hashes.SHA256())
        )
        return Pair(_pem(certificate), _private(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def ends_at(pem: str) -> datetime:
    """Until when a certificate is valid."""
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
