"""`iop meetings`: a list of mutual-help meetings for one patient, as a page to hand to them."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any

import httpx
import msgspec
import typer

from deploy import plain_words, work_list
from deploy.commands.asking import Where, asking
from deploy.commands.common import out
from deploy.commands.consent import aftercare
from deploy.commands.reads import Patient
from deploy.failure import CannotContinueError
from deploy.work_list import Owners
from shared.events import codes, fhir

WAIT_SECONDS = (0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 4.0, 5.0)
"""Between one look and the next: each is a read of the patient, and is recorded."""
SYSTEMS = {"fellowship": codes.FELLOWSHIP, "language": codes.LANGUAGE, "": codes.MEETING_WISH}
NOTHING_FITS = "no-meeting-found"
"""The finding for which a person is asked: no meeting fits."""
_DAYS = {"sun": "Sunday", "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday"}
_DAYS |= {"fri": "Friday", "sat": "Saturday"}
_WAYS = {"online": "online", "phone": "by phone"}


class Meeting(msgspec.Struct, frozen=True):
    """One meeting of a list: weekdays and HH:MM on the patient's clock, and within how many miles it is, if known.
    `active`: its source still publishes it. One whose feed is gone has no name."""

    id: str
    weekdays: tuple[str, ...] = ()
    start: str = ""
    ways: tuple[str, ...] = ()
    miles: int | None = None
    name: str = ""
    place: str = ""
    page: str = ""
    publisher: str = ""
    source: str = ""
    active: bool = False


class MeetingList(msgspec.Struct, frozen=True):
    """`none_near`: the patient takes part in all of them from afar."""

    id: str
    made_at: datetime
    none_near: bool
    meetings: tuple[Meeting, ...]


@asking("system/CommunicationRequest.c system/Communication.s system/HealthcareService.s system/DetectedIssue.s")
def meetings(
    where: Where,
    patient: Patient,
    wish: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE",
            help="What the patient wishes from now on: evening, women, fellowship:aa, language:es ...; several. "
            "no-preference ends what was wished before; default: that stays.",
        ),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The list that stands; none is asked for.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Ask for a list of mutual-help meetings that fit a patient, wait for it, and print it as a page to hand to them.
    No group is sent anything. To ask is a read of the patient."""
    if last and wish:
        raise typer.BadParameter("--last asks for no list, so it takes no --wish")
    wishes = wish or ()
    found = where.ask(lambda owners: standing(owners, patient) if last else asked(owners, patient, wishes))
    if as_json:
        out.print(msgspec.json.format(msgspec.json.encode(found)).decode(), markup=False)
        return
    for line in lines(found, where.zone):
        out.print(line, markup=False)


async def standing(owners: Owners, patient: str) -> MeetingList:
    """The newest list of this patient. Raises CannotContinueError: there is none."""
    name, client = aftercare(owners)
    found = await _lists(name, client, patient)
    if not found:
        raise CannotContinueError("this patient has no list; without --last one is asked for")
    return await _detailed(name, client, max(found, key=lambda each: datetime.fromisoformat(each["sent"])))


async def asked(owners: Owners, patient: str, wishes: Sequence[str]) -> MeetingList:
    """A list made for this question. Raises CannotContinueError: nothing fits, or it takes too long."""
    name, client = aftercare(owners)
    any_meeting = await work_list.resource(name, client, "HealthcareService", {"_count": "1"})
    if not any_meeting.get("entry"):
        raise CannotContinueError("this program has no meetings to choose from: iop feeds list says why")
    request = await work_list.create(name, client, _request(patient, wishes))
    based_on = f"CommunicationRequest/{request['id']}"
    for seconds in WAIT_SECONDS:
        await asyncio.sleep(seconds)
        for each in await _lists(name, client, patient):
            if {"reference": based_on} in each.get("basedOn", ()):
                return await _detailed(name, client, each)
        if await _nothing_fits(name, client, patient, based_on):
            raise CannotContinueError("no meeting fits this patient; a case manager is asked (no-meeting-list)")
    seconds = sum(WAIT_SECONDS)
    raise CannotContinueError(f"{name} made no list in {seconds:.0f} s; once it has, --last prints it: iop parked list")


def _request(patient: str, wishes: Sequence[str]) -> fhir.Element:
    request = {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "category": [fhir.concept(codes.TASK, "meeting-list")],
        "subject": fhir.reference("Patient", patient),
    }
    return {**request, "reasonCode": [_wish(each) for each in wishes]} if wishes else request


def _wish(text: str) -> fhir.Element:
    kind, _, code = text.rpartition(":")
    if kind not in SYSTEMS:
        raise CannotContinueError(
            f"a wish is a code, or one behind {' or '.join(f'{each}:' for each in SYSTEMS if each)}"
        )
    return fhir.concept(SYSTEMS[kind], code)


async def _lists(name: str, client: httpx.AsyncClient, patient: str) -> list[dict[str, Any]]:
    found = await work_list.pages(name, client, "Communication", {"patient": patient})
    return [each for each in found if _references(each)]


def _references(communication: Mapping[str, Any]) -> list[str]:
    named = [each.get("contentReference", {}).get("reference", "") for each in communication.get("payload", ())]
    return [each for each in named if each.startswith("HealthcareService/")]


async def _nothing_fits(name: str, client: httpx.AsyncClient, patient: str, based_on: str) -> bool:
    """Whether a person is asked because of this request."""
    found = await work_list.pages(name, client, "DetectedIssue", {"patient": patient, "code": NOTHING_FITS})
    return any(based_on.encode() in msgspec.json.encode(each) for each in found)


async def _detailed(name: str, client: httpx.AsyncClient, communication: Mapping[str, Any]) -> MeetingList:
    """With what the directory has of each meeting."""
    ids = ",".join(each.partition("/")[2] for each in _references(communication))
    found = await work_list.pages(name, client, "HealthcareService", {"_id": ids})
    services = {f"HealthcareService/{each['id']}": each for each in found}
    return MeetingList(
        id=communication["id"],
        made_at=datetime.fromisoformat(communication["sent"]),
        none_near="reasonCode" in communication,
        meetings=tuple(_meeting(each, services) for each in communication["payload"]),
    )


def _meeting(payload: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> Meeting:
    parts = [part for each in payload.get("extension", ()) for part in each["extension"]]
    reference = payload["contentReference"]["reference"]
    service = services.get(reference, {})
    return Meeting(
        id=reference.partition("/")[2],
        weekdays=tuple(each["valueCode"] for each in parts if each["url"] == "weekday"),
        start=next((each["valueTime"][:5] for each in parts if each["url"] == "start"), ""),
        ways=tuple(each["valueCode"] for each in parts if each["url"] == "way"),
        miles=next((each["valueInteger"] for each in parts if each["url"] == "miles"), None),
        name=service.get("name", ""),
        place=next((each["display"] for each in service.get("location", ())), ""),
        page=next((each["value"] for each in service.get("telecom", ())), ""),
        publisher=service.get("providedBy", {}).get("display", ""),
        source=service.get("extraDetails", ""),
        active=service.get("active", False),
    )


def lines(found: MeetingList, zone: tzinfo | None) -> Iterator[str]:
    """To hand to the patient; nothing in it says whose it is."""
    made = found.made_at.astimezone(zone)
    yield f"Mutual-help meetings, as of {made.day} {made:%B %Y}. Days and times are by the clock where you live."
    if found.none_near:
        yield "We know of none near you; you can join these from where you are."
    for each in found.meetings:
        yield ""
        yield from _lines(each)


def _lines(each: Meeting) -> Iterator[str]:
    days = plain_words.listed([_DAYS[day] for day in each.weekdays])
    yield f"{days}, {each.start}: {each.name or 'a meeting that is no longer published'}"
    if "in-person" in each.ways:
        within = f" (within {each.miles} miles)" if each.miles else ""
        yield f"    in person: {each.place or 'ask the group where'}{within}"
    if remote := [_WAYS[way] for way in each.ways if way in _WAYS]:
        yield f"    {' or '.join(remote)}: {each.page or 'ask the group how to join'}"
    elif each.page:
        yield f"    {each.page}"
    if each.name and not each.active:
        yield "    It is no longer published: it may have ended."
    if each.source:
        yield f"    {each.source}"
