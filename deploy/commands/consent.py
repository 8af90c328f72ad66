"""`iop consent show`: what each partner of the program may be told of a patient, and why not; the gate's own answer."""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Annotated, Any

import httpx
import msgspec
import typer

from deploy import plain_words, work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out, stderr
from deploy.commands.reads import Patient
from deploy.failure import CannotContinueError
from deploy.work_list import Owners

commands = typer.Typer(help="What a patient's consents permit.", no_args_is_help=True)
SERVICE = "aftercare"
LABORATORY = "laboratory"
_ANSWER = "answer"


class Shown(msgspec.Struct, frozen=True):
    """One partner: the fields it may be told now, until when and by which consent; or why nothing. `until` of a
    refusal: from then on a consent will permit it. `way`: it is referred to, or its own referral is answered."""

    name: str
    kind: str
    purpose: str
    way: str
    fields: tuple[str, ...] = ()
    consent: str = ""
    withheld: str = ""
    until: datetime | None = None


class Permissions(msgspec.Struct, frozen=True):
    """`current`: the gate knows enough to open at all. `held`: something of this patient waits for a person."""

    current: bool
    held: bool
    partners: tuple[Shown, ...]


@commands.command("show", epilog="Example: iop consent show 5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11")
@asking("system/Consent.s")
def show(
    where: Where,
    patient: Patient,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print for each partner what may go to it now, until when and by which consent; or why nothing may. To ask is a
    read of the patient."""
    found = where.ask(lambda owners: permissions(owners, patient))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for line in lines(found, where.zone):
        out.print(line, markup=False)
    if not found.current:
        stderr.print("the gate is shut until what is known of consents is current: iop ledger show")
    if found.held:
        stderr.print("nothing goes of this patient while a delivery of theirs is parked: iop parked list")


async def permissions(owners: Owners, patient: str) -> Permissions:
    """As aftercare's gate would answer. Raises CannotContinueError."""
    name, client = aftercare(owners)
    answer = await work_list.resource(name, client, "Consent/$permitted", {"patient": patient})
    flags = {each["name"]: each["valueBoolean"] for each in answer["parameter"] if "valueBoolean" in each}
    partners = tuple(_shown(each["part"]) for each in answer["parameter"] if each["name"] == "partner")
    return Permissions(flags["current"], flags["held"], partners)


def aftercare(owners: Owners) -> tuple[str, httpx.AsyncClient]:
    """The service, and how it is asked: the only one that was named, else the hub's. Raises CannotContinueError."""
    name, client = next(iter(owners.items())) if len(owners) == 1 else (SERVICE, owners.get(SERVICE))
    if client is None:
        raise CannotContinueError(f"this hub has no service {SERVICE}; --url must name it alone")
    return name, client


def _shown(parts: list[dict[str, Any]]) -> Shown:
    found = {each["name"]: each for each in parts}
    code = {name: each["valueCode"] for name, each in found.items() if "valueCode" in each and name != "field"}
    return Shown(
        **code,
        fields=tuple(each["valueCode"] for each in parts if each["name"] == "field"),
        consent=found["consent"]["valueReference"]["reference"] if "consent" in found else "",
        until=datetime.fromisoformat(found["until"]["valueInstant"]) if "until" in found else None,
    )


def lines(found: Permissions, zone: tzinfo | None) -> Iterator[str]:
    for each in found.partners:
        way = ", about its own referrals" if each.way == _ANSWER else ""
        yield f"{each.name} ({plain_words.kind(each.kind)}), for {plain_words.purpose(each.purpose)}{way}:"
        yield f"    {_nothing(each, zone) if each.withheld else _something(each, zone)}"


def _nothing(each: Shown, zone: tzinfo | None) -> str:
    from_then = f"; from {_minute(each.until, zone)} on it may" if each.until else ""
    return f"nothing: {plain_words.why(each.withheld)} ({each.withheld}){from_then}"


def _something(each: Shown, zone: tzinfo | None) -> str:
    until = f" until {_minute(each.until, zone)}" if each.until else ""
    by = (
        f", by {each.consent}"
        if each.consent
        else ", by the program's agreement with it"
        if each.kind == LABORATORY
        else ""
    )
    return f"{', '.join(each.fields) or 'no field'}{until}{by}"


def _minute(at: datetime, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
