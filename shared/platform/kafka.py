"""The one place that makes clients of Kafka: how they connect, prove who they are, and are named, is settled here.

kafka = Cluster.of(environment(KafkaEnvironment), "iop.intake.0")
async with kafka.producer(acks="all") as producer: ...
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import KafkaError

from shared.platform.settings import (
    LOOPBACK,
    ConfigurationError,
    KafkaEnvironment,
    KafkaMechanism,
    KafkaProtocol,
    require_url,
)

if TYPE_CHECKING:
    from faststream.kafka import KafkaBroker
    from faststream.security import BaseSecurity

Options = dict[str, object]
CONNECT_MS_MOST = 5_000
CLOSE_SECONDS_MOST = 1.0
Address = tuple[str, int]
_TLS = ("ca_file", "cert_file", "key_file")
_BY_PASSWORD = ("mechanism", "username", "password_file")
_BY_TOKEN = ("mechanism", "token_url", "client_id", "password_file")


class Security(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a client connects and proves who it is: the variables `IOP_KAFKA_...`, files by their path."""

    security: KafkaProtocol = "PLAINTEXT"
    mechanism: KafkaMechanism | None = None
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    scope: str | None = None

    @classmethod
    def of(cls, process: KafkaEnvironment) -> "Security":
        """As the environment has it."""
        given = {name: getattr(process, f"kafka_{name}") for name in cls.__struct_fields__}
        return msgspec.convert({name: str(each) for name, each in given.items() if each is not None}, cls)

    def environment(self) -> dict[str, str]:
        """As variables of a process that is to connect so."""
        return {variable(name): each for name, each in msgspec.structs.asdict(self).items() if each is not None}

    @property
    def method(self) -> str:
        """What is chosen, for a person."""
        return self.security if self.mechanism is None else f"{self.security} with {self.mechanism}"


PLAIN = Security()


def variable(name: str) -> str:
    """The variable of the environment in which a field of `Security` stands."""
    return f"IOP_KAFKA_{name.upper()}"


def require_right(bootstrap: str, security: Security) -> None:
    """Whether all is there that the chosen way needs, and nothing that it does not use. Raises ConfigurationError."""
    plain = [each for each in hosts(bootstrap) if security.security == "PLAINTEXT" and each not in LOOPBACK]
    if plain:
        raise ConfigurationError(
            f"{variable('security')}: PLAINTEXT is for loopback only, for records hold clinical data; "
            f"set SSL or SASL_SSL to use {plain[0]}."
        )
    needed, allowed = _needs(security)
    for name in needed:
        if getattr(security, name) is None:
            raise ConfigurationError(f"{variable(name)}: is missing; {security.method} needs it.")
    for name in Security.__struct_fields__[1:]:
        if getattr(security, name) is not None and name not in (*needed, *allowed):
            raise ConfigurationError(f"{variable(name)}: {security.method} does not use it; remove it.")
    if security.token_url is not None:
        require_url(security.token_url, variable("token_url"))


def hosts(bootstrap: str) -> list[str]:
    """The hosts of `host:port`, several with commas."""
    return [each.strip().rpartition(":")[0].strip("[]") for each in bootstrap.split(",")]


def _needs(security: Security) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What must, and what may be given besides."""
    if security.security == "PLAINTEXT":
        return (), ()
    pair: tuple[str, ...] = () if security.cert_file is None and security.key_file is None else _TLS[1:]
    if security.security == "SSL":
        return pair, _TLS
    if security.mechanism == "OAUTHBEARER":
        return (*pair, *_BY_TOKEN), (*_TLS, "scope")
    return (*pair, *_BY_PASSWORD), _TLS


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
        found["ssl_context"] = _tls(its)
        if its.mechanism == "OAUTHBEARER":
            from shared.platform.kafka_tokens import token_provider

            password = _password(its)
            found |= {"sasl_mechanism": its.mechanism, "sasl_oauth_token_provider": token_provider(its, password)}
        elif its.mechanism is not None:
            found |= {"sasl_mechanism": its.mechanism, "sasl_plain_username": its.username}
            found["sasl_plain_password"] = _password(its)
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


def _tls(security: Security) -> ssl.SSLContext:
    """Host names are verified, and certificates against the authority of `ca_file`, or those that the system trusts."""
    with _reading("ca_file", security.ca_file, "must be a certificate in PEM"):
        context = ssl.create_default_context(cafile=security.ca_file)
    if security.cert_file is not None and security.key_file is not None:
        with _reading("cert_file", security.cert_file, "must be a certificate in PEM, and IOP_KAFKA_KEY_FILE its key"):
            # Without a password one that is encrypted is refused; OpenSSL would ask the terminal.
            context.load_cert_chain(security.cert_file, security.key_file, password=lambda: b"")
    return context


def _password(security: Security) -> str:
    assert security.password_file is not None
    with _reading("password_file", security.password_file, "must be UTF-8"):
        password = Path(security.password_file).read_text("utf-8").rstrip("\r\n")
    if not password:
        raise ConfigurationError(f"{variable('password_file')}: {security.password_file} is empty.")
    return password


@contextmanager
def _reading(name: str, file: str | None, remedy: str) -> Iterator[None]:
    """A file's content is never repeated. Raises ConfigurationError."""
    try:
        yield
    except (ssl.SSLError, ValueError) as wrong:
        raise ConfigurationError(f"{variable(name)}: {file} {remedy}.") from wrong
    except OSError as unread:
        place = unread.filename or file
        raise ConfigurationError(f"{variable(name)}: {place} can't be read ({type(unread).__name__}).") from unread
