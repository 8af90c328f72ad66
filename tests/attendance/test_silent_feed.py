"""Forty patients and a feed that stands still, over the inbox on a real PostgreSQL: nobody is accused for it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from unittest.mock import AsyncMock
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
import pytest

from deploy import queries
from deploy.queries import SilentFeed
from services.attendance import app
from services.attendance.feed_events import FEED, Feed
from services.attendance.messages import CheckIn
from shared.edge.answering import Done
from shared.edge.outcome import HttpRefusal
from shared.events.codes import REASON, TASK
from shared.events.internal import NEVER
from shared.events.listed import FEED_SILENT
from shared.path.inbound import deadlines
from shared.path.inbound.gauges import Gauges
from shared.path.inbound.internal import InternalLane
from shared.path.transaction import reports
from shared.path.transaction.replaying import Asked, replay
from shared.platform.metrics import OPERATOR_TASKS_OPEN
from tests.service import Json, ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, MONDAY_SESSION, admission

PATIENTS = [str(uuid5(NAMESPACE_URL, f"patient-{number}")) for number in range(40)]
GRACE, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def here(start_service: StartService) -> ServiceOnPostgres:
    """Forty patients with a session at the same hour."""
    service = await start_service(app.assemble, "attendance", MONDAY_NOON)
    for patient in PATIENTS:
        await service.deliver(consumed(admission(patient), patient, identity=UUID(patient)))
    return service


async def passes(here: ServiceOnPostgres, until: datetime) -> None:
    """Deadlines as they come, every few minutes, and lane internal behind them, until nothing is left of either."""
    lane = asyncio.create_task(InternalLane(here.inbox, here.wake_up).run(here.dsn))
    try:
        now = here.inbox.clock.now()
        while now < until:
            now = min(now + timedelta(minutes=5), until)
            here.set_clock(now)
            await _settled(here, now)
    finally:
        lane.cancel()
        await asyncio.gather(lane, return_exceptions=True)


async def _settled(here: ServiceOnPostgres, now: datetime) -> None:
    for _ in range(2000):
        taken = await deadlines.run_due(here.inbox)
        waiting = await here.count("outbox WHERE lane = 'internal'")
        if not taken and not waiting and not await here.select("SELECT 1 FROM state WHERE due_at <= $1", now):
            return
        await asyncio.sleep(0.005)
    pytest.fail("it never rests")


async def reports_of(here: ServiceOnPostgres, patients: Sequence[str], day: int = 0) -> None:
    """The session of that day, after Monday, is reported to have been attended whole."""
    start = MONDAY_SESSION + day * DAY
    for patient in patients:
        ((session_id,),) = await here.select(
            "SELECT id FROM resources WHERE type = 'Appointment' AND patient = $1 AND at = $2", patient, start
        )
        periods = ((start, start + timedelta(minutes=170)),)
        encounter = str(uuid5(NAMESPACE_URL, f"{patient} {day}"))
        await here.command(
            patient, CheckIn(session_ids=(session_id,), encounter_id=encounter, periods=periods), cause=UUID(encounter)
        )


async def missed(here: ServiceOnPostgres) -> set[str]:
    """Who is held to have missed a session."""
    rows = await here.select("SELECT DISTINCT patient FROM resources WHERE type = 'Appointment' AND status = 'noshow'")
    return {patient for (patient,) in rows}


async def tasks(here: ServiceOnPostgres) -> list[Json]:
    """About silent feeds, as whoever looks after them finds them."""
    return await here.found("Task", ("code", f"{TASK}|{FEED_SILENT}"))


async def answers(here: ServiceOnPostgres, status: str, reason: str = "") -> Done:
    (task,) = await tasks(here)
    coded = {"statusReason": {"coding": [{"system": REASON, "code": reason}]}} if reason else {}
    return await here.put({**task, "status": status, **coded})


async def feed_of(here: ServiceOnPostgres) -> Feed:
    ((body,),) = await here.select("SELECT body FROM state WHERE kind = 'feed' AND key = 'demo/feed'")
    return msgspec.json.decode(body, type=Feed)


async def test_while_the_feed_stands_still_nobody_is_accused_and_operations_hear_once(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION + 6 * HOUR)
    assert await missed(here) == set()
    assert await here.emitted_to("iop.operations") == ["FeedSilent"]
    assert await here.select("SELECT key FROM outbox WHERE lane = 'topic:iop.operations'") == [(None,)]
    assert [task["status"] for task in await tasks(here)] == ["requested"]
    assert (await feed_of(here)).silent_since == MONDAY_SESSION.timestamp()


async def test_an_operator_finds_it_by_iop_doctor_and_by_a_metric(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION + GRACE)
    (task,) = await tasks(here)
    gauges = Gauges(here.inbox, AsyncMock(), lambda: 0, AsyncMock(return_value=[]))
    connection = await queries.reading(here.dsn)
    try:
        assert await queries.silent_feeds(connection) == [SilentFeed("demo", MONDAY_SESSION, task["id"])]
        await gauges.look()
        assert OPERATOR_TASKS_OPEN.labels("attendance")._value.get() == 1
        await answers(here, "completed", "nothing-to-report")
        assert await queries.silent_feeds(connection) == []
        await gauges.look()
        assert OPERATOR_TASKS_OPEN.labels("attendance")._value.get() == 0
    finally:
        await connection.close()


async def test_once_it_speaks_again_those_have_missed_whom_it_does_not_report(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION + 2 * HOUR)
    here.set_clock(MONDAY_SESSION + 3 * HOUR)
    await reports_of(here, PATIENTS[:30])
    await passes(here, MONDAY_SESSION + 6 * HOUR)
    assert await missed(here) == set(), "what waited at the sender has as long to come as the silence was"
    await reports_of(here, PATIENTS[30:32])
    await passes(here, MONDAY_SESSION + 6 * HOUR + GRACE + timedelta(minutes=10))
    assert await missed(here) == set(PATIENTS[32:])
    assert await here.emitted_to("iop.operations") == ["FeedSilent", "FeedSpoke"]
    assert await here.count("parked") == 0


async def test_a_person_who_knows_that_nobody_came_says_so_and_the_absences_are_concluded(
    here: ServiceOnPostgres,
) -> None:
    await passes(here, MONDAY_SESSION + HOUR)
    assert "patient" not in str(await tasks(here)).lower()
    done = await answers(here, "completed", "nothing-to-report")
    assert done.answered[0].status == "200 OK"
    assert [(task["status"], task["statusReason"]["coding"][0]["code"]) for task in await tasks(here)] == [
        ("completed", "nothing-to-report")
    ]
    await passes(here, MONDAY_SESSION + HOUR + GRACE)
    assert await missed(here) == set(PATIENTS)
    assert await here.emitted_to("iop.operations") == ["FeedSilent", "FeedSpoke"]


async def test_whoever_mends_the_interface_takes_the_task_on_and_the_hub_completes_it(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION + HOUR)
    await answers(here, "in-progress")
    assert [task["status"] for task in await tasks(here)] == ["accepted"]
    await passes(here, MONDAY_SESSION + 2 * HOUR)
    assert await missed(here) == set()
    await reports_of(here, PATIENTS)
    await passes(here, MONDAY_SESSION + 3 * HOUR)
    assert [(task["status"], task["statusReason"]["coding"][0]["code"]) for task in await tasks(here)] == [
        ("completed", "reports-come")
    ]
    assert await missed(here) == set()


@pytest.mark.parametrize(("status", "reason"), [("completed", ""), ("completed", "mended"), ("cancelled", "")])
async def test_an_answer_that_does_not_say_that_nobody_came_concludes_nothing(
    here: ServiceOnPostgres, status: str, reason: str
) -> None:
    await passes(here, MONDAY_SESSION + GRACE)
    with pytest.raises(HttpRefusal) as refusal:
        await answers(here, status, reason)
    assert refusal.value.status == 422
    assert [task["status"] for task in await tasks(here)] == ["requested"]


async def test_an_answer_after_the_feed_speaks_again_is_refused(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION + GRACE)
    await reports_of(here, PATIENTS[:1])
    await passes(here, MONDAY_SESSION + HOUR)
    with pytest.raises(HttpRefusal) as refusal:
        await answers(here, "completed", "nothing-to-report")
    assert refusal.value.status == 422


async def test_where_one_of_them_is_reported_silence_about_the_others_counts(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION)
    await reports_of(here, PATIENTS[:1])
    await passes(here, MONDAY_SESSION + GRACE)
    assert await missed(here) == set(PATIENTS[1:])
    assert await here.emitted_to("iop.operations") == []


async def test_the_last_report_of_a_program_is_that_of_its_reports_alone(here: ServiceOnPostgres) -> None:
    names, now = ["CheckIn", "MarkMissed"], MONDAY_SESSION + HOUR
    here.set_clock(MONDAY_SESSION)
    await reports_of(here, PATIENTS[:1])
    async with here.pool.acquire() as connection:
        assert await reports.last(connection, "demo", names, now) == MONDAY_SESSION
        assert await reports.last(connection, "demo", ["MarkMissed"], now) == NEVER
        assert await reports.last(connection, "west", names, now) == NEVER
        assert await reports.last(connection, "demo", names, now + reports.REACH) == NEVER


async def test_the_decisions_of_a_feed_are_made_again_like_those_of_patients(here: ServiceOnPostgres) -> None:
    await passes(here, MONDAY_SESSION + HOUR)
    await reports_of(here, PATIENTS[:30])
    await passes(here, MONDAY_SESSION + 3 * HOUR)
    assert await missed(here) == set(PATIENTS[30:])
    async with here.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, here.parts.service, here.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})
    assert (again.keys, again.others) == (len(PATIENTS) + 1, {FEED: 1})


async def test_a_process_that_dies_between_the_question_and_its_answer_accuses_nobody_and_forgets_nobody(
    here: ServiceOnPostgres,
) -> None:
    here.set_clock(MONDAY_SESSION)
    await reports_of(here, PATIENTS[:1])
    here.set_clock(MONDAY_SESSION + GRACE)
    assert await deadlines.run_due(here.inbox) == len(PATIENTS) - 1
    assert await missed(here) == set()  # the process dies here
    await passes(here, MONDAY_SESSION + GRACE + timedelta(minutes=5))
    assert await missed(here) == set(PATIENTS[1:])
