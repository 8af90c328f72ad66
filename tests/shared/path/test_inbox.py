"""The one path: once each, in order, all or nothing, whoever else is at work."""

import asyncio
import dataclasses
import gc
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from services.attendance.messages import CheckIn, ResolveEscalation
from shared.events.intake import Digest, PatientIdentified
from shared.path.inbound import deadlines
from shared.path.service import NewerState
from shared.path.transaction.batch import Batch
from shared.path.transaction.delivery import Committed, Expected, Identified, Reused, Stale
from shared.rules.decision import Refused
from tests.service import ServiceOnPostgres, StartService, commanded, consumed, unreadable
from tests.shared.path.given import MONDAY_NOON, MONDAY_SESSION, admission, attendance_with, until_waiting

PATIENT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


async def test_the_same_record_again_has_no_second_effect(here: ServiceOnPostgres) -> None:
    delivery = consumed(admission(PATIENT), PATIENT)
    await here.deliver(delivery)
    emitted = await here.emitted()
    await here.deliver(consumed(admission(PATIENT), PATIENT, identity=delivery.id))
    assert await here.emitted() == emitted
    assert await here.select("SELECT count(*) FROM journal") == [(1,)]


async def test_a_batch_is_gone_once_it_is_stored_without_the_collector(here: ServiceOnPostgres) -> None:
    gc.collect()
    gc.disable()
    try:
        await here.deliver(consumed(admission(PATIENT), PATIENT))
        assert [each for each in gc.get_objects() if isinstance(each, Batch)] == []
    finally:
        gc.enable()


async def test_what_was_marked_processed_carries_the_program(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.command(PATIENT, await _check_in(here))
    assert await here.select("SELECT program FROM processed") == [("demo",), ("demo",)]


async def test_the_same_record_twice_in_one_batch_counts_once(here: ServiceOnPostgres) -> None:
    cause = uuid4()
    await here.deliver(consumed(admission(PATIENT), PATIENT, cause), consumed(admission(PATIENT), PATIENT, cause))
    assert await here.select("SELECT count(*) FROM journal") == [(1,)]


async def test_what_was_said_can_be_read_and_stands_in_the_outbox_in_order(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    emitted = await here.emitted()
    assert emitted == ["SessionScheduled"] * len(emitted)
    assert len(emitted) == 6
    booked = await here.select("SELECT status, patient, program FROM resources WHERE type = 'Appointment'")
    assert booked == [("booked", PATIENT, "demo")] * 6


async def test_a_replay_says_the_same_ids(here: ServiceOnPostgres, postgres: str, tmp_path: Path) -> None:
    delivery = consumed(admission(PATIENT), PATIENT)
    await here.deliver(delivery)
    first = await here.select("SELECT emitted FROM journal")
    await here.pool.execute("TRUNCATE state, processed, outbox, resources, journal")
    await here.deliver(consumed(admission(PATIENT), PATIENT, identity=delivery.id))
    assert await here.select("SELECT emitted FROM journal") == first


async def test_two_first_events_of_a_new_patient_at_the_same_moment_both_count(here: ServiceOnPostgres) -> None:
    patients = [str(uuid4()) for _ in range(20)]
    await asyncio.gather(
        *(here.deliver(consumed(admission(patient), patient)) for patient in patients),
        *(here.deliver(consumed(admission(patient), patient)) for patient in patients),
    )
    assert await here.select("SELECT count(*) FROM state WHERE body <> ''") == [(20,)]
    assert await here.select("SELECT count(*) FROM journal") == [(40,)]
    assert await here.select("SELECT count(*) FROM resources WHERE type = 'Appointment'") == [(120,)]


async def test_a_patient_whose_row_another_process_is_creating_is_waited_for(here: ServiceOnPostgres) -> None:
    async with here.pool.acquire() as other, other.transaction():
        await other.execute("INSERT INTO state (kind, key, program) VALUES ('patient', $1, 'demo')", PATIENT)
        delivering = asyncio.create_task(here.deliver(consumed(admission(PATIENT), PATIENT)))
        await until_waiting(here)
    assert await delivering == [Committed()]
    assert await here.select("SELECT program, body <> '' FROM state") == [("demo", True)]
    assert await here.count("journal") == 1


async def test_two_batches_of_the_same_new_patients_never_wait_in_a_ring(here: ServiceOnPostgres) -> None:
    patients = sorted(str(uuid4()) for _ in range(9))
    batches = [[consumed(admission(each), each) for each in order] for order in (patients, patients[::-1])]
    async with here.pool.acquire() as other, other.transaction():
        await other.execute("INSERT INTO state (kind, key, program) VALUES ('patient', $1, 'demo')", patients[4])
        delivering = asyncio.gather(*(here.deliver(*batch) for batch in batches))
        await until_waiting(here, 2)
    await delivering
    assert await here.count("state WHERE body <> ''") == 9


async def test_the_same_command_again_gets_the_same_answer(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    cause, command = uuid4(), await _check_in(here)
    first = await here.command(PATIENT, command, cause=cause)
    again = await here.command(PATIENT, command, cause=cause)
    assert isinstance(first, Committed) and first.resources
    assert again == first
    assert (await here.emitted()).count("SessionAttended") == 1


async def test_the_same_id_with_other_content_is_refused(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    cause, command = uuid4(), await _check_in(here)
    await here.command(PATIENT, command, cause=cause)
    assert isinstance(await here.command(PATIENT, command, cause=cause, digest="other"), Reused)


async def test_a_refused_command_changes_nothing_and_may_be_tried_again(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    before, cause = await here.emitted(), uuid4()
    answer = await here.command(PATIENT, ResolveEscalation(escalation_id=str(uuid4()), reason="done"), cause=cause)
    assert isinstance(answer, Refused)
    assert await here.emitted() == before
    assert await here.select("SELECT count(*) FROM processed WHERE id = $1", cause) == [(0,)]


async def test_a_bundle_is_all_or_nothing(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    before = await here.select("SELECT body FROM state")
    refused = ResolveEscalation(escalation_id=str(uuid4()), reason="done")
    assert isinstance(await here.command(PATIENT, await _check_in(here), refused), Refused)
    assert await here.select("SELECT body FROM state") == before


async def test_a_stale_version_is_refused(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    command = await _check_in(here)
    expects = (Expected("Appointment", command.session_ids[0], 7),)
    (answer,) = await here.deliver(commanded(PATIENT, command, expects=expects))
    assert isinstance(answer, Stale)


async def test_a_deadline_is_heard_when_it_comes_and_not_before(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    here.set_clock(MONDAY_SESSION + timedelta(minutes=14))
    assert await deadlines.run_due(here.inbox) == 0
    here.set_clock(MONDAY_SESSION + timedelta(minutes=16))
    assert await deadlines.run_due(here.inbox) == 1
    assert "SessionMissed" in await here.emitted()
    assert await deadlines.run_due(here.inbox) == 0


async def test_data_that_breaks_a_statement_parks_its_patient_alone(here: ServiceOnPostgres) -> None:
    broken = replace(consumed(admission(PATIENT), PATIENT), producer="nul \x00 in text")
    await here.deliver(broken, consumed(admission(OTHER), OTHER))
    assert await here.select("SELECT key, class FROM parked") == [(PATIENT, "unreadable")]
    assert await here.select("SELECT count(*) FROM resources WHERE patient = $1", OTHER) == [(6,)]


async def test_a_state_written_by_a_newer_release_is_trouble_and_never_rewritten(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.pool.execute("UPDATE state SET version = 99")
    with pytest.raises(NewerState):
        await here.deliver(consumed(admission(PATIENT), PATIENT))
    assert await here.select("SELECT version FROM state") == [(99,)]


async def test_a_deadline_that_does_not_move_is_a_bug_and_parks_the_patient(start_service: StartService) -> None:
    silent = attendance_with(react=lambda state, event, moment: [])
    here = await start_service(silent, "attendance", MONDAY_NOON)
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    here.set_clock(MONDAY_NOON + timedelta(days=30))
    await deadlines.run_due(here.inbox)
    assert await here.select("SELECT class, event FROM parked") == [("bug", "TimePassed")]
    assert await deadlines.run_due(here.inbox) == 0


async def test_an_unreadable_record_without_a_key_is_kept_and_holds_nobody(here: ServiceOnPostgres) -> None:
    nameless = replace(unreadable(admission(OTHER), OTHER), key="")
    await here.deliver(nameless, consumed(admission(OTHER), OTHER))
    assert await here.select("SELECT key, class FROM parked") == [("", "unreadable")]
    assert await here.select("SELECT count(*) FROM state WHERE hold IS NOT NULL") == [(0,)]


async def _check_in(here: ServiceOnPostgres, patient: str = PATIENT) -> CheckIn:
    of_patient = f"SELECT id FROM resources WHERE type = 'Appointment' AND patient = '{patient}'"
    ((session_id,),) = await here.select(f"{of_patient} ORDER BY at LIMIT 1")
    return CheckIn(
        session_ids=(session_id,),
        encounter_id=str(UUID(int=5)),
        periods=((MONDAY_SESSION, MONDAY_SESSION + timedelta(minutes=170)),),
    )


async def test_two_services_that_hear_the_same_event_say_different_ids(here: ServiceOnPostgres, tmp_path: Path) -> None:
    delivery = consumed(admission(PATIENT), PATIENT)
    await here.deliver(delivery)
    here.inbox.service = dataclasses.replace(here.inbox.service, name="testing")
    await here.pool.execute("TRUNCATE state, processed")
    await here.deliver(consumed(admission(PATIENT), PATIENT, identity=delivery.id))
    ((first,), (second,)) = await here.select("SELECT emitted FROM journal ORDER BY sequence")
    assert set(first).isdisjoint(second)


async def test_a_patient_identified_twice_in_one_batch_is_learned_once(here: ServiceOnPostgres) -> None:
    event = PatientIdentified(digests=(Digest("k", "ab"), Digest("k", "ab")), sealed=(), identified_at=MONDAY_NOON)
    await here.deliver(consumed(event, PATIENT), consumed(event, PATIENT))
    assert await here.select("SELECT patient FROM alias") == [(PATIENT,)]


MRN = Digest("k", "ab")
REFUSED = ResolveEscalation(escalation_id=OTHER, reason="late-check-in")


async def test_what_is_about_another_patient_by_now_is_looked_for_again_whatever_is_decided_of_it(
    here: ServiceOnPostgres,
) -> None:
    """Each came with a Patient of one number, of whoever had it when it was looked for."""
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    present = await _check_in(here)
    (first,) = await here.deliver(replace(commanded(PATIENT, present), binds=(MRN,)))
    assert isinstance(first, Committed)
    for command in (present, REFUSED):
        late = replace(commanded(OTHER, command), binds=(MRN,))
        assert await here.deliver(late) == [Identified()]
        assert await here.count(f"processed WHERE id = '{late.id}'") == 0
    assert await here.count(f"journal WHERE key = '{OTHER}'") == 0
    assert await here.select("SELECT patient FROM alias") == [(PATIENT,)]


async def test_of_two_patients_of_one_number_in_one_batch_the_first_has_it(here: ServiceOnPostgres) -> None:
    await here.deliver(*(consumed(admission(each), each) for each in (PATIENT, OTHER)))
    both = [replace(commanded(each, await _check_in(here, each)), binds=(MRN,)) for each in (PATIENT, OTHER)]
    first, second = await here.deliver(*both)
    assert isinstance(first, Committed) and second == Identified()
    assert await here.select("SELECT patient FROM alias") == [(PATIENT,)]
