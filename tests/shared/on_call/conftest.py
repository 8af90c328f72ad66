"""Intake whose escalations ring two receivers: of whoever is on call, and of their deputy."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.paths import REPOSITORY
from services.intake import app
from shared.platform.pagers import pagers
from tests.service import StartService
from tests.shared.on_call.escalated import CURRENT, TUESDAY_NIGHT, Escalated
from tests.shared.on_call.receiver import Receiver
from tests.shared.test_rota_file import printed

SOON = "trying_minutes_most = { value = 0.1"


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """The files that docs/on-call.md prints, with tries that follow at once."""
    folder = tmp_path / "on-call"
    folder.mkdir()
    program = (REPOSITORY / "deploy/program.toml").read_text()
    fast = program.replace("trying_minutes_most = { value = 15", SOON).replace(
        "seconds_most = { value = 5", "seconds_most = { value = 0.5"
    )
    (folder / "program.toml").write_text(fast)
    (folder / "rota.toml").write_text(printed("The rota"))
    (folder / "oncall.toml").write_text(printed("How people are told"))
    (folder / "pager.secret").write_text(CURRENT)
    (folder / "slack.url").write_text("https://hooks.example.org/secret")
    return folder


@pytest.fixture
async def pager() -> AsyncIterator[Receiver]:
    async with Receiver().open() as opened:
        yield opened


@pytest.fixture
async def deputies() -> AsyncIterator[Receiver]:
    async with Receiver().open() as opened:
        yield opened


@pytest.fixture
async def escalated(start_service: StartService, deploy: Path, pager: Receiver, deputies: Receiver) -> Escalated:
    written = (deploy / "oncall.toml").read_text().replace("https://pager.example.org/iop", pager.url)
    (deploy / "oncall.toml").write_text(written.replace('["T3", "T4"]', '["T2", "T3", "T4"]'))
    (deploy / "slack.url").write_text(deputies.url)
    return Escalated(await start_service(app.assemble, "intake", TUESDAY_NIGHT), pagers(deploy))
