"""`iop ledger`: how current the consent gate's knowledge is, and opening the gate again after records were lost.

Lost is a partition of which records expired before aftercare had read them: a revocation may have been among them.
What it said stands in intake's journal too. So each consent aftercare knows is held against what intake last decided
about it; only what is the same stays, and only then does the gate open. Reopening never adds a permission.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import asyncpg
import msgspec
import typer
from rich.table import Table

from deploy import hubfile
from deploy.commands.common import DEFAULT_DATA, Data, out
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from shared.events.catalogue import PARTITIONS
from shared.events.intake import ConsentGiven
from shared.path.transaction.consent_ledger import AGE_SECONDS_MOST

commands = typer.Typer(help="What the consent gate knows, and how current that is.", no_args_is_help=True)
CURRENT = "SELECT partition, current_at, lost FROM ledger ORDER BY partition"
LOST = "SELECT partition FROM ledger WHERE lost FOR UPDATE"
KNOWN = "SELECT patient, consent_id, body FROM consents FOR UPDATE"
# Every decision about a consent, in its order. Read after the locks: what is decided later comes by the topic.
JOURNAL = "SELECT key, content FROM journal WHERE event LIKE '%Consent%' ORDER BY sequence"
# Closed as by a revocation: nothing can revive it.
CLOSE = "UPDATE consents SET body = NULL WHERE patient = $1 AND consent_id = $2"
# Forgotten: the same consent may come again.
FORGET = "DELETE FROM consents WHERE patient = $1 AND consent_id = $2"
OPEN = "UPDATE ledger SET lost = false WHERE lost"
Name = tuple[str, str]
"""A consent: the patient's key and its id."""


class _NothingDone(Exception):
    """Takes a dry run back."""


@dataclass(frozen=True)
class Audit:
    """What intake's journal says of the consents that aftercare knows, and which it doesn't know."""

    same: tuple[Name, ...] = ()
    ended: tuple[Name, ...] = ()
    """Revoked, or intake's journal has never heard of it: closed for good."""
    changed: tuple[Name, ...] = ()
    """Living, but with another content: forgotten until it is sent again."""
    not_consumed: tuple[Name, ...] = ()
    """Living, and aftercare never heard of it."""


def audit(known: Mapping[Name, ConsentGiven | None], decided: Mapping[Name, ConsentGiven | None]) -> Audit:
    """Hold what aftercare knows against what intake decided last. None is a consent that was revoked. Pure."""
    living = {name: consent for name, consent in known.items() if consent is not None}
    return Audit(
        same=tuple(name for name, consent in living.items() if decided.get(name) == consent),
        ended=tuple(name for name in living if decided.get(name) is None),
        changed=tuple(name for name, consent in living.items() if decided.get(name) not in (None, consent)),
        not_consumed=tuple(name for name, consent in decided.items() if consent is not None and name not in known),
    )


def decisions(rows: Iterable[tuple[str, str]]) -> dict[Name, ConsentGiven | None]:
    """The last decision about each consent, from rows (key, commands as JSON) of intake's journal, in their order."""
    last: dict[Name, ConsentGiven | None] = {}
    for key, content in rows:
        for command in msgspec.json.decode(content):
            match command:
                case {"type": "RecordConsent", "consent_id": str(identity)}:
                    last[key, identity] = msgspec.convert(command, type=ConsentGiven)
                case {"type": "RevokeConsent", "consent_id": str(identity)}:
                    last[key, identity] = None
    return last


@commands.command("show", epilog="Example: iop ledger show")
def show(data: Data = DEFAULT_DATA) -> None:
    """Up to when each partition's consents are known, and whether records of it were lost."""
    rows = asyncio.run(_partitions(hubfile.read(data)))
    table, now = Table("partition", "known up to", "seconds ago", "records lost"), datetime.now(UTC)
    for row in rows:
        age = _seconds(row, now)
        known = f"{row['current_at']:%Y-%m-%d %H:%M:%S}" if age is not None else "never"
        table.add_row(str(row["partition"]), known, "" if age is None else f"{age:.0f}", "LOST" if row["lost"] else "")
    out.print(table)
    out.print(_gate([_seconds(row, now) for row in rows], lost=any(row["lost"] for row in rows)))


def _seconds(row: Mapping[str, Any], now: datetime) -> float | None:
    """Since when the partition's consents are known; None where they never were ('-infinity')."""
    known_at: datetime = row["current_at"]
    return None if known_at.year == 1 else (now - known_at).total_seconds()


def _gate(ages: Sequence[float | None], *, lost: bool) -> str:
    if lost:
        return "the gate is shut: nothing is disclosed until `iop ledger reopen`"
    if len(ages) < PARTITIONS or any(age is None or abs(age) > AGE_SECONDS_MOST for age in ages):
        return (
            f"the gate is shut until each partition is known within {AGE_SECONDS_MOST:.0f} s: do intake and Kafka run?"
        )
    return "the gate is open to what a consent permits"


@commands.command("reopen", epilog="Example: iop ledger reopen --dry-run")
def reopen(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Hold every known consent against intake's journal, close those that don't stand there, and open the gate."""
    found = asyncio.run(_reopen(hubfile.read(data), dry_run=dry_run))
    for what, names in (
        ("ended, closed for good", found.ended),
        ("changed, forgotten until the EHR sends it again", found.changed),
        ("never heard, waits until the EHR sends it again", found.not_consumed),
    ):
        for patient, identity in names:
            out.print(f"Consent/{identity} of Patient/{patient}: {what}", markup=False)
    line = f"{len(found.same)} stand as intake decided them, {len(found.ended)} closed, {len(found.changed)} forgotten"
    out.print(
        f"{line}; {'nothing was changed' if dry_run else 'the gate unpack_escalations once the ledger is current'}"
    )
    out.print("discharges and other events of that time are not brought back")


async def _partitions(hub: Hub) -> list[asyncpg.Record]:
    async with _database(hub, "aftercare") as aftercare:
        return list(await aftercare.fetch(CURRENT))


async def _reopen(hub: Hub, *, dry_run: bool) -> Audit:
    """In one transaction of aftercare's database, so that no consent changes between the look and the opening."""
    found = Audit()
    try:
        async with (
            _database(hub, "aftercare") as aftercare,
            _database(hub, "intake") as intake,
            aftercare.transaction(),
        ):
            if not await aftercare.fetch(LOST):
                raise CannotContinueError("no records were lost: there is nothing to reopen")
            known = {(row["patient"], row["consent_id"]): _consent(row) for row in await aftercare.fetch(KNOWN)}
            found = audit(known, decisions([(row["key"], row["content"]) for row in await intake.fetch(JOURNAL)]))
            await aftercare.executemany(CLOSE, found.ended)
            await aftercare.executemany(FORGET, found.changed)
            await aftercare.execute(OPEN)
            if dry_run:
                raise _NothingDone
    except _NothingDone:
        pass
    return found


def _consent(row: Mapping[str, Any]) -> ConsentGiven | None:
    return None if row["body"] is None else msgspec.json.decode(row["body"], type=ConsentGiven)


@asynccontextmanager
async def _database(hub: Hub, service: str) -> AsyncIterator[asyncpg.Connection]:
    if service not in hub.postgres:
        raise CannotContinueError(f"this hub has no {service}")
    try:
        connection = await asyncpg.connect(hub.postgres[service], timeout=10)
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        raise CannotContinueError(f"the database of {service} cannot be used ({type(failure).__name__})") from None
