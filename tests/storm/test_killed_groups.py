"""The long form: the process of a group that is called off is killed (SIGKILL) at other moments in each run."""

import os

import pytest

from tests.attendance.killed_groups import called_off_and_killed
from tests.attendance.test_slots import Clinic
from tests.attendance.test_slots import clinic as clinic
from tests.shared.edge.conftest import issuer as issuer

SEED = int(os.environ.get("IOP_STORM_SEED", "1"))
RUNS = int(os.environ.get("IOP_STORM_GROUPS", "20"))


@pytest.mark.parametrize("run", range(RUNS))
async def test_a_group_is_called_off_while_its_process_is_killed_again_and_again(clinic: Clinic, run: int) -> None:
    waited = await called_off_and_killed(clinic, SEED + run, more=1)
    print(f"\n{len(waited)} deaths, {sum(map(bool, waited))} of them on the way to members, seed {SEED + run}")  # noqa: T201
