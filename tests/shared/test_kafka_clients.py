"""Kafka's clients are made in one place, and what is wrong with how they are to connect is named before they do."""

import ast
import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from aiokafka.errors import AuthenticationFailedError
from hypothesis import given
from hypothesis import strategies as st

from shared.path.inbound.broker_watch import BrokerWatch
from shared.platform import kafka_tokens, kafka_trouble
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import Security, require_right, variable
from shared.platform.kafka_tokens import Token, TokenProvider
from shared.platform.settings import ConfigurationError
from tests.house.test_rooms import ROOT, files

MAKERS = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaClient", "KafkaBroker", "create_conn"}
HIDDEN = "hunter2"
BY_PASSWORD = {"security": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "username": "intake"}
BY_TOKEN = {
    "security": "SASL_SSL",
    "mechanism": "OAUTHBEARER",
    "token_url": "https://tokens.example/token",
    "client_id": "intake",
}
FIELDS: Mapping[str, tuple[str, ...]] = {
    "security": ("PLAINTEXT", "SSL", "SASL_SSL"),
    "mechanism": ("SCRAM-SHA-512", "PLAIN", "OAUTHBEARER"),
    "token_url": ("https://tokens.example/token", "http://tokens.example/token"),
    **dict.fromkeys(
        ("username", "password_file", "ca_file", "cert_file", "key_file", "client_id", "scope"), ("given",)
    ),
}


@pytest.fixture
def password(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "password"
    file.write_text(f"{HIDDEN}\n")
    return {"password_file": str(file)}


def test_every_client_of_kafka_is_made_in_one_file() -> None:
    makers = {
        str(file.relative_to(ROOT))
        for file in files("shared", "services", "deploy", "bench")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in MAKERS
    }
    assert makers == {"shared/platform/kafka.py"}


@pytest.mark.parametrize("bootstrap", ["kafka.clinic.example:9092", "127.0.0.1:9092, 10.0.0.7:9092", "[fe80::1]:9092"])
def test_records_never_cross_a_network_in_plain(bootstrap: str) -> None:
    with pytest.raises(ConfigurationError, match=r"IOP_KAFKA_SECURITY: PLAINTEXT .* set SSL or SASL_SSL"):
        Cluster.of(bootstrap, "iop.intake.0", Security())
    assert Cluster.of("localhost:9092,[::1]:9092,127.0.0.1:9092", "iop.intake.0", Security()).client == "iop.intake.0"
    assert Cluster.of(bootstrap, "iop.intake.0", Security(security="SSL")).security.security == "SSL"


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({"security": "SASL_SSL"}, "IOP_KAFKA_MECHANISM: is missing; SASL_SSL needs it."),
        (BY_PASSWORD, "IOP_KAFKA_PASSWORD_FILE: is missing; SASL_SSL with SCRAM-SHA-512 needs it."),
        ({**BY_TOKEN, "client_id": None}, "IOP_KAFKA_CLIENT_ID: is missing; SASL_SSL with OAUTHBEARER needs it."),
        ({"security": "SSL", "cert_file": "ours.pem"}, "IOP_KAFKA_KEY_FILE: is missing; SSL needs it."),
        ({"username": "intake"}, "IOP_KAFKA_USERNAME: PLAINTEXT does not use it; remove it."),
        ({"security": "SSL", "mechanism": "PLAIN"}, "IOP_KAFKA_MECHANISM: SSL with PLAIN does not use it; remove it."),
        (
            {**BY_TOKEN, "password_file": "secret", "token_url": "http://tokens.example"},
            "IOP_KAFKA_TOKEN_URL: must be https://host[:port]/path, or http:// on loopback.",
        ),
    ],
)
def test_what_does_not_belong_together_is_named_by_variable(given_: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        require_right("127.0.0.1:9092", Security(**given_))  # type: ignore[arg-type]
    assert str(wrong.value) == sentence


@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(each) for name, each in FIELDS.items()}))
def test_any_choice_is_right_or_refused_by_the_name_of_a_variable(given_: dict[str, str]) -> None:
    try:
        require_right("127.0.0.1:9092", Security(**given_))  # type: ignore[arg-type]
    except ConfigurationError as wrong:
        assert str(wrong).partition(":")[0] in {variable(name) for name in FIELDS}


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"])
async def test_each_way_makes_every_client_and_verifies_host_names(mechanism: str, password: dict[str, str]) -> None:
    way = {**(BY_TOKEN if mechanism == "OAUTHBEARER" else BY_PASSWORD), "mechanism": mechanism, **password}
    kafka = Cluster.of("kafka.example:9093", "iop.intake.0", Security(**way))  # type: ignore[arg-type]
    producer, consumer, admin = kafka.producer(), kafka.consumer(), kafka.admin()
    try:
        for client in (producer.client, consumer._client, admin._client):
            assert client._client_id == "iop.intake.0"
            assert client._ssl_context.check_hostname
            assert client._ssl_context.verify_mode is ssl.CERT_REQUIRED
            assert client._sasl_mechanism == mechanism
        faststream = vars(
            kafka.broker(apply_types=False, allow_auto_create_topics=False, graceful_timeout=1.0).config.broker_config
        )["builder"].keywords
        assert (faststream["client_id"], faststream["sasl_mechanism"]) == ("iop.intake.0", mechanism)
        assert faststream["ssl_context"].check_hostname
        assert (faststream.get("sasl_oauth_token_provider") is not None) == (mechanism == "OAUTHBEARER")
    finally:
        await producer.stop()
        await consumer.stop()
        await admin.close()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("password_file", None, r"can't be read \(FileNotFoundError\)"),
        ("password_file", b"\n", "is empty"),
        ("password_file", b"\xff" + HIDDEN.encode(), "must be UTF-8"),
        ("ca_file", None, r"can't be read \(FileNotFoundError\)"),
        ("ca_file", HIDDEN.encode(), "must be a certificate in PEM"),
        ("cert_file", HIDDEN.encode(), "must be a certificate in PEM, and IOP_KAFKA_KEY_FILE its key"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_and_never_repeated(
    name: str, content: bytes | None, sentence: str, tmp_path: Path, password: dict[str, str]
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    way = {**BY_PASSWORD, **password, name: str(file)}
    if name == "cert_file":
        way["key_file"] = str(file)
    with pytest.raises(ConfigurationError, match=f"^{variable(name)}: {file} {sentence}") as wrong:
        Cluster.of("kafka.example:9093", "iop.intake.0", Security(**way))  # type: ignore[arg-type]
    assert HIDDEN not in str(wrong.value)


async def test_a_token_is_renewed_before_it_ends_and_outlives_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked = 1000.0, 0
    away = False

    async def ask(_: TokenProvider) -> Token:
        nonlocal asked
        asked += 1
        if away:
            raise AuthenticationFailedError("away")
        return Token(f"token-{asked}", 100.0)

    monkeypatch.setattr(TokenProvider, "_ask", ask)
    monkeypatch.setattr(kafka_tokens, "ticks", lambda: now)
    provider = TokenProvider(Security(), HIDDEN)
    assert [await each for each in (provider.token(), provider.token())] == ["token-1", "token-1"]
    now += 79
    assert await provider.token() == "token-1"
    now += 1
    assert await provider.token() == "token-2"
    away, now = True, now + 99
    assert await provider.token() == "token-2"
    now += 1
    with pytest.raises(AuthenticationFailedError):
        await provider.token()


async def test_a_consumer_that_can_not_reach_kafka_is_not_ready_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, asked = BrokerWatch("attendance"), asyncio.Event()

    async def wrong(_: Cluster) -> str:
        asked.set()
        return "Kafka at 127.0.0.1:9093 refuses user attendance"

    monkeypatch.setattr(kafka_trouble, "trouble", wrong)
    reaching = asyncio.create_task(watch.reached(Cluster("127.0.0.1:9093")))
    await asked.wait()
    assert watch.unanswered() == "Kafka at 127.0.0.1:9093 refuses user attendance"
    reaching.cancel()


async def test_a_port_where_nobody_answers_is_named_with_the_remedy() -> None:
    assert await kafka_trouble.trouble(Cluster("127.0.0.1:1")) == (
        "Kafka at 127.0.0.1:1 does not answer (ConnectionRefusedError): start it, or correct IOP_KAFKA_BOOTSTRAP"
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [("", 300.0), (',"expires_in":"3599"', 3599.0), (',"expires_in":0', 300.0)]
)
def test_a_token_lives_as_long_as_its_server_says_in_whatever_form(written: str, seconds: float) -> None:
    token = msgspec.json.decode(f'{{"access_token":"x"{written}}}', type=Token, strict=False)
    assert token.life_seconds == seconds
