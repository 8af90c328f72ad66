"""A partner with a capacity is never sent more than that is open with it, however many patients ask at once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from shared.events import codes, fhir
from shared.path.inbound.internal import InternalLane
from shared.path.outbound import gate
from tests.aftercare.running import PARTNERS, Aftercare, asking, consent, identified

HOUSE = PARTNERS["riverbend-house"]
OF_TWO = msgspec.structs.replace(HOUSE, capacity=2)
PATIENTS = 7


async def referred(here: Aftercare, count: int = PATIENTS) -> list[str]:
    """So many patients, each with a consent and a referral in the partner's lane."""
    patients = [str(uuid4()) for _ in range(count)]
    for number, patient in enumerate(patients):
        here.patient = patient
        await identified(here, mrn=f"SEEDED-MRN-{number}")
        await here.learn(consent(str(uuid4()), HOUSE.name))
        await here.puts_into_its_lane(HOUSE)
    return patients


async def lane_is_empty(here: Aftercare) -> bool:
    return await here.count("outbox WHERE lane LIKE 'partner:%'") == 0


async def results(here: Aftercare, patients: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for patient in patients:
        here.patient = patient
        for audit in await here.books():
            found.setdefault(audit["subtype"][0]["code"], []).append(audit.get("outcomeDesc", ""))
    return found


async def test_of_many_patients_at_once_as_many_are_sent_as_it_has_places(aftercare_alone: Aftercare) -> None:
    here = aftercare_alone
    patients = await referred(here)
    here.partner.answer_bytes, here.partner.answer_seconds = 1, 0.3
    async with here.lane(OF_TWO):
        await here.until(lambda: lane_is_empty(here))
    assert len(here.partner.received) == 2
    found = await results(here, patients)
    assert found == {"made": [""] * 2, "withheld": ["partner-full"] * (PATIENTS - 2)}


async def test_one_whose_send_was_begun_is_tried_again_though_there_are_fewer_places_now(
    aftercare_alone: Aftercare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BACK_OFF_SECONDS_FIRST", 0.02)
    here = aftercare_alone
    here.partner.status = 503
    patients = await referred(here)
    async with here.lane(OF_TWO):
        await here.until(lambda: _rows(here, 2))
    here.partner.status = 200
    async with here.lane(msgspec.structs.replace(HOUSE, capacity=1)):
        await here.until(lambda: lane_is_empty(here))
    numbers = {_number(each) for each in here.partner.received}
    assert len(numbers) == 2
    found = await results(here, patients)
    assert (len(found["made"]), found["withheld"]) == (2, ["partner-full"] * (PATIENTS - 2))


async def _rows(here: Aftercare, count: int) -> bool:
    """Only so many are left in the lane, each of which the partner was tried with."""
    waiting = await here.select("SELECT sends FROM outbox WHERE lane LIKE 'partner:%'")
    return len(waiting) == count and all(sends > 0 for (sends,) in waiting)


def _number(bundle: dict[str, Any]) -> str:
    """Of the referral."""
    found = (each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "ServiceRequest")
    return str(next(found)["identifier"][0]["value"])


@pytest.fixture
async def limited(aftercare_alone: Aftercare) -> AsyncIterator[Aftercare]:
    """Its outcomes are decided; the partner takes one referral at a time."""
    here = aftercare_alone
    internal = asyncio.create_task(InternalLane(here.inbox, here.wake_up).run(here.dsn))
    async with here.lane(msgspec.structs.replace(HOUSE, capacity=1)):
        yield here
    internal.cancel()


async def asked(here: Aftercare, number: int) -> None:
    """A case manager asks for a referral of another patient."""
    here.patient = str(uuid4())
    await identified(here, mrn=f"SEEDED-MRN-{number}")
    await here.learn(consent(str(uuid4()), HOUSE.name))
    subject = {"subject": {"reference": f"Patient/{here.patient}"}}
    await here.post(asking(here, HOUSE.name, "recovery-residence") | subject)


CHANGES: list[tuple[dict[str, Any], bool]] = [
    ({"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "attended")}, True),
    ({"status": "rejected", "statusReason": fhir.concept(codes.REASON, "not-eligible")}, True),
    ({"status": "completed"}, True),
    ({"status": "cancelled"}, True),
    ({"status": "accepted"}, False),
    ({"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "unattended")}, False),
]


@pytest.mark.parametrize(("change", "frees"), CHANGES)
async def test_a_place_is_free_again_once_a_referral_is_over(
    limited: Aftercare, change: dict[str, Any], frees: bool
) -> None:
    await asked(limited, 1)
    await limited.until_tasks((HOUSE.name, "requested"))
    (task,) = await limited.read("Task")
    await limited.put(task | {"owner": fhir.logical(codes.STAFF, "case-manager-1")} | change)
    await asked(limited, 2)
    await limited.until_tasks((HOUSE.name, "requested" if frees else "on-hold"))
    assert len(limited.partner.received) == (2 if frees else 1)
    if not frees:
        (waits,) = await limited.read("Task")
        assert fhir.code_of(waits["statusReason"]) == "partner-full"
        assert waits["requester"] == fhir.logical(codes.ROLE, "case-manager")
