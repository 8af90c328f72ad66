"""The README is true: its links lead somewhere, and every command in it works as printed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.test_rooms import ROOT

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def test_every_link_leads_somewhere() -> None:
    links = [each for each in re.findall(r"\]\(([^)]+)\)", README) if not each.startswith("http")]
    assert links
    assert [each for each in links if not (ROOT / each).exists()] == []


def test_every_dependency_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert block is not None
    names = re.findall(r'^\s+"([A-Za-z0-9._-]+)', block[1], re.MULTILINE)
    section = README.split("## Dependencies")[1].split("\n## ")[0]
    assert [name for name in names if name not in section] == []


@pytest.fixture(scope="module")
def readme_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`iop up`, as the README says, on free ports."""
    data = tmp_path_factory.mktemp("readme") / "hub"
    emitted = data.with_name("said.txt")
    with emitted.open("w") as output:
        begun = subprocess.Popen(
            (sys.executable, "-m", "deploy.cli", "up", "--data", str(data), "--any-ports"),
            cwd=ROOT,
            stdout=output,
            stderr=output,
        )
    until = time.monotonic() + 120
    while not (data / "hub.json").exists():
        assert begun.poll() is None and time.monotonic() < until, emitted.read_text()
        time.sleep(0.1)
    yield data
    begun.send_signal(signal.SIGTERM)
    assert begun.wait(60) == 0


def test_every_command_works_as_printed(readme_hub: Path) -> None:
    outputs = [run(block, readme_hub) for block in BLOCKS]
    intake, signed, laboratory, tail, consumer = outputs
    assert intake.count('"status":"201 Created"') == 8
    assert '"status":"completed"' in signed
    assert laboratory.count("MSA|AA|4711") == 2
    assert "EpisodeAdmitted" in tail
    assert consumer.count("org.iop-hub.SessionScheduled") == 3


def run(block: str, hub: Path) -> str:
    """The block in a shell, with the printed default addresses replaced by this hub's."""
    written: dict[str, Any] = json.loads((hub / "hub.json").read_text())
    addresses = {
        "http://127.0.0.1:8101/fhir": written["services"]["intake"]["fhir"],
        "http://127.0.0.1:8103/hl7": written["services"]["testing"]["hl7"],
        "-p 2575": f"-p {written['services']['testing']['mllp'].rpartition(':')[2]}",
        ".iop/hub.json": str(hub / "hub.json"),
        ".venv/bin/": f"{Path(sys.executable).parent}/",
        "oru.hl7": str(hub / "oru.hl7"),
    }
    for printed, real in addresses.items():
        block = block.replace(printed, real)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=ROOT,
        env={**os.environ, "IOP_DATA": str(hub)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
