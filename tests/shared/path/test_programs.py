"""Nothing crosses programs: what another program sends about a patient, in whatever way, changes and shows nothing."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.attendance.messages import CheckIn
from shared.events.intake import ConsentRevoked, Digest, PatientIdentified
from shared.path.inbound.redrive import NotUnreadable, Quarantine, RedriveResult, redrive
from shared.path.transaction import aliases, consent_ledger, resources
from shared.path.transaction.delivery import Commanded, Incomplete, Internal
from shared.path.transaction.resources import AcceptedResource
from shared.platform.clock import machine_now
from shared.rules.decision import Refused
from tests.service import ServiceOnPostgres, commanded, consumed
from tests.shared.path.given import MONDAY_NOON, admission
from tests.shared.rules.partners import ALUMNI, consent_to

PATIENT = "11111111-1111-4111-8111-111111111111"
ELSEWHERE = "elsewhere"
DIGEST = Digest("key", "digest")


async def stood(here: ServiceOnPostgres) -> list[tuple[object, ...]]:
    return await here.select("SELECT program, body FROM state UNION ALL SELECT program, body FROM resources ORDER BY 2")


async def test_a_record_of_another_program_is_parked_and_changes_nothing(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    before = await stood(here)

    (answer,) = await here.deliver(consumed(admission(PATIENT, ()), PATIENT, program=ELSEWHERE))

    assert answer == Incomplete(fault=True)
    assert [row for row in await stood(here) if "DetectedIssue" not in str(row[1])] == before
    parked = await here.select("SELECT program, class, place FROM parked")
    assert parked == [("demo", "unreadable", "headers.ce_program")]
    assert await here.select("SELECT program, hold IS NOT NULL FROM state") == [("demo", True)]


async def test_of_two_programs_in_one_batch_the_first_has_the_patient(here: ServiceOnPostgres) -> None:
    second = consumed(admission(PATIENT, ()), PATIENT, program=ELSEWHERE)
    await here.deliver(consumed(admission(PATIENT), PATIENT), second)
    assert await here.select("SELECT program FROM state") == [("demo",)]
    assert await here.select("SELECT place FROM parked") == [("headers.ce_program",)]


async def test_the_parked_record_is_its_patients_programs_to_quarantine(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    identity = uuid4()
    await here.deliver(consumed(admission(PATIENT, ()), PATIENT, identity, program=ELSEWHERE))

    assert await redrive(here.inbox, PATIENT, ELSEWHERE, dry_run=False) == RedriveResult(0, 0)
    with pytest.raises(NotUnreadable):
        await redrive(here.inbox, PATIENT, ELSEWHERE, dry_run=False, quarantine=Quarantine(identity, "ops"))
    assert await redrive(here.inbox, PATIENT, "demo", dry_run=False) == RedriveResult(0, 1)
    await redrive(here.inbox, PATIENT, "demo", dry_run=False, quarantine=Quarantine(identity, "ops"))
    assert await here.select("SELECT hold, due_at IS NOT NULL FROM state") == [(None, True)]


async def test_commands_of_another_program_find_nobody_and_leave_nothing(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    before = await stood(here)
    command = CheckIn(session_ids=(str(uuid4()),), encounter_id=str(uuid4()), periods=((MONDAY_NOON, None),))
    (answer,) = await here.deliver(_of_elsewhere(commanded(PATIENT, command)))
    assert isinstance(answer, Refused) and answer.code == "not-found"
    assert await stood(here) == before
    assert await here.count("parked") == 0


def _of_elsewhere(delivery: Commanded) -> Commanded:
    return Commanded(**{name: getattr(delivery, name) for name in delivery.__struct_fields__} | {"program": ELSEWHERE})


async def test_an_identification_by_another_program_teaches_nothing(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    await here.deliver(
        consumed(PatientIdentified(digests=(DIGEST,), sealed=(), identified_at=MONDAY_NOON), PATIENT, program=ELSEWHERE)
    )
    async with here.pool.acquire() as connection:
        assert await aliases.resolve(connection, ELSEWHERE, (DIGEST,)) == set()
    assert await here.count("alias") == 0


async def test_rows_of_two_programs_with_one_id_never_meet(here: ServiceOnPostgres) -> None:
    """The id of a resource is nobody's secret: who guesses it writes a row of their own."""
    one, other = (AcceptedResource("Appointment", "a", f'{{"resourceType":"Appointment","n":{n}}}') for n in (1, 2))
    patient = str(uuid4())
    for program, key, accepted in (("demo", PATIENT, one), (ELSEWHERE, patient, other)):
        internal = Internal(
            id=uuid4(),
            key=key,
            program=program,
            at=MONDAY_NOON,
            producer="attendance",
            correlation_id=uuid4(),
            event=admission(key, ()),
            accepted=(accepted,),
        )
        here.inbox.settings = {**here.inbox.settings, program: here.inbox.settings["demo"]}
        await here.deliver(internal)
    async with here.pool.acquire() as connection:
        rows = [await resources.one(connection, each, ("Appointment", "a")) for each in ("demo", ELSEWHERE)]
    assert [(row["patient"], row["body"]) for row in rows if row] == [(PATIENT, one.body), (patient, other.body)]


async def test_a_consent_of_another_program_opens_and_closes_nothing(here: ServiceOnPostgres) -> None:
    given = consent_to(ALUMNI, MONDAY_NOON, consent_id=str(uuid4()))
    late = MONDAY_NOON + timedelta(days=1)
    foreign = [
        consumed(consent_to(ALUMNI, MONDAY_NOON, consent_id=str(uuid4())), PATIENT, program=ELSEWHERE),
        consumed(ConsentRevoked(consent_id=given.consent_id, revoked_at=late), PATIENT, program=ELSEWHERE, at=late),
    ]
    async with here.pool.acquire() as connection:
        await consent_ledger.apply(connection, [consumed(given, PATIENT), *foreign])
        await consent_ledger.close(connection, ELSEWHERE, PATIENT)
        known = await consent_ledger.read(connection, "demo", PATIENT, machine_now())
    assert (known.consents, known.version, known.held) == ((given,), 1, False)


async def test_the_gate_never_opens_for_a_patient_of_another_program(here: ServiceOnPostgres) -> None:
    await here.deliver(consumed(admission(PATIENT), PATIENT))
    async with here.pool.acquire() as connection:
        held = [(await consent_ledger.read(connection, each, PATIENT, machine_now())).held for each in ("demo", "x")]
    assert held == [False, True]
