"""The embedded Kafka shut: what its users and its one broker prove who they are with, under DIR/keys/kafka.

    ca.key, ca.pem       EC P-256: signs the broker's certificate; clients trust nobody else
    broker.pem           the broker's key and certificate for loopback, made anew with each start
    <user>.password      of each service, each outside reader of topics.toml, the hub itself, and the broker

All are readable by their owner only. Elsewhere than on one's own machine these come from whoever runs the cluster.
"""

import ipaddress
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.paths import LOOPBACK
from shared.platform.kafka_security import Security

HUB, BROKER = "iop", "broker"
"""Who sets up topics and rights, and asks for `iop settle` and its like; whom the broker is to itself."""
NAME = "iop-kafka"
AUTHORITY = "ca.pem"
AUTHORITY_DAYS, BROKER_DAYS = 3650, 825
LISTENERS = """\
listeners=SASL_SSL://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=SASL_SSL://{host}:{port}
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:SSL
inter.broker.listener.name=SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={jaas}
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={truststore}
listener.name.controller.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{hub};User:{broker};User:CN={name}
"""
"""The controller takes nobody without the broker's own certificate: SCRAM users are known only once it runs."""


@dataclass(frozen=True)
class Secrets:
    """Where all of it lies, and whose passwords there are."""

    folder: Path
    users: tuple[str, ...]

    def security(self, user: str) -> Security:
        """How this user connects."""
        return Security(
            security="SASL_SSL",
            mechanism="SCRAM-SHA-512",
            username=user,
            password_file=str(self._file(user)),
            ca_file=str(self.authority),
        )

    @property
    def authority(self) -> Path:
        """Whom clients trust."""
        return self.folder / AUTHORITY

    @property
    def broker(self) -> Path:
        """The broker's key and certificate."""
        return self.folder / "broker.pem"

    def password(self, user: str) -> str:
        return self._file(user).read_text("ascii").strip()

    def _file(self, user: str) -> Path:
        return self.folder / f"{user}.password"


def make(data: Path, users: Iterable[str]) -> Secrets:
    """Make what is missing; passwords and the authority that exist are never touched."""
    folder = (data / "keys" / "kafka").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Secrets(folder, tuple(sorted({*users, HUB, BROKER})))
    for user in made.users:
        if not (folder / f"{user}.password").exists():
            _store(folder / f"{user}.password", secrets.token_hex(24).encode())
    _make_authority(made)
    _make_broker(made)
    return made


def _make_authority(made: Secrets) -> None:
    key_file = made.folder / "ca.key"
    if made.authority.exists() and key_file.exists():
        return
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("iop-kafka-authority")
    certificate = (
        _certificate(name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _store(key_file, _private(key))
    _store(made.authority, _pem(certificate))


def _make_broker(made: Secrets) -> None:
    authority = x509.load_pem_x509_certificate(made.authority.read_bytes())
    signs = serialization.load_pem_private_key((made.folder / "ca.key").read_bytes(), password=None)
    assert isinstance(signs, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
    certificate = (
        _certificate(_name(NAME), authority.subject, key.public_key(), BROKER_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signs, hashes.SHA256())
    )
    _store(made.broker, _private(key) + _pem(certificate))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
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


def _store(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, mode 0600."""
    half = path.with_name(f"{path.name}.new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    half.rename(path)
