"""One run of it; `make storm` has many."""

import pytest

from tests.attendance.killed_guests import asked_for_and_killed
from tests.attendance.test_guests_of_a_session import clinic as clinic
from tests.attendance.test_slots import Clinic
from tests.shared.edge.conftest import issuer as issuer

TRANSACTIONS_MORE = 4


@pytest.mark.processes
async def test_guests_ask_for_seats_while_their_process_is_killed_again_and_again(clinic: Clinic) -> None:
    """Where in its work each death falls is the machine's: the long form counts those with a seat on its way."""
    assert await asked_for_and_killed(clinic, seed=1, more=TRANSACTIONS_MORE)
