"""Aftercare on a real PostgreSQL with a partner over HTTP, and what happens to its one patient."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from services.aftercare import form
from services.aftercare.messages import (
    ConsentGiven,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
    ReferralPrepared,
)
from shared.events import codes, fhir
from shared.events.catalogue import PARTITIONS
from shared.events.envelope import Event
from shared.path.destination import Routes
from shared.path.inbound.redrive import redrive
from shared.path.outbound.destinations import partner_destination
from shared.path.outbound.gate import GatedLane
from shared.path.service import PATIENT
from shared.path.transaction import consent_ledger, store
from shared.path.transaction.batch import Batch
from shared.platform.clock import machine_now
from shared.platform.keys import Identifier
from shared.platform.settings import organizations, partners, zones
from shared.rules import consent as consents
from tests.aftercare.partner import Partner
from tests.aftercare.test_form import LINKS
from tests.service import DEPLOY, ServiceOnPostgres, consumed, unreadable, written
from tests.shared.rules.partners import consent_to

PARTNERS = partners(DEPLOY)
FORM = form.of(organizations(DEPLOY), zones(DEPLOY), lambda sealed: None, LINKS)
ADMITTED = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
DISCHARGED = datetime(2026, 3, 30, 17, 0, tzinfo=UTC)
MRN = Identifier("https://clinic.demo.iop-hub.org/mrn", "SEEDED-MRN")
PERSON = {
    "resourceType": "Patient",
    "name": [{"use": "official", "family": "Seeded", "given": ["Bogus"]}],
    "telecom": [{"system": "phone", "value": "+15555550123", "use": "mobile"}],
    "birthDate": "1980-02-03",
}


AGAIN = {
    "reasonCode": [fhir.concept(codes.REASON, "not-received")],
    "requester": fhir.logical(codes.STAFF, "case-manager-1"),
}
"""Of a ServiceRequest: a person wishes another one sent soon."""
SOON_MINUTES = 0.1 / 60
WAIT_SECONDS = 20.0


@dataclass
class Aftercare(ServiceOnPostgres):
    """The service, a partner over HTTP, and what a test waits for."""

    partner: Partner = field(default_factory=Partner)
    episode_id: str = field(default_factory=lambda: str(uuid4()))

    async def learn(self, *events: Event, patient: str | None = None) -> None:
        """They are consumed, and the consents are known to be current."""
        await self.consume(*events, patient=patient)
        await self.consents_current()

    async def learn_once_readable(self, event: Event, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        """A record nobody can read; then the code that reads it is mended, and it is redriven."""
        good = consumed(event, self.patient, at=self.inbox.clock.now())
        await self.deliver(msgspec.structs.replace(unreadable(event, self.patient), id=good.id, headers=good.headers))
        if meanwhile is not None:
            await meanwhile()
        await self.pool.execute("UPDATE parked SET content = $1 WHERE class = 'unreadable'", good.content)
        assert (await redrive(self.inbox, self.patient, "demo", dry_run=False)).parked == 0

    async def known(self) -> consent_ledger.LedgerSnapshot:
        async with self.pool.acquire() as connection:
            return await consent_ledger.read(connection, "demo", self.patient, machine_now())

    async def consents_current(self) -> None:
        await self.inbox.beat(dict.fromkeys(range(PARTITIONS), machine_now()))

    async def read(self, kind: str, **asked: str) -> list[dict[str, Any]]:
        """What there is of this patient."""
        return await self.found(kind, ("patient", self.patient), *asked.items())

    async def books(self) -> list[dict[str, Any]]:
        """What was disclosed of this patient, or withheld; who read it is another matter."""
        return await self.read("AuditEvent", type="110106")

    async def referral_tasks(self) -> list[tuple[str, str]]:
        """Partner and status of each referral."""
        tasks = [each for each in await self.read("Task") if each["code"]["coding"][0]["code"] == "referral"]
        return sorted((each["owner"]["identifier"]["value"], each["status"]) for each in tasks)

    async def until(self, true: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(int(WAIT_SECONDS / 0.02)):
            if await true():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"not within {WAIT_SECONDS} s")

    async def puts_into_its_lane(
        self, partner: consents.Partner, hold: str | None = None, patient: str | None = None
    ) -> None:
        """A referral as it stands in the partner's lane, before anybody looks; `hold` parks the patient with it."""
        key = patient or self.patient
        identity = str(uuid4())
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
        destinations = [partner_destination(partner, FORM)]
        batch = Batch(PATIENT, {}, Routes(destinations))
        record = written(event, key, producer="aftercare", at=self.inbox.clock.now())
        batch.emit(event, record, key, "demo")
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE state SET hold = $2 WHERE key = $1", key, hold)
            await store.store(connection, self.inbox.service.deciders[PATIENT], batch, DISCHARGED, DISCHARGED)
        self.wake_up.ring(batch.lanes)

    @asynccontextmanager
    async def lane(self, partner: consents.Partner, **changed: Any) -> AsyncIterator[None]:
        """One more partner's lane, at the same address as all but for what of its destination is changed."""
        reachable = msgspec.structs.replace(partner, url=self.partner.url, try_again_minutes_most=SOON_MINUTES)
        destination = replace(partner_destination(reachable, FORM), **changed)
        lane = GatedLane(self.inbox.service, destination, self.inbox.routes, self.pool, self.inbox.clock, self.wake_up)
        task = asyncio.create_task(lane.run(self.dsn))
        try:
            yield
        finally:
            task.cancel()

    async def until_audited(self, *expected: str) -> None:
        async def reached() -> bool:
            return sorted(each["subtype"][0]["code"] for each in await self.books()) == sorted(expected)

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


async def identified(
    service: Aftercare, person: dict[str, Any] = PERSON, mrn: str = MRN.value, patient: str | None = None
) -> None:
    sealed = service.keys.seal("aftercare", {"patient": person, "area": "Riverbend", "language": "en"})
    digests = service.keys.digests("demo", [Identifier(MRN.system, mrn)])
    known = PatientIdentified(digests=digests, sealed=(sealed,), identified_at=ADMITTED)
    await service.learn(known, patient=patient)


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
    await service.learn(
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
