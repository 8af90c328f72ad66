"""What no decision needs any more is deleted, each after its days and never before; what is protected, never."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy import keys as material
from services.attendance import app
from shared.events.catalogue import CONSUMES
from shared.path.inbound import retention
from shared.path.inbound.retention import TABLES, Asked, Forgotten
from shared.path.service import PATIENT, Service
from shared.path.transaction import records
from shared.path.transaction.journal import Journal
from shared.path.transaction.reads import ReadRecords
from shared.path.transaction.records import Resource, deletable
from shared.platform import db, documents, metrics
from shared.platform.clock import Clock
from shared.platform.keys import Keys
from shared.platform.retention import ROWS_MOST, RetentionPolicy, over_in, sweeps
from shared.platform.settings import ConfigurationError, Retention, topic_days
from shared.platform.settings import retention as read_retention
from tests.laws import examples
from tests.service import DEPLOY
from tests.shared.path.given import MONDAY_NOON, admission
from tests.shared.path.plans import looks

FEBRUARY_1 = datetime(2026, 2, 1, tzinfo=UTC)
SHORT = Retention(documents_days=30, journal_days=1100, records_days=1200, accounting_days=1100)
LONG = Retention(documents_days=60, journal_days=2000, records_days=2100, accounting_days=1500)
POLICY = RetentionPolicy(21, {"short": SHORT, "long": LONG})
LATER = MONDAY_NOON + timedelta(days=1200)
"""When records of program `short` that have not changed since are past their days."""
LIVING = admission("3f1c9a52-5c55-4d0c-9d6e-0a5a4d8a7b11")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    async with db.pool(database) as opened:
        yield opened


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return app.assemble(Keys.load(material.make(tmp_path), "attendance")).service


class Hub:
    """A service's tables, filled by hand."""

    def __init__(self, dsn: str, pool: Any, service: Service) -> None:
        self.dsn, self.pool, self.service = dsn, pool, service

    async def forget(self, now: datetime, *, dry_run: bool = False, policy: RetentionPolicy = POLICY) -> Forgotten:
        return await retention.forget(self.dsn, self.service, policy, Asked(now, dry_run))

    async def has(self, name: str, *, of: str = "sam", at: datetime = MONDAY_NOON, **more: str) -> None:
        """A resource `Type/id`, by default a closed one of patient Sam's in program `short`."""
        type_, _, identity = name.partition("/")
        await self.pool.execute(
            """INSERT INTO resources (type, id, program, patient, status, updated_at, body)
            VALUES ($1, $2, $3, $4, $5, $6, $7)""",
            *(type_, identity, more.get("program", "short"), of, more.get("status", "completed"), at),
            json.dumps({"focus": {"reference": more.get("to", "")}}),
        )

    async def left(self) -> list[str]:
        rows = await self.pool.fetch("SELECT type || '/' || id AS name FROM resources ORDER BY 1")
        return [row["name"] for row in rows]

    async def lives(self, key: str = "sam") -> None:
        """A stay is open."""
        decider = self.service.deciders[PATIENT]
        body = decider.write(decider.evolve(decider.state_type(), LIVING))
        await self.state(key, body)

    async def state(self, key: str, body: str = "", hold: str | None = None) -> None:
        await self.pool.execute(
            "INSERT INTO state (key, program, version, body, hold) VALUES ($1, 'short', $2, $3, $4)",
            *(key, self.service.deciders[PATIENT].version, body, hold),
        )

    def naming(self, *names: str) -> str:
        """The state of nobody in care that names these, behind the newest of its fields."""
        decider = self.service.deciders[PATIENT]
        return json.dumps([*json.loads(decider.write(decider.state_type())), *names])

    async def document(self, name: str, program: str, at: datetime, *, unmatched: bool = False) -> None:
        stored = documents.Document(
            id=uuid5(NAMESPACE_OID, name),
            program=program,
            client=name,
            media_type="application/hl7-v2",
            content=b"encrypted",
            digest="of MSH",
            received_at=at,
            unmatched=unmatched,
        )
        async with self.pool.acquire() as connection:
            await documents.store(connection, [stored])

    async def decided(self, *programs: str, key: str = "sam", at: datetime = MONDAY_NOON) -> None:
        await Journal(self.dsn, {}).ensure(at)
        for program in programs:
            await self.pool.execute(
                """INSERT INTO journal
                (now, listening_since, kind, key, program, cause, producer, delivery, event, content, outcome, settings,
                code, emitted) VALUES ($1, $1, 'patient', $2, $3, $4, '', '', '', '', '', '', '', '{}')""",
                *(at, key, program, uuid4()),
            )

    async def journalled(self) -> list[str]:
        rows = await self.pool.fetch("SELECT key || ' in ' || program AS row FROM journal ORDER BY 1")
        return [row["row"] for row in rows]


@pytest.fixture
def hub(database: str, pool: Any, service: Service) -> Hub:
    return Hub(database, pool, service)


async def test_a_processed_id_is_forgotten_after_its_days_of_machine_time_unless_it_is_parked(hub: Hub) -> None:
    insert = "INSERT INTO processed (id, program, at) VALUES ($1, 'demo', now() - make_interval(days => $2))"
    old, parked, young = uuid4(), uuid4(), uuid4()
    for identity, days in ((old, 22), (parked, 22), (young, 20)):
        await hub.pool.execute(insert, identity, days)
    await hub.pool.execute(PARK, parked, "sam")

    await hub.forget(MONDAY_NOON)

    left = {row["id"] for row in await hub.pool.fetch("SELECT id FROM processed")}
    assert left == {parked, young}


async def test_a_group_s_session_goes_so_many_days_after_it_was_and_nothing_else_of_nobody_does(hub: Hub) -> None:
    days = {"old": MONDAY_NOON, "young": MONDAY_NOON + timedelta(days=2), "of-long": MONDAY_NOON}
    for name in (*(f"Slot/{each}" for each in days), "Group/evening", "HealthcareService/house"):
        await hub.has(name, of="", status="busy", program="long" if name == "Slot/of-long" else "short")
    await hub.has("Slot/of-sam", status="busy")
    for identity, at in (*days.items(), ("evening", MONDAY_NOON), ("house", MONDAY_NOON), ("of-sam", MONDAY_NOON)):
        await hub.pool.execute("UPDATE resources SET at = $2 WHERE id = $1", identity, at)
    columns, values = (
        "program, type, id, digest, version, remarks, incomplete",
        "'short', 'Slot', $1, '', 1, '[]', false",
    )
    insert = f"INSERT INTO puts ({columns}) VALUES ({values})"
    for identity in ("old", "young"):
        await hub.pool.execute(insert, identity)

    assert (await hub.forget(LATER + timedelta(days=1), dry_run=True)).deleted["resources"] == 1
    done = await hub.forget(LATER + timedelta(days=1))

    assert (done.deleted["resources"], done.deleted["puts"]) == (1, 1)
    assert "Slot/old" not in await hub.left()
    assert len(await hub.left()) == 5
    assert [row["id"] for row in await hub.pool.fetch("SELECT id FROM puts")] == ["young"]


PARK = """INSERT INTO parked (id, key, program, class, place, kind, event, headers, content, at)
    VALUES ($1, $2, 'short', 'bug', '', 'consumed', '', '', '', now())"""
PARK_ROW = "INSERT INTO outbox (lane, key, headers, body, parked) VALUES ('x', $1, '', '', 'bug')"


async def test_a_processed_id_outlives_every_record_it_may_come_from() -> None:
    for topic in CONSUMES.values():
        assert RetentionPolicy.of(DEPLOY, topic).processed_days == topic_days(DEPLOY, topic) + 7


async def test_a_page_is_forgotten_after_the_days_of_its_programs_journal_but_not_while_its_escalation_is_open(
    hub: Hub,
) -> None:
    pages = (("short", 1101, "closed"), ("short", 1101, "open"), ("short", 1099, "closed"), ("long", 1101, "closed"))
    for number, (program, days, escalation) in enumerate(pages):
        await hub.pool.execute(
            "INSERT INTO pages (id, row_id, program, escalation, person, rung_at) VALUES ($1, $2, $3, $4, '', $5)",
            *(uuid4(), number, program, escalation, FEBRUARY_1 - timedelta(days=days)),
        )
    await hub.has("Task/open", status="requested", at=MONDAY_NOON - timedelta(days=1200))

    await hub.forget(FEBRUARY_1)

    assert [row["row_id"] for row in await hub.pool.fetch("SELECT row_id FROM pages ORDER BY row_id")] == [1, 2, 3]


async def test_a_document_is_deleted_after_its_programs_days_unless_it_waits_for_its_patient_or_is_asked_about(
    hub: Hub,
) -> None:
    then = MONDAY_NOON - timedelta(days=31)
    await hub.document("old", "short", then)
    await hub.document("old and waiting", "short", then, unmatched=True)
    await hub.document("old and asked about", "short", then)
    await hub.document("old and answered", "short", then)
    await hub.document("young", "short", then + timedelta(days=2))
    await hub.document("kept longer", "long", then)
    for name, status in (("asked about", "requested"), ("answered", "completed")):
        document = str(uuid5(NAMESPACE_OID, f"old and {name}"))
        await hub.has(f"Task/{status}", of="", status=status, to=document)

    await hub.forget(MONDAY_NOON)

    left = [row["client"] for row in await hub.pool.fetch("SELECT client FROM documents ORDER BY client")]
    assert left == ["kept longer", "old and asked about", "old and waiting", "young"]


async def test_what_operators_did_is_kept_as_long_as_the_journal_and_a_stray_as_long_as_its_topic(hub: Hub) -> None:
    for days in (1099, 1101):
        at = MONDAY_NOON - timedelta(days=days)
        await hub.pool.execute(
            "INSERT INTO redrives VALUES ($1, 'ops', 'nurse', 'patient', 'sam', 'short', NULL, 1, 0, 0)", at
        )
        await hub.pool.execute(
            """INSERT INTO quarantine
            VALUES ($1, $2, 'patient', 'sam', 'short', 'bug', '', '', '', '', '', $3, 'ops', $3)""",
            *(days, uuid4(), at),
        )
    for days in (20, 22):
        at = MONDAY_NOON - timedelta(days=days)
        await hub.pool.execute("INSERT INTO strays VALUES ('iop.intake.events', 0, $1, 1, '', $2)", days, at)

    done = await hub.forget(MONDAY_NOON)

    assert {table: rows for table, rows in done.deleted.items() if rows} == {
        "redrives": 1,
        "quarantine": 1,
        "strays": 1,
    }
    assert [row["offset"] for row in await hub.pool.fetch('SELECT "offset" FROM strays')] == [20]


async def test_a_month_of_the_journal_goes_once_every_program_is_done_with_it(hub: Hub) -> None:
    await hub.decided("long", "short")
    await hub.decided("long", at=FEBRUARY_1)

    await hub.forget(FEBRUARY_1 + timedelta(days=1100) - timedelta(seconds=1))
    assert await hub.journalled() == ["sam in long", "sam in long", "sam in short"]
    await hub.forget(FEBRUARY_1 + timedelta(days=1100))
    assert await hub.journalled() == ["sam in long", "sam in long"]
    await hub.forget(FEBRUARY_1 + timedelta(days=2000))
    months = await hub.pool.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal'::regclass"
    )
    assert [row["inhrelid"] for row in months] == ["journal_2026_02"]


async def test_who_read_what_is_known_as_long_as_disclosures_are_accounted_for(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "clock").write_text(MONDAY_NOON.isoformat())
    reads = ReadRecords(hub.pool, hub.dsn, Clock(tmp_path / "clock"))
    for program in POLICY.programs:
        reads.add(program, {"sam"}, client="ehr", person="", type_="Task", interaction="read")
    await reads.write()
    for days, left in ((1099, ["long", "short"]), (1100, ["long"]), (1500, [])):
        now = FEBRUARY_1 + timedelta(days=days)
        counted = (await hub.forget(now, dry_run=True)).deleted["reads"]
        assert (await hub.forget(now)).deleted["reads"] == counted
        rows = await hub.pool.fetch("SELECT program FROM reads ORDER BY program")
        assert [row["program"] for row in rows] == left


async def test_the_decisions_about_somebody_in_care_stay_and_keep_their_month(hub: Hub) -> None:
    for key in ("alex", "bo", "kim", "pat", "sam"):
        await hub.decided("short", key=key)
    await hub.lives("bo")
    await hub.state("kim", hold="a hub-hold")
    await hub.pool.execute(PARK, uuid4(), "pat")
    await hub.pool.execute(PARK_ROW, "sam")

    done = await hub.forget(LATER)

    assert done.deleted["journal"] == 1
    assert await hub.journalled() == ["bo in short", "kim in short", "pat in short", "sam in short"]


async def test_where_no_program_says_for_how_long_nothing_goes(hub: Hub) -> None:
    await hub.decided("short")
    await hub.has("Task/old")
    await hub.forget(MONDAY_NOON + timedelta(days=9999), policy=RetentionPolicy(21, {}))
    assert (await hub.journalled(), await hub.left()) == (["sam in short"], ["Task/old"])


def test_december_ends_with_the_year() -> None:
    ends_at = datetime(2027, 1, 1, tzinfo=UTC)
    assert over_in("journal_2026_12", {"short": 90}, ends_at + timedelta(days=90)) == {"short"}
    assert over_in("journal_2026_12", {"short": 90}, ends_at + timedelta(days=89)) == set()


async def test_what_is_closed_goes_after_its_days_and_what_is_open_stays_with_all_that_it_refers_to(hub: Hub) -> None:
    await hub.has("Task/closed", to="DetectedIssue/closed")
    await hub.has("DetectedIssue/closed", status="final")
    await hub.has("Task/open", status="requested", to="DetectedIssue/open/_history/1")
    await hub.has("DetectedIssue/open", status="final", to="Observation/behind")
    await hub.has("Observation/behind", status="final")
    await hub.has("Patient/sam", status="")
    await hub.has("Task/unheard-of", status="somehow")
    await hub.has("Task/young", at=MONDAY_NOON + timedelta(seconds=1))
    await hub.has("Task/of-nobody", of="")

    assert (await hub.forget(LATER)).deleted["resources"] == 0
    done = await hub.forget(LATER + timedelta(seconds=1))

    assert done.deleted["resources"] == 2
    assert await hub.left() == [
        "DetectedIssue/open",
        "Observation/behind",
        "Patient/sam",
        "Task/of-nobody",
        "Task/open",
        "Task/unheard-of",
        "Task/young",
    ]


async def test_nothing_goes_of_somebody_in_care_and_nothing_that_their_state_names(hub: Hub) -> None:
    packed = "5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11"
    for patient in ("bo", "sam"):
        await hub.has(f"Encounter/{patient}", of=patient, status="finished")
    await hub.has("Observation/named", of="sam", status="final")
    await hub.has(f"Observation/{packed}", of="sam", status="final")
    await hub.lives("bo")
    await hub.state("sam", hub.naming("named", "XwyefhwbTFmfDg4vaj9sEQ"))

    await hub.forget(LATER + timedelta(days=1))

    assert sorted(await hub.left()) == ["Encounter/bo", f"Observation/{packed}", "Observation/named"]


async def test_a_state_that_this_release_cannot_read_keeps_its_patients_record(hub: Hub) -> None:
    await hub.has("Task/old")
    await hub.state("sam", "{")
    await hub.forget(LATER + timedelta(days=1))
    assert await hub.left() == ["Task/old"]


async def test_more_than_a_page_that_changed_at_one_instant_goes_all_of_it(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(records, "PATIENTS_AT_ONCE", 3)
    for number in range(10):
        await hub.has(f"Task/{number}", of=f"patient {number}")
    assert (await hub.forget(LATER + timedelta(days=1))).deleted["resources"] == 10


async def test_what_is_known_of_its_last_update_goes_with_a_resource(hub: Hub) -> None:
    for identity, at in (("old", MONDAY_NOON), ("young", LATER)):
        await hub.has(f"Task/{identity}", at=at)
        await hub.pool.execute("INSERT INTO puts VALUES ('short', 'Task', $1, 'digest', 1, '[]', false)", identity)
    await hub.forget(LATER + timedelta(days=1))
    assert [row["id"] for row in await hub.pool.fetch("SELECT id FROM puts")] == ["young"]


async def test_a_dry_run_deletes_nothing_and_counts_what_the_next_one_deletes(hub: Hub) -> None:
    await hub.has("Task/old")
    await hub.decided("short", "long")
    await hub.document("old", "short", MONDAY_NOON)
    counted = await hub.forget(LATER + timedelta(days=40), dry_run=True)
    assert counted.deleted == {**dict.fromkeys(TABLES, 0), "documents": 1, "journal": 1, "resources": 1}
    assert (await hub.journalled(), await hub.left()) == (["sam in long", "sam in short"], ["Task/old"])
    assert (await hub.forget(LATER + timedelta(days=40))).deleted == counted.deleted
    assert sum((await hub.forget(LATER + timedelta(days=40))).deleted.values()) == 0


async def test_one_process_at_a_time(hub: Hub) -> None:
    await hub.has("Task/old")
    async with retention._alone(hub.dsn):
        done = await hub.forget(LATER + timedelta(days=1))
    assert (done.stopped, await hub.left()) == ("another process is at it", ["Task/old"])
    assert (await hub.forget(LATER + timedelta(days=1))).stopped == ""


async def test_it_waits_while_a_lane_is_late_but_not_for_a_partner_that_is_away(hub: Hub, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "PAUSED_SECONDS_MOST", 0.5)
    late = "INSERT INTO outbox (lane, headers, body, stored_at) VALUES ($1, '', '', now() - interval '2 s')"
    await hub.has("Task/old")
    await hub.pool.execute(late, "topic:iop.intake.events")
    began = await finished_at(hub)

    done = await hub.forget(LATER + timedelta(days=1))
    assert done.stopped.startswith("lanes were late")
    assert (await hub.left(), await finished_at(hub)) == (["Task/old"], began)

    await hub.pool.execute("DELETE FROM outbox")
    await hub.pool.execute(late, "partner:alumni")
    assert (await hub.forget(LATER + timedelta(days=1))).stopped == ""
    assert await hub.left() == []
    assert await finished_at(hub) > began


async def finished_at(hub: Hub) -> datetime:
    found: datetime = await hub.pool.fetchval("SELECT finished_at FROM retention")
    return found


async def test_a_month_that_somebody_reads_waits_for_the_next_run_and_nobody_waits_behind_it(hub: Hub) -> None:
    await hub.decided("short")
    async with hub.pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT * FROM journal")
        assert (await hub.forget(LATER)).deleted["journal"] == 0
    assert (await hub.forget(LATER)).deleted["journal"] == 1


async def test_more_than_one_batch_goes_in_one_run(hub: Hub) -> None:
    await hub.pool.execute(
        """INSERT INTO processed (id, program, at)
        SELECT gen_random_uuid(), 'demo', now() - interval '30 d' FROM generate_series(1, $1)""",
        2 * ROWS_MOST + 1,
    )
    before = deleted_by_metric("processed")
    assert (await hub.forget(MONDAY_NOON)).deleted["processed"] == 2 * ROWS_MOST + 1
    assert deleted_by_metric("processed") - before == 2 * ROWS_MOST + 1


def deleted_by_metric(table: str) -> float:
    return float(metrics.RETENTION_DELETED.labels("attendance", table)._value.get())


def test_less_than_the_accounting_of_disclosures_asks_for_is_refused(tmp_path: Path) -> None:
    text = (DEPLOY / "program.toml").read_text()
    (tmp_path / "program.toml").write_text(
        text.replace("records_days = { value = 2192", "records_days = { value = 1095")
    )
    with pytest.raises(ConfigurationError, match=r"program.demo.retention.*1096"):
        read_retention(tmp_path)


CLOSED_AND_OPEN = ("completed", "final", "", "requested", "active", "somehow")
NAMES = tuple(f"{type_}/{number}" for type_ in ("Task", "Observation", "AuditEvent", "Patient") for number in range(3))
WHY_IN_CARE = ("", "", "stay", "hold", "parked", "outbox")
AGES = (1, 1150, 1199, 1201, 2099, 2101, 3000)
"""In days, around those after which each program is done with the journal and with records."""
STORED = st.fixed_dictionaries(
    {
        "program": st.sampled_from(("short", "long")),
        "status": st.sampled_from(CLOSED_AND_OPEN),
        "age": st.sampled_from(AGES),
        "to": st.sampled_from(("", *NAMES)),
    }
)
PATIENTS = st.dictionaries(
    st.sampled_from(("alex", "bo", "kim")),
    st.fixed_dictionaries(
        {
            "in_care": st.sampled_from(WHY_IN_CARE),
            "named": st.sampled_from(("", *(name.partition("/")[2] for name in NAMES))),
            "record": st.dictionaries(st.sampled_from(NAMES), STORED, max_size=8),
            "decided": st.lists(st.tuples(st.sampled_from(("short", "long")), st.sampled_from(AGES)), max_size=4),
        }
    ),
)
NOW = datetime(2034, 6, 15, 12, tzinfo=UTC)


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATIENTS)
def test_nothing_protected_ever_goes_and_all_else_that_is_old_does_and_a_dry_run_says_what(
    database: str, service: Service, patients: dict[str, Any]
) -> None:
    asyncio.run(holds(database, service, patients))


async def holds(dsn: str, service: Service, patients: dict[str, Any]) -> None:
    async with db.pool(dsn) as pool:
        hub = Hub(dsn, pool, service)
        await hub.pool.execute("TRUNCATE state, resources, parked, outbox, journal")
        for patient, each in patients.items():
            await stored(hub, patient, each)

        counted = await hub.forget(NOW, dry_run=True)
        before = await counts(hub)
        done = await hub.forget(NOW)
        assert counted.deleted == done.deleted
        assert sum((await hub.forget(NOW)).deleted.values()) == 0

        after = await counts(hub)
        assert {table: before[table] - after[table] for table in after} == {
            table: done.deleted[table] for table in after
        }
        expected = [f"{patient} {name}" for patient, each in patients.items() for name in staying(each)]
        rows = await pool.fetch("SELECT patient, type, id FROM resources")
        assert sorted(f"{row['patient']} {row['type']}/{row['id'].partition('-')[2]}" for row in rows) == sorted(
            expected
        )
        decisions = [row for patient, each in patients.items() for row in decisions_staying(patient, each)]
        rows = await pool.fetch("SELECT key, program, now FROM journal")
        assert sorted((row["key"], row["program"], row["now"]) for row in rows) == sorted(decisions)


async def stored(hub: Hub, patient: str, each: dict[str, Any]) -> None:
    if each["in_care"] == "stay":
        await hub.lives(patient)
    else:
        named = hub.naming(f"{patient}-{each['named']}")
        await hub.state(patient, named, hold="a hub-hold" if each["in_care"] == "hold" else None)
    if each["in_care"] == "parked":
        await hub.pool.execute(PARK, uuid4(), patient)
    if each["in_care"] == "outbox":
        await hub.pool.execute(PARK_ROW, patient)
    for name, row in each["record"].items():
        owned, to = (
            f"{type_}/{patient}-{number}" for type_, _, number in (name.partition("/"), row["to"].partition("/"))
        )
        at = NOW - timedelta(days=row["age"])
        await hub.has(owned, of=patient, at=at, program=each_program(each), status=row["status"], to=to)
    for program, age in each["decided"]:
        await hub.decided(program, key=patient, at=NOW - timedelta(days=age))


def each_program(each: dict[str, Any]) -> str:
    """A patient is of one program: that of the first resource."""
    return str(next(iter(each["record"].values()))["program"])


def staying(each: dict[str, Any]) -> set[str]:
    """Step by step, as a person would look at it."""
    record: dict[str, dict[str, Any]] = each["record"]
    stays = {name for name, row in record.items() if is_protected(each, name, row)}
    while more := {record[name]["to"] for name in stays} & record.keys() - stays:
        stays |= more
    return stays


def is_protected(each: dict[str, Any], name: str, row: dict[str, Any]) -> bool:
    days = POLICY.programs[each_program(each)].records_days
    is_open = row["status"] not in ("completed", "final", "")
    named = bool(each["named"]) and name.endswith("/" + each["named"]) and each["in_care"] != "stay"
    return bool(each["in_care"]) or is_open or name.startswith("Patient/") or row["age"] < days or named


def decisions_staying(patient: str, each: dict[str, Any]) -> list[tuple[str, str, datetime]]:
    def is_over(program: str, at: datetime) -> bool:
        month_ends = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
        return month_ends + timedelta(days=POLICY.programs[program].journal_days) <= NOW

    all_of_them = [(patient, program, NOW - timedelta(days=age)) for program, age in each["decided"]]
    return [row for row in all_of_them if each["in_care"] or not is_over(row[1], row[2])]


async def counts(hub: Hub) -> Mapping[str, int]:
    return {table: await hub.pool.fetchval(f"SELECT count(*) FROM {table}") for table in ("resources", "journal")}


REFERRING = st.lists(
    st.builds(
        Resource,
        type=st.just("Task"),
        id=st.sampled_from(tuple("abcdefgh")),
        status=st.sampled_from(("completed", "requested")),
        updated_at=st.sampled_from((MONDAY_NOON, LATER)),
        body=st.sets(st.sampled_from(tuple("abcdefgh")), max_size=3).map(
            lambda ids: " ".join(f"Task/{i}" for i in ids)
        ),
    ),
    unique_by=lambda each: each.id,
)


@given(REFERRING)
def test_no_reference_ever_leads_from_what_stays_to_what_went(record: list[Resource]) -> None:
    gone = {f"{type_}/{identity}" for type_, identity in deletable(record, "", LATER)}
    stays = [each for each in record if f"Task/{each.id}" not in gone]
    assert [each.id for each in stays if gone & set(each.body.split())] == []


async def test_no_statement_reads_all_of_a_table(hub: Hub) -> None:
    """With the plan that is remembered. Partitions of the journal are read by their index too."""
    await hub.decided("short")
    month = retention._KEYS.format(month="journal_2026_01"), retention._OF_KEYS.format(month="journal_2026_01")
    own = [month[0], f"SELECT count(*) FROM {month[1]}", records._UNCHANGED, records._STATES]
    every = [*own, *(text for sweep in sweeps(POLICY, LATER) for text in (sweep.count, sweep.delete))]
    async with hub.pool.acquire() as connection:
        kinds = [look.condition.startswith("(ROW(") for look in await looks(connection, records._KINDS)]
        assert kinds == [False, True], "the first of the index, then from each to the next"
        found = {text: [look.table for look in await looks(connection, text) if not look.condition] for text in every}
    assert {text: tables for text, tables in found.items() if set(tables) - MAY_BE_READ_WHOLE} == {}


MAY_BE_READ_WHOLE = {"parked"}
"""Of processed ids: what is parked is little."""
