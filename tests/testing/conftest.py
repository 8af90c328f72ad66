"""Testing on a real database, for the tests of what it receives."""

from datetime import timedelta

import pytest

from services.testing import app
from tests.service import StartService
from tests.testing.receiving import ADMITTED, ReceivingService


@pytest.fixture
async def testing(start_service: StartService) -> ReceivingService:
    service = await start_service(app.assemble, "testing", ADMITTED + timedelta(days=9))
    return ReceivingService(**{**vars(service), "client": "lab"})
