"""A journal made again: what stands comes out again, and whatever was changed in it is named."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from services.attendance.messages import CheckIn
from shared.events.envelope import Event
from shared.path.inbound import deadlines
from shared.path.service import PATIENT as KEY_KIND
from shared.path.service import Service
from shared.path.transaction.delivery import Committed
from shared.path.transaction.folding import NO_SETTINGS, NOT_WHOLE
from shared.path.transaction.replaying import Asked, Replayed
from shared.path.transaction.replaying import replay as make_again
from shared.path.transaction.store import _JOURNAL_COLUMNS
from shared.platform import db
from shared.rules.decision import Refused
from shared.rules.escalation import AcknowledgeEscalation, ActOnEscalation, ResolveEscalation
from tests.service import ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, MONDAY_SESSION, admission, attendance_with

PATIENT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
EVERYBODY = Asked()
MISSED_TASKS = (
    "SELECT id FROM resources WHERE type = 'Task' AND patient = $1 AND body LIKE '%missed-session%' ORDER BY at"
)
FIRST_SESSION = "SELECT id FROM resources WHERE type = 'Appointment' AND patient = $1 ORDER BY at LIMIT 1"


@pytest.fixture
async def here(start_service: StartService) -> ServiceOnPostgres:
    """Two patients admitted; one came to the first session, the other to none."""
    service = await start_service(attendance_with(), "attendance", MONDAY_NOON)
    for patient in (PATIENT, OTHER):
        await service.deliver(consumed(admission(patient), patient, identity=UUID(patient)))
    ((session_id,),) = await service.select(FIRST_SESSION, PATIENT)
    presence = ((MONDAY_SESSION, MONDAY_SESSION + timedelta(minutes=170)),)
    service.set_clock(MONDAY_SESSION)
    await service.command(PATIENT, CheckIn(session_ids=(session_id,), encounter_id=str(UUID(int=5)), periods=presence))
    for day in (0, 2):
        service.set_clock(MONDAY_SESSION + timedelta(days=day, hours=1))
        await deadlines.run_due(service.inbox)
    return service


def other(here: ServiceOnPostgres, react: Callable[..., list[Event]]) -> Service:
    """The same service, but for what it reacts with."""
    decider = dataclasses.replace(here.inbox.service.deciders[KEY_KIND], react=react)
    return dataclasses.replace(here.inbox.service, deciders={KEY_KIND: decider})


def fails(*_: object) -> list[Event]:
    raise ZeroDivisionError


async def again(here: ServiceOnPostgres, asked: Asked = EVERYBODY, service: Service | None = None) -> Replayed:
    connection = await db.connect(here.dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await make_again(connection, service or here.inbox.service, here.inbox.settings, asked)
    finally:
        await connection.close()


async def test_each_decision_comes_out_again_as_it_stands(here: ServiceOnPostgres) -> None:
    replayed = await again(here)
    assert (replayed.keys, replayed.decisions) == (2, await here.count("journal"))
    assert (replayed.differences, replayed.left_out, replayed.without_digest) == ([], {}, 0)


async def test_what_persons_did_and_what_was_corrected_comes_out_again_too(here: ServiceOnPostgres) -> None:
    """Taken on, acted on, resolved, refused the second time; and an absence that was none after all."""
    ((first,), *_) = await here.select(MISSED_TASKS, OTHER)
    for command in (
        AcknowledgeEscalation(escalation_id=first, by="case-manager-1"),
        ActOnEscalation(escalation_id=first, act="called", by="case-manager-1"),
        ResolveEscalation(escalation_id=first, reason="reached", by="case-manager-1"),
    ):
        assert isinstance(await here.command(OTHER, command), Committed)
    assert isinstance(await here.command(OTHER, AcknowledgeEscalation(escalation_id=first)), Refused)
    wednesday = MONDAY_SESSION + timedelta(days=2)
    ((session_id,),) = await here.select(FIRST_SESSION.replace("LIMIT 1", "LIMIT 1 OFFSET 1"), OTHER)
    presence = ((wednesday, wednesday + timedelta(minutes=170)),)
    late = CheckIn(session_ids=(session_id,), encounter_id=str(UUID(int=6)), periods=presence)
    assert isinstance(await here.command(OTHER, late), Committed)
    assert "EscalationRetracted" in await here.emitted()
    replayed = await again(here)
    assert (replayed.decisions, replayed.differences) == (await here.count("journal"), [])


async def test_processes_side_by_side_make_each_key_again_once(here: ServiceOnPostgres) -> None:
    parts = [await again(here, Asked(part=part, parts=3)) for part in range(3)]
    assert sum(each.keys for each in parts) == 2
    assert sum(each.decisions for each in parts) == await here.count("journal")


async def test_one_patient_or_those_decided_about_since_are_enough(here: ServiceOnPostgres) -> None:
    assert (await again(here, Asked(patient=PATIENT))).keys == 1
    assert (await again(here, Asked(since=MONDAY_NOON))).keys == 2
    assert (await again(here, Asked(since=MONDAY_NOON + timedelta(days=9)))).keys == 0


CHANGES = (
    "content = replace(content, '180', '181')",
    "content = left(content, -1)",
    "program = 'demp'",
    "producer = 'intakf'",
    "event = 'EpisodeAdmittee'",
    "outcome = 'decidee'",
    "settings = left(settings, -1) || 'x'",
    "cause = 'ffffffff-ffff-4fff-8fff-ffffffffffff'",
    "now = now + interval '1 us'",
    "listening_since = listening_since - interval '1 us'",
    "code = code || 'x'",
    "emitted = emitted[2:]",
    "digests[1] = 'x'",
    "digests[2] = 'x'",
    "digests[3] = 'x'",
    "delivery = 'commanded'",
)
RESTORED = ", ".join(
    f"{name} = (SELECT {name} FROM saved)"
    for name in ("now", "listening_since", "code", "program", *_JOURNAL_COLUMNS[2:], "emitted", "digests")
)


async def test_whatever_is_changed_of_a_row_the_row_is_named(here: ServiceOnPostgres) -> None:
    ((sequence,),) = await here.select("SELECT min(sequence) FROM journal WHERE key = $1", OTHER)
    await here.pool.execute("CREATE TABLE saved AS SELECT * FROM journal WHERE sequence = $1", sequence)
    for change in CHANGES:
        await here.pool.execute(f"UPDATE journal SET {change} WHERE sequence = $1", sequence)
        replayed = await again(here)
        found = [(each.key, each.sequence, each.path) for each in replayed.differences]
        assert (found, replayed.differs) == ([(OTHER, sequence, "row")], True), change
        await here.pool.execute(f"UPDATE journal SET {RESTORED} WHERE sequence = $1", sequence)
    assert (await again(here)).differences == []


async def test_a_row_without_a_digest_is_compared_by_the_ids_it_emitted(here: ServiceOnPostgres) -> None:
    await here.pool.execute("UPDATE journal SET digests = NULL")
    whole = await again(here)
    assert (whole.differences, whole.without_digest) == ([], await here.count("journal"))
    await here.pool.execute("UPDATE journal SET emitted = emitted[2:] WHERE key = $1 AND cause = key::uuid", OTHER)
    assert [(each.key, each.path) for each in (await again(here)).differences] == [(OTHER, "emitted[0]")]


@pytest.mark.parametrize(("which", "path"), [("min", "state"), ("max", "state afterwards")])
async def test_a_row_that_is_gone_is_missed_the_last_one_too(here: ServiceOnPostgres, which: str, path: str) -> None:
    gone = f"SELECT {which}(sequence) FROM journal WHERE key = $1 AND event = 'TimePassed'"
    await here.pool.execute(f"DELETE FROM journal WHERE sequence = ({gone})", OTHER)
    assert [(each.key, each.path) for each in (await again(here)).differences] == [(OTHER, path)]


async def test_a_journal_whose_first_months_are_gone_is_left_out_and_no_error(here: ServiceOnPostgres) -> None:
    await here.pool.execute("DELETE FROM journal WHERE key = $1 AND event = 'EpisodeAdmitted'", PATIENT)
    replayed = await again(here)
    assert (replayed.left_out, replayed.differs) == ({NOT_WHOLE: 1}, False)


async def test_a_row_whose_settings_are_missing_is_left_out_and_no_error(here: ServiceOnPostgres) -> None:
    await here.pool.execute("DELETE FROM settings")
    replayed = await again(here)
    assert (replayed.left_out, replayed.differs) == ({NO_SETTINGS: 2}, False)


async def test_settings_that_are_no_longer_what_was_stored_are_named(here: ServiceOnPostgres) -> None:
    await here.pool.execute("UPDATE settings SET body = replace(body, '15', '16')")
    assert {each.path for each in (await again(here)).differences} == {"settings"}


async def test_another_release_may_decide_otherwise(here: ServiceOnPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    ((code,),) = await here.select("SELECT DISTINCT code FROM journal")
    assert {each.path for each in (await again(here, service=other(here, lambda *_: []))).differences} == {"emitted[0]"}
    monkeypatch.setattr("shared.path.transaction.replaying.build", lambda: "another")
    replayed = await again(here, service=other(here, lambda *_: []))
    assert {(each.path, each.code) for each in replayed.differences} == {("emitted[0]", code)}
    assert (replayed.other_code, replayed.differs) == ({code: await here.count("journal")}, False)


async def test_a_decision_that_fails_now_is_a_difference_and_leaves_no_trace(here: ServiceOnPostgres) -> None:
    before = await here.count("journal")
    replayed = await again(here, service=other(here, fails))
    assert {each.path for each in replayed.differences} == {"outcome"}
    assert await here.count("journal") == before
    assert await here.count("parked") == 0
