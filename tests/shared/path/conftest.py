"""Attendance on a real PostgreSQL: the service the path is tried with."""

import pytest

from tests.service import ServiceOnPostgres, StartService
from tests.shared.path.given import MONDAY_NOON, attendance_with


@pytest.fixture
async def here(start_service: StartService) -> ServiceOnPostgres:
    return await start_service(attendance_with(), "attendance", MONDAY_NOON)
