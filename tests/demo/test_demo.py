"""`iop demo` as a person runs it, on real Kafka and PostgreSQL: about a minute, and nothing stays behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.paths import REPOSITORY

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def test_twelve_weeks_pass_and_nothing_is_left_running(tmp_path: Path) -> None:
    report, folder = tmp_path / "report.html", tmp_path / "folders"
    folder.mkdir()
    done = subprocess.run(
        (sys.executable, "-m", "deploy.cli", "demo", "--report", str(report)),
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for fact in ("events lost", "rows left in outboxes", "events parked"):
        assert re.search(rf"{fact}\s+│\s+0\s", done.stdout), fact
    assert "CheckInWithdrawn" not in done.stdout, "nobody of the story checks in by mistake"
    assert "Patient C: referred, and another level fits" in report.read_text()
    assert "Synthetic" not in report.read_text() + done.stdout
    assert list(folder.iterdir()) == []
    assert _holding(folder) == []


def _holding(folder: Path) -> list[str]:
    """Processes that still name this folder."""
    listed = subprocess.run(("ps", "-Ao", "pid,args"), capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]
