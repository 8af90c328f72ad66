"""`iop reads`: who read what of a patient, at all services."""

from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import msgspec
import typer

from deploy import work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out, stderr
from deploy.commands.replay import instant
from deploy.failure import CannotContinueError
from deploy.work_list import Owners
from shared.events.codes import STAFF

INTERACTIONS = "read,search-type"
PAGE = "500"


class Listed(msgspec.Struct, frozen=True, order=True):
    """One read. `person` is empty where the client read for nobody in particular; `refused`: nothing was shown."""

    at: datetime
    service: str
    client: str
    person: str
    interaction: str
    type: str
    refused: bool


def _identity(text: str) -> str:
    if not work_list.ID.fullmatch(text.rpartition("/")[2]):
        raise typer.BadParameter("must be the hub's id of a patient, as iop escalations list prints it")
    return text.rpartition("/")[2]


Patient = Annotated[str, typer.Argument(metavar="PATIENT", help="The hub's id of a patient.", parser=_identity)]


@asking("system/AuditEvent.s")
def reads(
    where: Where,
    patient: Patient,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only those since then: 2026-01-05.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print who read what of a patient, the oldest first. Where a service does not answer the others' are printed, and
    the code is 1. To ask is a read, too."""
    begins = instant(since)
    found, silent = where.ask(lambda owners: listed(owners, patient, begins))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
    elif not found and not silent:
        out.print("nobody has read anything of this patient")
    else:
        for each in found:
            out.print(line(each), markup=False)
    for service in silent[:-1]:
        stderr.print(f"iop: {service}", markup=False)
    if silent:
        raise CannotContinueError(f"{silent[-1]}; the list is not complete")


async def listed(owners: Owners, patient: str, since: datetime | None) -> tuple[list[Listed], list[str]]:
    """In the order of time; and which services could not be asked, and why."""
    asked = {"patient": patient, "subtype": INTERACTIONS, "_sort": "date", "_count": PAGE}
    if since is not None:
        asked["date"] = f"ge{since.isoformat()}"

    async def of(name: str, client: httpx.AsyncClient) -> list[Listed]:
        return [_read(each, name) for each in await work_list.pages(name, client, "AuditEvent", asked)]

    found, silent = await work_list.of_each(owners, of)
    return sorted(found), silent


def _read(audit: dict[str, Any], service: str) -> Listed:
    agents = [each["who"]["identifier"] for each in audit["agent"]]
    return Listed(
        at=datetime.fromisoformat(audit["recorded"]).astimezone(UTC),
        service=service,
        client=next((each["value"] for each in agents if each["system"] != STAFF), ""),
        person=next((each["value"] for each in agents if each["system"] == STAFF), ""),
        interaction=audit["subtype"][0]["code"],
        type=next(each["type"]["code"] for each in audit["entity"] if "type" in each),
        refused=audit["outcome"] != "0",
    )


def line(each: Listed) -> str:
    """By this machine's clock."""
    who = f"{each.client} for {each.person}" if each.person else each.client
    did = "searched" if each.interaction == "search-type" else "read"
    refused = " (refused)" if each.refused else ""
    return f"{each.at.astimezone():%Y-%m-%d %H:%M:%S}  {each.service:<10}  {who:<28}  {did} {each.type}{refused}"
