"""The rights in a cluster beside those of topics.toml: what is missing is granted, what is too much is reported."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from deploy.failure import CannotContinueError
from deploy.rights import Right
from shared.platform.kafka import Cluster

OURS = "iop."
ANY_HOST = "*"
ANY, ALLOW = 1, 3
RESOURCES = {2: "topic", 3: "group"}
PATTERNS = {3: "literal", 4: "prefixed"}
OPERATIONS = {2: "All", 3: "Read", 4: "Write", 5: "Create", 6: "Delete", 7: "Alter", 8: "Describe"}
"""Kafka's numbers of each; what has none of these is nothing to the hub."""
SECURITY_DISABLED = 54


@dataclass(frozen=True, order=True)
class Grant:
    """One right as the cluster has it, in Kafka's own numbers."""

    user: str
    resource: int
    name: str
    pattern: int
    operation: int

    @classmethod
    def of(cls, right: Right) -> "Grant":
        numbers = [_number(RESOURCES, right.resource), _number(PATTERNS, right.pattern)]
        return cls(f"User:{right.user}", numbers[0], right.name, numbers[1], _number(OPERATIONS, right.operation))

    @property
    def is_over_ours(self) -> bool:
        """Whether it opens a topic of the hub."""
        begins = self.name if PATTERNS.get(self.pattern) == "prefixed" else None
        covers = self.name == "*" or self.name.startswith(OURS) or (begins is not None and OURS.startswith(begins))
        return RESOURCES.get(self.resource) == "topic" and covers

    def __str__(self) -> str:
        pattern = " and all that begins so" if PATTERNS.get(self.pattern) == "prefixed" else ""
        operation = OPERATIONS.get(self.operation, f"operation {self.operation}")
        return f"{self.user} {operation} {RESOURCES.get(self.resource, 'resource')} {self.name}{pattern}"


@dataclass(frozen=True)
class RightDifference:
    """A right of topics.toml that is missing, or one over our topics that it does not have: its owner's to take."""

    grant: Grant
    remedy: Literal["granted", "reported"]

    def __str__(self) -> str:
        wrong = "is missing" if self.remedy == "granted" else "is not in topics.toml"
        return f"right {self.grant} {wrong} ({self.remedy})"


def differences(wanted: Collection[Right], present: Collection[Grant]) -> list[RightDifference]:
    """What is missing, then what is too much."""
    ours = {Grant.of(each) for each in wanted}
    missing = [RightDifference(each, "granted") for each in sorted(ours - set(present))]
    beyond = sorted(each for each in set(present) - ours if each.is_over_ours)
    return missing + [RightDifference(each, "reported") for each in beyond]


async def compared(kafka: Cluster, wanted: Collection[Right]) -> list[RightDifference]:
    """Asks the cluster. Raises CannotContinueError where it has no access lists, or does not tell."""
    async with kafka.connection() as connection:
        return differences(wanted, await _present(connection))


async def apply(kafka: Cluster, wanted: Collection[Right]) -> list[RightDifference]:
    """Grant what is missing; nothing is ever taken. All that differed."""
    async with kafka.connection() as connection:
        found = differences(wanted, await _present(connection))
        for each in found:
            if each.remedy == "granted":
                await _grant(connection, each.grant)
    return found


async def _grant(connection: AIOKafkaConnection, grant: Grant) -> None:
    answer = await connection.send(
        CreateAclsRequest(grant.resource, grant.name, grant.pattern, grant.user, ANY_HOST, grant.operation, ALLOW)
    )
    for code, _ in answer.creation_responses:
        _require(code, f"right {grant} can't be granted")


async def _present(connection: AIOKafkaConnection) -> list[Grant]:
    answer = await connection.send(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
    _require(answer.error_code, "the rights can't be read")
    return [
        Grant(user, resource, name, pattern, operation)
        for resource, name, pattern, listed in answer.resources
        for user, _, operation, permission in listed
        if permission == ALLOW
    ]


def _require(code: int, wrong: str) -> None:
    if code == SECURITY_DISABLED:
        raise CannotContinueError(f"{wrong}: this cluster has no authorizer, so everybody may do everything")
    if code:
        raise for_code(code)(wrong)


def _number(names: dict[int, str], name: str) -> int:
    return next(number for number, each in names.items() if each == name)
