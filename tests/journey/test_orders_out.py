"""Ordered drug tests go out to the program's laboratory and come back as results: drawn at random, cancelled while it
was away, refused and sent again."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from deploy.laboratory.orders import Order
from deploy.laboratory.reports import report
from shared.events import codes, fhir
from tests.journey.clinic import Clinic, Person, Resource
from tests.journey.laboratory import NAME, JourneyLaboratory
from tests.journey.test_ordered_tests import EHR, TESTING, admitted, collected, next_order, requested
from tests.journey.test_promises import restarted

WAIT_SECONDS = 60.0
ORDERED, ESCALATED = "laboratory-order", "drug-test"
DISCLOSED = "110106"
"""The type of an AuditEvent of what left the program."""


@pytest.fixture(autouse=True)
async def accepting(laboratory: JourneyLaboratory) -> AsyncIterator[None]:
    laboratory.answering = "accept"
    yield
    laboratory.answering = "accept"


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(WAIT_SECONDS / 0.1)):
        if await true():
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"not within {WAIT_SECONDS} s")


async def task_of(clinic: Clinic, order: Resource) -> Resource:
    """The one that says how the order stands with the laboratory."""
    found = await clinic.driver.search("testing", f"Task?code={codes.TASK}|{ORDERED}&_count=200", EHR)
    (task,) = [each for each in found if each["focus"]["reference"] == f"ServiceRequest/{order['id']}"]
    return task


async def becomes(clinic: Clinic, order: Resource, status: str) -> Resource:
    async def does() -> bool:
        return bool((await task_of(clinic, order))["status"] == status)

    await until(does)
    return await task_of(clinic, order)


def of(laboratory: JourneyLaboratory, person: Person) -> list[Order]:
    """What the laboratory has of this person."""
    return [each for each in laboratory.orders.values() if person.mrn in each.patient.field(3)]


async def disclosures(clinic: Clinic, person: Person) -> list[str]:
    """What the books say of sends to the laboratory."""
    books = await clinic.driver.search("testing", f"AuditEvent?patient={person.id}&type={DISCLOSED}", EHR)
    to = fhir.logical(codes.PARTNER, NAME)
    return [each["subtype"][0]["code"] for each in books if to in [agent["who"] for agent in each["agent"]]]


async def asked(clinic: Clinic, person: Person) -> list[str]:
    """Why a person is asked about the orders of this one."""
    found = await clinic.driver.search("testing", f"Task?patient={person.id}&status=requested", EHR)
    return [fhir.code_of(each["reasonCode"]) for each in found if fhir.code_of(each["code"]) == ESCALATED]


async def test_a_test_drawn_at_random_goes_to_the_laboratory_and_its_result_ends_it(
    clinic: Clinic, laboratory: JourneyLaboratory
) -> None:
    person = await admitted(clinic)
    order = await next_order(clinic, person)
    await becomes(clinic, order, "accepted")
    (placed,) = of(laboratory, person)
    assert (placed.actions, placed.panel.partition("^")[0]) == (("NW",), "12PAN")
    assert await disclosures(clinic, person) == ["made"]
    await collected(clinic, person, order)
    message = report(laboratory.reported(placed), clinic.now, clinic.now + timedelta(minutes=1))
    await clinic.pass_by(minutes=5)
    assert b"MSA|AA" in await clinic.driver.send_mllp(message)
    await clinic.driver.settle()
    done = await clinic.driver.get("testing", f"ServiceRequest/{order['id']}", EHR)
    assert done.json()["status"] == "completed"
    assert (await clinic.events(person, TESTING)).count("DrugTestResulted") == 1
    assert (await task_of(clinic, order))["status"] == "accepted"


async def test_once_the_laboratory_is_back_it_is_told_in_order_what_still_stands_though_testing_was_killed(
    clinic: Clinic, laboratory: JourneyLaboratory
) -> None:
    person = await admitted(clinic)
    seen = len(laboratory.received)
    with laboratory.away():
        moved, cancelled = [await requested(clinic, person) for _ in range(2)]
        later = {"start": (clinic.now + timedelta(days=1)).isoformat()}
        await changed(clinic, moved, occurrencePeriod=later)
        await changed(clinic, cancelled, status="revoked")
        pid = clinic.driver.pid("testing")
        os.kill(pid, signal.SIGKILL)
        await restarted(clinic, "testing", pid)

    async def is_moved() -> bool:
        return [each.actions for each in of(laboratory, person)] == [("NW", "XO")]

    await until(is_moved)
    await becomes(clinic, moved, "accepted")
    await becomes(clinic, cancelled, "cancelled")
    assert len(of(laboratory, person)) == 1, "what stood no more was not told at all"
    assert set(Counter(laboratory.received[seen:]).values()) == {1}, "once each"
    assert await asked(clinic, person) == []


async def changed(clinic: Clinic, order: Resource, **stated: object) -> None:
    before = (await clinic.driver.get("testing", f"ServiceRequest/{order['id']}", EHR)).json()
    answer = await clinic.driver.put("testing", before | stated, EHR)
    assert answer.status_code == 200, answer.text


async def test_what_the_laboratory_refuses_is_asked_about_until_it_was_sent_again(
    clinic: Clinic, laboratory: JourneyLaboratory
) -> None:
    person = await admitted(clinic)
    laboratory.answering = "unable"
    order = await requested(clinic, person)
    task = await becomes(clinic, order, "rejected")
    await clinic.driver.settle()
    assert fhir.code_of(task["statusReason"]) == "hl7-unable"
    assert await asked(clinic, person) == ["order-not-sent"]
    laboratory.answering = "accept"
    again = await clinic.driver.put("testing", task | {"status": "requested"}, EHR)
    assert again.status_code == 200, again.text
    await becomes(clinic, order, "accepted")
    await clinic.driver.settle()
    assert await asked(clinic, person) == []
    (placed,) = of(laboratory, person)
    assert placed.actions == ("NW",)
    assert sorted(await disclosures(clinic, person)) == ["made", "refused"]
