"""`iop.escalations.open`: whoever reads it from its beginning sees exactly what a person is still asked for."""

import random

import pytest

from shared.events.catalogue import OPEN_ESCALATIONS
from tests.service import ServiceOnPostgres
from tests.shared.path.open_escalations import admitted, folded, open_tasks, step

STEPS = 120
_SENT = "SELECT key, body FROM outbox WHERE lane = $1 ORDER BY id"


@pytest.mark.timeout(60)
async def test_after_any_steps_the_newest_records_are_the_open_tasks(here: ServiceOnPostgres) -> None:
    await admitted(here)
    chance, were_open, were_closed = random.Random(7), set[str](), 0
    for _ in range(STEPS):
        await step(here, chance)
        records = await here.select(_SENT, f"topic:{OPEN_ESCALATIONS}")
        still_open = folded((key, body) for key, body in records)
        assert still_open == await open_tasks(here)
        were_open |= still_open.keys()
        were_closed = sum(body is None for _, body in records)
    handed = await here.select("SELECT 1 FROM journal WHERE event = 'HandOverEscalation' AND cardinality(emitted) > 0")
    assert handed, "some are handed over"
    assert len(were_open) > 5 and were_closed > 3, "the steps open and close some"
