"""The one path: once each, in order, all or nothing, whoever else is at work."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from services.attendance.words import CheckIn, ResolveEscalation
from shared.path import lanes
from shared.path.item import Expected, Kept, Reused, Stale
from shared.path.service import NewerState
from shared.rules.decision import Refused
from shared.words.intake import Digest, PatientIdentified
from tests.shared.path.hall import MONDAY_NOON, MONDAY_SESSION, Hall, admission, attendance, garbage, hall, record, told

PATIENT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
async def here(database: str, tmp_path: Path) -> AsyncIterator[Hall]:
    async with hall(database, tmp_path) as opened:
        yield opened


async def test_the_same_record_again_has_no_second_effect(here: Hall) -> None:
    item = record(admission(PATIENT), PATIENT)
    await here.hear(item)
    said = await here.said()
    await here.hear(record(admission(PATIENT), PATIENT, identity=item.id))
    assert await here.said() == said
    assert await here.look("SELECT count(*) FROM heard") == [(1,)]


async def test_what_was_claimed_carries_the_program(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    await here.tell(PATIENT, await _check_in(here))
    assert await here.look("SELECT program FROM claims") == [("demo",), ("demo",)]


async def test_the_same_record_twice_in_one_batch_counts_once(here: Hall) -> None:
    cause = uuid4()
    await here.hear(record(admission(PATIENT), PATIENT, cause), record(admission(PATIENT), PATIENT, cause))
    assert await here.look("SELECT count(*) FROM heard") == [(1,)]


async def test_what_was_said_can_be_read_and_stands_in_the_outbox_in_order(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    said = await here.said()
    assert said == ["SessionScheduled"] * len(said)
    assert len(said) == 6
    booked = await here.look("SELECT status, patient, program FROM resources WHERE type = 'Appointment'")
    assert booked == [("booked", PATIENT, "demo")] * 6


async def test_a_replay_says_the_same_ids(here: Hall, postgres: str, tmp_path: Path) -> None:
    item = record(admission(PATIENT), PATIENT)
    await here.hear(item)
    first = await here.look("SELECT said FROM heard")
    await here.pool.execute("TRUNCATE state, claims, outbox, resources, heard")
    await here.hear(record(admission(PATIENT), PATIENT, identity=item.id))
    assert await here.look("SELECT said FROM heard") == first


async def test_two_first_words_of_a_new_patient_at_the_same_moment_both_count(here: Hall) -> None:
    patients = [str(uuid4()) for _ in range(20)]
    await asyncio.gather(
        *(here.hear(record(admission(patient), patient)) for patient in patients),
        *(here.hear(record(admission(patient), patient)) for patient in patients),
    )
    assert await here.look("SELECT count(*) FROM state WHERE body <> ''") == [(20,)]
    assert await here.look("SELECT count(*) FROM heard") == [(40,)]
    assert await here.look("SELECT count(*) FROM resources WHERE type = 'Appointment'") == [(120,)]


async def test_the_same_command_again_gets_the_same_answer(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    cause, command = uuid4(), await _check_in(here)
    first = await here.tell(PATIENT, command, cause=cause)
    again = await here.tell(PATIENT, command, cause=cause)
    assert isinstance(first, Kept) and first.resources
    assert again == first
    assert (await here.said()).count("SessionAttended") == 1


async def test_the_same_id_with_other_content_is_refused(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    cause, command = uuid4(), await _check_in(here)
    await here.tell(PATIENT, command, cause=cause)
    assert isinstance(await here.tell(PATIENT, command, cause=cause, digest="other"), Reused)


async def test_a_refused_command_changes_nothing_and_may_be_tried_again(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    before, cause = await here.said(), uuid4()
    answer = await here.tell(PATIENT, ResolveEscalation(escalation_id=str(uuid4()), because="done"), cause=cause)
    assert isinstance(answer, Refused)
    assert await here.said() == before
    assert await here.look("SELECT count(*) FROM claims WHERE id = $1", cause) == [(0,)]


async def test_a_bundle_is_all_or_nothing(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    before = await here.look("SELECT body FROM state")
    refused = ResolveEscalation(escalation_id=str(uuid4()), because="done")
    assert isinstance(await here.tell(PATIENT, await _check_in(here), refused), Refused)
    assert await here.look("SELECT body FROM state") == before


async def test_a_stale_version_is_refused(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    command = await _check_in(here)
    item = told(PATIENT, command)
    item.expects = (Expected("Appointment", command.session_id, 7),)
    (answer,) = await here.hear(item)
    assert isinstance(answer, Stale)


async def test_a_deadline_is_heard_when_it_comes_and_not_before(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    here.set_clock(MONDAY_SESSION + timedelta(minutes=14))
    assert await lanes.run_due(here.inbox) == 0
    here.set_clock(MONDAY_SESSION + timedelta(minutes=16))
    assert await lanes.run_due(here.inbox) == 1
    assert "SessionMissed" in await here.said()
    assert await lanes.run_due(here.inbox) == 0


async def test_data_that_breaks_a_statement_parks_its_patient_alone(here: Hall) -> None:
    broken = record(admission(PATIENT), PATIENT)
    broken.by = "nul \x00 in text"
    await here.hear(broken, record(admission(OTHER), OTHER))
    assert await here.look("SELECT key, class FROM parked") == [(PATIENT, "unreadable")]
    assert await here.look("SELECT count(*) FROM resources WHERE patient = $1", OTHER) == [(6,)]


async def test_a_state_written_by_a_newer_release_is_trouble_and_never_rewritten(here: Hall) -> None:
    await here.hear(record(admission(PATIENT), PATIENT))
    await here.pool.execute("UPDATE state SET version = 99")
    with pytest.raises(NewerState):
        await here.hear(record(admission(PATIENT), PATIENT))
    assert await here.look("SELECT version FROM state") == [(99,)]


async def test_a_deadline_that_does_not_move_is_a_bug_and_parks_the_patient(database: str, tmp_path: Path) -> None:
    service = replace(attendance(), hear=lambda state, word, moment: [])
    async with hall(database, tmp_path, service) as here:
        item = record(admission(PATIENT), PATIENT)
        await here.hear(item)
        here.set_clock(MONDAY_NOON + timedelta(days=30))
        await lanes.run_due(here.inbox)
        assert await here.look("SELECT class, word FROM parked") == [("bug", "TimePassed")]
        assert await lanes.run_due(here.inbox) == 0


async def test_an_unreadable_record_without_a_key_is_kept_and_holds_nobody(here: Hall) -> None:
    nameless = garbage(OTHER)
    nameless.key = ""
    await here.hear(nameless, record(admission(OTHER), OTHER))
    assert await here.look("SELECT key, class FROM parked") == [("", "unreadable")]
    assert await here.look("SELECT count(*) FROM state WHERE hold IS NOT NULL") == [(0,)]


async def _check_in(here: Hall) -> CheckIn:
    ((session_id,),) = await here.look("SELECT id FROM resources WHERE type = 'Appointment' ORDER BY at LIMIT 1")
    return CheckIn(session_id=session_id, encounter_id=str(UUID(int=5)), came_at=MONDAY_SESSION, minutes=170)


async def test_two_services_that_hear_the_same_word_say_different_ids(here: Hall, tmp_path: Path) -> None:
    item = record(admission(PATIENT), PATIENT)
    await here.hear(item)
    here.inbox.service = replace(here.inbox.service, name="testing")
    await here.pool.execute("TRUNCATE state, claims")
    await here.hear(record(admission(PATIENT), PATIENT, identity=item.id))
    ((first,), (second,)) = await here.look("SELECT said FROM heard ORDER BY sequence")
    assert set(first).isdisjoint(second)


async def test_a_patient_identified_twice_in_one_batch_is_learned_once(here: Hall) -> None:
    word = PatientIdentified(digests=(Digest("k", "ab"), Digest("k", "ab")), sealed=(), identified_at=MONDAY_NOON)
    await here.hear(record(word, PATIENT), record(word, PATIENT))
    assert await here.look("SELECT patient FROM alias") == [(PATIENT,)]
