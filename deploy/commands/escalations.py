"""`iop escalations`: what waits for a person at any service, and their answer to it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import typer

from deploy import work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out, stderr
from deploy.failure import CannotContinueError
from deploy.work_list import Act, Listed, Operation, Owners
from shared.events.codes import (
    ACTS,
    ESCALATION,
    HAND_OVER_REASONS,
    HANDLING,
    REASON,
    REOPEN_REASONS,
    RESOLUTIONS,
    ROLE,
    STAFF,
)
from shared.events.escalation import PERSON, PRIORITY

commands = typer.Typer(help="Escalations that wait for a person, and a person's answer.", no_args_is_help=True)
SCOPE = "system/Task.rus"
COLUMNS_MOST = 100
_asking = asking(SCOPE)


def _tier(text: str) -> int:
    number = text.upper().removeprefix("T")
    if number not in map(str, PRIORITY):
        raise typer.BadParameter(f"must be one of: {', '.join(f'T{each}' for each in PRIORITY)}")
    return int(number)


def _identity(text: str) -> str:
    if not work_list.ID.fullmatch(text.rpartition("/")[2]):
        raise typer.BadParameter("must be one of the hub's, like 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")
    return text.rpartition("/")[2]


Identity = Annotated[str, typer.Argument(metavar="ID", help="As the list prints it.", parser=_identity)]
Person = Annotated[str, typer.Option("--as", metavar="PERSON", help="A member of the program's staff: clinician-1.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@commands.command("list", epilog="Example: iop escalations list --open --tier T3 --tier T4")
@_asking
def list_(
    where: Where,
    tier: Annotated[list[int] | None, typer.Option(metavar="TIER", parser=_tier, help="T1 to T4; several.")] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Without those that are closed.")] = False,
    owner: Annotated[str, typer.Option(metavar="ROLE", help="Whose they are: a role, or a person.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Not acknowledged, or not acted on, in time.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print escalations by when they are due, of one time the graver first. Where a service does not answer the others'
    are printed, and the code is 1."""
    asked = work_list.query(tiers=tier or (), owner=owner, only_open=only_open or overdue)
    found, silent = where.ask(lambda owners: work_list.listed(owners, asked))
    now = where.now
    shown = [each for each in found if not overdue or each.is_overdue(now)]
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(shown)).decode(), markup=False)
    elif not shown and not silent:
        out.print("no escalations")
    else:
        for line in (line for each in shown for line in lines(each, now)):
            out.print(line, markup=False)
    for each in silent[:-1]:
        stderr.print(f"iop: {each}", markup=False)
    if silent:
        raise CannotContinueError(f"{silent[-1]}; the list is not complete")


@commands.command("show", epilog="Example: iop escalations show 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")
@asking(f"{SCOPE} system/AuditEvent.s")
def show(where: Where, identity: Identity, as_json: AsJson = False) -> None:
    """Print one escalation and who did what about it; `iop why ID` explains it."""
    found, acts = where.ask(lambda owners: _shown(owners, identity))
    if as_json:
        shown = {**msgspec.to_builtins(found), "acts": msgspec.to_builtins(acts)}
        out.print(msgspec.json.format(msgspec.json.encode(shown)).decode(), markup=False)
        return
    for line in lines(found, where.now):
        out.print(line, markup=False)
    out.print(f"    {found.category}, of {found.service}", markup=False)
    for name, moment in (("acknowledge by", found.acknowledge_by), ("act by", found.act_by)):
        out.print(f"    {name} {moment.astimezone():%Y-%m-%d %H:%M %Z}", markup=False)
    for each in acts:
        out.print(f"    {act_line(each)}", markup=False)


async def _shown(owners: Owners, identity: str) -> tuple[Listed, list[Act]]:
    found = await work_list.one(owners, identity)
    return found, await work_list.acts(owners, found)


def act_line(act: Act) -> str:
    """One line, by this machine's clock."""
    to = f" to {act.to}" if act.to else ""
    code = f" ({act.code})" if act.code else ""
    who = f"{PERSON}{act.person}{'' if act.proved else ' (stated)'}, client {act.client}" if act.person else act.client
    return f"{act.at.astimezone():%Y-%m-%d %H:%M}  {act.step}{to}{code}  by {who}"


@commands.command("ack", epilog="Example: iop escalations ack 5f0c9e7e-... --as clinician-1")
@_asking
def ack(where: Where, identity: Identity, person: Person) -> None:
    """Acknowledge an escalation as this person: they have it."""
    _take(where, identity, acknowledging(person))


@commands.command("act", epilog="Example: iop escalations act 5f0c9e7e-... --as clinician-1 --did called")
@_asking
def act(
    where: Where,
    identity: Identity,
    person: Person,
    did: Annotated[str, typer.Option(metavar="CODE", help=f"What was done: {', '.join(sorted(ACTS))}.")],
) -> None:
    """Record what this person did about an escalation, which stays open and theirs."""
    _take(where, identity, acting(person, did))


@commands.command(
    "hand-over", epilog="Example: iop escalations hand-over 5f0c9e7e-... --to staff/prescriber-1 --reason shift-ended"
)
@_asking
def hand_over(
    where: Where,
    identity: Identity,
    to: Annotated[str, typer.Option(metavar="staff/PERSON|ROLE", help="A member of the program's staff, or a role.")],
    reason: Annotated[str, typer.Option(metavar="CODE", help=f"Why: {', '.join(sorted(HAND_OVER_REASONS))}.")],
) -> None:
    """Hand an escalation over for whoever has it: the receiver is asked anew."""
    _take(where, identity, handing_over(to, reason))


@commands.command("resolve", epilog="Example: iop escalations resolve 5f0c9e7e-... --as clinician-1 --reason acted-on")
@_asking
def resolve(
    where: Where,
    identity: Identity,
    person: Person,
    reason: Annotated[str, typer.Option(metavar="CODE", help=f"What was done: {', '.join(sorted(RESOLUTIONS))}.")],
) -> None:
    """Resolve an escalation as this person, with what was done."""
    _take(where, identity, resolving(person, reason))


@commands.command(
    "reopen", epilog="Example: iop escalations reopen 5f0c9e7e-... --as clinician-1 --reason resolved-by-mistake"
)
@_asking
def reopen(
    where: Where,
    identity: Identity,
    person: Person,
    reason: Annotated[str, typer.Option(metavar="CODE", help=f"Why: {', '.join(sorted(REOPEN_REASONS))}.")],
) -> None:
    """Reopen an escalation that this person resolved by mistake: they have it again."""
    _take(where, identity, reopening(person, reason))


def _take(where: Where, identity: str, steps: Sequence[Operation]) -> None:
    taken = where.ask(lambda owners: work_list.take(owners, identity, steps))
    for line in lines(taken, where.now):
        out.print(line, markup=False)


def acknowledging(person: str) -> list[Operation]:
    return [_to("status", "accepted"), _of(person)]


def acting(person: str, did: str) -> list[Operation]:
    return [*acknowledging(person), _to("businessStatus", {"coding": [{"system": ESCALATION, "code": did}]})]


def handing_over(to: str, reason: str) -> list[Operation]:
    receiver = _of(to) if to.startswith(PERSON) else _to("owner", {"identifier": {"system": ROLE, "value": to}})
    return [_to("status", "requested"), _coded(reason), receiver]


def resolving(person: str, reason: str) -> list[Operation]:
    return [_to("status", "completed"), _coded(reason), _of(person)]


def reopening(person: str, reason: str) -> list[Operation]:
    return [*acknowledging(person), _coded(reason)]


def _coded(reason: str) -> Operation:
    return _to("statusReason", {"coding": [{"system": REASON, "code": reason}]})


def _to(member: str, value: object) -> Operation:
    return {"op": "add", "path": f"/{member}", "value": value}


def _of(person: str) -> Operation:
    return _to("owner", {"identifier": {"system": STAFF, "value": person.removeprefix(PERSON)}})


def lines(each: Listed, now: datetime) -> list[str]:
    """Two lines of at most a hundred columns, by this machine's clock; what must be typed again is never cut off."""
    waits = each.acted if each.acted in HANDLING else left(each.due - now)
    due = f"{each.due.astimezone():%m-%d %H:%M}" + (f" {waits}" if each.is_open else "")
    first = f"T{each.tier}  {due:<27}  {each.status:<11}  {each.owner:<20}  {each.reason}"
    return [first[:COLUMNS_MOST], f"    {each.id}  patient {each.patient}"]


def left(time: timedelta) -> str:
    """How long there is yet, or since when there is none: in minutes to two hours, in hours to two days, in days."""
    minutes = abs(time) // timedelta(minutes=1)
    amount = f"{minutes} min"
    if minutes >= 120:
        amount = f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} d"
    return f"overdue {amount}" if time < timedelta() else f"in {amount}"
