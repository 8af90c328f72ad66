"""From the EHR's order to the laboratory's result: over MLLP, through the gate, with a laboratory that orders are tried
with."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.laboratory.lines import listening
from deploy.laboratory.orders import Laboratory, Order
from services.testing import app
from shared.events.catalogue import PARTITIONS
from shared.events.intake import PatientIdentified
from shared.events.laboratory_order import task_id
from shared.path.inbound.internal import InternalLane
from shared.path.outbound.gate import GatedLane
from shared.platform.clock import machine_now
from shared.platform.keys import Identifier
from shared.rules.packing import pack_id
from tests.service import DEPLOY, consumed, process_on, running
from tests.testing.receiving import ADMITTED, AUTHORITY, ReceivingService, message
from tests.testing.test_placing import not_given, order, specimen

NOW = datetime(2026, 1, 12, 12, 0, tzinfo=UTC)
WAIT_SECONDS = 10.0
PERSON = {"name": [{"use": "official", "family": "Seeded", "given": ["Bogus"]}], "birthDate": "1980-02-03"}
PARTNER = """
[partner.riverbend-laboratory]
identifier = "riverbend-laboratory"
kind = "laboratory"
agreement = "qso"
programs = ["demo"]
purpose = "TREAT"
form = "hl7-mllp"
url = "{url}"
fields = ["name", "birth-date", "identifier"]
required = ["name"]
application = "LIS"
panels = {{ drug-test = "12PAN^Drug screen 12 panel^L" }}
assigning_authorities = {{ IOPDEMO = "{authority}" }}
"""


@dataclass
class Ordering(ReceivingService):
    """A program whose orders go to a laboratory on loopback."""

    laboratory: Laboratory = field(default_factory=Laboratory)

    async def known(self, person: dict[str, Any]) -> None:
        """The patient is identified and admitted, and the consents are known to be current: the gate opens."""
        await self.met(person)
        await self.consents_current()

    async def met(self, person: dict[str, Any]) -> None:
        """Identified and admitted; what is ordered waits at the gate."""
        called = {"identifier": [{"system": AUTHORITY, "value": "SEEDED-MRN"}]}
        sealed = self.keys.seal("testing", {"patient": called, "requisition": person})
        digests = self.keys.digests("demo", [Identifier(AUTHORITY, "SEEDED-MRN")])
        event = PatientIdentified(digests=digests, sealed=(sealed,), identified_at=ADMITTED)
        await self.deliver(consumed(event, self.patient, at=NOW))
        await self.admitted()

    async def consents_current(self) -> None:
        await self.inbox.beat(dict.fromkeys(range(PARTITIONS), machine_now()))

    async def standing(self, order_id: str, status: str) -> dict[str, Any]:
        """The order's Task, once it has this status."""
        tasks: list[dict[str, Any]] = []

        async def has_come() -> bool:
            tasks[:] = await self.found("Task", ("_id", task_id(order_id)))
            return [each["status"] for each in tasks] == [status]

        await until(has_come)
        return tasks[0]

    def at_the_laboratory(self, order_id: str) -> Order:
        found = self.laboratory.order(pack_id(order_id))
        assert found is not None
        return found


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(int(WAIT_SECONDS / 0.02)):
        if await true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {WAIT_SECONDS} s")


@pytest.fixture
def laboratory() -> Iterator[tuple[Laboratory, str]]:
    known = Laboratory()
    with listening(known, lambda: NOW) as url:
        yield known, url


@pytest.fixture
async def here(
    database: str, keys_folder: Path, tmp_path: Path, laboratory: tuple[Laboratory, str]
) -> AsyncIterator[Ordering]:
    known, url = laboratory
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    for file in DEPLOY.glob("*.toml"):
        shutil.copy(file, deploy)
    with (deploy / "partners.toml").open("a") as partners:
        partners.write(PARTNER.format(url=url, authority=AUTHORITY))
    (tmp_path / "clock").write_text(NOW.isoformat())
    process = process_on(database, keys_folder, tmp_path / "clock").model_copy(update={"deploy": deploy})
    async with running(process, app.assemble, "testing") as service:
        ordering = Ordering(**{**vars(service), "client": "ehr", "laboratory": known})
        (destination,) = [each for each in ordering.inbox.routes.destinations if each.gate is not None]
        inbox, wake_up = ordering.inbox, ordering.wake_up
        gated = GatedLane(inbox.service, destination, inbox.routes, ordering.pool, inbox.clock, wake_up)
        tasks = [
            asyncio.create_task(gated.run(ordering.dsn)),
            asyncio.create_task(InternalLane(inbox, wake_up).run(ordering.dsn)),
        ]
        yield ordering
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_order_is_taken_and_its_result_joins_it_by_its_number(here: Ordering) -> None:
    await here.known(PERSON)
    order_id = await here.post(order(here))
    await here.standing(order_id, "accepted")
    known = here.at_the_laboratory(order_id)
    assert (known.status, known.panel, known.actions) == ("ordered", "12PAN^Drug screen 12 panel^L", ("NW",))
    assert known.patient.field(3) == "SEEDED-MRN^^^IOPDEMO^MR"
    assert known.patient.field(5).startswith("Seeded^Bogus")
    assert (known.opens, known.closes) == ("20260112080000-0500", "20260113080000-0500")
    here.set_clock(NOW + timedelta(days=2))
    assert await here.receives(message().replace(b"OBR|1||F7", f"OBR|1|{known.number}|F7".encode())) == "AA"
    (request,) = await here.found("ServiceRequest")
    assert (request["id"], request["status"]) == (order_id, "completed")


async def test_a_moved_order_is_moved_at_the_laboratory(here: Ordering) -> None:
    await here.known(PERSON)
    order_id = await here.post(order(here))
    await here.standing(order_id, "accepted")
    await here.put(order(here, id=order_id, occurrencePeriod={"start": "2026-01-13T08:00:00-05:00"}))
    await here.standing(order_id, "accepted")
    known = here.at_the_laboratory(order_id)
    assert (known.actions, known.opens) == (("NW", "XO"), "20260113080000-0500")


async def test_a_cancelled_order_is_cancelled_at_the_laboratory(here: Ordering) -> None:
    await here.known(PERSON)
    order_id = await here.post(order(here))
    await here.standing(order_id, "accepted")
    await here.put(order(here, id=order_id, status="revoked"))
    await here.standing(order_id, "cancelled")
    assert here.at_the_laboratory(order_id).actions == ("NW", "CA")


@pytest.mark.parametrize("ended", ["cancelled", "refused"])
async def test_what_ended_before_it_was_sent_is_never_told_and_asks_nobody(here: Ordering, ended: str) -> None:
    await here.met(PERSON)
    order_id = await here.post(order(here))
    if ended == "cancelled":
        await here.put(order(here, id=order_id, status="revoked"))
    else:
        refused = {**not_given("refused"), "collection": {"collectedDateTime": NOW.isoformat()}}
        await here.post(specimen(here, order_id, "unavailable", **refused))
    await here.consents_current()
    task = await here.standing(order_id, "cancelled")
    assert task["statusReason"]["coding"][0]["code"] == "order-ended"
    assert here.laboratory.received == []
    reasons = [each["reasonCode"]["coding"][0]["code"] for each in await here.found("Task") if "reasonCode" in each]
    assert "order-not-sent" not in reasons


async def test_what_was_cancelled_before_it_was_sent_can_be_ordered_again(here: Ordering) -> None:
    await here.met(PERSON)
    order_id = await here.post(order(here))
    await here.put(order(here, id=order_id, status="revoked"))
    await here.consents_current()
    await here.standing(order_id, "cancelled")
    await here.put(order(here, id=order_id, occurrencePeriod={"start": "2026-01-13T08:00:00-05:00"}))
    await here.standing(order_id, "accepted")
    assert here.at_the_laboratory(order_id).actions == ("NW",)


async def test_what_the_laboratory_refuses_is_sent_again_once_a_person_asks_for_it(here: Ordering) -> None:
    here.laboratory.answering = "unable"
    await here.known(PERSON)
    order_id = await here.post(order(here))
    task = await here.standing(order_id, "rejected")
    assert task["statusReason"]["coding"][0]["code"] == "hl7-unable"
    here.laboratory.answering = "accept"
    await here.put(task | {"status": "requested"})
    await here.standing(order_id, "accepted")
    assert here.at_the_laboratory(order_id).actions == ("NW",)


async def test_of_a_patient_whose_name_the_hub_does_not_have_a_person_is_asked(here: Ordering) -> None:
    await here.known({})
    order_id = await here.post(order(here))
    task = await here.standing(order_id, "failed")
    assert task["statusReason"]["coding"][0]["code"] == "patient-lacks-name"
    assert here.laboratory.received == []
