"""Revocation against release, whatever the partner does: the books are what its socket saw, nothing begins after."""

from random import Random
from uuid import uuid4

import pytest

from services.aftercare.messages import ConsentRevoked
from shared.path.outbound import gate
from tests.aftercare.books import HOUSE
from tests.aftercare.revocations import Revocations
from tests.aftercare.running import DISCHARGED, Aftercare, consent, identified
from tests.service import consumed

OFFSETS = 32
_WAITS = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "BACK_OFF_SECONDS_FIRST", 0.02)


async def test_the_books_are_what_the_socket_saw_and_nothing_begins_after_the_revocation(
    aftercare_alone: Aftercare,
) -> None:
    revocations = Revocations(aftercare_alone, Random(1))
    await revocations.run(OFFSETS)
    revocations.the_books_are_what_the_partners_socket_saw()
    revocations.nothing_began_after_the_revocation()
    revocations.each_referral_ended_once()


async def test_a_send_waits_for_a_revocation_that_is_being_stored(aftercare_alone: Aftercare) -> None:
    here, consent_id = aftercare_alone, str(uuid4())
    await identified(here)
    await here.learn(consent(consent_id, HOUSE.name))
    await here.puts_into_its_lane(HOUSE)
    now = here.inbox.clock.now()
    revoked = consumed(ConsentRevoked(consent_id=consent_id, revoked_at=DISCHARGED), here.patient, at=now)

    async def waits() -> bool:
        found: bool = await here.pool.fetchval(_WAITS)
        return found

    async with here.pool.acquire() as connection, connection.transaction():
        await here.inbox.take(connection, [revoked], now)
        async with here.lane(HOUSE):
            await here.until(waits)
    async with here.lane(HOUSE):
        await here.until_audited("withheld")
    assert here.partner.received == []
