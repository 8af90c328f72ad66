"""What was asked of a hub and answered. Judging it asks nobody: a check is a pure function of these facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from deploy.comparing import Difference
from deploy.hubfile import Hub
from deploy.queries import SilentFeed
from shared.path.transaction.feeds import StoredFeed
from shared.platform.agreement import Agreement

T = TypeVar("T")


@dataclass(frozen=True)
class NoAnswer:
    """What was asked did not answer. `asked`: whether anybody was asked at all."""

    reason: str
    asked: bool = True


class NotAskedError(Exception):
    """A check has nothing to judge: what it looks at hangs on something else, which another check names."""


def known(answer: T | NoAnswer) -> T:
    """The answer. Raises NotAskedError."""
    if isinstance(answer, NoAnswer):
        raise NotAskedError(answer.reason)
    return answer


@dataclass(frozen=True)
class Rows:
    """What waits in one service's database. Ages in seconds; `parked` by class; `stopped` where its consumer is;
    `strays` of the last day; `waiting_seconds` of the oldest fact without a patient; `late_deadlines` that have passed
    for more than a minute; `retention_seconds` since all that was past its days was deleted; `unreadable_settings` and
    `without_settings` rows that can't be replayed."""

    lanes: Mapping[str, float] = field(default_factory=dict)
    parked: Mapping[str, int] = field(default_factory=dict)
    stopped: str = ""
    strays: int = 0
    waiting: int = 0
    waiting_seconds: float = 0.0
    late_deadlines: int = 0
    retention_seconds: float = 0.0
    unreadable_settings: int = 0
    without_settings: int = 0
    gate: str = ""
    """Why nothing may be disclosed; empty where it may, or the service discloses nothing."""
    silent_feeds: Sequence[SilentFeed] = ()
    meeting_feeds: Sequence[StoredFeed] = ()
    """Those in trouble."""
    reader_lacks: Sequence[str] = ()
    """What is missing of the role as which a journal is read."""


@dataclass(frozen=True)
class Database:
    """One service's database: the version of its server, the rights that its user lacks, how it agrees with this
    machine, and where all that is well its rows."""

    version: int
    lacking: Sequence[str] = ()
    agreement: Agreement | NoAnswer = field(default_factory=Agreement)
    rows: Rows | NoAnswer = field(default_factory=Rows)


@dataclass(frozen=True)
class Group:
    """A consumer group: how many members it has, how many records wait to be read, and the name of the error with which
    its coordinator answered."""

    members: int
    lag: int = 0
    error: str = ""


@dataclass(frozen=True)
class KafkaFacts:
    """The cluster beside topics.toml, and the services' groups."""

    differences: Sequence[Difference] = ()
    groups: Mapping[str, Group] | NoAnswer = field(default_factory=dict)


class ReadinessCheck(msgspec.Struct, frozen=True):
    """One check of `/health/ready`, as a service answers it."""

    name: str
    status: str
    wrong: str = ""
    since: datetime | None = None
    remedy: str = ""


class Ready(msgspec.Struct, frozen=True):
    """What one process of a service answers."""

    ready: bool
    checks: tuple[ReadinessCheck, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that a check may look at. Lists of sentences name what is wrong already; each holds no patient's data."""

    hub: Hub | NoAnswer
    is_embedded: bool = True
    """Whether Kafka is the hub's own."""
    ports: Mapping[str, bool] | NoAnswer = field(default_factory=dict)
    """By `name at address` whether somebody listens."""
    free_bytes: int | NoAnswer = 0
    free_bytes_least: int = 0
    java: str | NoAnswer = ""
    broken_jars: Sequence[str] | NoAnswer = ()
    readable_by_others: Sequence[str] | NoAnswer = ()
    settings: Sequence[str] | NoAnswer = ()
    keys: Sequence[str] | NoAnswer = ()
    issuer: Sequence[str] | NoAnswer = ()
    """Ids of the keys that the issuer publishes."""
    issuer_key: str | NoAnswer = ""
    """Id of the key with which it signs, by the folder of keys."""
    other_issuers: Mapping[str, Sequence[str] | NoAnswer] | NoAnswer = field(default_factory=dict)
    """Of each that clients.toml names the ids of its keys."""
    pagers: Sequence[str] | NoAnswer = ()
    rota: Sequence[str] | NoAnswer = ()
    certificates: Mapping[str, float | NoAnswer] | NoAnswer = field(default_factory=dict)
    """Days that the certificate of each partner or channel is still valid."""
    laboratories: Mapping[str, float | NoAnswer] | NoAnswer = field(default_factory=dict)
    """The same of each laboratory that has one for MLLP."""
    databases: Mapping[str, Database | NoAnswer] = field(default_factory=dict)
    kafka: KafkaFacts | NoAnswer = field(default_factory=KafkaFacts)
    services: Mapping[str, Ready | NoAnswer] = field(default_factory=dict)
    """By the name of each process."""
