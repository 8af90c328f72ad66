"""`PUT Type?identifier=system|value`: done where the service states it, refused with the rule elsewhere."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from services.testing import app
from shared.edge.app import build
from shared.edge.clients import TokenVerifier
from shared.edge.http import FHIR_JSON, EdgeDependencies
from shared.events.intake import PatientIdentified
from shared.path.inbound.readiness import Check
from shared.platform.clients import registered
from shared.platform.keys import Identifier
from tests.intake import bundles
from tests.service import DEPLOY, StartService, consumed
from tests.shared.edge.conftest import AUDIENCE, Counter, Issuer
from tests.shared.path.given import MONDAY_NOON

Json = dict[str, Any]
URL = "https://lab.example/numbers?kind=specimen"
CONDITIONS = (
    "",
    "identifier",
    "identifier=",
    "identifier=1",
    "identifier=|1",
    "identifier=urn:lab|",
    "identifier=urn:lab|1",
)


class Laboratory:
    """Testing as a laboratory's client meets it."""

    def __init__(self, http: httpx.AsyncClient, issuer: Issuer, patient: str) -> None:
        self.http = http
        self.issuer = issuer
        self.patient = patient

    async def put(self, query: str, specimen: Json, **headers: str) -> httpx.Response:
        own = {"Authorization": f"Bearer {self.issuer.token(sub='lab')}", "Content-Type": FHIR_JSON}
        return await self.http.put(f"/fhir/Specimen{query}", json=specimen, headers=own | headers)

    def somebody(self, mrn: str) -> Json:
        return {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": mrn}}

    def specimen(self, system: str = "urn:lab", **more: Any) -> Json:
        subject = {"reference": f"Patient/{self.patient}"}
        return {
            "resourceType": "Specimen",
            "identifier": [{"system": system, "value": "1"}],
            "subject": subject,
            **more,
        }


@pytest.fixture
async def laboratory(start_service: StartService, issuer: Issuer) -> AsyncIterator[Laboratory]:
    testing = await start_service(app.assemble, "testing", MONDAY_NOON)
    digests = testing.keys.digests("demo", [Identifier(bundles.MRN_SYSTEM, "0001")])
    identified = PatientIdentified(digests=digests, sealed=(), identified_at=MONDAY_NOON)
    await testing.deliver(consumed(identified, testing.patient, at=MONDAY_NOON))
    verifier = TokenVerifier(issuer.url, AUDIENCE, registered(DEPLOY), service="testing")
    submissions = testing.running.submissions
    dependencies = EdgeDependencies(submissions, verifier, testing.reader, testing.inbox, issuer.url, ready=_ready)
    transport = httpx.ASGITransport(build(dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield Laboratory(http, issuer, testing.patient)


async def _ready() -> Sequence[Check]:
    return ()


@pytest.mark.parametrize("system", ["urn:lab", "https://lab.example/numbers", URL])
async def test_an_update_by_identifier_creates_once_and_then_changes(laboratory: Laboratory, system: str) -> None:
    query = f"?{urlencode({'identifier': f'{system}|1'})}"
    first = await laboratory.put(query, laboratory.specimen(system))
    second = await laboratory.put(f"{query}&_pretty=true", laboratory.specimen(system, status="unsatisfactory"))
    third = await laboratory.put(query, laboratory.specimen(system, status="unsatisfactory"))
    assert [each.status_code for each in (first, second, third)] == [201, 200, 200], first.text
    assert [each.headers["ETag"] for each in (first, second, third)] == ['W/"1"', 'W/"2"', 'W/"2"']
    assert len({each.json()["id"] for each in (first, second, third)}) == 1


async def test_an_update_by_identifier_of_another_version_is_refused(laboratory: Laboratory) -> None:
    assert (await laboratory.put("?identifier=urn:lab|1", laboratory.specimen())).status_code == 201
    changed = laboratory.specimen(status="unsatisfactory")
    assert (await laboratory.put("?identifier=urn:lab|1", changed, **{"If-Match": 'W/"7"'})).status_code == 412
    assert (await laboratory.put("?identifier=urn:lab|1", changed, **{"If-Match": 'W/"1"'})).status_code == 200


async def test_what_waits_for_one_patient_is_not_updated_to_be_of_another(laboratory: Laboratory) -> None:
    """By its identifier or by its id: else it would be of both once the first is known."""
    query = "?identifier=urn:lab|1"
    nobody: Json = {"subject": laboratory.somebody("0002")}
    others: tuple[Json, ...] = ({}, {"subject": laboratory.somebody("0003")})
    waits = await laboratory.put(query, laboratory.specimen(**nobody))
    by_id = f"/{waits.json()['id']}"
    for address, id in ((query, {}), (by_id, {"id": waits.json()["id"]})):
        for other in others:
            assert (await laboratory.put(address, laboratory.specimen(**id, **other))).status_code == 422, address
    again = await laboratory.put(query, laboratory.specimen(status="available", **nobody))
    assert (waits.status_code, again.status_code) == (201, 200)


@pytest.mark.parametrize(
    "condition", [*CONDITIONS[:-1], "_id=1", "identifier=urn:lab|1&status=available", "identifier=a|%00"]
)
async def test_another_condition_is_refused_with_the_rule_and_nothing_is_stored(
    laboratory: Laboratory, condition: str
) -> None:
    answer = await laboratory.put(f"?{condition}", laboratory.specimen())
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "not-supported")
    assert "identifier=system|value" in answer.json()["issue"][0]["diagnostics"]
    assert (await laboratory.put("?identifier=urn:lab|1", laboratory.specimen())).status_code == 201


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", ["Patient", "Observation", "Consent"])
async def test_a_type_without_it_names_the_remedy_whatever_is_asked(
    counter: Counter, kind: str, condition: str
) -> None:
    resources: dict[str, Json] = {
        "Patient": {"resourceType": "Patient", "identifier": [{"system": bundles.MRN_SYSTEM, "value": "0001"}]},
        "Observation": {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
        "Consent": bundles.consent("riverbend-alumni", who=f"Patient/{uuid4()}"),
    }
    path = f"/fhir/{kind}?{condition}"
    answer = await counter.ask("PUT", path, json=resources[kind], headers={"Content-Type": FHIR_JSON})
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "not-supported")
    assert "Must name the id" in answer.json()["issue"][0]["diagnostics"]
    assert (await counter.http.put(path, json=resources[kind])).status_code == 401
    assert await counter.intake.count("resources") == 0
