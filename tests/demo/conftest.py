"""The demo as a person runs it, once: about a minute on real Kafka and PostgreSQL, its folder kept."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.paths import REPOSITORY


@dataclass(frozen=True)
class Demo:
    """What was printed, the report, the hub's folder, and the folder for whatever is temporary."""

    printed: str
    report: str
    data: Path
    temporary: Path


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    here = tmp_path_factory.mktemp("demo")
    data, report, temporary = here / "hub", here / "report.html", here / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        (sys.executable, "-m", "deploy.cli", "demo", "--report", str(report), "--data", str(data)),
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return Demo(done.stdout, report.read_text(), data, temporary)
