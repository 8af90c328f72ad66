"""Orders and what became of their collection, as an EHR and a laboratory send them by FHIR and HL7."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.testing.orders.placing import AHEAD_DAYS_MOST, WINDOW_HOURS_MOST
from shared.edge.outcome import HttpRefusal
from shared.events.codes import LOINC, ORDER_NUMBER, OUTCOME, TASK
from shared.path.inbound.deadlines import run_due
from shared.rules.packing import pack_id
from tests.testing.receiving import AUTHORITY, ReceivingService, message

NOW = datetime(2026, 1, 14, 17, 0, tzinfo=UTC)
"""The hub's."""
OPENS, CLOSES = "2026-01-12T08:00:00-05:00", "2026-01-13T08:00:00-05:00"
PLACER = {"system": "https://ehr.example.org/orders", "value": "PL-7"}
BY_PLACER = "identifier=https://ehr.example.org/orders|PL-7"
DRUG_TEST = {"coding": [{"system": TASK, "code": "drug-test"}]}


@pytest.fixture
async def testing(testing: ReceivingService) -> ReceivingService:
    """A patient in treatment; their EHR speaks."""
    testing.client = "ehr"
    await testing.identified()
    await testing.admitted()
    return testing


def order(testing: ReceivingService, **changed: object) -> dict[str, Any]:
    stated = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": DRUG_TEST,
        "subject": {"reference": f"Patient/{testing.patient}"},
        "occurrencePeriod": {"start": OPENS, "end": CLOSES},
        **changed,
    }
    return {name: each for name, each in stated.items() if each is not None}


def specimen(testing: ReceivingService, order_id: str, status: str = "available", **changed: object) -> dict[str, Any]:
    return {
        "resourceType": "Specimen",
        "status": status,
        "subject": {"reference": f"Patient/{testing.patient}"},
        "request": [{"reference": f"ServiceRequest/{order_id}"}],
        "collection": {"collectedDateTime": "2026-01-12T09:00:00-05:00"},
        **changed,
    }


def not_given(code: str) -> dict[str, Any]:
    return {"condition": [{"coding": [{"system": OUTCOME, "code": code}]}]}


async def fault(testing: ReceivingService, resource: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(HttpRefusal) as refused:
        await testing.post(resource)
    return refused.value.issues[0].code, refused.value.issues[0].expression[0]


async def priorities(testing: ReceivingService) -> dict[str, str]:
    """Of what is asked of a person, by its reason."""
    return {each["reasonCode"]["coding"][0]["code"]: each["priority"] for each in await testing.tasks()}


async def test_of_somebody_whom_nobody_knows_yet_nothing_is_ordered_and_nothing_waits(
    testing: ReceivingService,
) -> None:
    stranger = {"identifier": {"system": AUTHORITY, "value": "STRANGER"}}
    order_id = await testing.post(order(testing))
    for sent in (order(testing, subject=stranger), specimen(testing, order_id, subject=stranger)):
        assert (await fault(testing, sent))[0] == "transient"
    await testing.identified("STRANGER")
    assert await testing.emitted() == ["DrugTestOrdered"]


async def test_an_order_is_read_as_the_hub_has_emitted_it(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing, identifier=[PLACER], note=[{"text": "a private note"}]))
    assert await testing.emitted() == ["DrugTestOrdered"]
    (stored,) = await testing.found("ServiceRequest", ("status", "active"))
    assert stored["id"] == order_id
    assert "note" not in stored
    named = sorted((each["system"], each["value"]) for each in stored["identifier"])
    assert named == [(PLACER["system"], "PL-7"), (ORDER_NUMBER, pack_id(order_id))]


async def test_an_order_of_a_day_is_of_the_whole_local_day(testing: ReceivingService) -> None:
    await testing.post(order(testing, occurrencePeriod=None, occurrenceDateTime="2026-01-15"))
    (stored,) = await testing.found("ServiceRequest")
    assert stored["occurrencePeriod"] == {"start": "2026-01-15T05:00:00Z", "end": "2026-01-16T05:00:00Z"}


async def test_an_order_without_a_time_opens_now(testing: ReceivingService) -> None:
    await testing.post(order(testing, occurrencePeriod=None, code={"coding": [{"system": LOINC, "code": "14314-9"}]}))
    (stored,) = await testing.found("ServiceRequest")
    assert stored["occurrencePeriod"] == {"start": "2026-01-14T17:00:00Z", "end": "2026-01-15T17:00:00Z"}


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"status": "draft"}, "business-rule", "ServiceRequest.status"),
    ({"status": "revoked"}, "business-rule", "ServiceRequest.status"),
    ({"intent": "proposal"}, "business-rule", "ServiceRequest.intent"),
    ({"doNotPerform": True}, "not-supported", "ServiceRequest.doNotPerform"),
    ({"code": None}, "code-invalid", "ServiceRequest.code"),
    ({"code": {"coding": [{"system": LOINC, "code": "718-7"}]}}, "code-invalid", "ServiceRequest.code"),
    ({"occurrencePeriod": {"start": CLOSES, "end": OPENS}}, "business-rule", "ServiceRequest.occurrence"),
    ({"occurrencePeriod": {"start": OPENS, "end": "2027-01-12"}}, "business-rule", "ServiceRequest.occurrence"),
    ({"occurrencePeriod": {"start": "2025-11-01", "end": "2025-11-02"}}, "business-rule", "ServiceRequest.occurrence"),
    ({"occurrencePeriod": {"start": "2028-01-01"}}, "business-rule", "ServiceRequest.occurrence"),
]


@pytest.mark.parametrize(("changed", "code", "place"), FAULTS)
async def test_an_order_that_can_not_be_is_refused_with_its_place(
    testing: ReceivingService, changed: dict[str, Any], code: str, place: str
) -> None:
    assert await fault(testing, order(testing, **changed)) == (code, place)
    assert await testing.emitted() == []
    assert (WINDOW_HOURS_MOST, AHEAD_DAYS_MOST) == (168, 366)


async def test_an_order_is_moved_and_cancelled_by_its_own_id(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    moved = order(testing, id=order_id, occurrencePeriod={"start": "2026-01-15T08:00:00-05:00"})
    await testing.put_thrice(moved)
    (stored,) = await testing.found("ServiceRequest")
    assert stored["occurrencePeriod"] == {"start": "2026-01-15T13:00:00Z", "end": "2026-01-16T13:00:00Z"}
    await testing.put_thrice(moved | {"status": "revoked"})
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestOrdered", "DrugTestCancelled"]
    (stored,) = await testing.found("ServiceRequest", ("status", "revoked"))
    await testing.put(moved | {"status": "entered-in-error"})
    assert [each["id"] for each in await testing.found("ServiceRequest", ("status", "entered-in-error"))] == [order_id]


def asked(resource: dict[str, Any], **request: str) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": resource, "request": request}]}


def created_once(resource: dict[str, Any]) -> dict[str, Any]:
    return asked(resource, method="POST", url="ServiceRequest", ifNoneExist=BY_PLACER)


def put_by_number(resource: dict[str, Any]) -> dict[str, Any]:
    return asked(resource, method="PUT", url=f"ServiceRequest?{BY_PLACER}")


async def test_an_order_is_found_by_its_number_which_is_on_no_topic(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing, identifier=[PLACER]))
    await testing.post(order(testing, identifier=[{**PLACER, "value": "PL-8"}], occurrenceDateTime="2026-01-20"))
    number = f"{PLACER['system']}|PL-7"
    await testing.put(order(testing, id=order_id, status="revoked"))
    assert await testing.numbers("ServiceRequest", number) == [order_id]
    assert await testing.numbers("ServiceRequest", f"{ORDER_NUMBER}|{pack_id(order_id)}") == [order_id]
    assert await testing.numbers("ServiceRequest", number, program="another") == []
    assert await testing.count("outbox WHERE body LIKE '%PL-7%' OR headers LIKE '%PL-7%'") == 0


@pytest.mark.parametrize("ordered", [created_once, put_by_number])
async def test_an_order_placed_on_a_condition_is_placed_once(testing: ReceivingService, ordered: Any) -> None:
    (first,) = (await testing.submit(ordered(order(testing, identifier=[PLACER])))).answered
    (again,) = (await testing.submit(ordered(order(testing, identifier=[PLACER])))).answered
    assert (first.status[:3], again.status[:3], first.location) == ("201", "200", again.location)
    assert await testing.emitted() == ["DrugTestOrdered"]


@pytest.mark.parametrize("ordered", [created_once, put_by_number])
async def test_an_order_that_was_placed_without_a_condition_is_found_by_one(
    testing: ReceivingService, ordered: Any
) -> None:
    order_id = await testing.post(order(testing, identifier=[PLACER]))
    (again,) = (await testing.submit(ordered(order(testing, identifier=[PLACER])))).answered
    assert (again.status[:3], str(again.location).split("/")[1]) == ("200", order_id)
    assert await testing.emitted() == ["DrugTestOrdered"]


async def test_an_order_is_moved_and_cancelled_by_its_number(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing, identifier=[PLACER]))
    moved = order(testing, identifier=[PLACER], occurrencePeriod={"start": "2026-01-15T08:00:00-05:00"})
    await testing.submit(put_by_number(moved))
    await testing.submit(put_by_number(moved | {"status": "revoked"}))
    assert await testing.emitted() == ["DrugTestOrdered", "DrugTestOrdered", "DrugTestCancelled"]
    assert [each["id"] for each in await testing.found("ServiceRequest", ("status", "revoked"))] == [order_id]


async def test_an_order_of_another_patient_is_not_found_by_its_number(testing: ReceivingService) -> None:
    await testing.submit(created_once(order(testing, identifier=[PLACER])))
    await testing.identified("OTHER-MRN")
    testing.patient = str(uuid4())
    await testing.identified("THIRD-MRN")
    with pytest.raises(HttpRefusal) as refused:
        await testing.submit(put_by_number(order(testing, identifier=[PLACER])))
    assert refused.value.status == 422
    assert await testing.emitted() == ["DrugTestOrdered"]


async def test_a_number_that_an_order_gets_later_finds_it_too(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    await testing.put_thrice(order(testing, id=order_id, identifier=[PLACER]))
    assert await testing.numbers("ServiceRequest", "PL-7") == [order_id]


async def test_a_specimen_that_names_its_order_was_collected_for_it(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    specimen_id = await testing.post(specimen(testing, order_id))
    assert await testing.emitted() == ["DrugTestOrdered", "SpecimenCollected"]
    await testing.put(specimen(testing, order_id, "entered-in-error", id=specimen_id))
    assert (await testing.emitted())[-1] == "CollectionWithdrawn"


async def test_a_refusal_raises_the_second_tier_and_is_read_as_a_specimen_that_there_is_none_of(
    testing: ReceivingService,
) -> None:
    order_id = await testing.post(order(testing))
    sent = await testing.post(specimen(testing, order_id, "unavailable", **not_given("refused")))
    assert await testing.emitted() == ["DrugTestOrdered", "CollectionRefused", "EscalationRaised"]
    assert await priorities(testing) == {"collection-refused": "urgent"}
    (own,) = [each for each in await testing.found("Specimen", ("status", "unavailable")) if each["id"] != sent]
    assert own["request"] == [{"reference": f"ServiceRequest/{order_id}"}]


async def test_the_program_may_state_that_nobody_came(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    stated = specimen(testing, order_id, "unavailable", **not_given("no-show"))
    await testing.post({name: each for name, each in stated.items() if name != "collection"})
    assert await testing.emitted() == ["DrugTestOrdered", "CollectionMissed", "EscalationRaised"]


@pytest.mark.parametrize("condition", [{}, not_given("dilute")])
async def test_why_a_specimen_was_not_given_must_be_stated_in_code(
    testing: ReceivingService, condition: dict[str, Any]
) -> None:
    order_id = await testing.post(order(testing))
    refused = await fault(testing, specimen(testing, order_id, "unavailable", **condition))
    assert refused == ("code-invalid", "Specimen.condition")


async def test_a_specimen_that_was_given_needs_its_time(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    refused = await fault(testing, specimen(testing, order_id, collection={}))
    assert refused == ("required", "Specimen.collection.collected")


async def test_a_laboratorys_own_specimen_says_nothing_of_a_collection(testing: ReceivingService) -> None:
    """It names its own order, or one of the hub's: it is stored, and no program's word."""
    order_id = await testing.post(order(testing))
    for named in ("4711", testing.patient, order_id):
        await testing.post(specimen(testing, named), client="lab")
    assert await testing.emitted() == ["DrugTestOrdered"]
    await testing.post(specimen(testing, "4711"))
    assert await testing.emitted() == ["DrugTestOrdered"]


async def test_a_specimen_of_an_order_that_nobody_knows_is_refused(testing: ReceivingService) -> None:
    assert (await fault(testing, specimen(testing, testing.patient)))[0] == "not-found"


async def test_a_specimen_that_names_another_order_than_it_did_was_never_collected_for_the_first(
    testing: ReceivingService,
) -> None:
    first = await testing.post(order(testing))
    second = await testing.post(order(testing))
    specimen_id = await testing.post(specimen(testing, first))
    await testing.put(specimen(testing, second, id=specimen_id))
    assert (await testing.emitted())[-2:] == ["CollectionWithdrawn", "SpecimenCollected"]


async def test_a_result_joins_its_order_by_the_placers_number_of_hl7(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing))
    named = message().replace(b"OBR|1||F7", f"OBR|1|{pack_id(order_id)}|F7".encode())
    testing.client = "lab"
    assert await testing.receives(named) == "AA"
    assert (await testing.emitted())[1:] == ["DrugTestResulted", "SpecimenCollected"]
    assert [each["id"] for each in await testing.found("ServiceRequest", ("status", "completed"))] == [order_id]
    answered = [{"reference": f"ServiceRequest/{order_id}"}]
    assert answered in [each.get("basedOn") for each in await testing.found("DiagnosticReport")]


async def test_a_result_joins_its_order_by_what_it_is_based_on(testing: ReceivingService) -> None:
    order_id = await testing.post(order(testing, occurrencePeriod={"start": "2026-01-10T08:00:00-05:00"}))
    coded = {"coding": [{"system": LOINC, "code": "14314-9"}]}
    result = {
        "resourceType": "Observation",
        "status": "final",
        "code": coded,
        "subject": {"reference": f"Patient/{testing.patient}"},
        "basedOn": [{"reference": f"ServiceRequest/{order_id}"}],
        "effectiveDateTime": "2026-01-12T08:30:00-05:00",
        "valueString": "NEGATIVE",
    }
    await testing.post(result, client="lab")
    assert "CollectionMissed" in await testing.emitted()


async def test_what_comes_beside_a_report_orders_nothing(testing: ReceivingService) -> None:
    result = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "14314-9"}]},
        "subject": {"reference": f"Patient/{testing.patient}"},
        "effectiveDateTime": "2026-01-12T08:30:00-05:00",
        "valueString": "NEGATIVE",
    }
    sent = [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
        for each in (order(testing), result)
    ]
    await testing.submit({"resourceType": "Bundle", "type": "transaction", "entry": sent}, client="lab")
    assert await testing.emitted() == ["DrugTestResulted"]
    assert await testing.found("ServiceRequest") == []


async def test_a_program_that_reports_no_collection_is_asked_and_one_that_does_has_its_misses_concluded(
    testing: ReceivingService,
) -> None:
    """Another test of the program, collected meanwhile, is what shows that its feed speaks."""
    await testing.post(order(testing))
    await testing.consume()
    testing.set_clock(NOW + timedelta(hours=30))
    await run_due(testing.inbox)
    assert (await testing.emitted())[1:] == ["EscalationRaised"]
    assert await priorities(testing) == {"collection-unknown": "routine"}
    other = await testing.post(order(testing, occurrencePeriod=None))
    await testing.post(specimen(testing, other, collection={"collectedDateTime": "2026-01-15T18:00:00-05:00"}))
    testing.set_clock(NOW + timedelta(hours=56))
    await run_due(testing.inbox)
    assert (await testing.emitted())[4:] == ["CollectionMissed", "EscalationRetracted", "EscalationRaised"]
