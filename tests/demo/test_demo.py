"""`iop demo`: twelve weeks pass, nothing is lost, and nothing stays behind."""

import re
import subprocess
from pathlib import Path

from deploy.demo import run
from tests.demo.conftest import Demo


def test_twelve_weeks_pass_and_nothing_is_left_running(demo: Demo) -> None:
    for fact in ("events lost", "rows left in outboxes", "events parked"):
        assert re.search(rf"{fact}\s+│\s+0\s", demo.printed), fact
    assert re.search(r'"I have it"\s+│ taken on by on-call-clinician-1', demo.printed)
    assert re.search(r"OML\^O21 over MLLP, new order\s+│ riverbend-laboratory answers", demo.printed)
    assert re.search(r"its ServiceRequest\s+│ completed", demo.printed)
    assert "sent to riverbend-laboratory Tue 19 Aug 08:05" in demo.report
    assert "CheckInWithdrawn" not in demo.printed, "nobody of the story checks in by mistake"
    assert re.search(r"in person: .*Street", demo.printed), "the list to take home names streets"
    assert "What was told about you" in demo.printed and "the consent you signed" in demo.printed
    assert "Patient C: referred, and another level fits" in demo.report
    assert "Synthetic" not in demo.report + demo.printed
    assert list(demo.temporary.iterdir()) == []
    assert _holding(demo.data) == []


def test_the_hubs_folder_is_removed_unless_it_was_named(tmp_path: Path) -> None:
    with run.folder(None) as fresh:
        (fresh / "file").write_text("")
    assert not fresh.exists()
    with run.folder(tmp_path) as named:
        assert named == tmp_path
    assert named.exists()


def _holding(folder: Path) -> list[str]:
    """Processes that still name this folder."""
    listed = subprocess.run(("ps", "-Ao", "pid,args"), capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]
