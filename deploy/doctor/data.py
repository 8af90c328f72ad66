"""Judging what databases and Kafka answered."""

from collections.abc import Callable, Iterator
from datetime import UTC
from typing import TypeVar

from deploy.doctor.facts import Database, Facts, NoAnswer, NotAskedError, Rows, known
from shared.platform.agreement import clock_wrong, schema_wrong

T = TypeVar("T")
POSTGRES_VERSION_LEAST = 15
TOPIC_LANE_SECONDS_MOST = 120.0
PARTNER_LANE_SECONDS_MOST = 900.0
ON_CALL_LANE_SECONDS_MOST = 60.0
WAITING_SECONDS_MOST = 86_400.0
RETENTION_SECONDS_MOST = 10_800.0
LAG_MOST = 5_000
"""As the alerts have them (deploy/prometheus/alerts.yml)."""


def database(facts: Facts) -> Iterator[str]:
    """It answers, is new enough, and has rows to be read."""
    _require_any(facts)
    for name, each in facts.databases.items():
        if isinstance(each, NoAnswer):
            yield f"{name}: {each.reason}"
        elif each.version < POSTGRES_VERSION_LEAST:
            yield f"{name}: PostgreSQL {each.version}, {POSTGRES_VERSION_LEAST} or later is needed"
        elif isinstance(each.rows, NoAnswer) and each.rows.asked:
            yield f"{name}: {each.rows.reason}"


def rights(facts: Facts) -> Iterator[str]:
    """Of each table."""
    for name, lacking in _asked(facts, lambda it: it.lacking):
        if lacking:
            yield f"{name}: its user lacks {', '.join(lacking[:3])}"


def reader(facts: Facts) -> Iterator[str]:
    """It is there, and may read."""
    for name, rows in _rows(facts):
        if rows.reader_lacks:
            yield f"{name}: it lacks {', '.join(rows.reader_lacks[:3])}"


def schema(facts: Facts) -> Iterator[str]:
    """Every step of it."""
    for name, agreement in _asked(facts, lambda it: it.agreement):
        if wrong := schema_wrong(agreement):
            yield f"{name}: {wrong.rstrip('.')}"


def clock(facts: Facts) -> Iterator[str]:
    """The database's and this machine's."""
    for name, agreement in _asked(facts, lambda it: it.agreement):
        if wrong := clock_wrong(agreement):
            yield f"{name}: {wrong.rstrip('.')}"


def consumers(facts: Facts) -> Iterator[str]:
    """None has stopped."""
    for name, rows in _rows(facts):
        if rows.stopped:
            yield f"{name}: stopped at {rows.stopped}"


def gate(facts: Facts) -> Iterator[str]:
    """Open to what a consent permits."""
    for name, rows in _rows(facts):
        if rows.gate:
            yield f"{name}: {rows.gate}"


def lanes(facts: Facts) -> Iterator[str]:
    """No row is too old."""
    for name, rows in _rows(facts):
        for lane, seconds in sorted(rows.lanes.items()):
            if seconds > _seconds_most(lane):
                yield f"{name}: the oldest row of {lane} has waited for {_age(seconds)}"


def _seconds_most(lane: str) -> float:
    if lane.startswith("partner:on-call"):
        return ON_CALL_LANE_SECONDS_MOST
    return PARTNER_LANE_SECONDS_MOST if lane.startswith("partner:") else TOPIC_LANE_SECONDS_MOST


def parked(facts: Facts) -> Iterator[str]:
    """By class, with what queues behind it."""
    for name, rows in _rows(facts):
        if rows.parked:
            yield f"{name}: " + ", ".join(f"{count} {class_}" for class_, count in sorted(rows.parked.items()))


def strays(facts: Facts) -> Iterator[str]:
    """Of the last day."""
    for name, rows in _rows(facts):
        if rows.strays:
            yield f"{name}: {rows.strays} records on its topic that are no events of the hub's"


def unmatched(facts: Facts) -> Iterator[str]:
    """Results that nobody is known for."""
    for name, rows in _rows(facts):
        if rows.waiting_seconds > WAITING_SECONDS_MOST:
            yield f"{name}: {rows.waiting} results wait for their patient, the oldest for {_age(rows.waiting_seconds)}"


def deadlines(facts: Facts) -> Iterator[str]:
    """Taken when they come."""
    for name, rows in _rows(facts):
        if rows.late_deadlines:
            yield f"{name}: {rows.late_deadlines} have passed and are not decided"


def feeds(facts: Facts) -> Iterator[str]:
    """Who came is reported, while there are sessions."""
    for name, rows in _rows(facts):
        for each in rows.silent_feeds:
            since = f"{each.since.astimezone(UTC):%Y-%m-%d %H:%MZ}"
            yield f"{name}: nothing is reported of {each.program}'s sessions since {since} (Task/{each.task})"


def meeting_feeds(facts: Facts) -> Iterator[str]:
    """They can be had, and are what they were."""
    for _, rows in _rows(facts):
        for each in rows.meeting_feeds:
            since = f"{each.troubled_at.astimezone(UTC):%Y-%m-%d %H:%MZ}" if each.troubled_at else "its first look"
            yield f"feed {each.name} of {each.program} is in trouble since {since} ({each.trouble})"


def retention(facts: Facts) -> Iterator[str]:
    """It ends every hour."""
    for name, rows in _rows(facts):
        if rows.retention_seconds > RETENTION_SECONDS_MOST:
            yield f"{name}: what is past its days was last deleted {_age(rows.retention_seconds)} ago"


def journal(facts: Facts) -> Iterator[str]:
    """What a replay needs."""
    for name, rows in _rows(facts):
        if rows.unreadable_settings:
            yield f"{name}: {rows.unreadable_settings} stored settings are not what their digest says"
        if rows.without_settings:
            yield f"{name}: the settings of {rows.without_settings} decisions are not stored"


def kafka(facts: Facts) -> Iterator[str]:
    """It answers."""
    if isinstance(facts.kafka, NoAnswer):
        if not facts.kafka.asked:
            raise NotAskedError(facts.kafka.reason)
        yield facts.kafka.reason


def topics(facts: Facts) -> Iterator[str]:
    """As the file has them."""
    for each in known(facts.kafka).differences:
        yield f"{each.topic}: {each.setting} is {each.stands}, {each.wanted} is wanted"


def groups(facts: Facts) -> Iterator[str]:
    """They can be asked, and have as many members as processes, where all processes are known."""
    found = known(facts.kafka).groups
    if isinstance(found, NoAnswer):
        yield found.reason
        return
    yield from (f"iop.{service}: {group.error}" for service, group in found.items() if group.error)
    known(facts.hub)
    if not facts.services:
        raise NotAskedError("no service is running")
    for service, group in found.items():
        wanted = max(1, sum(name.partition("-")[0] == service for name in facts.services))
        if group.members < wanted and not group.error:
            yield f"iop.{service} has {group.members} of {wanted} members"


def lag(facts: Facts) -> Iterator[str]:
    """Of each service."""
    for service, group in known(known(facts.kafka).groups).items():
        if group.lag > LAG_MOST:
            yield f"{service}: {group.lag} records wait to be read"


def _require_any(facts: Facts) -> None:
    """Raises NotAskedError: no address of a database is known, or nobody was asked."""
    unasked = [each for each in facts.databases.values() if isinstance(each, NoAnswer) and not each.asked]
    if unasked or not facts.databases:
        raise NotAskedError(unasked[0].reason if unasked else "no database is known")


def _asked(facts: Facts, look: Callable[[Database], T | NoAnswer]) -> Iterator[tuple[str, T]]:
    """What is known of each database. At the end raises NotAskedError where one is not known: check `database` or
    `rights` names why."""
    _require_any(facts)
    unknown: dict[str, str] = {}
    for name, each in facts.databases.items():
        found = each if isinstance(each, NoAnswer) else look(each)
        if isinstance(found, NoAnswer):
            unknown[name] = found.reason
        else:
            yield name, found
    if unknown:
        raise NotAskedError("; ".join(f"{name}: {reason}" for name, reason in unknown.items()))


def _rows(facts: Facts) -> Iterator[tuple[str, Rows]]:
    """At the end raises NotAskedError where those of a database are not known."""
    return _asked(facts, lambda it: it.rows)


def _age(seconds: float) -> str:
    """As a person reads it."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
