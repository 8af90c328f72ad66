"""By token at a real Kafka: whose it is stands in it, and one for another audience, or that has ended, is refused."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from shared.platform import kafka_tokens
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import Security
from shared.platform.kafka_trouble import trouble
from tests.deploy.shut_kafka import Shut
from tests.deploy.token_server import AUDIENCE, SECRET, TokenServer

OURS, THEIRS = "iop.intake.events", "iop.testing.events"
LIFE_SECONDS = 2
REFUSED = "refuses our token: check IOP_KAFKA_CLIENT_ID and IOP_KAFKA_SCOPE with whoever runs the cluster"


@pytest.fixture(autouse=True)
def fresh_tokens(token_server: TokenServer) -> Iterator[None]:
    kafka_tokens.token_provider.cache_clear()
    yield
    token_server.audience, token_server.life_seconds = AUDIENCE, 300


@pytest.fixture
def intake(shut: Shut, token_server: TokenServer, tmp_path: Path) -> Cluster:
    return by_token(shut, token_server, tmp_path, SECRET)


def by_token(shut: Shut, server: TokenServer, folder: Path, secret: str) -> Cluster:
    file = folder / "secret"
    file.write_text(secret)
    security = Security(
        security="SASL_SSL",
        mechanism="OAUTHBEARER",
        token_url=f"{server.address}/token",
        client_id="intake",
        password_file=str(file),
        scope="kafka",
        ca_file=str(shut.secrets.authority),
    )
    return Cluster.of(shut.running.bootstrap, "iop.intake.0", security)


async def test_whose_token_it_is_may_do_what_that_user_may_and_no_more(intake: Cluster) -> None:
    assert await trouble(intake) is None
    async with intake.producer() as producer:
        await producer.send_and_wait(OURS, b"{}", key=b"one")
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(THEIRS, b"{}", key=b"one")


@pytest.mark.parametrize("wrong", [{"audience": "another"}, {"life_seconds": -60}])
async def test_a_token_for_another_audience_or_that_has_ended_is_refused_and_named(
    intake: Cluster, token_server: TokenServer, wrong: dict[str, str | int]
) -> None:
    for name, value in wrong.items():
        setattr(token_server, name, value)
    assert await trouble(intake) == f"Kafka at {intake.bootstrap} {REFUSED}"
    producer = intake.producer()
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    await producer.stop()


async def test_a_token_server_that_knows_us_not_is_named_and_kafka_not_asked(
    shut: Shut, token_server: TokenServer, tmp_path: Path
) -> None:
    stranger = by_token(shut, token_server, tmp_path, "guessed")
    assert await trouble(stranger) == (
        f"Kafka at {stranger.bootstrap} is not asked: IOP_KAFKA_TOKEN_URL answers 401: "
        "check IOP_KAFKA_CLIENT_ID, IOP_KAFKA_PASSWORD_FILE and IOP_KAFKA_SCOPE"
    )


async def test_who_sends_longer_than_a_token_lives_goes_on_with_the_next(
    intake: Cluster, token_server: TokenServer
) -> None:
    """Kafka ends a connection with its token."""
    token_server.life_seconds, before = LIFE_SECONDS, token_server.given
    offsets = []
    async with intake.producer(acks="all", enable_idempotence=True) as producer:
        for _ in range(10):
            await asyncio.sleep(LIFE_SECONDS / 4)
            offsets.append((await producer.send_and_wait(OURS, b"{}", key=b"one", partition=0)).offset)
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    assert token_server.given - before >= 2
