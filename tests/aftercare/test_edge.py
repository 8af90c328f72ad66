"""Aftercare on a real database with a real partner over HTTP: on hold, sent, withheld, each accounted for."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from deploy import keys as key_files
from services.aftercare import app, feeds, form
from services.aftercare.edge import EDGE
from services.aftercare.messages import (
    ConsentGiven,
    ConsentRevoked,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
    ReferralPrepared,
)
from shared.edge.clients import Caller, registered
from shared.edge.fhir import single
from shared.edge.outcome import HttpRefusal
from shared.edge.resolving import Submission
from shared.edge.search import ResourceReader
from shared.edge.submissions import Submissions
from shared.events import codes, fhir, wire
from shared.events.catalogue import PARTITIONS
from shared.events.envelope import Envelope, Event
from shared.path.inbound.internal import InternalLane, run_deadlines
from shared.path.inbound.redrive import redrive
from shared.path.outbound.destinations import PartnerLane
from shared.path.outbound.lane import WakeUp
from shared.path.transaction import consent_ledger, store
from shared.path.transaction.aliases import Identifier, Keys
from shared.path.transaction.batch import Batch, emit
from shared.path.transaction.delivery import consumed
from shared.path.transaction.inbox import Inbox, run_submissions
from shared.platform import db
from shared.platform.clock import Clock, machine_now
from shared.platform.listening import Listening
from shared.platform.settings import Process, partners
from shared.rules import consent as consents
from tests.shared.rules.partners import consent_to

DEPLOY = Path(__file__).parents[2] / "deploy"
PARTNERS = partners(DEPLOY)
ADMITTED = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
DISCHARGED = datetime(2026, 3, 30, 17, 0, tzinfo=UTC)
MRN = Identifier("https://clinic.demo.iop-hub.org/mrn", "SEEDED-MRN")
PERSON = {
    "resourceType": "Patient",
    "name": [{"use": "official", "family": "Seeded", "given": ["Bogus"]}],
    "telecom": [{"system": "phone", "value": "+15555550123"}],
    "birthDate": "1980-02-03",
}
WAIT_SECONDS = 20.0


class Partner:
    """A partner's FHIR server, as far as the hub can see: it keeps what it is sent and answers as told."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.status = 200
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Partner"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
        async with server:
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(headers.partition("content-length: ")[2].partition("\r\n")[0])
        self.received.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {self.status} Told\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


class Aftercare:
    """The service without HTTP and Kafka in front: facts are heard, submissions told, tables read."""

    def __init__(
        self, inbox: Inbox, submissions: Submissions, dsn: str, pool: Any, clock_file: Path, partner: Partner
    ) -> None:
        self.inbox, self.submissions, self.dsn, self.pool, self.partner = inbox, submissions, dsn, pool, partner
        self.keys: Keys = inbox.service.keys
        self.patient, self._clock_file = str(uuid4()), clock_file
        self.episode_id = str(uuid4())
        self.caller = Caller("ehr", registered(DEPLOY)["ehr"], "demo", (("*", "cruds"),))
        self.reader = ResourceReader(pool, self.keys)

    def set_clock(self, moment: datetime) -> None:
        self._clock_file.write_text(moment.isoformat())

    async def consumes(self, *events: Event) -> None:
        for event in events:
            written = wire.write(event, self._envelope(event, uuid4(), "intake"))
            await self.inbox.receive([consumed(written.headers, self.patient, written.body)])
        await self.consents_current()

    async def hears_later_readable(self, event: Event, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        """A record nobody can read; then the code that reads it is mended, and it is redriven."""
        written = wire.write(event, self._envelope(event, uuid4(), "intake"))
        await self.inbox.receive([consumed(written.headers, self.patient, b"{")])
        if meanwhile is not None:
            await meanwhile()
        await self.pool.execute("UPDATE parked SET content = $1 WHERE class = 'unreadable'", written.body)
        assert (await redrive(self.inbox, self.patient, "demo", dry_run=False)).parked == 0

    async def known(self) -> consent_ledger.LedgerSnapshot:
        async with self.pool.acquire() as connection:
            return await consent_ledger.read(connection, self.patient, machine_now())

    def _envelope(self, event: Event, cause: UUID, source: str) -> Envelope:
        return Envelope(
            id=cause,
            source=source,
            event=type(event).__name__,
            program="demo",
            patient=self.patient,
            at=self.inbox.clock.now(),
            correlation_id=cause,
            causation_id=cause,
        )

    async def consents_current(self) -> None:
        await self.inbox.beat(dict.fromkeys(range(PARTITIONS), machine_now()))

    async def submits(self, method: Any, kind: str, resource: dict[str, Any], identity: str | None = None) -> str:
        entry = single(method, kind, identity, resource, {})
        done = await self.submissions.submit(Submission("single", (entry,), uuid4(), False, "digest"), self.caller)
        return str(done.answered[0].location).split("/")[1]

    async def found(self, kind: str, **asked: str) -> list[dict[str, Any]]:
        resources, _, _ = await self.reader.search(kind, [("patient", self.patient), *asked.items()], self.caller)
        return resources

    async def referral_tasks(self) -> list[tuple[str, str]]:
        """Partner and status of each referral."""
        tasks = [each for each in await self.found("Task") if each["code"]["coding"][0]["code"] == "referral"]
        return sorted((each["owner"]["identifier"]["value"], each["status"]) for each in tasks)

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(int(WAIT_SECONDS / 0.02)):
            if await true():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {WAIT_SECONDS} s")

    async def puts_into_its_lane(self, partner: consents.Partner, hold: str | None = None) -> None:
        """A referral as it stands in the partner's lane, before anybody looks; `hold` parks the patient with it."""
        identity, cause = str(uuid4()), uuid4()
        event = ReferralPrepared(
            referral_id=identity,
            task_id=str(uuid4()),
            partner=partner.name,
            kind=partner.serves[0],
            purpose=partner.purpose,
            attempt=1,
            asked_at=DISCHARGED,
            at=DISCHARGED,
        )
        batch = Batch({})
        emit(batch, event, wire.write(event, self._envelope(event, cause, "aftercare")), self.patient, "demo")
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE state SET hold = $2 WHERE key = $1", self.patient, hold)
            await store.store(connection, self.inbox.service, batch, DISCHARGED, DISCHARGED)

    @asynccontextmanager
    async def lane(self, partner: consents.Partner) -> AsyncIterator[None]:
        """One more partner's lane, at the same address as all."""
        told = msgspec.structs.replace(partner, url=self.partner.url)
        lane = PartnerLane(self.inbox.service, told, self.pool, self.inbox.clock, form.transaction, WakeUp())
        task = asyncio.create_task(lane.run(self.dsn))
        yield
        task.cancel()

    async def until_audited(self, *expected: str) -> None:
        async def reached() -> bool:
            return sorted(each["subtype"][0]["code"] for each in await self.found("AuditEvent")) == sorted(expected)

        await self.until(reached)

    async def until_tried(self) -> None:
        """The partner was there, but did not take it."""
        await self.until(lambda: self._in_a_lane("attempts > 0"))

    async def until_put_off(self) -> None:
        """The lane has looked, and waits without having tried."""
        await self.until(lambda: self._in_a_lane("not_before IS NOT NULL AND attempts = 0"))

    async def _in_a_lane(self, such: str) -> bool:
        found: bool = await self.pool.fetchval(
            f"SELECT EXISTS (SELECT 1 FROM outbox WHERE lane LIKE 'partner:%' AND {such})"
        )
        return found

    async def until_tasks(self, *expected: tuple[str, str]) -> None:
        async def reached() -> bool:
            return await self.referral_tasks() == sorted(expected)

        await self.until(reached)


@pytest.fixture
async def aftercare(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aftercare]:
    keys = Keys.load(key_files.make(tmp_path), "aftercare")
    clock_file = tmp_path / "clock"
    clock_file.write_text(ADMITTED.isoformat())
    clock, wake_up, assemble = Clock(clock_file), WakeUp(), app.assemble(keys)
    process = Process(database_url=database, kafka_bootstrap="", deploy=DEPLOY, keys=tmp_path, issuer="")
    async with Partner().open() as partner, db.pool(database) as pool:
        for name in partners(DEPLOY):
            monkeypatch.setenv(f"IOP_PARTNER_URL_{name.upper().replace('-', '_')}", partner.url)
        listening = Listening(pool, clock)
        await listening.start()
        settings = app.settings(process)
        inbox = Inbox(assemble.service, pool, db.Months(database), clock, listening, settings, wake_up.ring)
        submissions = Submissions(inbox, EDGE, keys)
        await feeds.store(pool, {program: each.meetings for program, each in settings.items()}, clock.now())
        lanes = [
            PartnerLane(assemble.service, each, pool, clock, form.transaction, wake_up).run(database)
            for each in partners(DEPLOY).values()
            if each.url
        ]
        running = [
            run_submissions(inbox, submissions.queue),
            InternalLane(inbox, wake_up).run(database),
            run_deadlines(inbox),
            *lanes,
        ]
        tasks = [asyncio.create_task(each) for each in running]
        yield Aftercare(inbox, submissions, database, pool, clock_file, partner)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)


async def identified(service: Aftercare, person: dict[str, Any] = PERSON) -> None:
    sealed = service.keys.seal("aftercare", {"patient": person, "area": "Riverbend", "language": "en"})
    digests = service.keys.digests("demo", [MRN])
    await service.consumes(PatientIdentified(digests=digests, sealed=(sealed,), identified_at=ADMITTED))


def admission(service: Aftercare, episode_id: str = "") -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=episode_id or service.episode_id,
        plan_id=str(uuid4()),
        referral_id=str(uuid4()),
        level="2.1",
        track="alcohol",
        flags=(),
        template=(),
        admitted_at=ADMITTED,
    )


async def discharge(service: Aftercare, disposition: str = "completed") -> None:
    service.set_clock(DISCHARGED)
    await service.consumes(
        EpisodeDischarged(
            episode_id=service.episode_id,
            encounter_id=str(uuid4()),
            disposition=disposition,
            admitted_at=ADMITTED,
            discharged_at=DISCHARGED,
        )
    )


def consent(consent_id: str, partner: str = "riverbend-alumni", **but: Any) -> ConsentGiven:
    return consent_to(PARTNERS[partner], ADMITTED, consent_id=consent_id, **but)


def asking(service: Aftercare, partner: str, kind: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"type": "Patient", "identifier": {"system": MRN.system, "value": MRN.value}},
        "code": fhir.concept(codes.TASK, kind),
        "performer": [fhir.logical(codes.PARTNER, partner)],
    }


async def test_on_hold_without_a_consent_sent_when_it_comes_withheld_after_it_is_revoked(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(admission(aftercare))
    await discharge(aftercare)
    await aftercare.until_tasks(("riverbend-alumni", "on-hold"), ("riverbend-outpatient", "on-hold"))
    assert aftercare.partner.received == []

    consent_id = str(uuid4())
    await aftercare.consumes(consent(consent_id))
    await aftercare.until_tasks(("riverbend-alumni", "requested"), ("riverbend-outpatient", "on-hold"))
    (sent,) = aftercare.partner.received
    patient = next(each["resource"] for each in sent["entry"] if each["resource"]["resourceType"] == "Patient")
    assert (patient["name"], patient["telecom"]) == (PERSON["name"], PERSON["telecom"])
    assert "birthDate" not in patient and MRN.value not in json.dumps(sent)

    await aftercare.consumes(ConsentRevoked(consent_id=consent_id, revoked_at=DISCHARGED))
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-alumni", "alumni"))
    await aftercare.until_tasks(
        ("riverbend-alumni", "requested"), ("riverbend-alumni", "on-hold"), ("riverbend-outpatient", "on-hold")
    )
    assert len(aftercare.partner.received) == 1

    outcomes = [each["subtype"][0]["code"] for each in await aftercare.found("AuditEvent")]
    assert sorted(outcomes) == ["made", "withheld", "withheld", "withheld"]


async def test_a_consent_that_begins_later_is_waited_for(aftercare: Aftercare) -> None:
    await identified(aftercare)
    begins = DISCHARGED + timedelta(days=2)
    await aftercare.consumes(consent(str(uuid4()), "riverbend-house", starts_at=begins))
    aftercare.set_clock(DISCHARGED)
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    (task,) = await aftercare.found("Task")
    assert fhir.code_of(task["statusReason"]) == "consent-not-yet-in-force"
    assert datetime.fromisoformat(task["restriction"]["period"]["start"]) == begins
    aftercare.set_clock(begins)
    await aftercare.until_tasks(("riverbend-house", "requested"))
    assert len(aftercare.partner.received) == 1


async def test_without_a_phone_the_partner_requires_it_waits_until_the_patient_has_one(aftercare: Aftercare) -> None:
    await identified(aftercare, {name: PERSON[name] for name in ("resourceType", "name", "birthDate")})
    await aftercare.consumes(consent(str(uuid4()), "riverbend-house"))
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    (task,) = await aftercare.found("Task", status="on-hold")
    assert fhir.code_of(task["statusReason"]) == "patient-lacks-phone"
    assert aftercare.partner.received == []
    await identified(aftercare)
    await aftercare.until_tasks(("riverbend-house", "requested"))


async def test_a_partner_of_another_program_is_told_nothing_whatever_stands_in_its_lane(aftercare: Aftercare) -> None:
    elsewhere = msgspec.structs.replace(PARTNERS["riverbend-house"], name="elsewhere", programs=("another",))
    await identified(aftercare)
    await aftercare.consumes(consent(str(uuid4()), "riverbend-house"))
    await aftercare.puts_into_its_lane(elsewhere)
    async with aftercare.lane(elsewhere):
        await aftercare.until_audited("withheld")
    (audit,) = await aftercare.found("AuditEvent")
    assert audit["outcomeDesc"] == "partner-of-another-program"
    assert aftercare.partner.received == []


async def test_what_a_readmission_takes_back_is_not_sent_once_the_partner_is_there_again(aftercare: Aftercare) -> None:
    aftercare.partner.status = 503
    await identified(aftercare)
    await aftercare.consumes(consent(str(uuid4())), admission(aftercare))
    await discharge(aftercare)
    await aftercare.until_tasks(("riverbend-alumni", "draft"), ("riverbend-outpatient", "on-hold"))
    await aftercare.until_tried()
    await aftercare.consumes(admission(aftercare, str(uuid4())))
    aftercare.partner.received.clear()
    aftercare.partner.status = 200
    await aftercare.until_audited("withheld", "withheld")
    assert aftercare.partner.received == []
    assert await aftercare.referral_tasks() == [
        ("riverbend-alumni", "cancelled"),
        ("riverbend-outpatient", "cancelled"),
    ]
    (plan,) = await aftercare.found("CarePlan")
    assert plan["status"] == "revoked"


async def test_the_gate_stays_shut_while_the_ledger_is_old_and_nobody_is_told_no_for_that(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(consent(str(uuid4()), "riverbend-house"))
    await aftercare.pool.execute("UPDATE ledger SET current_at = current_at - interval '61 s' WHERE partition = 7")
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_put_off()
    assert (aftercare.partner.received, await aftercare.found("AuditEvent")) == ([], [])
    await aftercare.consents_current()
    await aftercare.until_tasks(("riverbend-house", "requested"))


async def test_nothing_of_a_patient_with_parked_events_is_released(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(consent(str(uuid4()), "riverbend-house"))
    await aftercare.puts_into_its_lane(PARTNERS["riverbend-house"], hold="{}")
    await aftercare.until_put_off()
    assert (aftercare.partner.received, await aftercare.found("AuditEvent")) == ([], [])


async def test_an_unreadable_revocation_counts_once_it_can_be_read(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(consent("given", "riverbend-house"))
    await aftercare.hears_later_readable(ConsentRevoked(consent_id="given", revoked_at=ADMITTED))
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "on-hold"))
    assert (await aftercare.known()).consents == ()
    assert len(await aftercare.found("AuditEvent")) == 1
    assert aftercare.partner.received == []


async def test_an_unreadable_consent_that_is_read_late_is_older_than_the_one_that_came_meanwhile(
    aftercare: Aftercare,
) -> None:
    await identified(aftercare)
    await aftercare.consumes(consent("given", "riverbend-house"))
    aftercare.set_clock(DISCHARGED)
    narrowed = consent("given", "riverbend-house", fields=("name",))

    async def meanwhile() -> None:
        aftercare.set_clock(DISCHARGED + timedelta(days=1))
        await aftercare.consumes(narrowed)

    await aftercare.hears_later_readable(consent("given", "riverbend-house"), meanwhile)
    assert (await aftercare.known()).consents == (narrowed,)


async def test_a_mutual_help_group_is_told_nothing_whatever_is_asked(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(consent(str(uuid4()), "alcoholics-anonymous"))
    with pytest.raises(HttpRefusal) as refused:
        await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "alcoholics-anonymous", "alumni"))
    assert refused.value.status == 422
    assert await aftercare.pool.fetchval("SELECT count(*) FROM outbox WHERE lane LIKE 'partner:%'") == 0


async def test_a_partner_that_refuses_for_good_ends_the_referral(aftercare: Aftercare) -> None:
    aftercare.partner.status = 422
    await identified(aftercare)
    await aftercare.consumes(consent(str(uuid4()), "riverbend-house"))
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tasks(("riverbend-house", "failed"))


async def test_a_partner_not_reached_in_three_days_is_given_up_and_accounted_for(aftercare: Aftercare) -> None:
    aftercare.partner.status = 503
    await identified(aftercare)
    consent_id = str(uuid4())
    await aftercare.consumes(consent(consent_id, "riverbend-house"))
    await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-house", "recovery-residence"))
    await aftercare.until_tried()
    await aftercare.pool.execute(
        "UPDATE outbox SET stored_at = stored_at - interval '73 hours' WHERE lane LIKE 'partner:%'"
    )
    await aftercare.until_tasks(("riverbend-house", "failed"))
    (audit,) = await aftercare.found("AuditEvent")
    assert (audit["subtype"][0]["code"], audit["outcomeDesc"]) == ("gave-up", "http-503")
    assert {"what": {"reference": f"Consent/{consent_id}"}} in audit["entity"]


async def test_the_meeting_list_can_be_read_in_full_by_a_person(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(admission(aftercare))
    (listed,) = await aftercare.found("Communication")
    assert 7 <= len(listed["payload"]) <= 12
    for each in listed["payload"]:
        identity = each["contentReference"]["reference"].partition("/")[2]
        service = await aftercare.reader.one("HealthcareService", identity, aftercare.caller)
        assert service["name"] and "confirm with the group" in service["comment"]
        assert "meet.example.org" not in json.dumps(service)


async def test_a_follow_up_falls_due_stands_on_the_work_list_and_is_completed(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.consumes(admission(aftercare))
    await discharge(aftercare, "administrative")
    aftercare.set_clock(DISCHARGED + timedelta(hours=72))

    async def one_is_due() -> bool:
        return len(await aftercare.found("Task", status="requested")) == 1

    await aftercare.until(one_is_due)
    (task,) = await aftercare.found("Task", status="requested")
    await aftercare.submits("PUT", "Task", {**task, "status": "completed"}, task["id"])
    assert await aftercare.found("Task", status="requested") == []
    (done,) = await aftercare.found("Task", status="completed")
    assert done["requester"]["identifier"]["value"] == "ehr"


async def test_a_referral_of_somebody_unknown_may_be_asked_again_soon(aftercare: Aftercare) -> None:
    with pytest.raises(HttpRefusal) as refused:
        await aftercare.submits("POST", "ServiceRequest", asking(aftercare, "riverbend-alumni", "alumni"))
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (409, "5")


async def test_the_contact_is_kept_sealed_and_only_the_area_enters_the_state(aftercare: Aftercare) -> None:
    await identified(aftercare)
    rows = await aftercare.pool.fetch(
        "SELECT body FROM state UNION ALL SELECT body FROM resources UNION ALL SELECT content FROM journal"
    )
    assert not any("Seeded" in row["body"] or "555555" in row["body"] for row in rows)
    assert '"Riverbend"' in await aftercare.pool.fetchval("SELECT body FROM state WHERE key = $1", aftercare.patient)
