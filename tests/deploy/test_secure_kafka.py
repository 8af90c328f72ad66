"""The embedded Kafka shut: who may do what is seen on the broker itself, for every user, topic and way."""

import asyncio
import stat
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from deploy import embedded_kafka, grants, secure_kafka
from deploy.failure import CannotContinueError
from deploy.grants import Grant, RightDifference
from deploy.rights import Right
from deploy.secure_kafka import Secrets
from shared.path.inbound import rights_watch
from shared.path.inbound.rights_watch import RightsWatch
from shared.platform import kafka_rights
from shared.platform.kafka import Cluster
from shared.platform.kafka_security import PLAIN, Security
from shared.platform.kafka_trouble import trouble
from tests.deploy.shut_kafka import NEWCOMER, RIGHTS, WANTED, Shut

WAIT_MS_MOST = 20_000
USERS = ("intake", "attendance", "testing", "aftercare", "operations", "console", "ehr-feeds", "compliance")
MAY_WRITE = {
    "iop.intake.events": {"intake"},
    "iop.attendance.events": {"attendance"},
    "iop.testing.events": {"testing"},
    "iop.aftercare.events": {"aftercare"},
    "iop.escalations": {"intake", "attendance", "testing", "aftercare"},
    "iop.escalations.open": {"intake", "attendance", "testing", "aftercare"},
    "iop.disclosures": {"intake", "attendance", "testing", "aftercare"},
    "iop.operations": {"intake", "attendance", "testing", "aftercare"},
}
MAY_READ = {
    "iop.intake.events": {"attendance", "testing", "aftercare", "operations"},
    "iop.attendance.events": {"operations", "console", "ehr-feeds"},
    "iop.testing.events": {"operations", "console", "ehr-feeds"},
    "iop.aftercare.events": {"operations", "console", "ehr-feeds"},
    "iop.escalations": {"intake", "operations"},
    "iop.escalations.open": {"operations", "console"},
    "iop.disclosures": {"compliance"},
    "iop.operations": {"operations"},
}
"""Written by hand: the clinic's list, not what topics.toml happens to say."""


def test_each_service_and_each_outside_reader_is_a_user() -> None:
    assert set(WANTED.users) == set(USERS)
    assert MAY_WRITE.keys() == MAY_READ.keys() == WANTED.topic.keys()


async def test_nobody_reads_or_writes_what_is_not_theirs(shut: Shut) -> None:
    """Every user and topic, both ways, by real clients: what is refused, and whether a record comes."""
    async with shut.running.cluster.producer() as producer:
        for name in MAY_READ:
            await producer.send_and_wait(name, b"{}", key=b"one", partition=0)
    reads = await asyncio.gather(*(who(partial(comes, shut, name)) for name in MAY_READ))
    writes = await asyncio.gather(*(who(partial(is_taken, shut, name)) for name in MAY_WRITE))
    assert dict(zip(MAY_READ, reads, strict=True)) == MAY_READ
    assert dict(zip(MAY_WRITE, writes, strict=True)) == MAY_WRITE


async def who(may: Callable[[str], Awaitable[bool]]) -> set[str]:
    """Those of all users who may."""
    answers = await asyncio.gather(*(may(user) for user in USERS))
    return {user for user, answer in zip(USERS, answers, strict=True) if answer}


async def is_taken(shut: Shut, topic: str, user: str) -> bool:
    async with shut.by(user).producer() as producer:
        try:
            await producer.send_and_wait(topic, b"{}", key=b"one", partition=0)
        except TopicAuthorizationFailedError:
            return False
        return True


async def comes(shut: Shut, topic: str, user: str) -> bool:
    async with shut.by(user).consumer() as consumer:
        if topic not in await consumer.topics():
            return False
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        try:
            return bool(await consumer.getmany(timeout_ms=WAIT_MS_MOST))
        except TopicAuthorizationFailedError:
            return False


@pytest.mark.parametrize(("user", "joins"), [("testing", True), ("console", False)])
async def test_nobody_takes_partitions_from_the_group_of_another(shut: Shut, user: str, joins: bool) -> None:
    async with shut.by(user).consumer(group_id="iop.testing") as consumer:
        try:
            await consumer.committed(TopicPartition("iop.intake.events", 0))
        except GroupAuthorizationFailedError:
            assert not joins
        else:
            assert joins


async def test_who_does_not_prove_who_they_are_is_refused_with_the_variable_to_look_at(
    shut: Shut, tmp_path: Path
) -> None:
    wrong, foreign = tmp_path / "wrong", secure_kafka.make(tmp_path, ())
    wrong.write_text("guessed")
    seen = [
        await trouble(shut.by("intake")),
        await trouble(shut.otherwise(password_file=str(wrong))),
        await trouble(shut.otherwise(username="nobody")),
        await trouble(shut.otherwise(ca_file=str(foreign.authority))),
        await trouble(shut.otherwise(mechanism="PLAIN")),
        await trouble(Cluster(shut.running.bootstrap, "iop.intake.0", PLAIN)),
        await trouble(Cluster(shut.running.bootstrap, "iop.intake.0", tls_only(shut, foreign))),
    ]
    place = f"Kafka at {shut.running.bootstrap}"
    assert seen == [
        None,
        f"{place} refuses user intake: check IOP_KAFKA_USERNAME and IOP_KAFKA_PASSWORD_FILE",
        f"{place} refuses user nobody: check IOP_KAFKA_USERNAME and IOP_KAFKA_PASSWORD_FILE",
        f"{place} has a certificate that we do not trust: IOP_KAFKA_CA_FILE must hold who signed it",
        f"{place} does not take PLAIN: set IOP_KAFKA_MECHANISM to one that it has",
        f"{place} ends the connection: is PLAINTEXT right at this port? See IOP_KAFKA_SECURITY",
        f"{place} ends the connection: is SSL right at this port? See IOP_KAFKA_SECURITY",
    ]


def tls_only(shut: Shut, foreign: Secrets) -> Security:
    """A certificate signed by somebody else, without a user."""
    pem = str(foreign.broker)
    return Security(security="SSL", ca_file=str(shut.secrets.authority), cert_file=pem, key_file=pem)


async def test_the_controller_takes_nobody_without_the_brokers_certificate(shut: Shut, tmp_path: Path) -> None:
    port = shut.controller_port()
    foreign = secure_kafka.make(tmp_path, ())
    for security in (PLAIN, shut.secrets.security("intake"), tls_only(shut, foreign)):
        with pytest.raises((KafkaError, OSError)):
            async with Cluster(f"127.0.0.1:{port}", "iop.intake.0", security).connection():
                pass


async def test_what_is_missing_is_granted_and_what_is_too_much_is_reported(shut: Shut) -> None:
    too_much = Right(NEWCOMER, "topic", "iop.disclosures", "Read")
    assert await grants.compared(shut.running.cluster, RIGHTS) == []
    await grants.apply(shut.running.cluster, [*RIGHTS, too_much])
    for _ in range(100):
        found = await grants.compared(shut.running.cluster, RIGHTS)
        if found:
            break
        await asyncio.sleep(0.05)
    assert found == [RightDifference(Grant.of(too_much), "reported")]
    assert str(found[0]) == "right User:newcomer Read topic iop.disclosures is not in topics.toml (reported)"


async def test_a_right_from_one_host_and_a_denial_are_seen(shut: Shut) -> None:
    wanted = Right("elsewhere", "topic", "iop.operations", "Write")
    from_one = replace(Grant.of(wanted), host="10.0.0.1")
    denial = replace(Grant.of(wanted), permission=grants.DENY)
    async with shut.running.cluster.connection() as connection:
        for each in (from_one, denial):
            place = (each.resource, each.name, each.pattern, each.user, each.host, each.operation, each.permission)
            await connection.send(CreateAclsRequest(*place))
    expected = {RightDifference(Grant.of(wanted), "granted"), RightDifference(denial, "reported")}
    for _ in range(100):
        found = set(await grants.compared(shut.running.cluster, [*RIGHTS, wanted]))
        if expected <= found:
            break
        await asyncio.sleep(0.05)
    assert expected == {each for each in found if each.grant.user == "User:elsewhere"}


async def test_a_service_may_not_look_at_rights_nor_set_them(shut: Shut) -> None:
    for ask in (grants.compared, grants.apply):
        with pytest.raises(KafkaError, match="ClusterAuthorizationFailed"):
            await ask(shut.by("intake"), RIGHTS)


def test_what_is_secret_is_its_owners_alone(shut: Shut) -> None:
    secret = [*shut.secrets.folder.iterdir(), Path(shut.running.part.command[-1])]
    assert {stat.S_IMODE(each.stat().st_mode) for each in secret} == {0o600}
    assert not list(Path(shut.running.part.command[-1]).parent.glob("*.arguments"))


@pytest.mark.parametrize("users", [None, (*USERS, "new-reader")])
def test_a_folder_goes_on_as_it_was_begun(shut: Shut, tmp_path: Path, users: tuple[str, ...] | None) -> None:
    data = shut.secrets.folder.parents[1]
    secrets = None if users is None else secure_kafka.make(tmp_path, users)
    with pytest.raises(CannotContinueError, match="begun with --secure" if users is None else "knows no new-reader"):
        embedded_kafka.prepare(data, 0, secrets)


def test_a_folder_whose_beginning_was_killed_goes_on_shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed once Kafka had formatted it, the passwords still lying there."""
    secrets, home = secure_kafka.make(tmp_path, USERS), tmp_path / "kafka"

    def killed(*_: object, **__: object) -> None:
        (home / "topics").mkdir()
        (home / "topics" / "meta.properties").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(subprocess, "run", killed)
        embedded_kafka.prepare(tmp_path, 0, secrets)
    (home / embedded_kafka.ARGUMENTS).touch()

    embedded_kafka.prepare(tmp_path, 0, secrets)
    assert not (home / embedded_kafka.ARGUMENTS).exists()
    with pytest.raises(CannotContinueError, match="begun with --secure"):
        embedded_kafka.prepare(tmp_path, 0)


async def test_what_a_service_may_not_do_is_asked_of_the_broker_without_doing_it(shut: Shut) -> None:
    """The probes write nothing: the ends of the topics stand."""
    names = list(MAY_WRITE)
    before = await ends(shut, names)
    for user in USERS:
        assert set(await kafka_rights.missing_to_produce(shut.by(user), names)) == {
            f"Write on topic {name}" for name in names if user not in MAY_WRITE[name]
        }
        for name in names:
            lacks = await kafka_rights.missing_to_consume(shut.by(user), name, "iop.testing")
            assert (f"Read on topic {name}" in lacks) == (user not in MAY_READ[name])
            assert ("Read on group iop.testing" in lacks) == (user != "testing")
    assert await ends(shut, names) == before


async def ends(shut: Shut, names: list[str]) -> Mapping[TopicPartition, int]:
    async with shut.running.cluster.consumer() as consumer:
        return dict(await consumer.end_offsets([TopicPartition(name, 0) for name in names]))


async def test_a_right_that_is_missing_is_named_until_it_is_granted(
    shut: Shut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights_watch, "AGAIN_SECONDS", 0.1)
    watch = RightsWatch(shut.by(NEWCOMER), "iop.operations", "newcomer.one", ["iop.disclosures"])
    waiting = asyncio.create_task(watch.granted())
    asking = asyncio.create_task(watch.run())
    lacks = "Read on topic iop.operations, Read on group newcomer.one, Write on topic iop.disclosures"
    assert await until(lambda: watch.wrong() == f"Kafka gives newcomer no right: {lacks}.")
    assert not waiting.done()

    topic, group = Right(NEWCOMER, "topic", "iop.operations", "Read"), Right(NEWCOMER, "group", "newcomer.one", "Read")
    await grants.apply(shut.running.cluster, [topic, group])

    await asyncio.wait_for(waiting, 10)
    assert await until(lambda: watch.wrong() == "Kafka gives newcomer no right: Write on topic iop.disclosures.")
    asking.cancel()


async def until(is_so: Callable[[], bool]) -> bool:
    for _ in range(100):
        if is_so():
            return True
        await asyncio.sleep(0.1)
    return False
