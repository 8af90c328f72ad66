"""The embedded Kafka shut: what its users and its one broker prove who they are with, under DIR/keys/kafka.

    ca.key, ca.pem       EC P-256: signs the broker's certificate; clients trust nobody else
    broker.pem           the broker's key and certificate for loopback, made anew with each start
    <user>.password      of each service, each outside reader of topics.toml, the hub itself, and the broker

All are readable by their owner only. Elsewhere than on one's own machine these come from whoever runs the cluster.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.certificates import Authority
from shared.platform.kafka_security import Security
from shared.platform.private_files import store

HUB, BROKER = "iop", "broker"
"""Who sets up topics and rights, and asks for `iop settle` and its like; whom the broker is to itself."""
NAME = "iop-kafka"
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
        return Authority(self.folder).certificate

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
            store(folder / f"{user}.password", secrets.token_hex(24).encode())
    authority = Authority(folder)
    authority.make("iop-kafka-authority")
    broker = authority.sign(NAME)
    store(made.broker, broker.key + broker.certificate)
    return made
