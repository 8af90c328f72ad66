"""Forty patients are signed for five seats at once, over the inbox on a real PostgreSQL: five are admitted, always."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

import msgspec
import pytest

from services.intake import app
from services.intake.messages import SignPlacement
from services.intake.placement.planned import episode_id
from services.intake.seats.capacity import SEATS
from services.intake.seats.seats import Seats
from services.intake.state import State
from shared.path.transaction.replaying import Asked, replay
from shared.platform.keys import Keys
from shared.process import ServiceAssembly
from tests.intake.given import IOP_NEEDS, MONDAY, assessment, referral
from tests.service import ServiceOnPostgres, StartService, internal_lane

PATIENTS = [str(uuid5(NAMESPACE_URL, f"asker-{number}")) for number in range(40)]
SEAT_COUNT = 5


def counted(keys: Keys) -> ServiceAssembly:
    """Intake as its app composes it, with so many seats at level 2.1."""
    parts = app.assemble(keys)
    return replace(
        parts,
        settings=lambda process: {
            program: msgspec.structs.replace(each, capacity={"2.1": SEAT_COUNT})
            for program, each in app.settings(process).items()
        },
    )


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(counted, "intake", MONDAY)


async def refer(here: ServiceOnPostgres, patient: str) -> SignPlacement:
    """Referred and assessed; the signature that waits."""
    await here.command(patient, assessment(IOP_NEEDS, "safe-housing"), referral(str(uuid5(NAMESPACE_URL, patient))))
    recommended = (await states(here))[patient].recommended
    assert recommended is not None
    return SignPlacement(
        task_id=recommended.task_id, level="2.1", reason="clinical-judgment", by="clinician-1", version="1", proved=True
    )


async def states(here: ServiceOnPostgres) -> dict[str, State]:
    rows = await here.select("SELECT key, body FROM state WHERE kind = 'patient'")
    return {key: msgspec.json.decode(body, type=State) for key, body in rows}


async def place(here: ServiceOnPostgres) -> Seats:
    ((key, body),) = await here.select("SELECT key, body FROM state WHERE kind <> 'patient'")
    assert key == "demo/2.1"
    return msgspec.json.decode(body, type=Seats)


async def signed(here: ServiceOnPostgres, signatures: Sequence[tuple[str, SignPlacement]]) -> None:
    async with internal_lane(here, 20):
        await asyncio.gather(*(here.command(patient, signature) for patient, signature in signatures))


@pytest.mark.parametrize("run", range(4))
async def test_of_forty_who_are_signed_at_once_five_are_admitted_and_the_others_wait_in_their_order(
    intake: ServiceOnPostgres, run: int
) -> None:
    order = PATIENTS[run * 10 :] + PATIENTS[: run * 10]
    await signed(intake, [(each, await refer(intake, each)) for each in order])
    found = await states(intake)
    statuses = Counter("active" if each.episode else each.planned and each.planned.status for each in found.values())
    assert statuses == {"active": SEAT_COUNT, "waitlist": len(PATIENTS) - SEAT_COUNT}
    here = await place(intake)
    assert (len(here.taken), len(here.line)) == (SEAT_COUNT, len(PATIENTS) - SEAT_COUNT)
    assert list(here.line) == sorted(here.line, key=lambda each: each.turn)
    assert await intake.emitted_to("iop.operations") == ["CapacityNearlyReached"]
    assert await intake.select("SELECT key FROM outbox WHERE lane = 'topic:iop.operations'") == [(None,)]
    assert await intake.count("parked") == 0


async def test_a_process_that_dies_between_the_signature_and_the_seat_loses_nothing(intake: ServiceOnPostgres) -> None:
    patient = PATIENTS[0]
    await intake.command(patient, await refer(intake, patient))
    assert (await states(intake))[patient].episode is None  # the process dies here
    async with internal_lane(intake, 20):
        pass
    stay = (await states(intake))[patient].episode
    assert stay is not None and stay.id == episode_id(str(uuid5(NAMESPACE_URL, patient)))


async def test_the_decisions_of_places_are_made_again_like_those_of_patients(intake: ServiceOnPostgres) -> None:
    await signed(intake, [(each, await refer(intake, each)) for each in PATIENTS[:8]])
    async with intake.pool.acquire() as connection, connection.transaction():
        again = await replay(connection, intake.parts.service, intake.inbox.settings, Asked())
    assert (again.differences, again.left_out) == ([], {})
    kinds = {kind for (kind,) in await intake.select("SELECT DISTINCT kind FROM journal")}
    assert (again.keys, again.others, kinds) == (9, {SEATS: 1}, {"patient", SEATS})
