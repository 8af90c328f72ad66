"""Who may do what with the hub's topics, as topics.toml says: as rights, and as text that a cluster's owner applies."""

import shlex
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal

import msgspec

from deploy.topics import Topics
from shared.events.catalogue import CONSUMES

Operation = Literal["Read", "Write", "Describe"]
Pattern = Literal["literal", "prefixed"]
STRIMZI = {"literal": "literal", "prefixed": "prefix"}
"""What Strimzi calls each pattern."""
Named = tuple[str, str, str, str]


class Right(msgspec.Struct, frozen=True, order=True):
    """One thing that one user may do with a topic or a consumer group; `prefixed`: whose name begins so."""

    user: str
    resource: Literal["topic", "group"]
    name: str
    operation: Operation
    pattern: Pattern = "literal"


def rights(topics: Topics) -> list[Right]:
    """By user. A service consumes in its own group, whoever reads from outside in groups whose names begin with theirs.

    Whoever may write may write idempotently, as the hub's producers do: Kafka (3.0 and later) includes it.
    """
    found: set[Right] = set()
    for name, topic in topics.topic.items():
        found |= {Right(user, "topic", name, "Write") for user in topic.writers}
        found |= {Right(user, "topic", name, "Read") for user in topic.readers}
        found |= {Right(user, "topic", name, "Describe") for user in (*topic.writers, *topic.readers)}
        found |= {_group(user) for user in topic.readers}
    return sorted(found)


def _group(user: str) -> Right:
    if user in CONSUMES:
        return Right(user, "group", f"iop.{user}", "Read")
    return Right(user, "group", user, "Read", "prefixed")


def as_commands(granted: Iterable[Right]) -> str:
    """As calls of Kafka's own `kafka-acls.sh`, one a user and name."""
    return "".join(
        f'kafka-acls.sh --bootstrap-server "$KAFKA" --add --allow-principal {shlex.quote(f"User:{user}")} '
        f"{' '.join(f'--operation {each}' for each in operations)} --{resource} {shlex.quote(name)} "
        f"--resource-pattern-type {pattern}\n"
        for (user, resource, name, pattern), operations in _by_name(granted).items()
    )


def as_strimzi(granted: Iterable[Right], cluster: str) -> str:
    """As one `KafkaUser` a user, of Strimzi's operator."""
    return "---\n".join(
        _kafka_user(user, cluster, _by_name(of_user)) for user, of_user in groupby(granted, key=lambda each: each.user)
    )


def _by_name(granted: Iterable[Right]) -> Mapping[Named, list[str]]:
    """The operations by user, resource, name and pattern."""
    found: dict[Named, list[str]] = {}
    for each in granted:
        found.setdefault((each.user, each.resource, each.name, each.pattern), []).append(each.operation)
    return found


def _kafka_user(user: str, cluster: str, operations: Mapping[Named, list[str]]) -> str:
    acls = "".join(
        f"      - resource: {{type: {resource}, name: {name}, patternType: {STRIMZI[pattern]}}}\n"
        f"        operations: [{', '.join(allowed)}]\n"
        for (_, resource, name, pattern), allowed in operations.items()
    )
    return (
        "apiVersion: kafka.strimzi.io/v1beta2\nkind: KafkaUser\n"
        f"metadata:\n  name: {user}\n  labels: {{strimzi.io/cluster: {cluster}}}\n"
        "spec:\n  authentication: {type: scram-sha-512}\n"
        f"  authorization:\n    type: simple\n    acls:\n{acls}"
    )
