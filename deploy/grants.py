"""The rights in a cluster beside those of topics.toml: what is missing is granted, what is too much
or denied is reported."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from deploy.failure import CannotContinueError
from deploy.rights import Right
from shared.platform.kafka import Cluster

OURS = "iop."
ANY_HOST = "*"
EVERYBODY = "User:*"
ANY, DENY, ALLOW = 1, 2, 3
RESOURCES = {2: "topic", 3: "group"}
PATTERNS = {3: "literal", 4: "prefixed"}
OPERATIONS = {2: "All", 3: "Read", 4: "Write", 5: "Create", 6: "Delete", 7: "Alter", 8: "Describe"}
"""Kafka's numbers of each; what has none of these is nothing to the hub."""
SECURITY_DISABLED = 54


@dataclass(frozen=True, order=True)
class Grant:
    """One right, or denial, as the cluster has it, in Kafka's own numbers."""

    user: str
    resource: int
    name: str
    pattern: int
    operation: int
    host: str = ANY_HOST
    permission: int = ALLOW

    @classmethod
    def of(cls, right: Right) -> "Grant":
        numbers = [_number(RESOURCES, right.resource), _number(PATTERNS, right.pattern)]
        return cls(f"User:{right.user}", numbers[0], right.name, numbers[1], _number(OPERATIONS, right.operation))

    @property
    def is_over_ours(self) -> bool:
        """Whether it opens a topic of the hub."""
        covers = self.name == "*" or self.name.startswith(OURS) or (self.is_prefix and OURS.startswith(self.name))
        return RESOURCES.get(self.resource) == "topic" and covers

    @property
    def is_prefix(self) -> bool:
        return PATTERNS.get(self.pattern) == "prefixed"

    def refuses(self, wanted: "Grant") -> bool:
        """Whether some of a right is denied, from whatever host: a denial goes before every grant."""
        return (
            self.permission == DENY
            and self.user in (wanted.user, EVERYBODY)
            and self.resource == wanted.resource
            and self._meets(wanted)
            and OPERATIONS.get(self.operation) in ("All", "Describe", OPERATIONS[wanted.operation])
        )

    def _meets(self, other: "Grant") -> bool:
        """Whether something has a name of both."""
        return (
            self.name in ("*", other.name)
            or (self.is_prefix and other.name.startswith(self.name))
            or (other.is_prefix and self.name.startswith(other.name))
        )

    def __str__(self) -> str:
        pattern = " and all that begins so" if self.is_prefix else ""
        operation = OPERATIONS.get(self.operation, f"operation {self.operation}")
        host = "" if self.host == ANY_HOST else f" from {self.host}"
        return f"{self.user} {operation} {RESOURCES.get(self.resource, 'resource')} {self.name}{pattern}{host}"


@dataclass(frozen=True)
class RightDifference:
    """A right of topics.toml that is missing or denied, or one over our topics that it does not have. To take either
    is the owner's."""

    grant: Grant
    remedy: Literal["granted", "reported"]

    def __str__(self) -> str:
        beyond = "is denied" if self.grant.permission == DENY else "is not in topics.toml"
        wrong = "is missing" if self.remedy == "granted" else beyond
        return f"right {self.grant} {wrong} ({self.remedy})"


def differences(wanted: Collection[Right], present: Collection[Grant]) -> list[RightDifference]:
    """What is missing, then what is denied or too much. One from some hosts only is missing; it is not too much."""
    ours = {Grant.of(each) for each in wanted}
    missing = [RightDifference(each, "granted") for each in sorted(ours - set(present))]
    beyond = sorted(each for each in set(present) if _is_beyond(each, ours))
    return missing + [RightDifference(each, "reported") for each in beyond]


def _is_beyond(present: Grant, ours: Collection[Grant]) -> bool:
    if present.permission == DENY:
        return any(present.refuses(each) for each in ours)
    return present.is_over_ours and replace(present, host=ANY_HOST) not in ours


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
        Grant(user, resource, name, pattern, operation, host, permission)
        for resource, name, pattern, listed in answer.resources
        for user, host, operation, permission in listed
    ]


def _require(code: int, wrong: str) -> None:
    if code == SECURITY_DISABLED:
        raise CannotContinueError(f"{wrong}: this cluster has no authorizer, so everybody may do everything")
    if code:
        raise for_code(code)(wrong)


def _number(names: dict[int, str], name: str) -> int:
    return next(number for number, each in names.items() if each == name)
