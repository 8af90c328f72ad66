"""An event that can't be decided parks its patient, in sequence; everybody else flows."""

import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from services.attendance import decide
from services.attendance.messages import CheckIn
from shared.events.envelope import Event
from shared.events.intake import Digest, EpisodeAdmitted, EpisodeDischarged, PatientIdentified
from shared.events.internal import To
from shared.events.wire import RECORD_BYTES_MOST
from shared.path.inbound import deadlines
from shared.path.inbound.records import RecordReader
from shared.path.inbound.redrive import NotUnreadable, Quarantine, RedriveResult, redrive
from shared.path.transaction.delivery import Committed, Expected, Incomplete, Stale, Unreadable
from shared.path.transaction.hold import STILL_PARKED, AcknowledgeHold, HandOverHold, ResolveHold
from shared.path.transaction.stored import unstorable
from shared.rules import escalation
from shared.rules.decision import Moment
from tests.service import ServiceOnPostgres, StartService, commanded, consumed, unreadable
from tests.shared.path.given import MONDAY_NOON, MONDAY_SESSION, admission, attendance_with

PATIENT = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


class Mended:
    """A decision with a bug for one patient, until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def react(self, state: Any, event: Any, moment: Moment[Any]) -> list[Event | To]:
        if isinstance(event, EpisodeAdmitted) and moment.patient == PATIENT and not self.mended:
            raise ZeroDivisionError("secret-value")
        return list(decide.react(state, event, moment))


@pytest.fixture
def decision() -> Mended:
    return Mended()


@pytest.fixture
async def here(start_service: StartService, decision: Mended) -> ServiceOnPostgres:
    return await start_service(attendance_with(react=decision.react), "attendance", MONDAY_NOON)


def discharge(patient: str) -> EpisodeDischarged:
    return EpisodeDischarged(
        episode_id=admission(patient).episode_id,
        encounter_id=str(uuid4()),
        disposition="completed",
        admitted_at=MONDAY_NOON,
        discharged_at=MONDAY_NOON,
    )


async def test_a_bug_parks_its_patient_and_the_others_flow(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT), consumed(admission(OTHER), OTHER))
    assert await here.select("SELECT key, class, event FROM parked") == [(PATIENT, "bug", "EpisodeAdmitted")]
    assert await here.select("SELECT count(*) FROM resources WHERE patient = $1", OTHER) == [(6,)]


async def test_the_parked_row_names_the_place_and_never_the_value(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    ((place,),) = await here.select("SELECT place FROM parked")
    assert "ZeroDivisionError at test_redrive.py" in place
    assert "secret" not in place


async def test_a_decision_whose_record_no_topic_takes_parks_its_patient(here: ServiceOnPostgres) -> None:
    """Kept, it would stop the lane for everybody, for ever."""
    await here.deliver(consumed(admission(OTHER), OTHER))
    too_long = CheckIn(
        session_ids=(await first_session(here, OTHER),),
        encounter_id=str(uuid4()),
        periods=((MONDAY_NOON, MONDAY_NOON + timedelta(days=14)),),
        class_code="x" * RECORD_BYTES_MOST,
    )
    assert isinstance(await here.command(OTHER, too_long), Incomplete)
    assert await here.select("SELECT class, event FROM parked") == [("bug", "CheckIn")]


async def first_session(here: ServiceOnPostgres, patient: str) -> str:
    ((session,), *_) = await here.select(
        "SELECT id FROM resources WHERE type = 'Appointment' AND patient = $1", patient
    )
    return str(session)


async def test_later_events_of_the_patient_queue_behind_commands_included(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.deliver(consumed(discharge(PATIENT), PATIENT))
    command = CheckIn(session_ids=(str(uuid4()),), encounter_id=str(uuid4()), periods=((MONDAY_NOON, None),))
    assert isinstance(await here.command(PATIENT, command), Incomplete)
    parked = await here.select("SELECT class, event FROM parked ORDER BY sequence")
    assert parked == [("bug", "EpisodeAdmitted"), ("queued", "EpisodeDischarged"), ("queued", "CheckIn")]


async def test_the_case_manager_gets_an_escalation_and_operations_an_event_without_the_patient(
    here: ServiceOnPostgres,
) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    assert await here.emitted() == ["EscalationRaised", "DeliveryParked"]
    assert await here.select("SELECT status FROM resources WHERE type = 'Task'") == [("requested",)]
    operations = await here.select("SELECT key, headers || body FROM outbox WHERE lane = 'topic:iop.operations'")
    assert [(key, PATIENT in text) for key, text in operations] == [(None, False)]


async def test_redrive_decides_the_events_in_their_order_and_resolves_the_escalation(
    here: ServiceOnPostgres, decision: Mended
) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.deliver(consumed(discharge(PATIENT), PATIENT))
    decision.mended = True
    assert await redrive(here.inbox, PATIENT, "demo", dry_run=False) == RedriveResult(decided=2, parked=0)
    journalled = await here.select("SELECT event FROM journal WHERE outcome = 'decided' ORDER BY sequence")
    assert journalled == [("EpisodeAdmitted",), ("EpisodeDischarged",)]
    assert (await here.emitted())[-2:] == ["EscalationResolved", "DeliveryRedriven"]
    assert await here.select("SELECT hold, due_at IS NOT NULL FROM state") == [(None, True)]


async def test_redrive_stops_at_an_event_that_fails_again(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.deliver(consumed(discharge(PATIENT), PATIENT))
    assert await redrive(here.inbox, PATIENT, "demo", dry_run=False) == RedriveResult(decided=0, parked=2)
    assert await here.select("SELECT count(*) FROM journal WHERE outcome = 'decided'") == [(0,)]
    assert await here.select("SELECT hold IS NOT NULL FROM state") == [(True,)]


async def test_a_dry_run_takes_everything_back(here: ServiceOnPostgres, decision: Mended) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    decision.mended = True
    assert await redrive(here.inbox, PATIENT, "demo", dry_run=True) == RedriveResult(decided=1, parked=0)
    assert await here.select("SELECT count(*) FROM parked") == [(1,)]
    assert await here.select("SELECT count(*) FROM journal WHERE outcome = 'decided'") == [(0,)]


async def test_an_unreadable_record_parks_its_patient(here: ServiceOnPostgres) -> None:
    await here.deliver(unreadable(admission(OTHER), OTHER))
    await here.deliver(consumed(admission(OTHER), OTHER))
    parked = await here.select("SELECT class, event, place FROM parked ORDER BY sequence")
    assert parked == [
        ("unreadable", "EpisodeAdmitted", "value of EpisodeAdmitted"),
        ("queued", "EpisodeAdmitted", "behind a parked delivery"),
    ]


async def test_a_parked_patient_concludes_no_absence(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(OTHER), OTHER))
    await here.deliver(unreadable(admission(OTHER), OTHER))
    here.set_clock(MONDAY_SESSION + timedelta(minutes=15))
    assert await deadlines.run_due(here.inbox) == 0
    assert "SessionMissed" not in await here.emitted()


async def test_the_same_poisoned_record_again_is_parked_once(here: ServiceOnPostgres) -> None:
    delivery = consumed(admission(PATIENT), PATIENT)
    await here.deliver(delivery)
    await here.deliver(consumed(admission(PATIENT), PATIENT, identity=delivery.id))
    assert await here.select("SELECT count(*) FROM parked") == [(1,)]


async def test_an_event_that_fails_is_told_from_the_ones_queued_behind_it(here: ServiceOnPostgres) -> None:
    (failed,) = await here.deliver(consumed(admission(PATIENT), PATIENT))
    (queued,) = await here.deliver(consumed(discharge(PATIENT), PATIENT))
    assert (failed, queued) == (Incomplete(fault=True), Incomplete(fault=False))


async def test_two_services_that_park_the_same_event_raise_two_escalations(here: ServiceOnPostgres) -> None:
    delivery = consumed(admission(PATIENT), PATIENT)
    await here.deliver(delivery)
    here.inbox.service = dataclasses.replace(here.inbox.service, name="testing")
    await here.pool.execute("TRUNCATE state, processed")
    await here.deliver(consumed(admission(PATIENT), PATIENT, identity=delivery.id))
    assert await here.select("SELECT count(*) FROM resources WHERE type = 'Task'") == [(2,)]


async def test_an_event_nobody_can_read_is_quarantined_and_the_others_go_on(here: ServiceOnPostgres) -> None:
    broken = unreadable(admission(OTHER), OTHER)
    await here.deliver(broken)
    await here.deliver(consumed(admission(OTHER), OTHER))

    redriven = await redrive(here.inbox, OTHER, "demo", dry_run=False, quarantine=Quarantine(broken.id, "ops"))

    assert redriven == RedriveResult(decided=1, parked=0)
    assert await here.select("SELECT event FROM journal WHERE outcome = 'decided'") == [("EpisodeAdmitted",)]
    assert await here.select("SELECT id, by, content FROM quarantine") == [(broken.id, "ops", broken.content)]
    assert await here.select("SELECT hold FROM state") == [(None,)]


async def test_a_dry_run_quarantines_nothing(here: ServiceOnPostgres) -> None:
    broken = unreadable(admission(OTHER), OTHER)
    await here.deliver(broken)
    await redrive(here.inbox, OTHER, "demo", dry_run=True, quarantine=Quarantine(broken.id, "ops"))
    assert await here.select("SELECT (SELECT count(*) FROM parked), (SELECT count(*) FROM quarantine)") == [(1, 0)]


async def test_what_can_be_read_is_not_quarantined(here: ServiceOnPostgres) -> None:
    delivery = consumed(admission(PATIENT), PATIENT)
    await here.deliver(delivery)
    for named, key in ((delivery.id, PATIENT), (uuid4(), PATIENT), (delivery.id, OTHER)):
        with pytest.raises(NotUnreadable):
            await redrive(here.inbox, key, "demo", dry_run=False, quarantine=Quarantine(named, "ops"))
    assert await here.select("SELECT count(*) FROM parked") == [(1,)]


@pytest.mark.parametrize(
    ("kind", "stands"), [("EpisodeAdmitted", 1), ("ConsentRevoked", 0), ("ConsentDenied", 0), ("Garbled", 0), ("", 0)]
)
async def test_an_event_quarantined_that_may_have_been_a_revocation_ends_every_consent(
    here: ServiceOnPostgres, kind: str, stands: int
) -> None:
    await here.pool.execute("INSERT INTO consents VALUES ('demo', $1, 'c1', now(), '{}')", OTHER)
    broken = unreadable(admission(OTHER), OTHER, ce_type=f"org.iop-hub.{kind}" if kind else "")
    await here.deliver(broken)
    await redrive(here.inbox, OTHER, "demo", dry_run=False, quarantine=Quarantine(broken.id, "ops"))
    assert await here.select("SELECT count(*) FROM consents WHERE NOT revoked") == [(stands,)]


async def test_whom_an_unreadable_record_identified_is_known_once_it_is_redriven(here: ServiceOnPostgres) -> None:
    good = consumed(PatientIdentified(digests=(Digest("k", "ab"),), sealed=(), identified_at=MONDAY_NOON), OTHER)
    await here.deliver(replace(unreadable(good.event, OTHER), headers=good.headers))
    assert await here.select("SELECT patient FROM alias") == []
    await here.pool.execute("UPDATE parked SET content = $1", good.content)
    assert (await redrive(here.inbox, OTHER, "demo", dry_run=False)).parked == 0
    assert await here.select("SELECT patient FROM alias") == [(OTHER,)]


async def hold_task(here: ServiceOnPostgres) -> str:
    ((task,),) = await here.select("SELECT id FROM resources WHERE type = 'Task'")
    return str(task)


async def task(here: ServiceOnPostgres) -> tuple[str, int]:
    """Its status and the tier that was said last."""
    ((status, body),) = await here.select("SELECT status, body FROM resources WHERE type = 'Task'")
    (tier,) = [each["valueInteger"] for each in msgspec.json.decode(body)["input"] if "valueInteger" in each]
    return status, tier


async def test_a_hold_is_acknowledged_while_its_events_stay_parked(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = await hold_task(here)

    answer = await here.command(PATIENT, AcknowledgeHold(escalation_id=identity))

    assert isinstance(answer, Committed) and answer.resources[0] == ("Task", identity, 2)
    assert await task(here) == ("accepted", 2)
    assert (await here.emitted())[-1] == "EscalationAcknowledged"
    assert await here.select("SELECT count(*) FROM parked") == [(1,)]


async def test_acknowledging_a_hold_twice_says_it_once(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = await hold_task(here)
    await here.command(PATIENT, AcknowledgeHold(escalation_id=identity))
    assert await here.command(PATIENT, AcknowledgeHold(escalation_id=identity)) == Committed()
    assert (await here.emitted()).count("EscalationAcknowledged") == 1


async def test_a_hold_is_handed_over_by_whoever_has_it(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = await hold_task(here)
    handing = HandOverHold(escalation_id=identity, to="staff/clinician-1", reason="shift-ended")
    assert await here.command(PATIENT, handing) == escalation.NOBODY_HAS_IT
    await here.command(PATIENT, AcknowledgeHold(escalation_id=identity, by="case-manager-1"))
    assert isinstance(await here.command(PATIENT, handing), Committed)
    assert await task(here) == ("requested", 2)
    assert (await here.emitted())[-1] == "EscalationHandedOver"
    audits = await here.select("SELECT version, body FROM resources WHERE type = 'AuditEvent' ORDER BY body")
    assert [version for version, _ in audits] == [1, 1]
    steps = {msgspec.json.decode(body)["subtype"][0]["code"] for _, body in audits}
    assert steps == {"acknowledged", "handed-over"}


async def test_a_hold_changed_since_it_was_read_is_not_acknowledged(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = await hold_task(here)
    delivery = commanded(PATIENT, AcknowledgeHold(escalation_id=identity), expects=(Expected("Task", identity, 7),))
    assert await here.deliver(delivery) == [Stale("Task", await hold_task(here))]


async def test_nobody_resolves_a_hold_by_hand_while_events_are_parked(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = await hold_task(here)
    assert await here.command(PATIENT, ResolveHold(escalation_id=identity, reason="acted-on")) == STILL_PARKED
    assert await task(here) == ("requested", 2)


async def test_a_hold_that_is_over_can_be_neither_acknowledged_nor_resolved(
    here: ServiceOnPostgres, decision: Mended
) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = await hold_task(here)
    decision.mended = True
    await redrive(here.inbox, PATIENT, "demo", dry_run=False)
    assert await here.command(PATIENT, AcknowledgeHold(escalation_id=identity)) == escalation.NOT_OPEN
    assert await here.command(PATIENT, ResolveHold(escalation_id=identity, reason="acted-on")) == escalation.NOT_OPEN


async def test_a_hold_nobody_acknowledged_in_time_is_overdue_once_one_tier_up(
    here: ServiceOnPostgres, decision: Mended
) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))

    here.set_clock(MONDAY_NOON + timedelta(hours=23, minutes=59))
    assert await deadlines.run_due(here.inbox) == 0
    for hours in (24, 48, 96):
        here.set_clock(MONDAY_NOON + timedelta(hours=hours))
        assert await deadlines.run_due(here.inbox) == (hours == 24)

    assert (await here.emitted()).count("EscalationOverdue") == 1
    assert await task(here) == ("requested", 3)
    decision.mended = True
    assert await redrive(here.inbox, PATIENT, "demo", dry_run=False) == RedriveResult(decided=1, parked=0)
    assert await task(here) == ("completed", 3)


async def test_an_acknowledged_hold_that_nobody_redrives_in_time_is_overdue_once(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.command(PATIENT, AcknowledgeHold(escalation_id=await hold_task(here)))
    for hours in (23, 24, 72):
        here.set_clock(MONDAY_NOON + timedelta(hours=hours))
        assert await deadlines.run_due(here.inbox) == (hours == 24)
    assert await task(here) == ("accepted", 3)


async def test_the_deadline_of_a_hold_concludes_nothing_of_the_clinic(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(OTHER), OTHER))
    await here.deliver(unreadable(admission(OTHER), OTHER))
    here.set_clock(MONDAY_NOON + timedelta(days=3))
    assert await deadlines.run_due(here.inbox) == 1
    assert (await here.emitted())[-1] == "EscalationOverdue"
    assert "SessionMissed" not in await here.emitted()


@pytest.mark.parametrize("key", [b"MRN-9001", b"", None, b"\xff", b"\x00" * 36, f"Patient/{PATIENT}".encode()])
async def test_a_record_whose_key_is_no_patients_id_holds_nobody(here: ServiceOnPostgres, key: bytes | None) -> None:
    event = consumed(admission(PATIENT), PATIENT)
    headers = [(name, value.encode()) for name, value in event.headers.items()]
    record: Any = SimpleNamespace(key=key, value=event.content, headers=headers, partition=0, offset=0)
    read = RecordReader("attendance", frozenset({"EpisodeAdmitted"}), {"demo"}, "iop.intake.events").read(record)
    assert isinstance(read, Unreadable) and read.place == "key"
    await here.deliver(read)
    assert await here.select("SELECT key, hold FROM state") == [("", None)]
    assert await here.select("SELECT class, place FROM parked") == [("unreadable", "key")]


async def test_another_programs_events_are_not_there_to_redrive(here: ServiceOnPostgres, decision: Mended) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    decision.mended = True
    assert await redrive(here.inbox, PATIENT, "elsewhere", dry_run=False) == RedriveResult(decided=0, parked=0)
    assert await here.select("SELECT count(*) FROM parked") == [(1,)]


async def test_what_breaks_a_statement_stays_parked_to_be_quarantined_and_what_came_before_is_decided(
    here: ServiceOnPostgres, decision: Mended
) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.deliver(consumed(discharge(PATIENT), PATIENT))
    await here.pool.execute("ALTER TABLE journal ADD CONSTRAINT broken CHECK (event <> 'EpisodeDischarged')")
    decision.mended = True
    assert await redrive(here.inbox, PATIENT, "demo", dry_run=False) == RedriveResult(decided=1, parked=1)
    assert await here.select("SELECT class, event, place FROM parked") == [
        ("unreadable", "EpisodeDischarged", "CheckViolationError in PostgreSQL")
    ]
    ((identity,),) = await here.select("SELECT id FROM parked")
    aside = Quarantine(identity, "ops")
    assert (await redrive(here.inbox, PATIENT, "demo", dry_run=False, quarantine=aside)).parked == 0


async def test_a_parked_command_asks_for_its_version_still_when_it_is_redriven(
    here: ServiceOnPostgres, decision: Mended
) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    command = CheckIn(session_ids=(str(uuid4()),), encounter_id=str(uuid4()), periods=((MONDAY_NOON, None),))
    await here.deliver(commanded(PATIENT, command, expects=(Expected("Encounter", "an-id", 7),)))
    decision.mended = True
    await redrive(here.inbox, PATIENT, "demo", dry_run=False)
    assert await here.select("SELECT event FROM journal WHERE event = 'CheckIn'") == []
    assert await here.count("parked") == 0


async def test_what_has_no_key_is_redriven_and_quarantined_by_an_empty_one(here: ServiceOnPostgres) -> None:
    await here.pool.execute(
        "INSERT INTO outbox (lane, headers, body, parked) VALUES ('topic:iop.operations', '{}', '{}', 'bug: somewhere')"
    )
    event = consumed(admission(PATIENT), PATIENT)
    await here.deliver(unstorable(replace(event, key=""), "key"))
    first = await redrive(here.inbox, "", "demo", dry_run=False)
    assert (first.decided, first.parked, first.sent_again) == (0, 1, 1)
    aside = Quarantine(event.id, "ops")
    assert (await redrive(here.inbox, "", "demo", dry_run=False, quarantine=aside)).parked == 0
    assert await here.count("state WHERE body <> ''") == 0


async def test_a_lanes_row_without_a_key_is_of_the_program_it_names(here: ServiceOnPostgres) -> None:
    """Another program's record without a key made the row of state that both share."""
    await here.deliver(unstorable(replace(consumed(admission(PATIENT), PATIENT), key=""), "key"))
    await here.pool.execute(
        "INSERT INTO outbox (lane, program, headers, body, parked) VALUES ('topic:x', 'elsewhere', '{}', '{}', 'bug: ')"
    )
    assert await redrive(here.inbox, "", "elsewhere", dry_run=False) == RedriveResult(0, 0, sent_again=1)
    assert await here.select("SELECT program FROM parked") == [("demo",)]
