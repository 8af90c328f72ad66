"""The topics of a cluster beside topics.toml: what differs, and what of that may be changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from deploy import topics
from deploy.failure import CannotContinueError
from deploy.own_kafka import WITHOUT_RIGHT
from deploy.topics import REPLICAS_MOST, Topics
from shared.platform.kafka import Cluster

OURS = "iop."
SET_ON_THE_TOPIC = 1
"""Of a setting: it was set on this topic, not on the broker, nor is it Kafka's default."""
Remedy = Literal["created", "changed", "reported", "refused"]


@dataclass(frozen=True)
class PresentTopic:
    """One topic as the cluster has it; `own` are the settings that were set on it, of all that it has."""

    partitions: int
    replication: int
    settings: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """What is otherwise than wanted, and what `apply` does about it: the number of partitions is never changed, and
    copies of a topic are its owner's to move."""

    topic: str
    setting: str
    stands: str
    wanted: str
    remedy: Remedy

    def __str__(self) -> str:
        return f"{self.topic}: {self.setting} is {self.stands}, {self.wanted} is wanted ({self.remedy})"


def differences(wanted: Topics, present: Mapping[str, PresentTopic], brokers: int) -> list[Difference]:
    """Of each topic of the hub, in the file's order, and last those that the file does not know."""
    found: list[Difference] = []
    for name in wanted.topic:
        known = present.get(name)
        if known is None:
            found.append(Difference(name, "topic", "absent", "present", "created"))
        else:
            found += _of_one(name, wanted, known, brokers)
    unknown = [name for name in sorted(present) if name not in wanted.topic]
    return found + [Difference(name, "topic", "present", "absent", "reported") for name in unknown]


def _of_one(name: str, wanted: Topics, known: PresentTopic, brokers: int) -> list[Difference]:
    copies = min(brokers, REPLICAS_MOST)
    numbers: list[tuple[str, int, int, Remedy]] = [
        ("partitions", known.partitions, wanted.partitions, "refused"),
        ("replication", known.replication, copies, "reported"),
        (
            "min.insync.replicas",
            int(known.settings.get("min.insync.replicas", "1")),
            topics.in_sync(copies),
            "reported",
        ),
    ]
    found = [
        Difference(name, setting, str(stands), str(value), remedy)
        for setting, stands, value, remedy in numbers
        if stands != value
    ]
    for setting, value in wanted.topic[name].configuration.items():
        stands = known.settings.get(setting, "unset")
        if stands != value:
            found.append(Difference(name, setting, stands, value, "changed"))
    return found


async def present_topics(admin: AIOKafkaAdminClient, wanted: Topics) -> tuple[dict[str, PresentTopic], int]:
    """Each topic of the hub that the cluster has, by name, and how many brokers there are."""
    names = sorted(name for name in await admin.list_topics() if name in wanted.topic or name.startswith(OURS))
    brokers = len((await admin.describe_cluster())["brokers"])
    if not names:
        return {}, brokers
    described = {each["topic"]: each["partitions"] for each in await admin.describe_topics(names)}
    settings = await _settings(admin, names)
    return {
        name: PresentTopic(len(parts), min(len(each["replicas"]) for each in parts), *settings[name])
        for name, parts in described.items()
        if parts
    }, brokers


async def _settings(
    admin: AIOKafkaAdminClient, names: Sequence[str]
) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Of each topic all settings, and those that were set on it."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for code, _, _, name, entries in (resource for answer in answers for resource in answer.resources):
        _require(code, f"the settings of {name} can't be read")
        values = {entry[0]: entry[1] for entry in entries}
        found[name] = values, {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_THE_TOPIC}
    return found


async def apply(admin: AIOKafkaAdminClient, kafka: Cluster, wanted: Topics) -> list[Difference]:
    """Create what is absent and change what may be changed; all that differed.

    Raises CannotContinueError: a topic has another number of partitions (then nothing was changed), or Kafka refuses.
    """
    present, brokers = await present_topics(admin, wanted)
    found = differences(wanted, present, brokers)
    if refused := [each for each in found if each.remedy == "refused"]:
        raise CannotContinueError(f"{refused[0]}: the order per patient depends on it, so nothing was changed")
    if any(each.remedy == "created" for each in found):
        await topics.create(kafka, wanted)
    changed = {each.topic for each in found if each.remedy == "changed"}
    # Whatever is not sent is reset to the broker's default: what its owner has set besides stays.
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, {**present[name].own, **wanted.topic[name].configuration})
        for name in sorted(changed)
    ]
    for answer in await admin.alter_configs(resources) if resources else ():
        for code, _, _, name in answer.resources:
            _require(code, f"the settings of {name} can't be changed")
    return found


def _require(code: int, wrong: str) -> None:
    if for_code(code) in WITHOUT_RIGHT:
        raise for_code(code)(wrong)
    if code:
        raise CannotContinueError(f"{wrong}: {for_code(code).__name__}")
