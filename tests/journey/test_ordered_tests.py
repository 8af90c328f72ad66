"""Drug tests of a program that draws their days: ordered, given with a late result, refused, missed."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from shared.events import codes
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person, Resource, instant, report
from tests.journey.programs import THEIRS

EHR, LAB = f"{THEIRS}-ehr", f"{THEIRS}-lab"
TESTING = "iop.testing.events"
GAP_DAYS = 7
"""Between tests in the first four weeks, at most."""


async def admitted(clinic: Clinic) -> Person:
    """A patient of the program that draws."""
    person = Person(f"MRN-{uuid4().hex[:12]}")
    answer = await clinic.driver.post("intake", bundles.intake(person.mrn, clinic.now), EHR)
    person.id = answer.json()["entry"][0]["response"]["location"].split("/")[1]
    await clinic.driver.settle()
    (task,) = await clinic.driver.search("intake", f"Task?patient={person.id}&status=requested", EHR)
    assert (await clinic.driver.put("intake", bundles.signed(task, "2.1", None), EHR)).status_code == 200
    await clinic.driver.settle()
    return person


async def orders(clinic: Clinic, person: Person) -> list[Resource]:
    found = await clinic.driver.search("testing", f"ServiceRequest?patient={person.id}&status=active", EHR)
    return [each for each in found if each["category"][0]["coding"][0]["code"] == "random"]


async def next_order(clinic: Clinic, person: Person) -> Resource:
    """Day by day, until the notice of the next random test comes."""
    for _ in range(GAP_DAYS + 1):
        if found := await orders(clinic, person):
            assert len(found) == 1
            return found[0]
        await clinic.pass_by(days=1)
    raise AssertionError("no test within the gap")


async def collected(clinic: Clinic, person: Person, order: Resource, **stated: Any) -> None:
    specimen = {
        "resourceType": "Specimen",
        "status": "available",
        "subject": {"reference": f"Patient/{person.id}"},
        "request": [{"reference": f"ServiceRequest/{order['id']}"}],
        "collection": {"collectedDateTime": clinic.now.isoformat()},
        **stated,
    }
    answer = await clinic.driver.post("testing", specimen, EHR)
    assert answer.status_code == 201, answer.text
    await clinic.driver.settle()


async def requested(clinic: Clinic, person: Person) -> Resource:
    """A clinician orders one more, for now."""
    request = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"coding": [{"system": codes.TASK, "code": "drug-test"}]},
        "subject": {"reference": f"Patient/{person.id}"},
    }
    answer = await clinic.driver.post("testing", request, EHR)
    assert answer.status_code == 201, answer.text
    await clinic.driver.settle()
    return {"id": answer.headers["Location"].partition("/ServiceRequest/")[2].partition("/")[0]}


async def test_random_tests_are_ordered_and_given_with_a_late_result_refused_and_missed(clinic: Clinic) -> None:
    person = await admitted(clinic)

    first = await next_order(clinic, person)
    await collected(clinic, person, first)
    given_at = clinic.now
    await clinic.pass_by(days=5)
    assert "ResultOverdue" in await clinic.events(person, TESTING)
    assert ("EscalationRaised", "result-overdue") in await clinic.escalations(person)
    oru = report(person.mrn, given_at).replace(b"OBR|1||", f"OBR|1|{first['identifier'][0]['value']}|".encode())
    assert b"MSA|AA" in (await clinic.driver.post_hl7(oru, LAB)).content
    await clinic.driver.settle()
    assert ("EscalationRetracted", "result-overdue") in await clinic.escalations(person)
    done = await clinic.driver.get("testing", f"ServiceRequest/{first['id']}", EHR)
    assert done.json()["status"] == "completed"

    second = await next_order(clinic, person)
    refused = [{"coding": [{"system": codes.OUTCOME, "code": "refused"}]}]
    await collected(clinic, person, second, status="unavailable", condition=refused)
    assert ("EscalationRaised", "collection-refused") in await clinic.escalations(person)

    third = await next_order(clinic, person)
    await collected(clinic, person, await requested(clinic, person))
    await clinic.pass_to(instant(third["occurrencePeriod"]["end"]) + timedelta(hours=5))
    assert ("EscalationRaised", "collection-missed") in await clinic.escalations(person)
    emitted = await clinic.events(person, TESTING)
    assert [emitted.count(name) for name in ("CollectionRefused", "CollectionMissed", "DrugTestResulted")] == [1, 1, 1]
