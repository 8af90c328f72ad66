"""One run of it; `make storm` has many."""

import pytest

from tests.attendance.killed_groups import called_off_and_killed
from tests.attendance.test_slots import Clinic
from tests.attendance.test_slots import clinic as clinic
from tests.shared.edge.conftest import issuer as issuer

TRANSACTIONS_MORE = 4


@pytest.mark.processes
async def test_a_group_is_called_off_while_its_process_is_killed_again_and_again(clinic: Clinic) -> None:
    """Where in its work each death falls is the machine's: the long form counts those amid the members."""
    assert await called_off_and_killed(clinic, seed=1, more=TRANSACTIONS_MORE)
