"""The long form: the process of which guests ask for seats is killed (SIGKILL) at other moments in each run."""

import os

import pytest

from tests.attendance.killed_guests import asked_for_and_killed
from tests.attendance.test_guests_of_a_session import clinic as clinic
from tests.attendance.test_slots import Clinic
from tests.shared.edge.conftest import issuer as issuer

SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
RUNS = int(os.environ.get("IOP_STORM_GUESTS", "20"))


@pytest.mark.parametrize("run", range(RUNS))
async def test_guests_ask_for_seats_while_their_process_is_killed_again_and_again(clinic: Clinic, run: int) -> None:
    waited = await asked_for_and_killed(clinic, SEED + run, more=1)
    print(f"\n{len(waited)} deaths, {sum(map(bool, waited))} of them with a seat on its way, seed {SEED + run}")  # noqa: T201
