"""`iop ledger`: how current the consent gate's knowledge is, and opening the gate again after records were lost.

A partition is lost when its records expired before a service with a gate (aftercare, testing) consumed them: a
revocation may be among them. Intake's journal holds the same decisions. So each consent that the service knows is
compared with intake's last decision about it; only an equal one stays, and only then does the gate open. Reopening
never adds a permission.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from deploy import hubfile, queries
from deploy.commands.common import DEFAULT_DATA, Data, database, out
from deploy.failure import CannotContinueError
from deploy.hubfile import Hub
from deploy.queries import ConsentName, Partition, Stated
from shared.events.catalogue import BY_NAME, PARTITIONS
from shared.events.intake import ConsentDenied, ConsentGiven, ConsentsCurrent
from shared.path.transaction.consent_ledger import AGE_SECONDS_MOST

commands = typer.Typer(help="What the consent gate knows, and how current that is.", no_args_is_help=True)

AFTERCARE = "aftercare"
GATES = tuple(sorted(BY_NAME[ConsentsCurrent.__name__].consumers))
"""The services that disclose."""
Whose = Annotated[str, typer.Option("--service", help=f"Whose gate: {' or '.join(GATES)}.")]


class _DryRunError(Exception):
    """Rolls a dry run back."""


@dataclass(frozen=True)
class Audit:
    """The consents that the service knows, and those it does not, compared with intake's journal."""

    same: tuple[ConsentName, ...] = ()
    ended: tuple[ConsentName, ...] = ()
    """Revoked, or not in intake's journal: closed for good."""
    changed: tuple[ConsentName, ...] = ()
    """Active, but with another content: forgotten until it is sent again."""
    not_consumed: tuple[ConsentName, ...] = ()
    """Active, and unknown to the service."""
    denied: Mapping[ConsentName, ConsentDenied] = field(default_factory=dict)
    """Denials unknown to the service: entered, for they close."""


def audit(known: Mapping[ConsentName, Stated | None], decided: Mapping[ConsentName, Stated | None]) -> Audit:
    """Compare what the service knows with what intake decided last. None is a consent that was revoked. Pure."""
    active = {name: consent for name, consent in known.items() if consent is not None}
    return Audit(
        same=tuple(name for name, consent in active.items() if decided.get(name) == consent),
        ended=tuple(name for name in active if decided.get(name) is None),
        changed=tuple(
            name
            for name, consent in active.items()
            if isinstance(decided.get(name), ConsentGiven) and decided[name] != consent
        ),
        not_consumed=tuple(
            name for name, each in decided.items() if isinstance(each, ConsentGiven) and name not in known
        ),
        denied={
            name: each for name, each in decided.items() if isinstance(each, ConsentDenied) and known.get(name) != each
        },
    )


def decisions(rows: Iterable[tuple[str, str, str]]) -> dict[ConsentName, Stated | None]:
    """The last decision about each consent, from rows (program, key, commands) of intake's journal, in their order."""
    last: dict[ConsentName, Stated | None] = {}
    for program, key, content in rows:
        for command in msgspec.json.decode(content):
            match command:
                case {"type": "RecordConsent", "consent_id": str(identity)}:
                    last[program, key, identity] = msgspec.convert(command, type=ConsentGiven)
                case {"type": "DenyConsent", "consent_id": str(identity)}:
                    last[program, key, identity] = msgspec.convert(command, type=ConsentDenied)
                case {"type": "RevokeConsent", "consent_id": str(identity)}:
                    last[program, key, identity] = None
    return last


@commands.command("show", epilog="Example: iop ledger show")
def show(service: Whose = AFTERCARE, data: Data = DEFAULT_DATA) -> None:
    """Print up to when each partition's consents are known, and whether records of it were lost."""
    partitions = asyncio.run(_partitions(hubfile.read(data), service))
    table, now = Table("partition", "known up to", "seconds ago", "records lost"), datetime.now(UTC)
    for partition in partitions:
        age = _age_seconds(partition, now)
        known = f"{partition.current_at:%Y-%m-%d %H:%M:%S}" if partition.current_at is not None else "never"
        lost = "LOST" if partition.lost else ""
        table.add_row(str(partition.number), known, "" if age is None else f"{age:.0f}", lost)
    out.print(table)
    out.print(shut(partitions, now, service) or "the gate is open to what a consent permits")


def _age_seconds(partition: Partition, now: datetime) -> float | None:
    return None if partition.current_at is None else (now - partition.current_at).total_seconds()


def shut(partitions: Sequence[Partition], now: datetime, service: str = AFTERCARE) -> str:
    """Why the service's gate is shut; empty where it is open."""
    ages = [_age_seconds(partition, now) for partition in partitions]
    if any(partition.lost for partition in partitions):
        command = "iop ledger reopen" if service == AFTERCARE else f"iop ledger reopen --service {service}"
        return f"the gate is shut: records were lost, and nothing is disclosed until `{command}`"
    if len(ages) < PARTITIONS or any(age is None or abs(age) > AGE_SECONDS_MOST for age in ages):
        return (
            f"the gate is shut until each of the {PARTITIONS} partitions is known up to {AGE_SECONDS_MOST:.0f} s ago; "
            "it opens by itself while intake and Kafka run"
        )
    return ""


@commands.command("reopen", epilog="Example: iop ledger reopen --dry-run")
def reopen(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would happen; change nothing.")] = False,
    service: Whose = AFTERCARE,
    data: Data = DEFAULT_DATA,
) -> None:
    """Compare every known consent with intake's journal, close those that do not stand there, and open the gate."""
    found = asyncio.run(_reopen(hubfile.read(data), service, dry_run=dry_run))
    for what, names in (
        ("revoked or unknown to intake, closed for good", found.ended),
        ("changed, forgotten until the EHR sends it again", found.changed),
        ("not consumed, waits until the EHR sends it again", found.not_consumed),
        ("a denial, entered", tuple(found.denied)),
    ):
        for _, patient, identity in names:
            out.print(f"Consent/{identity} of Patient/{patient}: {what}", markup=False)
    line = f"{len(found.same)} stand as intake decided them, {len(found.ended)} closed, {len(found.changed)} forgotten"
    out.print(f"{line}; {'nothing was changed' if dry_run else 'the gate opens once the ledger is current'}")
    out.print("discharges and other lost events are not restored")


def _require_gate(service: str) -> str:
    """Raises CannotContinueError."""
    if service not in GATES:
        raise CannotContinueError(f"--service: must be {' or '.join(GATES)}; the others disclose nothing")
    return service


async def _partitions(hub: Hub, service: str) -> list[Partition]:
    async with database(hub, _require_gate(service)) as disclosing:
        return await queries.partitions(disclosing)


async def _reopen(hub: Hub, service: str, *, dry_run: bool) -> Audit:
    """In one transaction of the service's database, so that no consent changes between the comparison and the opening.

    Intake's journal is read after the locks: what intake decides later comes by the topic.
    """
    found = Audit()
    try:
        async with (
            database(hub, _require_gate(service), queries.writing) as disclosing,
            database(hub, "intake") as intake,
            disclosing.transaction(),
        ):
            if not await queries.lock_lost(disclosing):
                raise CannotContinueError("no records were lost: there is nothing to reopen")
            known = await queries.lock_consents(disclosing)
            found = audit(known, decisions(await queries.consent_decisions(intake)))
            await queries.reopen(disclosing, closed=found.ended, forgotten=found.changed, denied=found.denied)
            if dry_run:
                raise _DryRunError
    except _DryRunError:
        pass
    return found
