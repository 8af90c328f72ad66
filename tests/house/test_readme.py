"""README and pages are true: links lead somewhere, files exist, and every command works as printed."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from shared.events import wire
from shared.events.catalogue import ESCALATIONS, OPEN_ESCALATIONS
from shared.events.escalation import EscalationRaised
from tests.events.examples import ESCALATION, MONDAY, PATIENT, envelope
from tests.house.test_rooms import ROOT

README = ROOT / "README.md"
README_BYTES_MOST = 8192
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
RUN = [DOCS / "connect-ehr.md", DOCS / "connect-laboratory.md", DOCS / "topics.md", README]
"""Pages with commands, in the order in which a reader runs them."""


def blocks(page: Path) -> list[str]:
    """Its commands, without those of a tool that this machine does not have."""
    found = re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL)
    return [each for each in found if not (each.startswith("kcat ") and shutil.which("kcat") is None)]


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= README_BYTES_MOST


def test_every_page_with_commands_is_run() -> None:
    assert [page for page in PAGES if blocks(page) and page not in RUN] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [each.partition("#")[0] for each in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    near = [each for each in links if each and not each.startswith("http")]
    assert [each for each in near if not (page.parent / each).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_exists(page: Path) -> None:
    """But for those that a page calls new: they are to be written yet."""
    known = "\n".join(line for line in page.read_text().splitlines() if "*new*" not in line)
    named = re.findall(r"`((?:shared|services|deploy|tests)/[\w./-]+)`", known)
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_every_dependency_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert block is not None
    names = re.findall(r'^\s+"([A-Za-z0-9._-]+)', block[1], re.MULTILINE)
    table = (DOCS / "dependencies.md").read_text()
    assert [name for name in names if name not in table] == []


@pytest.fixture(scope="module")
def readme_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`iop up --mllp-tls`, as the README says, on free ports."""
    data = tmp_path_factory.mktemp("readme") / "hub"
    emitted = data.with_name("output.txt")
    with emitted.open("w") as output:
        begun = subprocess.Popen(
            (sys.executable, "-m", "deploy.cli", "up", "--mllp-tls", "--data", str(data), "--any-ports"),
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
    asyncio.run(raised(readme_hub))
    outputs = [run(block, readme_hub) for page in RUN for block in blocks(page)]
    (
        intake,
        signed,
        answered,
        laboratory,
        tail,
        consumer,
        waiting,
        *filtered,
        short_intake,
        short_laboratory,
        short_tail,
    ) = outputs
    assert short_intake.count('"status":"201 Created"') == 2
    assert short_laboratory.count("MSA|AA|0815") == 2, "over plain MLLP, and over mutual TLS"
    assert "PatientIdentified" in short_tail
    assert intake.count('"status":"201 Created"') == 8
    assert '"status":"completed"' in signed
    assert [each in answered for each in ("T4", "requested", "accepted", "completed")] == [True] * 4
    assert answered.endswith("no escalations\n") and max(map(len, answered.splitlines())) <= 100
    assert laboratory.count("MSA|AA|4711") == 3
    assert "EpisodeAdmitted" in tail
    assert consumer.count("org.iop-hub.SessionScheduled") == 3
    assert waiting == f"open: {ESCALATION.id} T3\n"
    assert all("iop-tier=T3" in output for output in filtered), "kcat, where this machine has it"


async def raised(hub: Path) -> None:
    """An escalation as intake emits it, for whoever reads from outside."""
    event = EscalationRaised(escalation=ESCALATION, at=MONDAY)
    record = wire.write(event, envelope(event))
    headers = [(name, value.encode()) for name, value in record.headers.items()]
    async with AIOKafkaProducer(bootstrap_servers=json.loads((hub / "hub.json").read_text())["kafka"]) as producer:
        for topic, key in ((ESCALATIONS, PATIENT), (OPEN_ESCALATIONS, ESCALATION.id)):
            await producer.send_and_wait(topic, record.body, key=key.encode(), headers=headers)


def run(block: str, hub: Path) -> str:
    """The block in a shell, with the printed default addresses replaced by this hub's."""
    written: dict[str, Any] = json.loads((hub / "hub.json").read_text())
    addresses = {
        "http://127.0.0.1:8101/fhir": written["services"]["intake"]["fhir"],
        "http://127.0.0.1:8103/hl7": written["services"]["testing"]["hl7"],
        "-p 2575": f"-p {written['services']['testing']['mllp'].rpartition(':')[2]}",
        "127.0.0.1:2576": written["services"]["testing"]["mllp_tls"],
        ".iop/": f"{hub}/",
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
