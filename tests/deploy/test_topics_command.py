"""`iop topics`: what differs is told, what may be changed is changed when asked, and nobody gets a right too many."""

import asyncio
from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from deploy import comparing, topics
from deploy.cli import app
from deploy.comparing import Difference, PresentTopic, differences
from deploy.embedded_kafka import RunningKafka
from deploy.failure import CannotContinueError
from deploy.rights import Right, as_commands, as_strimzi, rights
from shared.events.catalogue import CONSUMES, ENTRIES, OPEN_ESCALATIONS

WANTED = topics.load()
SERVICES = {"intake", "attendance", "testing", "aftercare"}
AS_WANTED = {
    name: PresentTopic(12, 3, {"min.insync.replicas": "2", **topic.configuration})
    for name, topic in WANTED.topic.items()
}
INTAKE = "iop.intake.events"


def with_intake(**changed: object) -> dict[str, PresentTopic]:
    return {**AS_WANTED, INTAKE: replace(AS_WANTED[INTAKE], **changed)}  # type: ignore[arg-type]


def test_topics_as_the_file_says_differ_in_nothing() -> None:
    assert differences(WANTED, AS_WANTED, brokers=5) == []


@pytest.mark.parametrize(
    ("present", "difference"),
    [
        (with_intake(partitions=6), Difference(INTAKE, "partitions", "6", "12", "refused")),
        (with_intake(replication=1), Difference(INTAKE, "replication", "1", "3", "reported")),
        (
            with_intake(settings={**AS_WANTED[INTAKE].settings, "min.insync.replicas": "1"}),
            Difference(INTAKE, "min.insync.replicas", "1", "2", "reported"),
        ),
        (
            with_intake(settings={**AS_WANTED[INTAKE].settings, "retention.ms": "-1"}),
            Difference(INTAKE, "retention.ms", "-1", "1209600000", "changed"),
        ),
        (
            {**AS_WANTED, OPEN_ESCALATIONS: replace(AS_WANTED[INTAKE])},
            Difference(OPEN_ESCALATIONS, "cleanup.policy", "delete", "compact", "changed"),
        ),
        (
            {name: each for name, each in AS_WANTED.items() if name != INTAKE},
            Difference(INTAKE, "topic", "absent", "present", "created"),
        ),
        (
            {**AS_WANTED, "iop.patients": AS_WANTED[INTAKE]},
            Difference("iop.patients", "topic", "present", "absent", "reported"),
        ),
    ],
)
def test_each_kind_of_difference_is_told_with_what_is_done_about_it(
    present: dict[str, PresentTopic], difference: Difference
) -> None:
    assert difference in differences(WANTED, present, brokers=3)


def test_writers_and_readers_of_the_file_are_those_of_the_catalogue() -> None:
    writers = {name: set[str]() for name in WANTED.topic} | {OPEN_ESCALATIONS: {*SERVICES}}
    for entry in ENTRIES:
        writers[entry.topic] |= SERVICES if entry.producer == "any" else {entry.producer}
        assert set(entry.consumers) <= set(WANTED.topic[entry.topic].readers), entry.topic
    assert {name: set(topic.writers) for name, topic in WANTED.topic.items()} == writers
    for service in SERVICES:
        reads = {name for name, topic in WANTED.topic.items() if service in topic.readers}
        assert reads == {CONSUMES[service]}


def test_a_service_consumes_in_its_own_group_and_a_reader_in_groups_named_after_it() -> None:
    granted = rights(WANTED)
    assert {each for each in granted if each.user == "testing"} == {
        Right("testing", "group", "iop.testing", "Read"),
        Right("testing", "topic", INTAKE, "Read"),
        *(
            Right("testing", "topic", name, "Write")
            for name, topic in WANTED.topic.items()
            if "testing" in topic.writers
        ),
        *(
            Right("testing", "topic", name, "Describe")
            for name, topic in WANTED.topic.items()
            if "testing" in (*topic.writers, *topic.readers)
        ),
    }
    assert {each for each in granted if each.user == "compliance"} == {
        Right("compliance", "group", "compliance", "Read", "prefixed"),
        Right("compliance", "topic", "iop.disclosures", "Describe"),
        Right("compliance", "topic", "iop.disclosures", "Read"),
    }


def test_rights_are_printed_as_calls_and_as_kafka_users() -> None:
    compliance = [each for each in rights(WANTED) if each.user == "compliance"]
    assert as_commands(compliance).splitlines() == [
        'kafka-acls.sh --bootstrap-server "$KAFKA" --add --allow-principal User:compliance --operation Read '
        "--group compliance --resource-pattern-type prefixed",
        'kafka-acls.sh --bootstrap-server "$KAFKA" --add --allow-principal User:compliance --operation Describe '
        "--operation Read --topic iop.disclosures --resource-pattern-type literal",
    ]
    assert as_strimzi(compliance, "clinic") == (
        "apiVersion: kafka.strimzi.io/v1beta2\n"
        "kind: KafkaUser\n"
        "metadata:\n"
        "  name: compliance\n"
        "  labels: {strimzi.io/cluster: clinic}\n"
        "spec:\n"
        "  authentication: {type: scram-sha-512}\n"
        "  authorization:\n"
        "    type: simple\n"
        "    acls:\n"
        "      - resource: {type: group, name: compliance, patternType: prefix}\n"
        "        operations: [Read]\n"
        "      - resource: {type: topic, name: iop.disclosures, patternType: literal}\n"
        "        operations: [Describe, Read]\n"
    )


@pytest.mark.parametrize("format_", ["kafka", "strimzi"])
def test_the_command_prints_every_user(format_: str) -> None:
    printed = CliRunner().invoke(app, ["topics", "acl", "--format", format_])
    assert printed.exit_code == 0
    assert {each.user for each in rights(WANTED)} == {
        user for user in (*SERVICES, "operations", "console", "ehr-feeds", "compliance") if user in printed.output
    }


async def known(admin: AIOKafkaAdminClient, own: dict[str, str]) -> tuple[dict[str, PresentTopic], int]:
    """Once the broker knows what was set on the topic: a moment after it took it."""
    for _ in range(100):
        present, brokers = await comparing.present_topics(admin, WANTED)
        if present[INTAKE].own == own:
            return present, brokers
        await asyncio.sleep(0.05)
    raise AssertionError(present[INTAKE].own)


async def test_apply_changes_what_may_be_changed_and_nothing_where_partitions_differ(own_kafka: RunningKafka) -> None:
    await topics.create(own_kafka.cluster)
    admin = AIOKafkaAdminClient(bootstrap_servers=own_kafka.bootstrap)
    await admin.start()
    try:
        theirs = {"retention.ms": "1000", "max.message.bytes": "2000000"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, INTAKE, theirs)])
        wider = topics.Topics(partitions=13, topic=WANTED.topic)
        with pytest.raises(CannotContinueError, match="partitions is 12, 13 is wanted"):
            await comparing.apply(admin, own_kafka.cluster, wider)
        present, brokers = await known(admin, theirs)

        done = await comparing.apply(admin, own_kafka.cluster, WANTED)

        assert done == differences(WANTED, present, brokers) != []
        present, brokers = await known(admin, {**theirs, **WANTED.topic[INTAKE].configuration})
        assert differences(WANTED, present, brokers) == []
    finally:
        await admin.close()
