"""`make year`: a program through which 1,000 patients go in a year, held against its recount."""

import os
from pathlib import Path

import pytest

from deploy.simulation.run import Asked
from tests.year.simulated import simulate

PATIENTS = int(os.environ.get("PATIENTS", "1000"))
WEEKS = int(os.environ.get("WEEKS", "52"))
SEED = int(os.environ.get("SEED", "1"))
SECONDS_MOST = 3_600


@pytest.mark.timeout(SECONDS_MOST)
def test_no_false_miss_and_no_missed_miss_in_a_year(tmp_path: Path) -> None:
    asked = Asked(patients=PATIENTS, weeks=WEEKS, seed=SEED, log=tmp_path / "log.jsonl", data=tmp_path / "hub")
    year = simulate(asked)
    assert not year.found, "\n".join(year.lines)
    assert year.patients == PATIENTS
