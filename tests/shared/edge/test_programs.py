"""Two programs behind one service: what a client of the other one tries over HTTP shows and changes nothing here."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import FHIR_JSON
from shared.platform.clients import RegisteredClient, registered
from tests.intake import bundles
from tests.service import DEPLOY
from tests.shared.edge.conftest import AUDIENCE, Counter
from tests.shared.edge.test_http import observation

Json = dict[str, Any]
OURS, THEIRS = "demo", "west"
SYSTEM = "https://ehr.demo.iop-hub.org/observation"
ONE = f"identifier={SYSTEM}|1"


@dataclass
class Clinic:
    """One program's client: the other one's has the same address for its EHR, so that every name of it is the same."""

    counter: Counter
    http: httpx.AsyncClient
    program: str

    async def ask(self, method: str, path: str, body: Json | None = None, **headers: str) -> httpx.Response:
        token = self.counter.issuer.token(sub=self.program, program=self.program)
        own = {"Authorization": f"Bearer {token}", "Content-Type": FHIR_JSON}
        return await self.http.request(method, f"/fhir{path}", json=body, headers=own | headers)

    async def patient(self, mrn: str) -> str:
        answer = await self.ask("POST", "", bundles.intake(mrn))
        assert answer.status_code == 200, answer.text
        location: str = answer.json()["entry"][0]["response"]["location"]
        return location.split("/")[1]

    async def rows(self) -> list[tuple[Any, ...]]:
        query = "SELECT type, id, version, body FROM resources WHERE program = $1 ORDER BY 1, 2"
        return await self.counter.intake.select(query, self.program)


@pytest.fixture
async def clinics(counter: Counter) -> AsyncIterator[tuple[Clinic, Clinic]]:
    inbox, ehr = counter.intake.inbox, registered(DEPLOY)["ehr"]
    inbox.settings = {**inbox.settings, THEIRS: inbox.settings[OURS]}
    clients = {each: RegisteredClient(programs=(each,), base_url=ehr.base_url) for each in (OURS, THEIRS)}
    dependencies = replace(
        counter.dependencies,
        token_verifier=TokenVerifier(counter.issuer.url, AUDIENCE, clients),
        reader=counter.intake.reader,
    )
    transport = httpx.ASGITransport(build(dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Clinic(counter, http, OURS), Clinic(counter, http, THEIRS)


async def test_one_record_number_is_a_patient_of_each_program(clinics: tuple[Clinic, Clinic]) -> None:
    ours, theirs = clinics
    assert await ours.patient("0001") != await theirs.patient("0001")


async def test_nothing_of_another_program_is_read_or_found(clinics: tuple[Clinic, Clinic]) -> None:
    ours, theirs = clinics
    patient = await ours.patient("0001")
    reads = (f"/Patient/{patient}", *(f"/{type_}/{identity}" for type_, identity, _, _ in await ours.rows()))
    assert {(await theirs.ask("GET", each)).status_code for each in reads} == {404}
    by_name = f"{bundles.MRN_SYSTEM}|0001"
    for asked in (
        f"Task?patient={patient}",
        f"Observation?subject.identifier={by_name}",
        f"Patient?identifier={by_name}",
        f"Patient?_id={patient}",
    ):
        assert (await theirs.ask("GET", f"/{asked}&_total=accurate")).json()["total"] == 0, asked


async def test_why_is_answered_to_whoever_may_read_the_task_alone(clinics: tuple[Clinic, Clinic]) -> None:
    ours, theirs = clinics
    await ours.patient("0001")
    task = next(identity for type_, identity, _, _ in await ours.rows() if type_ == "Task")
    answer = await ours.ask("GET", f"/Task/{task}/$why")
    assert (answer.status_code, answer.json()["resourceType"]) == (200, "Parameters")
    first, second, *_ = [each["valueString"] for each in answer.json()["parameter"]]
    assert first.startswith(f"Task {task} of patient ") and first.endswith(", by intake")
    assert "from demo" in second
    assert (await theirs.ask("GET", f"/Task/{task}/$why")).status_code == 404
    assert (await ours.ask("GET", f"/Task/{uuid4()}/$why")).status_code == 404
    assert (await ours.ask("POST", f"/Task/{task}/$why")).status_code == 405
    token = ours.counter.issuer.token(sub=OURS, program=OURS, scope="system/Observation.r")
    unscoped = await ours.ask("GET", f"/Task/{task}/$why", Authorization=f"Bearer {token}")
    assert unscoped.status_code == 403
    assert (await ours.http.get(f"/fhir/Task/{task}/$why")).status_code == 401


async def test_nothing_of_another_program_is_written(clinics: tuple[Clinic, Clinic]) -> None:
    """Each write knows the ids of the other program, and answers as if there were none."""
    ours, theirs = clinics
    patient = await ours.patient("0001")
    await ours.ask("POST", "/Observation", observation(patient, identifier=[{"system": SYSTEM, "value": "1"}]))
    consent = bundles.consent("riverbend-alumni", who=f"Patient/{patient}", given="2026-01-01", until="2027-01-01")
    opened = await ours.ask("POST", "/Consent", consent)
    given = opened.headers["Location"].split("/Consent/")[1].split("/")[0]
    before = await ours.rows()

    named: Json = {"resourceType": "Patient", "id": patient}
    named |= {"identifier": [{"system": bundles.MRN_SYSTEM, "value": "0001"}]}
    seen = observation(patient, identifier=[{"system": SYSTEM, "value": "1"}])
    attempts = {
        "an update of the Patient": await theirs.ask("PUT", f"/Patient/{patient}", named),
        "an update in a transaction": await theirs.ask("POST", "", _update(named)),
        "a fact about the patient": await theirs.ask("POST", "/Observation", observation(patient)),
        "a revocation": await theirs.ask("PUT", f"/Consent/{given}", {**consent, "id": given, "status": "inactive"}),
        "a consent": await theirs.ask("POST", "/Consent", consent),
        "a conditional create": await theirs.ask("POST", "/Observation", seen, **{"If-None-Exist": ONE}),
        "an alias": await theirs.ask("POST", "/Observation", _aliased(patient)),
    }
    assert {name: answer.status_code for name, answer in attempts.items() if answer.is_success} == {}
    assert {answer.status_code for answer in attempts.values()} <= {404, 409, 422}
    assert await ours.rows() == before
    assert await theirs.rows() == []
    for table in ("state", "outbox", "parked", "journal"):
        assert await ours.counter.intake.count(f"{table} WHERE program = '{THEIRS}'") == 0


def _update(resource: Json) -> Json:
    request = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": resource, "request": request}]}


def _aliased(patient: str) -> Json:
    """By the record number, and by the other program's own reference to its Patient."""
    who = {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": "0001"}}
    return observation(patient, subject=who, focus=[{"reference": f"Patient/{patient}"}])


async def test_the_same_condition_in_two_programs_makes_two(clinics: tuple[Clinic, Clinic]) -> None:
    ids = set()
    for clinic in clinics:
        seen = observation(await clinic.patient("0001"), identifier=[{"system": SYSTEM, "value": "1"}])
        made = [await clinic.ask("POST", "/Observation", seen, **{"If-None-Exist": ONE}) for _ in range(2)]
        assert [each.status_code for each in made] == [201, 200]
        ids |= {each.headers["Location"] for each in made}
    assert len(ids) == 2
