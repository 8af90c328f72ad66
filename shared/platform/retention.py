"""Deletes processed ids, documents, pages, and months of the journal and of reads past their retention. No decision
reads these tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.platform import documents, settings
from shared.platform.db import Executor
from shared.platform.settings import Retention

PROCESSED_DAYS_MORE = 7
"""A record can come again as long as its topic keeps it, and a restore may set readers back by some days."""

_PROCESSED = "DELETE FROM processed WHERE at < now() - make_interval(days => $1)"
# Whom the hub told of an escalation is kept as long as why.
_PAGES = """DELETE FROM pages p USING unnest($1::text[], $2::timestamptz[]) AS u(program, before)
    WHERE p.program = u.program AND p.rung_at < u.before"""
_MONTHS = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = $1::regclass ORDER BY c.relname"""

_DAYS: Mapping[str, Callable[[Retention], int]] = {
    "journal": lambda each: each.journal_days,
    "reads": lambda each: each.accounting_days,
}
"""Tables that go by whole months."""


@dataclass(frozen=True)
class RetentionPolicy:
    """How long one service keeps what: ids it consumed (machine time), and per program documents and the journal."""

    processed_days: int
    programs: Mapping[str, Retention]

    @classmethod
    def of(cls, deploy: Path, topic: str) -> "RetentionPolicy":
        """As topics.toml says of the consumed topic, and program.toml of each program."""
        return cls(settings.topic_days(deploy, topic) + PROCESSED_DAYS_MORE, settings.retention(deploy))


async def forget(pool: Executor, policy: RetentionPolicy, now: datetime) -> None:
    """Delete what is past its days; `now` is clinic time."""
    await pool.execute(_PROCESSED, policy.processed_days)
    days = {program: each.documents_days for program, each in policy.programs.items()}
    await documents.prune(pool, days, now)
    before = [now - timedelta(days=each.journal_days) for each in policy.programs.values()]
    await pool.execute(_PAGES, list(policy.programs), before)
    for table, days_of in _DAYS.items():
        of_program = {program: days_of(each) for program, each in policy.programs.items()}
        await _forget_months(pool, table, of_program, now)


async def _forget_months(pool: Executor, table: str, days: Mapping[str, int], now: datetime) -> None:
    """A month goes whole, or the rows of the programs for which it is past its days."""
    for row in await pool.fetch(_MONTHS, table):
        month, over = row["relname"], over_in(row["relname"], days, now)
        if over and over == set(days):
            await pool.execute(f"DROP TABLE IF EXISTS {month}")
        elif over:
            await pool.execute(f"DELETE FROM {month} WHERE program = ANY($1::text[])", sorted(over))


def over_in(month: str, days: Mapping[str, int], now: datetime) -> set[str]:
    """The programs whose rows of this partition (`journal_2026_01`) are past their days, all of the month."""
    year, number = (int(part) for part in month.split("_")[1:])
    ends_at = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return {program for program, each in days.items() if ends_at + timedelta(days=each) <= now}
