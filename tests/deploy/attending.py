"""Attendance as `iop` meets it from elsewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.attendance import app
from tests.attendance.given import ADMISSION
from tests.deploy.reachable import Reachable, made_reachable
from tests.service import ServiceOnPostgres, StartService
from tests.shared.edge.conftest import Issuer, issuer

__all__ = ["issuer"]
Attendance = Reachable[ServiceOnPostgres]


@pytest.fixture
async def attendance(start_service: StartService, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Attendance]:
    service = await start_service(app.assemble, "attendance", ADMISSION)
    async with made_reachable(service, issuer, tmp_path) as found:
        yield found
