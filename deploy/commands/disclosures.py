"""`iop disclosures`: what was told outside of a patient in three years, or was to be, in words that a patient reads."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any

import httpx
import msgspec
import typer

from deploy import plain_words, work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out, stderr
from deploy.commands.consent import permissions
from deploy.commands.reads import PAGE, Patient
from deploy.commands.replay import instant
from deploy.failure import CannotContinueError
from deploy.work_list import Owners

ACCOUNTED = timedelta(days=1096)
"""Three years (42 CFR 2.25)."""
_EXPORT = "110106"
_OF_LABORATORIES = "testing"
"""The service that discloses to laboratories, and to nobody else."""
_WITHHELD = ("withheld", "withheld-after-attempt")
_AGREEMENT = (
    "Allowed by: the program's agreement with this laboratory. The law asks no consent for it (42 CFR 2.12(c)(4))."
)
_HEADING = """What was told about you

This is the accounting of disclosures that you may ask for (42 CFR 2.25): each time somebody outside the program was
told something about you, or was to be told, from {since} to {until}.
"""
_NOBODY = "Nobody outside the program was told anything about you in this time."
_ENDING = "Federal law protects these records (42 CFR part 2). If something here is not right, please ask the program."


class Disclosed(msgspec.Struct, frozen=True):
    """One AuditEvent of a disclosure, made or not. `consented_at`: when its consent was signed, where that is known."""

    at: datetime
    result: str
    partner: str
    purpose: str
    fields: tuple[str, ...]
    reason: str = ""
    consent: str = ""
    consented_at: str = ""
    by_agreement: bool = False
    """A laboratory was told, or was to be, without a consent: under the program's agreement with it."""
    receivers: tuple[str, ...] = ()
    """In an emergency: who was told, as the person who told them has it."""


@asking("system/AuditEvent.s system/Consent.s system/Communication.s")
def disclosures(
    where: Where,
    patient: Patient,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only those since then; default: 3 years.")] = None,
    to_print: Annotated[bool, typer.Option("--print", help="As a page to hand to the patient.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Print what was disclosed of a patient, to whom, when, why and by which consent, the oldest first; also what was
    tried and what was withheld. Where a service does not answer the others' are printed, and the code is 1. To ask is
    a read of the patient."""
    now = where.now
    begins = instant(since) or now - ACCOUNTED
    found, silent = where.ask(lambda owners: accounting(owners, patient, begins))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
    else:
        for line in page(found, begins, now, where.zone) if to_print else lines(found, where.zone):
            out.print(line, markup=False)
    for each in silent[:-1]:
        stderr.print(f"iop: {each}", markup=False)
    if silent:
        raise CannotContinueError(f"{silent[-1]}; the list is not complete")


async def accounting(owners: Owners, patient: str, since: datetime) -> tuple[list[Disclosed], list[str]]:
    """In the order of time; and which services could not be asked, and why. Raises CannotContinueError for an id that
    no patient has: that nothing is known of it is no reassurance."""
    asked = {
        "patient": patient,
        "type": _EXPORT,
        "date": f"ge{since.isoformat()}",
        "_sort": "date",
        "_count": PAGE,
    }

    async def of(name: str, client: httpx.AsyncClient) -> list[dict[str, Any]]:
        return await work_list.pages(name, client, "AuditEvent", asked)

    (audits, silent), *behind = await asyncio.gather(
        work_list.of_each(owners, of), *(_all(owners, patient, type_) for type_ in ("Consent", "Communication"))
    )
    if not audits and not silent:
        await permissions(owners, patient)
    named = {f"{each['resourceType']}/{each['id']}": each for found in behind for each in found}
    return sorted((read(each, named) for each in audits), key=lambda each: each.at), silent


async def _all(owners: Owners, patient: str, type_: str) -> list[dict[str, Any]]:
    """The patient's resources of this type, of the services that have it."""

    async def of(name: str, client: httpx.AsyncClient) -> list[dict[str, Any]]:
        return await work_list.pages(name, client, type_, {"patient": patient, "_count": PAGE})

    found, _ = await work_list.of_each(owners, of)
    return found


def read(audit: Mapping[str, Any], named: Mapping[str, dict[str, Any]]) -> Disclosed:
    """An AuditEvent, with the Consents and Communications that it may name."""
    about = [each["what"]["reference"] for each in audit["entity"]]
    message = next((named[each] for each in about if each in named and each.startswith("Communication/")), {})
    consent = next((each for each in about if each.startswith("Consent/")), "")
    result = audit["subtype"][0]["code"]
    by_laboratories = audit["source"]["observer"]["identifier"]["value"] == _OF_LABORATORIES
    return Disclosed(
        at=datetime.fromisoformat(audit.get("period", {}).get("start", audit["recorded"])),
        result=result,
        partner=next(each["who"]["identifier"]["value"] for each in audit["agent"] if not each["requestor"]),
        purpose=audit["purposeOfEvent"][0]["coding"][0]["code"],
        fields=tuple(each["valueString"] for each in audit["entity"][0].get("detail", ())),
        reason=audit.get("outcomeDesc", ""),
        consent=consent,
        consented_at=named.get(consent, {}).get("dateTime", ""),
        by_agreement=by_laboratories and not consent and result not in _WITHHELD,
        receivers=tuple(each["display"] for each in message.get("recipient", ()) if each.get("display")),
    )


def lines(found: Sequence[Disclosed], zone: tzinfo | None) -> Iterator[str]:
    for each in found:
        yield f"{_time(each.at, zone)}  {plain_words.partner(each.partner)}"
        yield from (f"    {line}" for line in sentences(each, zone))
    if not found:
        yield "nothing was disclosed of this patient, nor was to be"


def page(found: Sequence[Disclosed], since: datetime, until: datetime, zone: tzinfo | None) -> Iterator[str]:
    """To hand to the patient."""
    yield _HEADING.format(since=_day(since, zone), until=_day(until, zone))
    for number, each in enumerate(found, start=1):
        yield f"{number}. {_time(each.at, zone)}: {plain_words.partner(each.partner)}"
        yield from (f"   {line}" for line in sentences(each, zone))
        yield ""
    if not found:
        yield f"{_NOBODY}\n"
    yield _ENDING


def sentences(each: Disclosed, zone: tzinfo | None) -> Iterator[str]:
    """What, why, under which consent and what came of it; no code among it."""
    if each.fields:
        yield f"About: {plain_words.listed([plain_words.field(name) for name in each.fields])}."
    if each.receivers:
        yield f"Who: {plain_words.listed([*each.receivers])}."
    yield f"For: {plain_words.purpose(each.purpose)}."
    if each.consent:
        day = _day(datetime.fromisoformat(each.consented_at), zone) if each.consented_at else ""
        yield f"Allowed by: the consent you signed{f' on {day}' if day else ''}."
    if each.by_agreement:
        yield _AGREEMENT
    yield plain_words.result(each.result, each.reason)


def _time(at: datetime, zone: tzinfo | None) -> str:
    return f"{_day(at, zone)}, {at.astimezone(zone):%H:%M}"


def _day(at: datetime, zone: tzinfo | None) -> str:
    """A day without a time of day is that day in any zone."""
    local = at.astimezone(zone) if at.tzinfo else at
    return f"{local.day} {local:%B %Y}"
