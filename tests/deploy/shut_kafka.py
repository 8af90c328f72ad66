"""The embedded Kafka shut, with the hub's topics and rights; besides passwords it takes tokens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from deploy import embedded_kafka, grants, processes, rights, secure_kafka, topics
from deploy.embedded_kafka import RunningKafka
from deploy.paths import free_port
from deploy.secure_kafka import Secrets
from shared.platform.kafka import Cluster
from tests.deploy.token_server import AUDIENCE, TokenServer

WANTED = topics.load()
RIGHTS = rights.rights(WANTED)
NEWCOMER = "newcomer"
"""Nothing in topics.toml; rights are tried on it."""
BY_PASSWORD = "sasl.enabled.mechanisms=SCRAM-SHA-512"  # noqa: S105
SESSION_MS_MOST = 3_600_000
PACKAGE = "org.apache.kafka.common.security.oauthbearer"
BY_TOKEN = f"""
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config={PACKAGE}.OAuthBearerLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class={PACKAGE}.OAuthBearerValidatorCallbackHandler
listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={{keys}}
listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.expected.issuer={{issuer}}
listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.expected.audience={AUDIENCE}
listener.name.sasl_ssl.oauthbearer.sasl.oauthbearer.clock.skew.seconds=0
listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms={SESSION_MS_MOST}
"""
"""With the last line a connection ends with its token."""


class Shut:
    """A shut Kafka with the hub's topics and rights, and its passwords."""

    def __init__(self, running: RunningKafka, secrets: Secrets) -> None:
        self.running = running
        self.secrets = secrets

    def by(self, user: str) -> Cluster:
        return Cluster(self.running.bootstrap, f"iop.{user}.0", self.secrets.security(user))

    def controller_port(self) -> int:
        lines = Path(self.running.part.command[-1]).read_text().splitlines()
        return int(next(each for each in lines if each.startswith("controller.quorum.voters")).rpartition(":")[2])

    def otherwise(self, **changed: str | None) -> Cluster:
        """As intake, but for what is changed."""
        security = msgspec.structs.replace(self.secrets.security("intake"), **changed)
        return Cluster(self.running.bootstrap, "iop.intake.0", security)


@contextmanager
def beginning(data: Path, server: TokenServer) -> Iterator[Shut]:
    """Runs until the block ends."""
    secrets, port = secure_kafka.make(data, (*WANTED.users, NEWCOMER)), free_port()
    part = _taking_tokens(embedded_kafka.prepare(data, port, secrets), server)
    running = RunningKafka(embedded_kafka.reached(port, secrets), part, processes.start(part))
    try:
        asyncio.run(topics.create(running.cluster, WANTED))
        asyncio.run(grants.apply(running.cluster, RIGHTS))
        yield Shut(running, secrets)
    finally:
        running.stop()


def _taking_tokens(part: processes.HubPart, server: TokenServer) -> processes.HubPart:
    settings, (java, *options) = Path(part.command[-1]), part.command
    written = settings.read_text()
    assert BY_PASSWORD in written
    settings.write_text(
        written.replace(BY_PASSWORD, f"{BY_PASSWORD},OAUTHBEARER")
        + BY_TOKEN.format(keys=server.keys, issuer=server.address)
    )
    return replace(part, command=(java, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={server.keys}", *options))
