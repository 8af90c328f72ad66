"""A refused request leaves nothing behind: no identifier bound, no row, and the next one is as if it had not been."""

import asyncio
from collections import Counter as Count
from typing import Any

import pytest

from shared.edge.http import FHIR_JSON
from shared.events.envelope import patient_id
from tests.intake import bundles
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_http import admitted, observation

Json = dict[str, Any]
TABLES = ("alias", "resources", "state", "outbox", "journal", "processed", "parked")


def patient(mrn: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "identifier": [{"system": bundles.MRN_SYSTEM, "value": mrn}], **more}


async def rows(counter: Counter) -> dict[str, int]:
    return {table: await counter.intake.count(table) for table in TABLES}


async def put(counter: Counter, resource: Json) -> int:
    path, headers = f"/fhir/{resource['resourceType']}/{resource['id']}", {"Content-Type": FHIR_JSON}
    return (await counter.ask("PUT", path, json=resource, headers=headers)).status_code


async def test_an_update_as_create_is_refused_and_binds_nothing_to_the_id_in_its_address(counter: Counter) -> None:
    before = await rows(counter)
    assert await put(counter, patient("9001", id="MRN-9001")) == 404
    assert await rows(counter) == before

    for body in (patient("9001"), patient("9001", id="MRN-9001")):
        created = await counter.send(body)
        assert created.status_code in (200, 201)
        assert patient_id(created.json()["id"])
    assert await counter.intake.count("parked") == 0


async def test_a_patient_whose_transaction_is_refused_is_not_known(counter: Counter) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"][2]["resource"]["effectiveDateTime"] = "2099-01-01"
    before = await rows(counter)
    refused = await counter.send(bundle)
    assert refused.status_code == 422, refused.text
    assert await rows(counter) == before


async def test_an_identifier_that_a_refused_update_brought_belongs_to_nobody(counter: Counter) -> None:
    """The version is not the current one: the decision itself says no, inside the transaction that would bind."""
    first = await admitted(counter, "0001")
    stored = (await counter.ask("GET", f"/fhir/Patient/{first}")).json()
    headers = {"Content-Type": FHIR_JSON, "If-Match": 'W/"9"'}
    named = {**stored, "identifier": [*stored["identifier"], {"system": bundles.MRN_SYSTEM, "value": "0002"}]}
    assert (await counter.ask("PUT", f"/fhir/Patient/{first}", json=named, headers=headers)).status_code == 412
    assert await admitted(counter, "0002") != first


async def test_an_update_keeps_the_patients_new_identifier(counter: Counter) -> None:
    first = await admitted(counter, "0001")
    stored = (await counter.ask("GET", f"/fhir/Patient/{first}")).json()
    named = {**stored, "identifier": [*stored["identifier"], {"system": bundles.MRN_SYSTEM, "value": "0002"}]}
    assert await put(counter, named) == 200
    assert await admitted(counter, "0002") == first


async def test_an_update_with_the_identifier_of_another_patient_is_refused(counter: Counter) -> None:
    first, _ = await admitted(counter, "0001"), await admitted(counter, "0002")
    before = await rows(counter)
    for _ in range(2):
        assert await put(counter, patient("0002", id=first)) == 409
        asked = {"resources": before["resources"] + 1}  # one Task: are the two one person?
        assert await rows(counter) == before | asked


async def test_twenty_posts_of_one_patient_at_once_make_one(counter: Counter) -> None:
    answers = await asyncio.gather(*(counter.send(patient("0001")) for _ in range(20)))
    assert Count(each.status_code for each in answers) == {201: 1, 200: 19}
    assert len({each.json()["id"] for each in answers}) == 1
    assert await counter.intake.count("state") == 1


async def test_one_bundle_sent_twice_at_once_is_answered_alike(counter: Counter) -> None:
    """The second is a repetition of what is not committed yet: its answer names the patient of the first."""
    bundle = bundles.intake("0001") | {"identifier": {"system": "urn:bundle", "value": "1"}}
    answers = await asyncio.gather(*(counter.send(bundle) for _ in range(4)))
    located = {tuple(entry["response"]["location"] for entry in each.json()["entry"]) for each in answers}
    assert {each.status_code for each in answers} == {200} and len(located) == 1
    assert await counter.intake.count("state") == 1


@pytest.mark.parametrize("text", ["MRN-9001", "", "11111111-1111-4111-8111-11111111111", "Patient/1"])
def test_a_patients_id_is_a_uuid_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="not a patient's id"):
        patient_id(text)


# An identifier that says whom, without saying of which type


@pytest.mark.parametrize("along", [True, False])
async def test_an_identifier_without_a_type_is_not_stored_in_the_clear(counter: Counter, along: bool) -> None:
    first = None if along else await admitted(counter, "SEEDED-MRN")
    who = {"identifier": {"system": bundles.MRN_SYSTEM, "value": "SEEDED-MRN"}}
    npi = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9"}}
    seen = observation("", subject=who, performer=[npi])
    answer = await counter.send(bundles.transaction(*([bundles.patient("SEEDED-MRN")] if along else []), seen))
    assert answer.status_code == 200, answer.text

    (stored,) = [each for each in await counter.intake.found("Observation") if "performer" in each]
    assert stored["subject"]["reference"].startswith("Patient/")
    assert stored["performer"] == [npi]
    assert first is None or stored["subject"] == {"reference": f"Patient/{first}"}
    assert not [body for (body,) in await counter.intake.select("SELECT body FROM resources") if "SEEDED" in body]


async def test_an_identifier_without_a_type_that_names_another_patient_is_a_mix_up(counter: Counter) -> None:
    await admitted(counter, "0002")
    other = observation("", subject={"identifier": {"system": bundles.MRN_SYSTEM, "value": "0002"}})
    refused = await counter.send(bundles.transaction(bundles.patient("0001"), other))
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (
        422,
        ["Bundle.entry[1].resource.subject"],
    )
    assert await counter.intake.count("state") == 1
