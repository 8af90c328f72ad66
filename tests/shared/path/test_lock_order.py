"""Every transaction takes its locks in one order: two that meet wait for each other, never in a ring."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.aftercare import app
from shared.events.envelope import Event
from shared.events.intake import PatientIdentified
from shared.path.inbound.redrive import Quarantine, redrive
from shared.path.transaction import consent_ledger
from shared.platform.keys import Identifier
from tests.service import ServiceOnPostgres, StartService, consumed, unreadable
from tests.shared.path.given import MONDAY_NOON, until_waiting
from tests.shared.rules.partners import ALUMNI, consent_to

CONSENT = str(uuid4())


@pytest.fixture
async def aftercare(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(app.assemble, "aftercare", MONDAY_NOON)


def identified(aftercare: ServiceOnPostgres) -> PatientIdentified:
    digests = aftercare.keys.digests("demo", [Identifier("urn:mrn", "0001")])
    return PatientIdentified(digests=digests, sealed=(), identified_at=MONDAY_NOON)


@pytest.mark.parametrize("what", ["a consent", "an identifier"])
async def test_a_redrive_and_a_batch_of_one_patient_never_wait_in_a_ring(
    aftercare: ServiceOnPostgres, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, event = consent_to(ALUMNI, MONDAY_NOON, consent_id=CONSENT), identified(aftercare)
    await aftercare.consume(first)
    await aftercare.deliver(unreadable(first, aftercare.patient))
    await aftercare.consume(event)  # queued, and taken in again by the redrive
    also: Event = consent_to(ALUMNI, MONDAY_NOON, consent_id=CONSENT) if what == "a consent" else event
    batch = consumed(also, aftercare.patient)
    close, consuming = consent_ledger.close, list[asyncio.Task[Any]]()

    async def meanwhile(*arguments: Any) -> None:
        """The redrive holds its patient's row, and a batch that needs it has come as far as it can."""
        consuming.append(asyncio.create_task(aftercare.deliver(batch)))
        await until_waiting(aftercare)
        await close(*arguments)

    monkeypatch.setattr(consent_ledger, "close", meanwhile)

    ((unread,),) = await aftercare.select("SELECT id FROM parked WHERE class = 'unreadable'")
    result = await redrive(
        aftercare.inbox, aftercare.patient, "demo", dry_run=False, quarantine=Quarantine(UUID(str(unread)), "ops")
    )
    await asyncio.gather(*consuming)

    assert result.parked == 0
    assert await aftercare.count("consents WHERE NOT revoked") == 0
