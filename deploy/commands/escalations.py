"""`iop escalations`: what waits for a person at any service, and their answer to it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import msgspec
import typer

from deploy import clock, hubfile, work_list
from deploy import token as tokens
from deploy.commands.common import DEFAULT_DATA, Data, out, stderr
from deploy.failure import CannotContinueError
from deploy.work_list import Listed, Operation, Owners
from shared.events.codes import ACTS, ESCALATION, HANDLING, REASON, RESOLUTIONS, STAFF
from shared.events.escalation import PRIORITY
from shared.platform.settings import ConfigurationError, require_url

commands = typer.Typer(help="Escalations that wait for a person, and a person's answer.", no_args_is_help=True)
SCOPE = "system/Task.rus"
COLUMNS_MOST = 100
T = TypeVar("T")


@dataclass(frozen=True)
class Where:
    """Which services are asked, and with whose token."""

    data: Path
    urls: Sequence[str]
    token_file: Path | None
    client: str
    program: str | None

    @property
    def now(self) -> datetime:
        """The clinic's time: of a hub of this machine it may be set by hand."""
        return datetime.now(UTC) if self.urls else clock.now(self.data)

    def ask(self, question: Callable[[Owners], Awaitable[T]]) -> T:
        bases, token = self._hub() if not self.urls else self._elsewhere()

        async def asked() -> T:
            async with AsyncExitStack() as stack:
                owners = {}
                for name, base in bases.items():
                    headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
                    client = httpx.AsyncClient(base_url=f"{base}/", headers=headers, trust_env=False)
                    owners[name] = await stack.enter_async_context(client)
                return await question(owners)

        return asyncio.run(asked())

    def _hub(self) -> tuple[dict[str, str], str]:
        hub = hubfile.read(self.data)
        token = tokens.fetch(hub.issuer, self.data / "keys", self.client, self.program, SCOPE)
        return {name: each.fhir for name, each in hub.services.items()}, token

    def _elsewhere(self) -> tuple[dict[str, str], str]:
        if self.token_file is None:
            raise typer.BadParameter("--url needs --token-file: a file with a bearer token and nothing else")
        try:
            bases = {each: require_url(each, "--url").rstrip("/") for each in self.urls}
        except ConfigurationError as wrong:
            raise typer.BadParameter(str(wrong)) from None
        return bases, self.token_file.read_text().strip()


def _where(
    url: Annotated[
        list[str] | None, typer.Option("--url", help="A service's FHIR base; several. Default: those of the hub.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="For --url: a file with a bearer token.", exists=True, dir_okay=False),
    ] = None,
    client: Annotated[str, typer.Option(help="Without --url: whose token of clients.toml.")] = "ehr",
    program: Annotated[str | None, typer.Option(help="One of the client's programs; default: its first.")] = None,
    data: Data = DEFAULT_DATA,
) -> Where:
    return Where(data, url or [], token_file, client, program)


def _asking(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of `_where` behind its own; it gets what they come to."""
    shared = signature(_where).parameters
    own = [each for each in signature(command).parameters.values() if each.annotation is not Where]

    @wraps(command)
    def asking(**given: Any) -> None:
        where = _where(**{name: given.pop(name) for name in shared})
        command(where, **given)

    parameters = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (*own, *shared.values())]
    asking.__annotations__ = {each.name: each.annotation for each in parameters}
    asking.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return asking


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
@_asking
def show(where: Where, identity: Identity, as_json: AsJson = False) -> None:
    """Print one escalation; `iop why ID` explains it."""
    found = where.ask(lambda owners: work_list.one(owners, identity))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for line in lines(found, where.now):
        out.print(line, markup=False)
    out.print(f"    {found.category}, of {found.service}", markup=False)
    for name, moment in (("acknowledge by", found.acknowledge_by), ("act by", found.act_by)):
        out.print(f"    {name} {moment.astimezone():%Y-%m-%d %H:%M %Z}", markup=False)


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


def _take(where: Where, identity: str, steps: Sequence[Operation]) -> None:
    taken = where.ask(lambda owners: work_list.take(owners, identity, steps))
    for line in lines(taken, where.now):
        out.print(line, markup=False)


def acknowledging(person: str) -> list[Operation]:
    return [_to("status", "accepted"), _of(person)]


def acting(person: str, did: str) -> list[Operation]:
    return [*acknowledging(person), _to("businessStatus", {"coding": [{"system": ESCALATION, "code": did}]})]


def resolving(person: str, reason: str) -> list[Operation]:
    coded = {"coding": [{"system": REASON, "code": reason}]}
    return [_to("status", "completed"), _to("statusReason", coded), _of(person)]


def _to(member: str, value: object) -> Operation:
    return {"op": "add", "path": f"/{member}", "value": value}


def _of(person: str) -> Operation:
    return _to("owner", {"identifier": {"system": STAFF, "value": person.removeprefix("staff/")}})


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
