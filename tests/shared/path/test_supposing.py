"""What would have been decided under other settings: attendance's real rules, a patient who misses three evenings."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec import Struct
from msgspec.structs import replace

from shared.events.internal import TimePassed
from shared.path.inbound import deadlines
from shared.path.transaction.delivery import Committed, time_passed
from shared.path.transaction.replaying import Asked
from shared.path.transaction.supposing import FAILS, NO_PROGRAM, Listened, Others, Supposed, WhatIf, suppose
from shared.platform import db
from shared.rules.escalation import AcknowledgeEscalation, ActOnEscalation, Times
from tests.service import ServiceOnPostgres, StartService, consumed
from tests.shared.path.given import MONDAY_NOON, MONDAY_SESSION, admission, attendance_with

PATIENT = "11111111-1111-4111-8111-111111111111"
GRACE = timedelta(minutes=15)
EVENINGS = [MONDAY_SESSION + timedelta(days=days) for days in (0, 2, 4)]
MISSED, TWO, THREE = (
    f"attendance/{reason}|2026.2" for reason in ("missed-session", "two-misses-in-7-days", "three-consecutive-misses")
)
QUICK = Times(acknowledge_minutes=(30, 30, 30, 15), act_minutes=(4320, 1440, 240, 60))
OPEN = """SELECT id FROM resources WHERE type = 'Task' AND body LIKE '%' || $1 || '%' ORDER BY at DESC LIMIT 1"""


@pytest.fixture
async def here(start_service: StartService) -> ServiceOnPostgres:
    """Admitted, and at none of the first two sessions; the deadline comes to the minute."""
    service = await start_service(attendance_with(), "attendance", MONDAY_NOON)
    await service.deliver(consumed(admission(PATIENT), PATIENT, identity=UUID(PATIENT)))
    for evening in EVENINGS[:2]:
        await misses(service, evening)
    return service


async def misses(here: ServiceOnPostgres, evening: datetime) -> None:
    here.set_clock(evening + GRACE)
    await deadlines.run_due(here.inbox)


async def acts(here: ServiceOnPostgres, reason: str, at: datetime) -> None:
    """A person takes on the newest escalation of this reason, and calls."""
    here.set_clock(at)
    ((identity,),) = await here.select(OPEN, reason)
    for command in (
        AcknowledgeEscalation(escalation_id=identity, by="case-manager-1"),
        ActOnEscalation(escalation_id=identity, act="called", by="case-manager-1"),
    ):
        assert isinstance(await here.command(PATIENT, command), Committed)


async def under(here: ServiceOnPostgres, since: datetime | None = None, **changed: Any) -> WhatIf:
    others = {program: replace(each, **changed) for program, each in here.inbox.settings.items()}
    return await under_all(here, Others(others, ()), Supposed(Asked(since=since), "program.toml"))


async def under_all(here: ServiceOnPostgres, others: Others, supposed: Supposed) -> WhatIf:
    connection = await db.connect(here.dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await suppose(connection, here.inbox.service, here.inbox.settings, others, supposed)
    finally:
        await connection.close()


def named(found: WhatIf) -> list[tuple[str, str, str, str]]:
    return [(each.rule, each.kind, each.was, each.would_be) for each in found.changes]


def time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


async def test_under_the_same_settings_nothing_would_have_been_otherwise(here: ServiceOnPostgres) -> None:
    await acts(here, "two-misses-in-7-days", EVENINGS[1] + timedelta(hours=1))
    found = await under(here)
    assert (found.keys, found.decisions, found.other) == (1, await here.count("journal"), 0)
    assert (found.changes, found.events, found.unfounded, found.left_out) == ([], {}, {}, {})


async def test_a_threshold_that_is_not_reached_is_an_escalation_fewer(here: ServiceOnPostgres) -> None:
    found = await under(here, misses_in_window=3)
    assert named(found) == [(TWO, "fewer", "tier 2", "")]
    assert found.events == {"EscalationRaised": (3, 2)}
    assert found.other == 1


async def test_a_threshold_that_is_reached_later_is_the_same_escalation_at_another_time(
    here: ServiceOnPostgres,
) -> None:
    await misses(here, EVENINGS[2])
    found = await under(here, misses_in_window=3)
    times = time(EVENINGS[1] + GRACE), time(EVENINGS[2] + GRACE)
    assert named(found) == [(TWO, "in time", "", ""), (TWO, "time", *times)]


async def test_a_threshold_that_is_reached_sooner_is_an_escalation_more(here: ServiceOnPostgres) -> None:
    found = await under(here, consecutive_misses=2)
    assert named(found) == [(THREE, "more", "", "tier 3")]


async def test_another_tier_is_named(here: ServiceOnPostgres) -> None:
    found = await under(here, early_days=0)
    assert named(found) == [(MISSED, "tier", "tier 2", "tier 1")] * 2


async def test_a_deadline_of_the_other_settings_is_told_at_its_own_time(here: ServiceOnPostgres) -> None:
    await acts(here, "two-misses-in-7-days", EVENINGS[1] + timedelta(hours=1))
    found = await under(here, grace_minutes=20)
    five = timedelta(minutes=5)
    first, second = [(time(each + GRACE), time(each + GRACE + five)) for each in EVENINGS[:2]]
    assert sorted(named(found)) == sorted([(MISSED, "time", *first), (MISSED, "time", *second), (TWO, "time", *second)])
    assert (found.unfounded, found.events) == ({}, {})


async def test_a_deadline_after_a_patient_s_last_decision_comes_as_long_as_the_hub_decides(
    here: ServiceOnPostgres,
) -> None:
    await here.command(PATIENT, AcknowledgeEscalation(escalation_id="none"))
    assert named(await under(here, grace_minutes=20)) == [
        (MISSED, "time", time(EVENINGS[0] + GRACE), time(EVENINGS[0] + timedelta(minutes=20))),
        (MISSED, "fewer", "tier 2", ""),
        (TWO, "fewer", "tier 2", ""),
    ]
    other = "22222222-2222-4222-8222-222222222222"
    here.set_clock(EVENINGS[1] + timedelta(minutes=40))
    await here.deliver(consumed(admission(other), other))
    assert {each.kind for each in (await under(here, grace_minutes=20)).changes} == {"time"}


async def test_what_a_person_did_about_what_would_not_be_there_is_counted(here: ServiceOnPostgres) -> None:
    await acts(here, "two-misses-in-7-days", EVENINGS[1] + timedelta(hours=1))
    found = await under(here, misses_in_window=3)
    assert found.unfounded == {"AcknowledgeEscalation": 1, "ActOnEscalation": 1}
    assert named(found) == [(TWO, "fewer", "tier 2", "")]


async def test_an_answer_that_would_have_been_too_late_is_named(here: ServiceOnPostgres) -> None:
    await acts(here, "two-misses-in-7-days", EVENINGS[1] + timedelta(hours=1))
    found = await under(here, escalation=QUICK)
    assert (TWO, "overdue", "", "") in named(found)
    assert found.unfounded == {}


async def test_the_other_settings_count_from_the_beginning_of_the_window_on(here: ServiceOnPostgres) -> None:
    await misses(here, EVENINGS[2])
    late = EVENINGS[1] + timedelta(hours=1)
    assert named(await under(here, since=late, misses_in_window=4)) == []
    assert named(await under(here, since=late, consecutive_misses=4, misses_in_long_window=4)) == [
        (THREE, "fewer", "tier 3", "")
    ]
    last = await under_all(here, Others(here.inbox.settings, ()), Supposed(Asked(), "", last_days=1))
    assert (last.since, last.until) == (EVENINGS[2] + GRACE - timedelta(days=1), EVENINGS[2] + GRACE)


async def test_whose_program_or_rules_are_missing_is_left_out_with_the_reason(here: ServiceOnPostgres) -> None:
    nobody: Mapping[str, Struct] = {}
    assert (await under_all(here, Others(nobody, ()), Supposed(Asked(), ""))).left_out == {NO_PROGRAM: 1}
    assert (await under(here, timezone="nowhere")).left_out == {FAILS: 1}


async def test_what_no_program_toml_holds_stays_as_it_was(here: ServiceOnPostgres) -> None:
    others = {program: replace(each, misses_in_window=3) for program, each in here.inbox.settings.items()}
    found = await under_all(here, Others(others, ("misses_in_window",)), Supposed(Asked(), ""))
    assert (found.changes, found.other) == ([], 0)


def test_a_deadline_is_told_when_the_service_listened_again() -> None:
    noon = MONDAY_NOON
    hours = [noon + timedelta(hours=each) for each in range(9)]
    spans = [
        {"since": hours[0], "first": hours[1], "last": hours[2]},
        {"since": hours[5], "first": hours[4], "last": hours[8]},
    ]
    listened = Listened(spans)
    assert listened.at(hours[1]) == (hours[1], hours[0])
    assert listened.at(hours[3]) == (hours[4], hours[5])
    assert listened.at(hours[6]) == (hours[6], hours[5])


async def test_a_parked_patient_is_told_of_no_deadline(here: ServiceOnPostgres) -> None:
    await here.pool.execute("UPDATE journal SET outcome = 'held', event = 'DeliveryParked' WHERE event = 'TimePassed'")
    found = await under(here, grace_minutes=20)
    assert (found.decisions, found.changes) == (1, [])


def test_a_deadline_is_the_same_delivery_wherever_it_is_told() -> None:
    of = {"key": PATIENT, "kind": "patient", "program": "demo"}
    first, again = (time_passed("attendance", of, MONDAY_NOON, now) for now in EVENINGS[:2])
    assert (first.id, first.event) == (again.id, TimePassed())
