"""The consent ledger: what it knows, and how current that is."""

from datetime import timedelta
from uuid import uuid4

import msgspec

from shared.events.catalogue import PARTITIONS
from shared.events.intake import ConsentDenied, ConsentGiven, ConsentRevoked
from shared.path.transaction import consent_ledger
from shared.path.transaction.consent_ledger import AGE_SECONDS_MOST
from shared.platform.clock import machine_now
from tests.service import ServiceOnPostgres, consumed
from tests.shared.path.given import MONDAY_NOON
from tests.shared.rules.partners import ALUMNI, consent_to

PATIENT = "11111111-1111-4111-8111-111111111111"
CONSENT = str(uuid4())


def given() -> ConsentGiven:
    return consent_to(ALUMNI, MONDAY_NOON, consent_id=CONSENT)


def revoked() -> ConsentRevoked:
    return ConsentRevoked(consent_id=CONSENT, revoked_at=MONDAY_NOON)


async def apply(here: ServiceOnPostgres, *events: ConsentGiven | ConsentDenied | ConsentRevoked) -> None:
    async with here.pool.acquire() as connection, connection.transaction():
        await consent_ledger.apply(connection, [consumed(event, PATIENT) for event in events])


async def known(here: ServiceOnPostgres) -> consent_ledger.LedgerSnapshot:
    async with here.pool.acquire() as connection:
        return await consent_ledger.read(connection, "demo", PATIENT, machine_now())


async def mark(here: ServiceOnPostgres, *, partitions: int = PARTITIONS, seconds_old: float = 0.0) -> None:
    at = machine_now() - timedelta(seconds=seconds_old)
    async with here.pool.acquire() as connection:
        await consent_ledger.mark_current(connection, dict.fromkeys(range(partitions), at))


async def test_a_consent_is_known_until_it_is_revoked(here: ServiceOnPostgres) -> None:
    await apply(here, given())
    assert (await known(here)).consents == (given(),)
    await apply(here, revoked())
    assert (await known(here)).consents == ()


async def test_a_given_that_comes_after_its_revocation_revives_nothing(here: ServiceOnPostgres) -> None:
    await apply(here, revoked())
    await apply(here, given())
    assert (await known(here)).consents == ()


async def test_a_revoked_consent_is_remembered_unless_it_was_entered_in_error(here: ServiceOnPostgres) -> None:
    await apply(here, given(), revoked())
    assert (await known(here)).revoked == (given(),)
    await apply(here, msgspec.structs.replace(revoked(), mistaken=True))
    assert ((await known(here)).revoked, (await known(here)).consents) == ((), ())


async def test_given_and_revoked_in_one_batch_leave_nothing(here: ServiceOnPostgres) -> None:
    await apply(here, given(), revoked())
    assert (await known(here)).consents == ()


async def test_revoked_and_given_in_one_batch_leave_nothing_as_in_two(here: ServiceOnPostgres) -> None:
    await apply(here, given())
    await apply(here, revoked(), given())
    assert (await known(here)).consents == ()


def denied() -> ConsentDenied:
    return ConsentDenied(consent_id=CONSENT, recipients=(), purposes=(), denied_at=MONDAY_NOON)


async def test_a_revoked_consent_is_known_as_revoked_and_a_closed_one_too(here: ServiceOnPostgres) -> None:
    await apply(here, given(), revoked())
    assert (await known(here)).revoked == (given(),)


async def test_a_no_is_known_also_after_a_revocation_and_until_it_is_withdrawn(here: ServiceOnPostgres) -> None:
    for events in ((given(), denied()), (revoked(), denied()), (denied(),)):
        await apply(here, *events)
        assert (await known(here)).consents == (denied(),)
    await apply(here, revoked())
    assert ((await known(here)).consents, (await known(here)).revoked) == ((), ())


async def test_what_may_have_been_a_revocation_closes_consents_and_leaves_a_no(here: ServiceOnPostgres) -> None:
    other = msgspec.structs.replace(denied(), consent_id="other")
    await apply(here, given(), other)
    async with here.pool.acquire() as connection:
        await consent_ledger.close(connection, "demo", PATIENT)
    assert (await known(here)).consents == (other,)


async def test_the_version_counts_every_consent_event(here: ServiceOnPostgres) -> None:
    await apply(here, given(), revoked())
    await apply(here, given())
    assert (await known(here)).version == 3


async def test_a_ledger_that_never_heard_a_heartbeat_is_not_current(here: ServiceOnPostgres) -> None:
    assert not (await known(here)).current


async def test_one_silent_partition_of_twelve_closes_the_gate(here: ServiceOnPostgres) -> None:
    await mark(here, partitions=PARTITIONS - 1)
    assert not (await known(here)).current
    await mark(here)
    assert (await known(here)).current


async def test_an_old_heartbeat_closes_the_gate(here: ServiceOnPostgres) -> None:
    await mark(here, seconds_old=AGE_SECONDS_MOST + 1)
    assert not (await known(here)).current


async def test_a_heartbeat_from_a_clock_that_is_ahead_closes_the_gate_until_the_next(here: ServiceOnPostgres) -> None:
    await mark(here)
    await mark(here, partitions=1, seconds_old=-3600)
    assert not (await known(here)).current
    await mark(here, partitions=1)
    assert (await known(here)).current


async def test_records_that_expired_unread_close_the_gate_until_a_person_acts(here: ServiceOnPostgres) -> None:
    async with here.pool.acquire() as connection:
        await consent_ledger.mark_lost(connection, [3])
    await mark(here)
    assert not (await known(here)).current


async def test_the_count_of_consent_events_carries_the_program(here: ServiceOnPostgres) -> None:
    await apply(here, given(), revoked())
    assert await here.select("SELECT program, patient, version FROM consent_versions") == [("demo", PATIENT, 2)]


async def test_a_gate_opened_again_before_any_heartbeat_stays_shut_until_one_comes(here: ServiceOnPostgres) -> None:
    async with here.pool.acquire() as connection:
        await consent_ledger.mark_lost(connection, list(range(PARTITIONS)))
    await here.pool.execute("UPDATE ledger SET lost = false")
    assert not (await known(here)).current
    await mark(here)
    assert (await known(here)).current
