"""A letter is read by FHIR: made when it is read, accounted for, and its secrets stand nowhere else."""

from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from services.aftercare.feeds import directory
from services.aftercare.meetings.meeting import Meeting
from services.aftercare.messages import DeathWithdrawn, PatientDied, PatientIdentified
from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import FHIR_JSON, EdgeDependencies
from shared.events import codes, fhir
from shared.path.inbound.readiness import Check
from shared.platform.clients import RegisteredClient, registered
from shared.platform.feeds import registered_feeds
from tests.aftercare.letters import LINK, NOTES, PHONE, meeting, pages, printed
from tests.aftercare.running import ADMITTED, DISCHARGED, MRN, Aftercare, admission, discharge, identified
from tests.aftercare.test_closed_loop import appointment, as_partner, with_referrals
from tests.service import DEPLOY
from tests.shared.edge.conftest import AUDIENCE, Issuer, issuer

__all__ = ["issuer"]
SECRETS = ("SEEDED", PHONE)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TYPE = "http://loinc.org|18776-5"


async def _ready() -> Sequence[Check]:
    return ()


@dataclass
class Clinic:
    """Who reads letters, with tokens of the program's EHR or of another program's."""

    aftercare: Aftercare
    issuer: Issuer
    http: httpx.AsyncClient

    async def get(self, path: str, accept: str = FHIR_JSON, **claims: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.issuer.token(**claims)}", "Accept": accept}
        return await self.http.get(f"/fhir/{path}", headers=headers)

    async def found(self, **asked: str) -> list[dict[str, Any]]:
        answer = await self.http.get(
            "/fhir/DocumentReference", params=asked, headers={"Authorization": f"Bearer {self.issuer.token()}"}
        )
        assert answer.status_code == 200, answer.text
        return [each["resource"] for each in answer.json().get("entry", ())]

    async def letter(self) -> str:
        """The address of the page, by the patient's current letter."""
        (reference,) = await self.found(patient=self.aftercare.patient, status="current")
        url: str = reference["content"][0]["attachment"]["url"]
        return url

    async def page(self) -> str:
        answer = await self.get(await self.letter(), BROWSER)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def publish(self, *meetings: Meeting) -> None:
        """From now on these are the program's meetings, in its directory, too."""
        answer: Any = next(iter(self.aftercare.inbox.service.lookups.values()))
        answer.__self__._snapshots.replace("demo", meetings, str(uuid4()))
        feed, now = registered_feeds(DEPLOY)["riverbend"], self.aftercare.running.clock.now()
        await directory.publish(self.aftercare.pool, feed, meetings, (), now)


@pytest.fixture
async def clinic(aftercare: Aftercare, issuer: Issuer) -> AsyncIterator[Clinic]:
    ehr = registered(DEPLOY)["ehr"]
    others = {"west": RegisteredClient(programs=("west",), base_url=ehr.base_url)}
    verifier = TokenVerifier(issuer.url, AUDIENCE, {**registered(DEPLOY), **others}, service="aftercare")
    aftercare.inbox.settings = {**aftercare.inbox.settings, "west": aftercare.inbox.settings["demo"]}
    running = replace(aftercare.running, token_verifier=verifier)
    dependencies = EdgeDependencies(
        running.submissions,
        verifier,
        aftercare.reader,
        aftercare.inbox,
        issuer.url,
        ready=_ready,
        more=aftercare.parts.routes(running),
    )
    transport = httpx.ASGITransport(build(dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Clinic(aftercare, issuer, http)


@pytest.fixture
async def discharged(clinic: Clinic) -> Clinic:
    """A patient who left early, with a list of two meetings."""
    await clinic.publish(meeting(1), meeting(2))
    await identified(clinic.aftercare)
    await clinic.aftercare.learn(admission(clinic.aftercare))
    await discharge(clinic.aftercare, "ama")
    await clinic.aftercare.until(lambda: _has_lists(clinic.aftercare, 2))
    return clinic


async def _has_lists(service: Aftercare, count: int) -> bool:
    return len(await service.read("Communication")) == count


async def test_it_is_found_by_patient_type_and_day_and_read_by_its_id(discharged: Clinic) -> None:
    patient = discharged.aftercare.patient
    (found,) = await discharged.found(patient=patient, type=TYPE, date="2026-03-30")
    assert (found["status"], found["subject"]["reference"]) == ("current", f"Patient/{patient}")
    for other in ({"type": "http://loinc.org|1-8"}, {"date": "2026-03-29"}, {"status": "superseded"}):
        assert await discharged.found(patient=patient, **other) == []
    assert (await discharged.get(f"DocumentReference/{found['id']}")).json()["content"] == found["content"]
    kinds = [each["attachment"]["contentType"] for each in found["content"]]
    assert kinds == ["text/html", "application/pdf"]


async def test_it_holds_what_stands_of_plan_meetings_and_contacts(discharged: Clinic) -> None:
    page = await discharged.page()
    for each in ("Monday, Wednesday, 6:30 PM: Meeting 1", LINK, PHONE, NOTES, "naloxone", "Thursday, April 2, 2026"):
        assert each in page
    assert "+1 555 555 0199" in page and "988" in page
    for nobody in ("Seeded", "Bogus", discharged.aftercare.patient, "Intensive Outpatient"):
        assert nobody not in page


async def test_it_is_answered_in_its_own_type_or_as_a_binary_as_the_client_asks(discharged: Clinic) -> None:
    address = await discharged.letter()
    pdf = address.replace(".html", ".pdf")
    page, as_fhir = await discharged.get(address, BROWSER), await discharged.get(address)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    binary = as_fhir.json()
    assert (as_fhir.headers["content-type"], binary["contentType"]) == (FHIR_JSON, "text/html")
    assert b64decode(binary["data"]) == page.content
    assert (binary["id"], as_fhir.headers["etag"]) == (address.removeprefix("Binary/"), page.headers["etag"])
    for accept in ("application/pdf", "*/*", "application/*"):
        answer = await discharged.get(pdf, accept)
        assert (answer.headers["content-type"], pages(answer.content)) == ("application/pdf", 1)
        assert {page.headers["cache-control"], answer.headers["cache-control"]} == {"no-store"}
    assert "Meeting 1" in printed(answer.content)
    assert (await discharged.get(f"{address}?_format=json", BROWSER)).json() == binary
    assert (await discharged.get(f"{pdf}?_format=application/pdf")).content == answer.content
    for accept in ("image/png", "application/xml", "text/html;q=0, image/png"):
        assert (await discharged.get(address, accept)).status_code == 406


async def test_the_same_state_is_the_same_bytes_and_another_is_not(discharged: Clinic) -> None:
    pdf = (await discharged.letter()).replace(".html", ".pdf")
    first = await discharged.get(pdf, "application/pdf")
    discharged.aftercare.set_clock(DISCHARGED + timedelta(days=1))
    assert (await discharged.get(pdf, "application/pdf")).content == first.content
    await discharged.publish(meeting(1, link="https://zoom.example/j/another"), meeting(2))
    again = await discharged.get(pdf, "application/pdf")
    assert again.content != first.content and again.headers["etag"] != first.headers["etag"]
    assert "zoom.example/j/another" in printed(again.content)


async def test_what_left_its_feed_is_counted(discharged: Clinic) -> None:
    await discharged.publish(meeting(2))
    page = await discharged.page()
    assert "no longer published: 1" in page and "Meeting 1" not in page and "Meeting 2" in page


async def test_the_secrets_of_groups_stand_in_the_letter_alone(discharged: Clinic) -> None:
    here = discharged.aftercare
    with capture_logs() as logged:
        page = await discharged.page()
        await discharged.get(f"{await discharged.letter()}x")
    assert all(each in page for each in (LINK, PHONE, NOTES))
    await here.running.reads.write()
    tables = await here.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        rows = str(await here.pool.fetch(f'SELECT each::text FROM "{table}" AS each'))
        assert not [each for each in SECRETS if each in rows], table
    assert len(tables) > 10 and "Meeting 1" in str(await here.pool.fetch("SELECT body FROM resources"))
    assert not [each for each in SECRETS if each in str(logged)]


async def test_the_last_list_is_the_letters_whatever_else_was_communicated_since(discharged: Clinic) -> None:
    here = discharged.aftercare
    here.set_clock(DISCHARGED + timedelta(days=1))
    emergency = {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"type": "Patient", "identifier": {"system": MRN.system, "value": MRN.value}},
        "sent": (DISCHARGED + timedelta(hours=20)).isoformat(),
        "sender": fhir.logical(codes.STAFF, "clinician-1"),
        "recipient": [{"display": "Dr. Ng, Riverbend Hospital"}],
        "reasonCode": [fhir.concept(codes.EMERGENCY, "overdose")],
    }
    await here.post(emergency)
    assert await _has_lists(here, 3)
    assert "Meeting 1" in await discharged.page()


async def test_each_read_is_accounted_for_also_one_that_is_refused(discharged: Clinic) -> None:
    here = discharged.aftercare
    address = await discharged.letter()
    assert (await discharged.get(address, BROWSER)).status_code == 200
    refused = await discharged.get(address, BROWSER, scope="system/DocumentReference.rs")
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (403, "forbidden")
    await here.running.reads.write()
    query = "SELECT patient, client, refused FROM reads WHERE type = 'Binary' ORDER BY refused"
    rows = [tuple(each) for each in await here.pool.fetch(query)]
    assert rows == [(here.patient, "ehr", False), (here.patient, "ehr", True)]


async def test_without_a_token_nothing_is_told(discharged: Clinic) -> None:
    answer = await discharged.http.get(f"/fhir/{await discharged.letter()}", headers={"Accept": BROWSER})
    assert answer.status_code == 401 and LINK not in answer.text


async def test_another_programs_client_and_a_partners_find_no_such_letter(discharged: Clinic) -> None:
    address = await discharged.letter()
    theirs = await discharged.get(address, BROWSER, sub="west", program="west")
    unknown = await discharged.get(f"Binary/{uuid4()}.html", BROWSER)
    partner = await discharged.get(address, BROWSER, sub="riverbend-alumni", scope="system/*.rs")
    for answer in (theirs, unknown, partner):
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (404, "not-found")
    assert (await discharged.get(address.replace(".html", ".docx"), BROWSER)).status_code == 404


async def test_nobody_is_written_to_who_is_reported_dead_until_that_was_wrong(discharged: Clinic) -> None:
    address, at = await discharged.letter(), DISCHARGED + timedelta(days=1)
    discharged.aftercare.set_clock(at)
    await discharged.aftercare.learn(PatientDied(died_at=None, reported_at=at))
    for accept in (BROWSER, FHIR_JSON):
        gone = await discharged.get(address, accept)
        assert (gone.status_code, gone.json()["issue"][0]["code"]) == (410, "deleted")
    await discharged.aftercare.learn(DeathWithdrawn(withdrawn_at=at))
    assert "Meeting 1" in await discharged.page()


async def test_of_whoever_died_there_is_none(discharged: Clinic) -> None:
    address = await discharged.letter()
    await discharge(discharged.aftercare, "deceased")
    assert (await discharged.get(address, BROWSER)).status_code == 410
    (reference,) = await discharged.found(patient=discharged.aftercare.patient)
    assert reference["status"] == "entered-in-error"


async def test_back_in_care_the_letter_of_the_plan_that_is_over_is_gone(discharged: Clinic) -> None:
    address = await discharged.letter()
    again = admission(discharged.aftercare, str(uuid4()))
    await discharged.aftercare.learn(msgspec.structs.replace(again, admitted_at=DISCHARGED + timedelta(days=1)))
    gone = await discharged.get(address, BROWSER)
    assert gone.status_code == 410 and "not current" in gone.json()["issue"][0]["diagnostics"]
    (reference,) = await discharged.found(patient=discharged.aftercare.patient)
    assert reference["status"] == "superseded"


async def test_an_appointment_that_a_partner_gave_stands_in_it(clinic: Clinic) -> None:
    task = await as_partner(clinic.aftercare, await with_referrals(clinic.aftercare))
    assert "Our alumni group. You are welcome there.</p>" in await clinic.page()
    planned = {"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "scheduled")}
    await clinic.aftercare.put({**task, **planned, "output": appointment("2026-04-02T13:30:00Z")}, "riverbend-alumni")
    assert "You are welcome there. It is on Thursday, April 2, 2026, at 9:30 AM." in await clinic.page()


async def test_a_patient_of_spanish_reads_spanish(clinic: Clinic) -> None:
    here = clinic.aftercare
    sealed = here.keys.seal("aftercare", {"patient": {}, "area": "Riverbend", "language": "es-MX"})
    await here.learn(PatientIdentified(digests=(), sealed=(sealed,), identified_at=ADMITTED))
    await here.learn(admission(here))
    await discharge(here)
    page = await clinic.page()
    assert '<html lang="es">' in page and "jueves 2 de abril de 2026" in page


async def test_a_binary_is_found_by_what_refers_to_it_and_neither_searched_nor_written(discharged: Clinic) -> None:
    address = await discharged.letter()
    assert (await discharged.get("Binary?patient=x")).status_code == 404
    token = {"Authorization": f"Bearer {discharged.issuer.token()}", "Content-Type": FHIR_JSON}
    for method, path in (("PUT", address), ("POST", "Binary"), ("PUT", address.replace("Binary", "DocumentReference"))):
        written = await discharged.http.request(method, f"/fhir/{path}", headers=token, json={})
        assert written.status_code == 405, path
    assert (await discharged.http.head(f"/fhir/{address}", headers=token)).status_code == 200
