"""Who acts is whose token it is: a member of the program's staff, and nobody for another."""

from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from shared.events.codes import CLIENT, ROLE, STAFF
from shared.events.fhir import logical
from tests.intake import bundles
from tests.shared.edge.conftest import Counter

EHR = "https://ehr.demo.iop-hub.org/fhir"
NURSE: dict[str, Any] = {"fhirUser": "Practitioner/on-call-1", "scope": "user/Task.rus"}
ON_CALL = "on-call-clinician-1"


async def answered(counter: Counter, claims: dict[str, Any], owner: dict[str, Any] | None) -> httpx.Response:
    """What a person is answered who takes on the screen of a new patient."""
    await counter.send(bundles.intake("0001", facts={"c-ssrs-q4": True}))
    task = next(each for each in await counter.intake.found("Task") if each["code"]["coding"][0]["code"] == "safety")
    body = {name: value for name, value in task.items() if name not in ("meta", "owner")}
    body |= {"status": "accepted"} | ({"owner": owner} if owner else {})
    token = counter.issuer.token(**claims)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
    return await counter.http.put(f"/fhir/Task/{task['id']}", json=body, headers=headers)


@pytest.mark.parametrize(
    "claims",
    [
        NURSE,
        NURSE | {"fhirUser": f"{EHR}/Practitioner/on-call-1"},
        NURSE | {"fhirUser": "Practitioner/on-call-1", "sub": "u-7", "client_id": "ehr"},
        {"scope": "user/Task.rus", "sub": ON_CALL, "client_id": "ehr"},
        {"scope": "system/Task.rus", "sub": ON_CALL, "client_id": "ehr"},
    ],
)
@pytest.mark.parametrize("owner", [None, logical(STAFF, ON_CALL), logical(ROLE, "on-call-clinician")])
async def test_the_person_of_the_token_is_who_acted(
    counter: Counter, claims: dict[str, Any], owner: dict[str, Any] | None
) -> None:
    answer = await answered(counter, claims, owner)
    assert answer.status_code == 200, answer.text
    (provenance,) = [
        each for each in await counter.intake.found("Provenance") if each["target"][0]["reference"].startswith("Task/")
    ]
    assert [each["who"] for each in provenance["agent"]] == [logical(STAFF, ON_CALL), logical(CLIENT, "ehr")]


async def test_nobody_acts_for_another(counter: Counter) -> None:
    answer = await answered(counter, NURSE, logical(STAFF, "clinician-1"))
    (issue,) = answer.json()["issue"]
    assert (answer.status_code, issue["code"], issue["expression"]) == (403, "forbidden", ["Task.owner"])
    assert "clinician-1" not in answer.text


@pytest.mark.parametrize(
    "claims",
    [
        {"fhirUser": "Patient/on-call-1"},
        {"fhirUser": "Practitioner/"},
        {"fhirUser": ""},
        {"fhirUser": ON_CALL},
        {"fhirUser": "https://elsewhere.example/fhir/Practitioner/on-call-1"},
        {"fhirUser": "Practitioner/nobody"},
        {"fhirUser": None, "sub": "nobody", "client_id": "ehr"},
        {"fhirUser": "Practitioner/nobody", "sub": ON_CALL, "client_id": "ehr"},
    ],
)
async def test_who_is_nobody_of_the_staff_may_nothing(counter: Counter, claims: dict[str, Any]) -> None:
    answer = await answered(counter, NURSE | claims, None)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://issuer.example"},
        {"program": "another"},
        {"exp": 1},
        {"client_id": "stranger"},
    ],
)
async def test_a_persons_token_must_be_the_issuers_for_here_and_now(counter: Counter, claims: dict[str, Any]) -> None:
    assert (await answered(counter, NURSE | claims, None)).status_code == 401


async def test_a_token_that_nobody_signed_names_nobody(counter: Counter) -> None:
    _, payload, signature = counter.issuer.token(**NURSE).split(".")
    bare = jwt.encode({"alg": "HS256"}, {}, OctKey.import_key("k" * 32)).split(".")[0]
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    for token in (f"{none}.{payload}.", f"{none}.{payload}.{signature}", f"{bare}.{payload}.{signature}"):
        answer = await counter.http.get("/fhir/Task", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


async def test_a_users_scope_without_a_user_opens_nothing(counter: Counter) -> None:
    headers = {"Authorization": f"Bearer {counter.issuer.token(scope='user/Task.rus')}"}
    assert (await counter.http.get("/fhir/Task", headers=headers)).status_code == 403


async def test_what_a_person_reads_is_recorded_as_theirs(counter: Counter) -> None:
    await answered(counter, NURSE, None)
    headers = {"Authorization": f"Bearer {counter.issuer.token(**NURSE)}"}
    assert (await counter.http.get("/fhir/Task", headers=headers)).status_code == 200
    await counter.intake.running.reads.write()
    assert await counter.intake.select("SELECT client, person FROM reads WHERE person <> ''") == [("ehr", ON_CALL)]
