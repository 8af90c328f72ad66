"""How a client connects to Kafka and proves who it is, as chosen by `IOP_KAFKA_...`, and the files that takes."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from shared.platform.settings import (
    LOOPBACK,
    ConfigurationError,
    KafkaEnvironment,
    KafkaMechanism,
    KafkaProtocol,
    require_url,
)

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


def tls_context(security: Security) -> ssl.SSLContext:
    """Host names are verified, and certificates against the authority of `ca_file`, or those that the system trusts."""
    with _reading("ca_file", security.ca_file, "must be a certificate in PEM"):
        context = ssl.create_default_context(cafile=security.ca_file)
    if security.cert_file is not None and security.key_file is not None:
        with _reading("cert_file", security.cert_file, "must be a certificate in PEM, and IOP_KAFKA_KEY_FILE its key"):
            # Without a password one that is encrypted is refused; OpenSSL would ask the terminal.
            context.load_cert_chain(security.cert_file, security.key_file, password=lambda: b"")
    return context


def read_password(security: Security) -> str:
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
