"""Two programs on one hub: whatever the other one's clients try, and whatever is forged, A's patient stays as they are.

`west` has the same record number, the same addresses, and knows every id of ours.
"""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from deploy.evidence import Record
from shared.events import codes
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person, Resource
from tests.journey.programs import THEIRS
from tests.journey.test_promises import ALUMNI, eventually, produce_again, redrive

EHR, LAB, OPS = f"{THEIRS}-ehr", f"{THEIRS}-lab", f"{THEIRS}-ops"
SYSTEM = "https://ehr.demo.iop-hub.org/observation"
NAME, PHONE = "Quillfeather", "555-0142"
ANSWERS = {404, 409, 422}
"""Not found, not known, not allowed: the same that is said of an id that nobody has."""


def named(mrn: str, clinic: Clinic) -> Resource:
    intake = bundles.intake(mrn, clinic.now)
    patient = intake["entry"][0]["resource"]
    patient["name"] = [{"family": NAME, "given": ["Wren"]}]
    patient["telecom"] = [{"system": "phone", "value": PHONE, "use": "mobile"}]
    return intake


async def ours(clinic: Clinic) -> Person:
    """A patient of our program, signed and admitted, whose laboratory has reported."""
    person = Person(f"MRN-{uuid4().hex[:12]}")
    answer = await clinic.driver.post("intake", named(person.mrn, clinic))
    person.id = answer.json()["entry"][0]["response"]["location"].split("/")[1]
    await clinic.driver.settle()
    assert (await clinic.sign(person)).status_code == 200
    (episode,) = await clinic.driver.search("intake", f"EpisodeOfCare?patient={person.id}&status=active")
    person.episode_id = episode["id"]
    assert b"MSA|AA" in await clinic.test(person)
    return person


async def theirs(clinic: Clinic, mrn: str) -> Person:
    """Their patient of the same record number, who lets the same partner know."""
    intake = bundles.intake(mrn, clinic.now)
    intake["identifier"]["value"] = f"urn:uuid:{uuid4()}"
    answer = await clinic.driver.post("intake", intake, EHR)
    person = Person(mrn, answer.json()["entry"][0]["response"]["location"].split("/")[1])
    await clinic.driver.settle()
    given = consent(person.id)
    assert (await clinic.driver.post("intake", given, EHR)).status_code == 201
    await clinic.driver.settle()
    return person


def consent(patient: str) -> Resource:
    return bundles.consent(ALUMNI, who=f"Patient/{patient}", given="2026-01-01", until="2027-01-01")


@dataclass
class Other:
    """What their clients know of our patient, and try."""

    clinic: Clinic
    person: Person
    session: Resource
    consent_id: str

    async def read(self) -> dict[str, httpx.Response]:
        driver, id = self.clinic.driver, self.person.id
        return {
            "patient": await driver.get("intake", f"Patient/{id}", EHR),
            "episode": await driver.get("intake", f"EpisodeOfCare/{self.person.episode_id}", EHR),
            "consent": await driver.get("intake", f"Consent/{self.consent_id}", EHR),
            "session": await driver.get("attendance", f"Appointment/{self.session['id']}", EHR),
        }

    async def found(self) -> list[Resource]:
        driver, id = self.clinic.driver, self.person.id
        asked = {"intake": ("Task", "Patient", "Consent"), "attendance": ("Appointment",), "testing": ("Observation",)}
        queries = [
            (service, f"{each}?{'_id' if each == 'Patient' else 'patient'}={id}")
            for service, types in asked.items()
            for each in types
        ]
        return [each for service, query in queries for each in await driver.search(service, query, EHR)]

    async def written(self) -> dict[str, httpx.Response]:
        driver, about = self.clinic.driver, {"subject": {"reference": f"Patient/{self.person.id}"}}
        renamed = {**bundles.patient(self.person.mrn), "id": self.person.id}
        renamed.pop("fullUrl")
        seen: Resource = {**observation(), **about}
        episode: Resource = {"resourceType": "EpisodeOfCare", "id": self.person.episode_id, "status": "finished"}
        episode["patient"] = about["subject"]
        return {
            "PUT": await driver.put("intake", renamed, EHR),
            "transaction": await driver.post("intake", updates(renamed, f"Patient/{self.person.id}"), EHR),
            "conditional update": await driver.post("intake", updates(seen, f"Observation?identifier={SYSTEM}|1"), EHR),
            "conditional create": await driver.post("intake", seen, EHR, If_None_Exist=f"identifier={SYSTEM}|1"),
            "discharge": await driver.put("intake", episode, EHR),
            "consent": await driver.post("intake", consent(self.person.id), EHR),
            "revocation": await driver.put(
                "intake", {**consent(self.person.id), "id": self.consent_id, "status": "inactive"}, EHR
            ),
            "cancelled session": await driver.put("attendance", {**self.session, "status": "cancelled"}, EHR),
            "referral": await driver.post("aftercare", referral(self.person.id), EHR),
        }

    async def of_their_own(self) -> dict[str, httpx.Response]:
        """Facts about our patient's number and our patient's id, which mean somebody of theirs, or nobody yet."""
        driver, about = self.clinic.driver, {"reference": f"Patient/{self.person.id}"}
        return {
            "intake": await driver.post(
                "intake", {**observation(), "subject": self.by_number(), "focus": [about]}, EHR
            ),
            "testing": await driver.post("testing", {**observation(), "subject": about}, LAB),
        }

    def by_number(self) -> Resource:
        return {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": self.person.mrn}}


def observation() -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": SYSTEM, "value": "1"}],
        "code": {"coding": [{"system": codes.FACT, "code": "pregnant"}]},
        "effectiveDateTime": "2026-01-05T14:00:00Z",
        "valueBoolean": True,
    }


def referral(patient: str) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"coding": [{"system": codes.TASK, "code": "alumni"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "performer": [{"identifier": {"system": codes.PARTNER, "value": ALUMNI}}],
    }


def updates(resource: Resource, url: str) -> Resource:
    entry = {"resource": resource, "request": {"method": "PUT", "url": url}}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}


async def stands(clinic: Clinic, person: Person) -> list[tuple[Any, ...]]:
    """Every row that each service has of our patient."""
    queries = (
        "SELECT type, id, program, version, body FROM resources WHERE patient = $1 ORDER BY 1, 2",
        "SELECT kind, key, program, body, hold FROM state WHERE key = $1 ORDER BY 1",
        "SELECT * FROM consents WHERE patient = $1 ORDER BY 1, 2, 3",
    )
    rows: list[tuple[Any, ...]] = []
    for service, dsn in clinic.driver.hub.postgres.items():
        connection = await asyncpg.connect(dsn)
        rows += [(service, *each) for query in queries for each in await connection.fetch(query, person.id)]
        await connection.close()
    return rows


async def forge(clinic: Clinic, person: Person, known: Person) -> str:
    """Whom their program knows, under our patient's key: another name and another telephone."""
    identified = (await clinic.records(known, "iop.intake.events"))[0]
    assert identified.event == "PatientIdentified"
    value = msgspec.json.encode(identified.bundle).replace(known.id.encode(), person.id.encode())
    identity = str(uuid4())
    forged = msgspec.structs.replace(identified, patient=person.id)
    await produce_again(clinic, forged, value=value, ce_id=identity)
    await clinic.driver.settle()
    return identity


async def parked(clinic: Clinic, before: int) -> list[Record]:
    return (await clinic.driver.records("iop.operations"))[before:]


async def test_what_another_programs_clients_try_changes_and_shows_nothing_and_a_forged_record_is_parked(
    clinic: Clinic,
) -> None:
    person = await ours(clinic)
    known = await theirs(clinic, person.mrn)
    other = Other(clinic, person, (await clinic.sessions(person))[0], await clinic.consent(person, "riverbend-house"))
    before = await stands(clinic, person)

    assert {name: each.status_code for name, each in (await other.read()).items() if each.status_code != 404} == {}
    assert await other.found() == []
    tried = await other.written()
    assert {name: each.status_code for name, each in tried.items() if each.status_code not in ANSWERS} == {}
    for service, stored in (await other.of_their_own()).items():
        assert stored.status_code == 201, stored.text
        path = stored.headers["Location"].partition("/fhir/")[2].partition("/_history")[0]
        assert (await clinic.driver.get(service, path)).status_code == 404
    again = await clinic.driver.redrive("intake", person.id, client=OPS)
    assert again.json() == {"decided": 0, "parked": 0, "sent_again": 0, "dry_run": False}
    await clinic.driver.settle()
    assert await stands(clinic, person) == before

    reported = len(await clinic.driver.records("iop.operations"))
    forged = await forge(clinic, person, known)
    reports = await parked(clinic, reported)
    assert [(each.event, each.patient) for each in reports] == [("DeliveryParked", "")] * 3
    for service in ("attendance", "testing", "aftercare"):
        assert (await clinic.driver.redrive(service, person.id, client=OPS)).json()["parked"] == 0
        assert (await redrive(clinic, service, person))["parked"] == 1
        gone = await clinic.driver.redrive(service, person.id, quarantine=forged)
        assert gone.json()["parked"] == 0
    await clinic.driver.settle()

    await the_gate_and_the_name_are_ours(clinic, person)


async def the_gate_and_the_name_are_ours(clinic: Clinic, person: Person) -> None:
    """Their consent opens nothing; ours opens it, and what goes out is what our EHR said."""
    received = len(clinic.partners.received(ALUMNI))
    await clinic.discharge(person)
    assert "ReferralSent" not in await clinic.events(person)
    await clinic.consent(person, ALUMNI)
    assert await eventually(clinic, person, "ReferralSent")
    (sent,) = clinic.partners.received(ALUMNI)[received:]
    assert NAME in str(sent)
    assert PHONE in str(sent)
