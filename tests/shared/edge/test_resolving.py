"""What a submission is about: created once on a condition, pointed to by a condition, and about one patient only."""

import asyncio
from collections import Counter as Count
from typing import Any

import pytest

from shared.events import codes
from tests.intake import bundles
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_http import admitted, observation

Json = dict[str, Any]
SYSTEM = "https://ehr.demo.iop-hub.org/observation"
ONE = f"identifier={SYSTEM}|1"
WHOLE = {"Prefer": "return=representation"}


def numbered(patient: str, number: str = "1", **more: Any) -> Json:
    return observation(patient, identifier=[{"system": SYSTEM, "value": number}], **more)


async def resource(counter: Counter, kind: str = "Observation") -> list[Json]:
    return [each for each in await counter.intake.found(kind) if "identifier" in each]


# Created unless it exists


async def test_what_does_not_exist_is_created_and_then_found(counter: Counter) -> None:
    patient = await admitted(counter)
    first = await counter.send(numbered(patient), **{"If-None-Exist": ONE})
    again = await counter.send(numbered(patient, status="amended"), **{"If-None-Exist": ONE})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.headers["Location"] == again.headers["Location"]
    assert first.headers["ETag"] == again.headers["ETag"]
    assert [each["status"] for each in await resource(counter)] == ["final"]


async def test_what_was_created_without_a_condition_is_found_by_one(counter: Counter) -> None:
    patient = await admitted(counter)
    created = await counter.send(numbered(patient))
    found = await counter.send(numbered(patient), **{"If-None-Exist": ONE})
    assert (found.status_code, found.headers["Location"]) == (200, created.headers["Location"])


async def test_a_condition_that_several_meet_is_refused(counter: Counter) -> None:
    patient = await admitted(counter)
    await counter.send(numbered(patient))
    await counter.send(numbered(patient))
    refused = await counter.send(numbered(patient), **{"If-None-Exist": ONE})
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (412, "multiple-matches")


async def test_twenty_at_once_on_one_condition_have_one_effect(counter: Counter) -> None:
    patient = await admitted(counter)
    sent = [counter.send(numbered(patient), **{"If-None-Exist": ONE}) for _ in range(20)]
    answers = await asyncio.gather(*sent)
    assert Count(each.status_code for each in answers) == {201: 1, 200: 19}
    assert {each.headers["ETag"] for each in answers} == {'W/"1"'}
    assert len({each.headers["Location"] for each in answers}) == 1


async def test_a_condition_is_the_same_however_it_is_written(counter: Counter) -> None:
    patient = await admitted(counter)
    first = await counter.send(numbered(patient), **{"If-None-Exist": ONE})
    for written in (f"?{ONE}", f"Observation?{ONE}", ONE.replace("|", "%7C").replace(":", "%3A")):
        again = await counter.send(numbered(patient), **{"If-None-Exist": written})
        assert first.headers["Location"] == again.headers["Location"]


async def test_another_condition_is_refused_never_ignored(counter: Counter) -> None:
    patient = await admitted(counter)
    for condition in ("", "status=final", "identifier=1", f"{ONE}&status=final", "%%%", f"{ONE}%00"):
        refused = await counter.send(numbered(patient), **{"If-None-Exist": condition})
        assert refused.status_code == 400
    assert await resource(counter) == []


async def test_a_patient_who_exists_is_not_overwritten_on_a_condition(counter: Counter) -> None:
    patient = await admitted(counter)
    named: Json = {"fullUrl": bundles.urn("0001", "again"), "resourceType": "Patient"}
    named |= {"identifier": [{"system": bundles.MRN_SYSTEM, "value": "0001"}]}
    bundle = bundles.transaction(named, observation("", subject={"reference": named["fullUrl"]}))
    bundle["entry"][0]["request"]["ifNoneExist"] = f"identifier={bundles.MRN_SYSTEM}|0001"
    answer = await counter.send(bundle)
    created, seen = (each["response"] for each in answer.json()["entry"])
    assert (created["status"], created["location"]) == ("200 OK", f"Patient/{patient}/_history/1")
    assert seen["status"] == "201 Created"
    (stored,) = await counter.intake.found("Patient")
    assert stored["birthDate"] == "1988-04-12"


async def test_a_condition_finds_the_patient_whatever_else_the_patient_is_called(counter: Counter) -> None:
    patient = await admitted(counter)
    named = {"resourceType": "Patient", "identifier": [{"system": bundles.MRN_SYSTEM, "value": "0002"}]}
    answer = await counter.send(named, **{"If-None-Exist": f"identifier={bundles.MRN_SYSTEM}|0001"})
    assert (answer.status_code, answer.json()["id"]) == (200, patient)


async def test_a_patient_posted_again_is_an_update_and_says_so(counter: Counter) -> None:
    patient = await admitted(counter)
    again = await counter.send(bundles.transaction(bundles.patient("0001")))
    (created,) = again.json()["entry"]
    assert created["response"]["status"] == "200 OK"
    assert created["response"]["location"] == f"Patient/{patient}/_history/2"


async def test_the_refusal_of_a_condition_names_its_place_and_no_value(counter: Counter) -> None:
    bundle = bundles.intake("0001")
    bundle["entry"][1]["request"]["ifNoneExist"] = "name=Synthetic"
    refused = await counter.send(bundle)
    (issue,) = refused.json()["issue"]
    assert issue["expression"] == ["Bundle.entry[1].request.ifNoneExist"]
    assert "Synthetic" not in refused.text


async def test_twenty_updates_at_once_of_one_version_are_one_update(counter: Counter) -> None:
    one, other = await admitted(counter), await admitted(counter, "0002")
    (first, second) = [(await counter.send(numbered(each), **WHOLE)).json() for each in (one, other)]
    body = {"headers": {"Content-Type": "application/fhir+json", "If-Match": 'W/"1"'}}
    before = counter.ask("PUT", f"/fhir/Observation/{second['id']}", json=second, **body)
    path = f"/fhir/Observation/{first['id']}"
    changed = [{**first, "note": [{"text": f"number {number}"}]} for number in range(20)]
    answers = await asyncio.gather(before, *(counter.ask("PUT", path, json=each, **body) for each in changed))
    assert Count(each.status_code for each in answers) == {200: 2, 412: 19}


# Pointed to by a condition


async def test_a_patient_is_pointed_to_by_an_identifier(counter: Counter) -> None:
    patient = await admitted(counter)
    asked = {"reference": f"Patient?identifier={bundles.MRN_SYSTEM}|0001"}
    await counter.send(bundles.transaction(numbered("", subject=asked)))
    (stored,) = await resource(counter)
    assert stored["subject"] == {"type": "Patient", "reference": f"Patient/{patient}"}


async def test_no_identifier_in_a_reference_is_kept_in_the_clear(counter: Counter) -> None:
    who = {"reference": f"Patient?identifier={bundles.MRN_SYSTEM}|SEEDED-MRN"}
    await counter.send(bundles.transaction(bundles.patient("SEEDED-MRN"), numbered("", subject=who)))
    rows = await counter.intake.pool.fetch("SELECT body FROM resources")
    assert rows and not any("SEEDED-MRN" in row["body"] for row in rows)


async def test_somebody_else_pointed_to_by_a_condition_stays_named(counter: Counter) -> None:
    patient = await admitted(counter)
    npi = "http://hl7.org/fhir/sid/us-npi"
    performer = [{"reference": f"Practitioner?identifier={npi}|9", "display": "A nurse"}]
    await counter.send(bundles.transaction(numbered(patient, performer=performer)))
    (stored,) = await resource(counter)
    named = {"type": "Practitioner", "identifier": {"system": npi, "value": "9"}, "display": "A nurse"}
    assert stored["performer"] == [named]


@pytest.mark.parametrize(
    ("asked", "status"), [("Patient?name=Synthetic", 400), ("Patient?identifier=urn:x|nobody", 409)]
)
async def test_a_condition_that_finds_nobody_is_refused_at_its_place(counter: Counter, asked: str, status: int) -> None:
    refused = await counter.send(bundles.transaction(numbered("", subject={"reference": asked})))
    (issue,) = refused.json()["issue"]
    assert refused.status_code == status
    assert issue["expression"][0].startswith("Bundle.entry[0].resource")
    assert "Synthetic" not in refused.text and "nobody" not in refused.text


# About one patient


@pytest.mark.parametrize("whose", ["known", "one version", "unknown", "by identifier"])
async def test_what_points_to_another_patient_is_never_filed_under_this_one(counter: Counter, whose: str) -> None:
    other = await admitted(counter, "0002")
    subject = {
        "known": {"reference": f"Patient/{other}"},
        "one version": {"reference": f"Patient/{other}/_history/1"},
        "unknown": {"reference": "Patient/of-the-ehr"},
        "by identifier": {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": "0002"}},
    }[whose]
    own = observation("", subject={"reference": bundles.urn("0001", "patient")})
    refused = await counter.send(bundles.transaction(bundles.patient("0001"), own, numbered("", subject=subject)))
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Bundle.entry[2].resource.subject"]
    assert await resource(counter) == []


async def test_one_name_that_nobody_knows_means_the_patient_that_came_and_two_mean_nobody(counter: Counter) -> None:
    first, second = (numbered("", subject={"reference": f"Patient/{each}"}) for each in ("eve", "eva"))
    refused = await counter.send(bundles.transaction(bundles.patient("0001"), first, second))
    assert refused.status_code == 422
    taken = await counter.send(bundles.transaction(bundles.patient("0001"), first))
    patient = taken.json()["entry"][0]["response"]["location"].split("/")[1]
    assert [each["subject"]["reference"] for each in await resource(counter)] == [f"Patient/{patient}"]


async def test_the_same_patient_named_in_several_ways_is_one(counter: Counter) -> None:
    patient = await admitted(counter)
    ways = (
        {"reference": bundles.urn("0001", "patient")},
        {"reference": f"Patient/{patient}"},
        {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": "0001"}},
    )
    bundle = bundles.transaction(
        bundles.patient("0001"), *(numbered("", str(n), subject=each) for n, each in enumerate(ways))
    )
    assert (await counter.send(bundle)).status_code == 200
    assert {each["subject"]["reference"] for each in await resource(counter)} == {f"Patient/{patient}"}


# What is kept of it


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2016-12-31T23:59:60Z"])
async def test_a_time_that_no_database_holds_is_refused_and_of_a_safety_screen_stored_as_it_came(
    counter: Counter, at: str
) -> None:
    patient = await admitted(counter)
    refused = await counter.send(numbered(patient, effectiveDateTime=at))
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (422, ["Observation.effective"])
    suicidal = {"code": {"coding": [{"system": codes.LOINC, "code": "93249-1"}]}, "valueBoolean": True}
    answer = await counter.send(numbered(patient, effectiveDateTime=at) | suicidal)
    assert answer.status_code == 201
    assert answer.json()["issue"][0]["diagnostics"] == "not read: time missing or unreadable; a person is asked"
    (stored,) = await resource(counter)
    assert stored["effectiveDateTime"] == at
