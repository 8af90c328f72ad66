"""Referrals through the whole hub: a no and whoever is next, a death, a revocation between two tries, and a list of
meetings from a feed that is down."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy import queries
from deploy.commands.common import database
from deploy.demo.partner import Partners, answer
from deploy.demo.serving import Taking, serving
from deploy.paths import SETTINGS
from shared.events import codes, fhir
from shared.path.transaction import feeds
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person, Resource
from tests.journey.conftest import StartHub, clinic_in, without_a_gap
from tests.journey.test_promises import ALUMNI, eventually, restarted

OUTPATIENT, SECOND, FEED = "riverbend-outpatient", "second-alumni", "riverbend"
WAIT_SECONDS = 20.0
_FILE = 'file = "meetings/riverbend.json"'


@dataclass
class Publisher:
    """Of the meetings in the folder of settings, over HTTP."""

    address: str = ""
    open: bool = True


@pytest.fixture(scope="module")
def publisher() -> Iterator[Publisher]:
    published, here = (SETTINGS / "meetings" / "riverbend.json").read_bytes(), Publisher()

    class Published(Taking):
        def do_GET(self) -> None:
            if not here.open:
                self.send_error(503)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(published)))
            self.end_headers()
            self.wfile.write(published)

    with serving(Published) as address:
        here.address = address
        yield here


@pytest.fixture(scope="module")
def data(
    tmp_path_factory: pytest.TempPathFactory, partners: Partners, publisher: Publisher, start_hub: StartHub
) -> Iterator[Path]:
    """A hub with a second alumni group, whose feed of meetings is published over HTTP."""
    folder = tmp_path_factory.mktemp("partners")
    settings = without_a_gap(folder / "settings")
    listed = settings / "partners.toml"
    first = listed.read_text().partition(f"[partner.{ALUMNI}]")[2].partition("\n[partner.")[0]
    second = first.replace(ALUMNI, SECOND).replace("http://127.0.0.1:8199", f"{partners.address}/{SECOND}")
    listed.write_text(f"{listed.read_text()}\n[partner.{SECOND}]{second}")
    known = (settings / "feeds.toml").read_text()
    assert _FILE in known
    (settings / "feeds.toml").write_text(known.replace(_FILE, f'url = "{publisher.address}/meetings.json"'))
    with start_hub(folder / "hub", partners.environment(), "--settings", str(settings)) as started:
        yield started


@pytest.fixture
async def clinic(data: Path, partners: Partners) -> AsyncIterator[Clinic]:
    async with clinic_in(data, partners) as opened:

        async def has_meetings() -> bool:
            return bool(await opened.driver.search("aftercare", "HealthcareService?_count=1"))

        await until(has_meetings)
        yield opened


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(WAIT_SECONDS / 0.1)):
        if await true():
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"not within {WAIT_SECONDS} s")


async def referral(clinic: Clinic, person: Person, partner: str) -> Resource:
    """The Task of the person's referral to this partner, as it stands now."""
    found = await clinic.driver.search("aftercare", f"Task?patient={person.id}")
    return next(each for each in found if each.get("owner") == fhir.logical(codes.PARTNER, partner))


async def sent_to(clinic: Clinic, person: Person, partner: str) -> Resource:
    async def is_sent() -> bool:
        found = await clinic.tasks("aftercare", person, "requested", "referral")
        return any(each["owner"] == fhir.logical(codes.PARTNER, partner) for each in found)

    await until(is_sent)
    return await referral(clinic, person, partner)


async def test_a_no_by_telephone_goes_to_the_next_and_the_patient_comes(clinic: Clinic) -> None:
    person = await clinic.admit()
    for partner in (SECOND, ALUMNI):
        await clinic.consent(person, partner)
    await clinic.discharge(person)
    first = await sent_to(clinic, person, ALUMNI)
    by_telephone = {
        "status": "rejected",
        "statusReason": fhir.concept(codes.REASON, "no-capacity"),
        "owner": fhir.logical(codes.STAFF, "case-manager-1"),
    }
    assert (await clinic.driver.put("aftercare", first | by_telephone)).status_code == 200
    await sent_to(clinic, person, SECOND)
    assert person.id not in await answer(clinic.partners.received(SECOND)[-1], "attended")
    await clinic.driver.settle()
    assert (await referral(clinic, person, ALUMNI))["status"] == "rejected"
    assert (await referral(clinic, person, SECOND))["businessStatus"] == fhir.concept(codes.TASK, "attended")
    events = Counter(await clinic.events(person, "iop.aftercare.events"))
    assert (events["ReferralSent"], events["PartnerAnswered"]) == (2, 2)
    assert "partner-declined" not in [reason for _, reason in await clinic.escalations(person)]


async def test_after_a_death_nothing_more_goes_out_and_what_a_partner_has_is_taken_back(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.consent(person, ALUMNI)
    await clinic.discharge(person)
    await sent_to(clinic, person, ALUMNI)
    assert (await referral(clinic, person, OUTPATIENT))["status"] == "on-hold"
    known = {name: value for name, value in bundles.patient(person.mrn).items() if name != "fullUrl"}
    died = await clinic.driver.put("intake", known | {"id": person.id, "deceasedBoolean": True})
    assert died.status_code == 200, died.text
    await clinic.driver.settle()
    assert (await referral(clinic, person, OUTPATIENT))["status"] == "cancelled"
    before = sum(map(len, clinic.partners.bundles.values()))
    await clinic.consent(person, OUTPATIENT, purpose="TREAT")
    await confirm_death(clinic, person)
    await clinic.pass_by(days=40)
    assert sum(map(len, clinic.partners.bundles.values())) == before
    assert (await referral(clinic, person, ALUMNI))["status"] == "cancelled"
    assert (await clinic.events(person, "iop.aftercare.events"))[-1] == "ReferralWithdrawn"
    assert (await clinic.ask_referral(person, OUTPATIENT, "step-down")).status_code == 422


async def confirm_death(clinic: Clinic, person: Person) -> None:
    """By the discharge, put right."""
    (encounter,) = await clinic.driver.search("intake", f"Encounter?patient={person.id}")
    encounter["hospitalization"]["dischargeDisposition"] = fhir.concept(codes.DISPOSITION, "deceased")
    corrected = await clinic.driver.put("intake", encounter)
    assert corrected.status_code == 200, corrected.text
    await clinic.driver.settle()


async def test_a_consent_revoked_between_two_tries_ends_them_and_the_books_are_what_the_partner_saw(
    clinic: Clinic,
) -> None:
    person = await clinic.admit()
    consent = await clinic.consent(person, ALUMNI)
    received = len(clinic.partners.received(ALUMNI))
    clinic.partners.turned_away.clear()
    clinic.partners.open = False
    try:
        await clinic.discharge(person)

        async def tried_twice() -> bool:
            return len(clinic.partners.turned_away) >= 2

        await until(tried_twice)
        assert (await clinic.revoke(consent)).status_code == 200
        assert await eventually(clinic, person, "ReferralWithheld", count=2)
    finally:
        clinic.partners.open = True
    await clinic.pass_by(days=2)
    assert len(clinic.partners.received(ALUMNI)) == received
    books = await clinic.driver.search("aftercare", f"AuditEvent?patient={person.id}&type=110106")
    of_alumni = [
        each for each in books if {"who": fhir.logical(codes.PARTNER, ALUMNI), "requestor": False} in each["agent"]
    ]
    counted = Counter(each["subtype"][0]["code"] for each in of_alumni)
    assert counted == {"attempted": len(clinic.partners.turned_away), "withheld-after-attempt": 1}
    (number,) = {number_in(each) for each in clinic.partners.turned_away}
    assert all(fhir.reference("ServiceRequest", number) in [e["what"] for e in each["entity"]] for each in of_alumni)


def number_in(bundle: Resource) -> str:
    """Of the referral in it."""
    found = (each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "ServiceRequest")
    return str(next(found)["identifier"][0]["value"])


async def test_each_wish_of_a_patient_is_seen_in_the_list_that_they_are_given(clinic: Clinic) -> None:
    """What the EHR knows of them comes with the first list, what they wish themselves with each one after it."""
    person = await clinic.refer(facts={"safe-housing": True, "works-days": True})
    known = {name: value for name, value in bundles.patient(person.mrn).items() if name != "fullUrl"}
    spanish = {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "es"}]}}
    near = {"address": [{"city": "Riverbend", "state": "NY"}], "gender": "female", "communication": [spanish]}
    assert (await clinic.driver.put("intake", known | near | {"id": person.id})).status_code == 200
    assert (await clinic.sign(person)).status_code == 200
    first = await made(clinic, person, None)
    assert "puerta-abierta" in first and "mill-street-men" not in first
    assert sum(starts_at(each) >= "17:00" for each in first) > len(first) / 2, "who works by day comes in the evening"
    assert not set(WISHES.values()) <= set(first), "without a wish they are given others"
    for wish, slug in WISHES.items():
        assert slug in await listed(clinic, person, wish), wish
    assert all({"X"} <= types_of(each) for each in await listed(clinic, person, "wheelchair") if goes_to(each))


WISHES = {
    "women": "harbor-women-in-recovery",
    "men": "mill-street-men",
    "young-people": "young-at-the-bend",
    "lgbtq": "rainbow-on-the-river",
    "secular": "secular-friends-of-the-bend",
    "attendance-proof": "court-square-welcome",
    "online": "en-linea-nueva-vida",
    "evening": "puerta-abierta",
}
MEETINGS = {each["slug"]: each for each in json.loads((SETTINGS / "meetings" / "riverbend.json").read_text())}


def starts_at(slug: str) -> str:
    return str(MEETINGS[slug]["time"])


def types_of(slug: str) -> set[str]:
    return set(MEETINGS[slug]["types"])


def goes_to(slug: str) -> bool:
    return "address" in MEETINGS[slug]


async def listed(clinic: Clinic, person: Person, *wishes: str) -> list[str]:
    """The meetings of the list that is made on request, by what the patient wishes."""
    request: Resource = {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "category": [fhir.concept(codes.TASK, "meeting-list")],
        "subject": fhir.reference("Patient", person.id),
    }
    if wishes:
        request["reasonCode"] = [fhir.concept(codes.MEETING_WISH, each) for each in wishes]
    asked = await clinic.driver.post("aftercare", request)
    assert asked.status_code == 201, asked.text
    identity = asked.headers["Location"].partition("/CommunicationRequest/")[2].partition("/")[0]
    return await made(clinic, person, [fhir.reference("CommunicationRequest", identity)])


async def made(clinic: Clinic, person: Person, request: list[Resource] | None) -> list[str]:
    """The meetings of the list that is based on this request; without one, of the only one there is."""
    found: list[Resource] = []

    async def is_there() -> bool:
        lists = await clinic.driver.search("aftercare", f"Communication?patient={person.id}")
        found[:] = [each for each in lists if request in (None, each.get("basedOn"))]
        return bool(found)

    await until(is_there)
    identifiers = (each["contentReference"]["identifier"]["value"] for each in found[0]["payload"])
    return [str(each).partition("|")[2] for each in identifiers]


async def test_started_again_with_its_feed_down_aftercare_lists_what_was_published_last(
    clinic: Clinic, publisher: Publisher
) -> None:
    person = await clinic.admit()
    publisher.open = False
    try:
        await look_again(clinic)
        before = clinic.driver.pid("aftercare")
        os.kill(before, signal.SIGKILL)
        await restarted(clinic, "aftercare", before)
        await clinic.driver.settle(120)
        assert len(await listed(clinic, person)) > 0
    finally:
        publisher.open = True


async def look_again(clinic: Clinic) -> None:
    """As `iop feeds refresh` asks; until it has been looked at, in vain."""
    hub = clinic.driver.hub

    async def is_in_trouble() -> bool:
        async with database(hub, "aftercare") as connection:
            (row,) = await feeds.known(connection)
            return row.trouble == "http-503" and row.meetings > 0

    async with database(hub, "aftercare", queries.writing) as connection:
        await feeds.ask(connection, ("demo", FEED), "refresh")
    await until(is_in_trouble)
