"""What the path is tried with: attendance's real decisions, a patient on three evenings a week, two fixed moments."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from services.attendance import app
from shared.events.intake import EpisodeAdmitted, TemplateSlot
from shared.path.service import PATIENT
from shared.platform.keys import Keys
from shared.process import ServiceAssembly
from tests.service import ServiceOnPostgres

MONDAY_NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
MONDAY_SESSION = datetime(2026, 1, 5, 23, 0, tzinfo=UTC)
"""18:00 in New York."""
EVENINGS = (
    TemplateSlot("group", 0, "18:00", 180),
    TemplateSlot("group", 2, "18:00", 180),
    TemplateSlot("group", 4, "18:00", 180),
)


def attendance_with(**changed: Any) -> Callable[[Keys], ServiceAssembly]:
    """The real service but for these of its functions, of patients alone: their absences ask no feed."""

    def compose(keys: Keys) -> ServiceAssembly:
        parts = app.assemble(keys)
        decider = replace(parts.service.deciders[PATIENT], reports=(), **changed)
        return replace(parts, service=replace(parts.service, deciders={PATIENT: decider}))

    return compose


def admission(patient: str, template: Sequence[TemplateSlot] = EVENINGS) -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=str(uuid5(UUID(patient), "episode")),
        plan_id=str(uuid5(UUID(patient), "plan")),
        referral_id=str(uuid5(UUID(patient), "referral")),
        level="2.1",
        track="substance",
        flags=(),
        template=tuple(template),
        admitted_at=MONDAY_NOON,
    )


async def until_waiting(service: ServiceOnPostgres, transactions: int = 1) -> None:
    """Until so many transactions of the service wait for what another one holds."""
    for _ in range(1000):
        waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        if await service.count(waiting) >= transactions:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody ever waits")
