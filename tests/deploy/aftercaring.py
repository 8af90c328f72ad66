"""Aftercare as `iop` meets it from elsewhere, and a partner to send to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.aftercare.conftest import aftercare_alone, partner
from tests.aftercare.running import Aftercare
from tests.deploy import reachable as served
from tests.shared.edge.conftest import Issuer, issuer

__all__ = ["aftercare_alone", "issuer", "partner"]
Reachable = served.Reachable[Aftercare]


@pytest.fixture
async def reachable(aftercare_alone: Aftercare, issuer: Issuer, tmp_path: Path) -> AsyncIterator[Reachable]:
    async with served.made_reachable(aftercare_alone, issuer, tmp_path) as found:
        yield found
