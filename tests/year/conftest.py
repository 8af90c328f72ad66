"""The simulated month, lived once for all that is asked of it."""

from pathlib import Path

import pytest

from deploy.simulation.run import Asked
from tests.year.simulated import Simulated, simulate

PATIENTS, WEEKS = 60, 4


@pytest.fixture(scope="session")
def month(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Sixty patients, four weeks: a change of the clocks, a closed day and its replacement, an outage, a power cut."""
    folder: Path = tmp_path_factory.mktemp("month")
    return simulate(Asked(patients=PATIENTS, weeks=WEEKS, seed=1, log=folder / "log.jsonl", data=folder / "hub"))
