"""The one place that makes clients of Kafka: how they connect, prove who they are, and are named, is settled here.

kafka = Cluster.of(environment(KafkaEnvironment), "iop.intake.0")
async with kafka.producer(acks="all") as producer: ...
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import KafkaError

from shared.platform.kafka_security import PLAIN, Security, read_password, require_right, tls_context

if TYPE_CHECKING:
    from faststream.kafka import KafkaBroker
    from faststream.security import BaseSecurity

Options = dict[str, object]
CONNECT_MS_MOST = 5_000
CLOSE_SECONDS_MOST = 1.0
Address = tuple[str, int]


@dataclass(frozen=True)
class Cluster:
    """A Kafka as one of our processes reaches it. `client` is its client id: `iop.<service>.<replica>`, or of a command
    `iop.<command>`."""

    bootstrap: str
    client: str = "iop"
    security: Security = PLAIN

    @classmethod
    def of(cls, bootstrap: str, client: str, security: Security) -> "Cluster":
        """Right before anything is opened: all files are read once. Raises ConfigurationError."""
        require_right(bootstrap, security)
        found = cls(bootstrap, client, security)
        found._connecting()
        return found

    def producer(self, **options: object) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, client_id=self.client, **self._connecting(), **options
        )

    def consumer(self, *topics: str, **options: object) -> AIOKafkaConsumer:
        """It commits nothing by itself."""
        return AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self.bootstrap,
            client_id=self.client,
            enable_auto_commit=False,
            **self._connecting(),
            **options,
        )

    def admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, client_id=self.client, **self._connecting())

    @asynccontextmanager
    async def connection(self, *addresses: Address) -> AsyncIterator[AIOKafkaConnection]:
        """To the first of these that answers, or of all named. Raises what is wrong with the last, as it is."""
        opened = await self._connected(*(addresses or self.addresses))
        try:
            yield opened
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS_MOST):
                    await opened.close()

    @property
    def addresses(self) -> list[Address]:
        """Host and port of each broker named."""
        return [(host, port) for host, port, _ in collect_hosts(self.bootstrap, randomize=False)]

    async def _connected(self, first: Address, *others: Address) -> AIOKafkaConnection:
        try:
            return await create_conn(
                *first, client_id=self.client, request_timeout_ms=CONNECT_MS_MOST, **self._connecting()
            )
        except (OSError, KafkaError, TimeoutError):
            if not others:
                raise
        return await self._connected(*others)

    def broker(self, *, apply_types: bool, allow_auto_create_topics: bool, graceful_timeout: float) -> "KafkaBroker":
        """FastStream's, which only services need."""
        from faststream.kafka import KafkaBroker

        given = self._connecting()
        return KafkaBroker(
            self.bootstrap,
            client_id=self.client,
            security=_as_faststream(given),
            sasl_oauth_token_provider=given.get("sasl_oauth_token_provider"),
            apply_types=apply_types,
            allow_auto_create_topics=allow_auto_create_topics,
            graceful_timeout=graceful_timeout,
            logger=None,
        )

    def _connecting(self) -> Options:
        """What every client takes, read anew for each: a password that was changed counts from the next client on.
        Raises ConfigurationError."""
        its = self.security
        found: Options = {"security_protocol": its.security}
        if its.security == "PLAINTEXT":
            return found
        found["ssl_context"] = tls_context(its)
        if its.mechanism == "OAUTHBEARER":
            from shared.platform.kafka_tokens import token_provider  # httpx only where it is used

            password = read_password(its)
            found |= {"sasl_mechanism": its.mechanism, "sasl_oauth_token_provider": token_provider(its, password)}
        elif its.mechanism is not None:
            found |= {"sasl_mechanism": its.mechanism, "sasl_plain_username": its.username}
            found["sasl_plain_password"] = read_password(its)
        return found


def _as_faststream(given: Options) -> "BaseSecurity | None":
    """The same for FastStream, which has classes for it."""
    from faststream import security

    context = given.get("ssl_context")
    if not isinstance(context, ssl.SSLContext):
        return None
    mechanism = given.get("sasl_mechanism")
    if mechanism is None:
        return security.BaseSecurity(ssl_context=context)
    if mechanism == "OAUTHBEARER":
        return security.SASLOAuthBearer(ssl_context=context)
    by_password = {
        "PLAIN": security.SASLPlaintext,
        "SCRAM-SHA-256": security.SASLScram256,
        "SCRAM-SHA-512": security.SASLScram512,
    }[str(mechanism)]
    return by_password(str(given["sasl_plain_username"]), str(given["sasl_plain_password"]), ssl_context=context)
