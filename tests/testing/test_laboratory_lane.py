"""Orders to a laboratory through the gate: over a real socket, in the books of a real database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from deploy.laboratory import lines
from deploy.laboratory import orders as simulated
from deploy.laboratory.orders import Answering
from services.testing import app
from shared.events.catalogue import PARTITIONS
from shared.events.intake import ConsentDenied, ConsentRevoked, PatientIdentified
from shared.events.laboratory_order import Action, LaboratoryOrderPrepared, task_id
from shared.path.destination import Destination, Form, Release, Routes, Transport
from shared.path.outbound import gate
from shared.path.outbound.destinations import partner_destination
from shared.path.outbound.gate import GatedLane
from shared.path.outbound.mllp import END, START, MllpSender
from shared.path.outbound.unlisted import end_what_waits
from shared.path.service import PATIENT
from shared.path.transaction import store
from shared.path.transaction.batch import Batch
from shared.platform.clock import machine_now
from shared.platform.keys import Identifier
from shared.rules.consent import Withheld
from tests.service import StartService, consumed, written
from tests.shared.path.test_health import readiness, wrongs
from tests.shared.path.test_hl7_answer import answer, order
from tests.shared.path.test_mllp_sender import Listener, listening
from tests.shared.rules.partners import AGREED
from tests.testing.receiving import ADMITTED, MRN, ReceivingService

ANNA, BEN = str(uuid4()), str(uuid4())
NOW = ADMITTED + timedelta(days=9)
PERSON = {"name": [{"family": "Seeded", "given": ["Bogus"]}], "birthDate": "1980-02-03", "gender": "female"}
SOON_MINUTES = 0.1 / 60
WAIT_SECONDS = 15.0


def form(event: LaboratoryOrderPrepared, release: Release) -> str | Withheld:
    """A message that names its row in MSH-10, and of the patient what is permitted."""
    if "name" not in release.contact:
        return Withheld("patient-lacks-name")
    action = {"new": "NW", "change": "XO", "cancel": "CA"}[event.action]
    named = release.contact["name"][0]["family"] if "name" in release.permitted.fields else ""
    return order(action, control=release.row_id.replace("-", "")[:20]).replace("SEEDED-MRN", f"{event.number}|{named}")


class Laboratory(Listener):
    """Answers each order by its own number, as `states` has it; None: it is silent."""

    states: Callable[[str], str | None] = staticmethod(lambda message: "AA")

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            message = await reader.readuntil(END)
            self.received.append(message)
            text = message.decode()
            code = self.states(text)
            if code is None:
                await reader.read()
            else:
                writer.write(START + answer(code, control=control(text)).encode() + END)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @property
    def orders(self) -> list[tuple[str, str]]:
        """ORC-1 and the number of each that came."""
        texts = [each.decode() for each in self.received]
        return [(text.split("ORC|")[1][:2], text.split("PID|1||")[1].split("|")[0]) for text in texts]


def control(text: str) -> str:
    return text.split("|")[9]


@dataclass
class Ordering(ReceivingService):
    """Testing with a laboratory over MLLP; nothing runs by itself."""

    laboratory: Laboratory = field(default_factory=Laboratory)

    @property
    def partner(self) -> Any:
        changed = {"form": "hl7-mllp", "application": "LIS", "try_again_minutes_most": SOON_MINUTES}
        return msgspec.structs.replace(AGREED, url=self.laboratory.url, **changed)

    async def known(self, *patients: str, person: dict[str, Any] | None = PERSON) -> None:
        """Each is identified, and the consents are known to be current."""
        for patient in patients:
            part: dict[str, Any] = {"patient": {"identifier": [{"system": MRN.system, "value": patient}]}}
            sealed = self.keys.seal("testing", part if person is None else {**part, "requisition": person})
            digests = self.keys.digests("demo", [Identifier(MRN.system, patient)])
            event = PatientIdentified(digests=digests, sealed=(sealed,), identified_at=ADMITTED)
            await self.deliver(consumed(event, patient, at=NOW))
        await self.current()

    async def current(self) -> None:
        await self.inbox.beat(dict.fromkeys(range(PARTITIONS), machine_now()))

    async def prepared(self, patient: str, action: Action = "new", number: str = "N1") -> None:
        """An order as it stands in the laboratory's lane, before anybody looks."""
        order_id = str(uuid4())
        event = LaboratoryOrderPrepared(
            order_id=order_id,
            task_id=task_id(order_id),
            partner=AGREED.name,
            action=action,
            attempt=1,
            number=number,
            panel="drug-test",
            opens_at=NOW,
            closes_at=NOW + timedelta(days=1),
            prepared_at=NOW,
        )
        batch = Batch(PATIENT, {}, Routes([partner_destination(self.partner, form)]))
        batch.emit(event, written(event, patient, producer="testing", at=NOW), patient, "demo")
        async with self.pool.acquire() as connection, connection.transaction():
            await store.store(connection, self.inbox.service.deciders[PATIENT], batch, NOW, NOW)
        self.wake_up.ring(batch.lanes)

    @asynccontextmanager
    async def lane(self, seconds: float = 5.0, filled: Form = form) -> AsyncIterator[None]:
        to = Transport(self.laboratory.url, seconds)
        destination = replace(partner_destination(self.partner, filled), transport=to)
        lane = GatedLane(self.inbox.service, destination, self.inbox.routes, self.pool, self.inbox.clock, self.wake_up)
        task = asyncio.create_task(lane.run(self.dsn))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def unlisted(self, *listed: Destination[Any]) -> None:
        """Ends what waits for partners, but for these."""
        routes = Routes([*self.inbox.routes.destinations, *listed])
        about = (self.inbox.service, routes, self.pool, self.inbox.clock, self.wake_up)
        await end_what_waits(*about, self.dsn)

    async def books(self) -> list[tuple[str, str]]:
        """Result and reason of what was disclosed, or withheld, of anybody."""
        rows = await self.select(
            "SELECT body::jsonb #>> '{subtype,0,code}', body::jsonb ->> 'outcomeDesc' FROM resources"
            " WHERE type = 'AuditEvent' ORDER BY updated_at, id"
        )
        return [(result, reason or "") for result, reason in rows]

    async def outcomes(self) -> list[str]:
        rows = await self.select("SELECT body FROM outbox WHERE lane = 'internal' ORDER BY id")
        found = [msgspec.json.decode(body) for (body,) in rows]
        return [each.get("type", "") for each in found]

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(int(WAIT_SECONDS / 0.02)):
            if await true():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {WAIT_SECONDS} s: {await self.books()} {self.laboratory.orders}")

    async def until_booked(self, *results: str) -> None:
        async def reached() -> bool:
            return sorted(result for result, _ in await self.books()) == sorted(results)

        await self.until(reached)

    async def until_received(self, count: int) -> None:
        async def reached() -> bool:
            return len(self.laboratory.received) >= count

        await self.until(reached)


@pytest.fixture
async def here(start_service: StartService) -> AsyncIterator[Ordering]:
    service = await start_service(app.assemble, "testing", NOW)
    async with listening(Laboratory()) as laboratory:
        yield Ordering(**{**vars(service), "client": "lab", "laboratory": laboratory, "patient": ANNA})


async def test_an_order_that_is_taken_is_in_the_books_with_the_fields_that_were_told(here: Ordering) -> None:
    await here.known(ANNA)
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("made")
    assert here.laboratory.orders == [("NW", "N1")] and b"|Seeded" in here.laboratory.received[0]
    assert await here.outcomes() == ["DisclosureMade"]
    (stored,) = await here.select("SELECT body FROM resources WHERE type = 'AuditEvent'")
    assert "birth-date" in stored[0] and "Seeded" not in stored[0] and "1980" not in stored[0]


@pytest.mark.parametrize("code", ["AE", "CE"])
async def test_its_no_ends_the_row(here: Ordering, code: str) -> None:
    here.laboratory.states = lambda message: code
    await here.known(ANNA)
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("refused")
    assert await here.outcomes() == ["DisclosureRefused"]


async def test_what_was_not_answered_is_sent_again_under_the_same_number(here: Ordering) -> None:
    silences = iter([None, None])
    here.laboratory.states = lambda message: next(silences, "AA")
    await here.known(ANNA)
    await here.prepared(ANNA)
    async with here.lane(seconds=0.2):
        await here.until_booked("attempted", "attempted", "made")
    assert len({control(each.decode()) for each in here.laboratory.received}) == 1


async def test_where_nobody_listens_the_books_say_that_nothing_was_sent(here: Ordering) -> None:
    url, here.laboratory.url = here.laboratory.url, "mllp://127.0.0.1:1"
    await here.known(ANNA)
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("not-sent")
    here.laboratory.url = url
    async with here.lane():
        await here.until_booked("made")
    assert await here.outcomes() == ["DisclosureMade"]


async def test_who_dies_before_the_answer_sends_the_same_message_again(here: Ordering) -> None:
    here.laboratory.states = lambda message: None
    await here.known(ANNA)
    await here.prepared(ANNA)
    async with here.lane(seconds=30.0):
        await here.until_received(1)
    assert [result for result, _ in await here.books()] == ["attempted"]
    here.laboratory.states = lambda message: "AA"
    async with here.lane():
        await here.until_booked("attempted", "made")
    first, again = here.laboratory.received
    assert first == again


async def test_a_yes_that_is_too_old_sends_nothing(here: Ordering, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "YES_SECONDS_MOST", -1.0)
    await here.known(ANNA)
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("not-sent")
        assert here.laboratory.received == []
        monkeypatch.setattr(gate, "YES_SECONDS_MOST", 1.0)
        await here.until_booked("made")


async def test_while_consents_are_not_known_to_be_current_it_waits_and_is_no_no(here: Ordering) -> None:
    await here.known(ANNA)
    await here.pool.execute("UPDATE ledger SET current_at = now() - interval '1 min'")
    await here.prepared(ANNA)

    async def put_off() -> bool:
        return await here.count("outbox WHERE lane LIKE 'partner:%' AND not_before IS NOT NULL AND attempts = 0") == 1

    async with here.lane():
        await here.until(put_off)
        assert (here.laboratory.received, await here.books()) == ([], [])
        await here.current()
        await here.until_booked("made")


async def test_results_are_received_though_nobody_knows_the_consents(here: Ordering) -> None:
    """Intake is down for a day: the gate is shut, and testing is ready all the same."""
    await here.known(ANNA)
    await here.pool.execute("UPDATE ledger SET current_at = now() - interval '1 d'")
    assert await wrongs(readiness(here)) == {}
    here.inbox.service = replace(here.inbox.service, ready_without_consents=False)
    assert list(await wrongs(readiness(here))) == ["ledger"]


def denied() -> ConsentDenied:
    return ConsentDenied(consent_id="no", recipients=(AGREED.identifier,), purposes=(), denied_at=NOW)


async def test_a_no_that_names_the_laboratory_withholds_it_under_an_agreement_too(here: Ordering) -> None:
    await here.known(ANNA)
    await here.consume(denied())
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("withheld")
    assert here.laboratory.received == [] and await here.outcomes() == ["DisclosureWithheld"]
    await here.consume(ConsentRevoked(consent_id="no", revoked_at=NOW))
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("withheld", "made")


async def test_a_no_that_comes_while_the_connection_opens_is_in_time(
    here: Ordering, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.known(ANNA)
    await here.prepared(ANNA)
    connect = MllpSender._connect

    async def slowly(sender: MllpSender) -> Any:
        await here.consume(denied())
        return await connect(sender)

    monkeypatch.setattr(MllpSender, "_connect", slowly)
    async with here.lane():
        await here.until_booked("withheld")
    assert here.laboratory.received == []


async def test_of_a_patient_identified_before_there_is_no_name_to_tell(here: Ordering) -> None:
    await here.known(ANNA, person=None)
    await here.prepared(ANNA)
    async with here.lane():
        await here.until_booked("withheld")
    ((body,),) = await here.select("SELECT body FROM outbox WHERE lane = 'internal'")
    assert msgspec.json.decode(body)["reason"] == "patient-lacks-name"


async def test_of_a_patient_one_goes_after_the_other_while_anothers_goes_on(here: Ordering) -> None:
    busy = iter(["AR", "AR"])
    here.laboratory.states = lambda message: next(busy, "AA") if "|A1|" in message else "AA"
    await here.known(ANNA, BEN)
    await here.prepared(ANNA, "new", "A1")
    await here.prepared(ANNA, "cancel", "A2")
    await here.prepared(BEN, "new", "B1")
    async with here.lane():
        await here.until_booked("attempted", "attempted", "made", "made", "made")
    assert [each for each in here.laboratory.orders if each[1] != "B1"] == [*[("NW", "A1")] * 3, ("CA", "A2")]
    assert here.laboratory.orders.index(("NW", "B1")) < 4


@pytest.mark.parametrize(("hours", "ends"), [(25, True), (23, False)])
async def test_after_a_day_without_an_answer_it_is_a_persons(here: Ordering, hours: int, ends: bool) -> None:
    here.laboratory.states = lambda message: None
    await here.known(ANNA)
    await here.prepared(ANNA)
    await here.pool.execute("UPDATE outbox SET stored_at = now() - $1::interval", timedelta(hours=hours))
    async with here.lane(seconds=0.2):
        if ends:
            await here.until_booked("gave-up")
        else:
            await here.until_received(2)
    assert await here.outcomes() == (["DisclosureGaveUp"] if ends else [])


async def test_what_only_an_order_may_tell_is_read_by_nobody(here: Ordering) -> None:
    await here.known(ANNA)
    (patient,) = await here.found("Patient")
    assert patient["identifier"][0]["value"] == ANNA
    assert not {"name", "birthDate", "gender", "requisition"} & set(patient)


@pytest.mark.parametrize(("answering", "result"), [("accept", "made"), ("unable", "refused"), ("refuse", "refused")])
async def test_the_orders_own_form_is_understood_by_a_laboratory(
    here: Ordering, answering: Answering, result: str
) -> None:
    """The simulator reads it by rules of its own, and answers in a thread of its own."""
    simulator = simulated.Laboratory(answering)
    assert here.parts.form is not None
    filled = here.parts.form(here.running.process)
    await here.known(ANNA)
    await here.prepared(ANNA, number="ORD-1")
    with lines.listening(simulator, lambda: NOW) as url:
        here.laboratory.url = url
        async with here.lane(filled=filled):
            await here.until_booked(result)
    placed = simulator.order("ORD-1")
    assert (placed is not None) == (result == "made")
    if placed is not None:
        assert (placed.panel, placed.patient.field(5).split("^")[:2]) == (
            AGREED.panels["drug-test"],
            ["Seeded", "Bogus"],
        )


async def test_what_waits_for_a_laboratory_that_is_listed_no_more_goes_to_a_person(here: Ordering) -> None:
    await here.known(ANNA, BEN)
    await here.prepared(ANNA, "new", "A1")
    await here.prepared(ANNA, "cancel", "A2")
    await here.prepared(BEN, "new", "B1")
    task = asyncio.create_task(here.unlisted())
    await here.until_booked("withheld", "withheld", "withheld")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert here.laboratory.received == [] and await here.outcomes() == ["DisclosureWithheld"] * 3
    rows = await here.select("SELECT body FROM outbox WHERE lane = 'internal'")
    assert {msgspec.json.decode(body)["reason"] for (body,) in rows} == {"partner-listed-no-more"}
    assert await here.count("outbox WHERE lane LIKE 'partner:%'") == 0


async def test_what_waits_for_one_that_is_listed_waits_on(here: Ordering) -> None:
    await here.known(ANNA)
    await here.prepared(ANNA)
    await here.pool.execute("INSERT INTO outbox (lane, headers, body) VALUES ('partner:on-call', '{}', '{}')")
    await asyncio.wait_for(here.unlisted(partner_destination(here.partner, form)), WAIT_SECONDS)
    assert await here.count("outbox WHERE lane LIKE 'partner:%'") == 2 and await here.books() == []
