"""Why Kafka can't be reached, as a sentence that names the variable and the remedy, never a secret.

The client libraries report only that no broker could be reached, so here each is asked once, by a plain connection.
"""

import ssl
from collections.abc import Iterable

from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.platform.kafka import Address, Cluster
from shared.platform.kafka_security import variable
from shared.platform.settings import LOOPBACK, ConfigurationError

NO_SUCH_ISSUER = frozenset({7, 18, 19, 20, 21})
"""OpenSSL: self-signed, or signed by nobody whom we trust, or by another of the same name."""
NOT_VALID_NOW = frozenset({9, 10})
OTHER_NAME = frozenset({62, 64})


async def trouble(kafka: Cluster) -> str | None:
    """None once one broker of the cluster answers; else what is wrong with the last one asked."""
    wrong: str | None = "IOP_KAFKA_BOOTSTRAP names no broker"
    for address in kafka.addresses:
        brokers, wrong = await _ask(kafka, address)
        if wrong is None:
            return await _of_brokers(kafka, brokers)
    return wrong


async def _of_brokers(kafka: Cluster, brokers: Iterable[Address]) -> str | None:
    """Clients go on to the addresses that the cluster advertises."""
    wrong: str | None = None
    for each in brokers:
        if kafka.security.security == "PLAINTEXT" and each[0] not in LOOPBACK:
            return f"Kafka advertises {_place(each)}, beyond loopback: {variable('security')} must not be PLAINTEXT"
        _, wrong = await _ask(kafka, each)
        if wrong is None:
            return None
    return wrong


async def _ask(kafka: Cluster, address: Address) -> tuple[list[Address], str | None]:
    """The brokers that it names; what is wrong, or None."""
    try:
        async with kafka.connection(address) as connection:
            answer = await connection.send(MetadataRequest([]))
    except ConfigurationError as wrong:
        return [], str(wrong)
    except (OSError, KafkaError, TimeoutError) as error:
        return [], f"Kafka at {_place(address)} {_sentence(kafka, error)}"
    return [(host, port) for _, host, port, *_ in answer.brokers], None


def _place(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def _sentence(kafka: Cluster, error: BaseException) -> str:
    """What goes on behind "Kafka at host:port"."""
    found = [error, *_causes(error)]
    for each in found:
        if isinstance(each, ssl.SSLCertVerificationError):
            return _certificate(each)
    if isinstance(error, SaslAuthenticationFailed) or type(error) is AuthenticationFailedError:
        return _refused(kafka, error)
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"does not take {kafka.security.mechanism}: set {variable('mechanism')} to one that it has"
    if any(isinstance(each, ssl.SSLError) and "ALERT" in (each.reason or "") for each in found):
        return (
            f"does not accept our certificate, or wants one: check {variable('cert_file')} and {variable('key_file')}"
        )
    if isinstance(error, ConnectionRefusedError | TimeoutError):
        return f"does not answer ({type(error).__name__}): start it, or correct IOP_KAFKA_BOOTSTRAP"
    if isinstance(error, KafkaError | ConnectionError | ssl.SSLError):
        return f"ends the connection: is {kafka.security.security} right at this port? See {variable('security')}"
    return f"can't be reached ({type(error).__name__}): correct IOP_KAFKA_BOOTSTRAP"


def _causes(error: BaseException) -> Iterable[BaseException]:
    while (cause := error.__cause__ or error.__context__) is not None:
        yield cause
        error = cause


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in OTHER_NAME:
        return "has a certificate of another name: use the name that it was issued for in IOP_KAFKA_BOOTSTRAP"
    if error.verify_code in NOT_VALID_NOW:
        return "has a certificate that is not valid now: whoever runs the cluster renews it, or our clock is wrong"
    if error.verify_code in NO_SUCH_ISSUER:
        return f"has a certificate that we do not trust: {variable('ca_file')} must hold who signed it"
    return f"has a certificate that is refused ({error.verify_message}): see {variable('ca_file')}"


def _refused(kafka: Cluster, error: BaseException) -> str:
    """The token server's part is ours to explain; what the broker adds may repeat what it was sent."""
    if kafka.security.mechanism != "OAUTHBEARER":
        return f"refuses user {kafka.security.username}: check {variable('username')} and {variable('password_file')}"
    if type(error) is AuthenticationFailedError:
        return f"is not asked: {error.args[0]}"
    return f"refuses our token: check {variable('client_id')} and {variable('scope')} with whoever runs the cluster"
