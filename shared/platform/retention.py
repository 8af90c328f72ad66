"""What a service may delete after the days of its programs, table by table. No decision reads these tables.

Never what is open, parked or waits for its patient. What of a patient's record may go is said in
shared/path/transaction/records.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.platform import settings
from shared.platform.db import Executor
from shared.platform.settings import Retention

PROCESSED_DAYS_MORE = 7
"""A record can come again as long as its topic keeps it, and a restore may set readers back by some days."""
ROWS_MOST = 5_000
"""Deleted by one statement: at most so long others wait for it."""
CLOSED = (
    *("", "amended", "appended", "available", "cancelled", "completed", "corrected", "current", "ended"),
    *("entered-in-error", "failed", "final", "finished", "fulfilled", "inactive", "noshow", "not-done", "not-taken"),
    *("rejected", "resolved", "retired", "revoked", "stopped", "superseded", "unavailable", "unsatisfactory"),
)
"""FHIR's statuses (R4, all types) after which nobody acts any more, and none at all; any other one is open."""
# Whom the hub told of an escalation is kept as long as why, and while that is open.
_PAGES = """pages WHERE rung_at < $3 AND EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[]) AS u(program, before)
        WHERE u.program = pages.program AND pages.rung_at < u.before)
    AND NOT EXISTS (SELECT FROM resources r WHERE r.id = pages.escalation AND r.type = 'Task'
        AND coalesce(r.status, '') <> ALL ($4::text[]))"""
# Bytes as received, unless they wait for their patient, or work of nobody that is open names them.
_DOCUMENTS = """documents WHERE received_at < $3 AND NOT unmatched
    AND EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[]) AS u(program, before)
        WHERE u.program = documents.program AND documents.received_at < u.before)
    AND id::text <> ALL (ARRAY(SELECT (regexp_matches(body, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g'))[1]
        FROM resources WHERE patient = '' AND type = 'Task' AND coalesce(status, '') <> ALL ($4::text[])))"""
# A result whose bytes are gone is not read again, whatever its code turns out to mean.
_WAITING_RESULTS = """waiting_results WHERE at < $3 AND EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[])
    AS u(program, before) WHERE u.program = waiting_results.program AND waiting_results.at < u.before)"""
# Sessions of groups, by when they were: of no patient, and whatever their status nobody acts on them any more.
_OF_SLOT = """patient = '' AND type = 'Slot' AND at < $3 AND EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[])
    AS u(program, before) WHERE u.program = {resources}.program AND {resources}.at < u.before)"""
_SLOTS = f"resources WHERE {_OF_SLOT.format(resources='resources')}"
_PUTS_OF_SLOTS = f"""puts WHERE type = 'Slot' AND EXISTS (SELECT FROM (SELECT * FROM resources WHERE patient = ''
        AND type = 'Slot' OFFSET 0) AS r
        WHERE {_OF_SLOT.format(resources="r")} AND r.program = puts.program AND r.id = puts.id)"""
_PROCESSED = """processed WHERE at < now() - make_interval(days => $1)
    AND id <> ALL (ARRAY(SELECT id FROM parked))"""
_STRAYS = "strays WHERE at < $1"
_OF_OPERATORS = """{table} WHERE {at} < $3 AND EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[])
    AS u(program, before) WHERE u.program = {table}.program AND {table}.{at} < u.before)"""
_MONTHS = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = $1::regclass ORDER BY c.relname"""


@dataclass(frozen=True)
class RetentionPolicy:
    """How long one service keeps what: ids it consumed (machine time), and each program's documents, journal and
    records (clinic time)."""

    processed_days: int
    programs: Mapping[str, Retention]

    @classmethod
    def of(cls, deploy: Path, topic: str) -> "RetentionPolicy":
        """As topics.toml says of the consumed topic, and program.toml of each program."""
        return cls(settings.topic_days(deploy, topic) + PROCESSED_DAYS_MORE, settings.retention(deploy))


@dataclass(frozen=True)
class Sweep:
    """The rows of one table that may go: `old` is the table, or a part of it, with a condition; `values` fill its
    places."""

    table: str
    old: str
    values: tuple[object, ...]

    @property
    def count(self) -> str:
        return f"SELECT count(*) FROM {self.old}"

    @property
    def delete(self) -> str:
        part = self.old.partition(" ")[0]
        return f"DELETE FROM {part} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {self.old} LIMIT {ROWS_MOST}))"


def sweeps(policy: RetentionPolicy, now: datetime) -> list[Sweep]:
    """Of each table whose rows are of no patient's record, or tell of it only how it came; `now` is clinic time."""
    programs = policy.programs
    of_documents = _before({name: each.documents_days for name, each in programs.items()}, now)
    of_journal = _before({name: each.journal_days for name, each in programs.items()}, now)
    of_records = _before({name: each.records_days for name, each in programs.items()}, now)
    operators = {"quarantine": "quarantined_at", "redrives": "at"}
    return [
        Sweep("processed", _PROCESSED, (policy.processed_days,)),
        Sweep("documents", _DOCUMENTS, (*of_documents, list(CLOSED))),
        Sweep("waiting_results", _WAITING_RESULTS, of_documents),
        Sweep("strays", _STRAYS, (now - timedelta(days=policy.processed_days),)),
        Sweep("pages", _PAGES, (*of_journal, list(CLOSED))),
        Sweep("puts", _PUTS_OF_SLOTS, of_records),
        Sweep("resources", _SLOTS, of_records),
        *(Sweep(table, _OF_OPERATORS.format(table=table, at=at), of_journal) for table, at in operators.items()),
    ]


def _before(days: Mapping[str, int], now: datetime) -> tuple[list[str], list[datetime], datetime]:
    """The programs, before when each is done with a row, and before when any is."""
    before = [now - timedelta(days=each) for each in days.values()]
    return list(days), before, max(before, default=now)


async def months(connection: Executor, table: str) -> Sequence[str]:
    """The partitions of a table that goes by months, the oldest first."""
    return [row["relname"] for row in await connection.fetch(_MONTHS, table)]


def over_in(month: str, days: Mapping[str, int], now: datetime) -> set[str]:
    """The programs whose rows of this partition (`journal_2026_01`) are past their days, all of the month."""
    year, number = (int(part) for part in month.split("_")[1:])
    ends_at = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return {program for program, each in days.items() if ends_at + timedelta(days=each) <= now}
