"""Silence is evidence only while we were listening: measured on both clocks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.platform import db, listening
from shared.platform.clock import Clock
from shared.platform.listening import Listening

NOON = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)


class Stepped:
    """A clock file to set, and the machine's seconds to pass."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "clock"
        self.seconds = 0.0
        self.set(NOON)
        monkeypatch.setattr(listening, "ticks", lambda: self.seconds)

    def set(self, moment: datetime) -> None:
        self.file.write_text(moment.isoformat())

    async def started(self, pool: Any) -> Listening:
        consumed = Listening(pool, Clock(self.file))
        await consumed.start()
        return consumed


@pytest.fixture
def stepped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stepped:
    return Stepped(tmp_path, monkeypatch)


async def test_a_first_start_listens_from_now_on(database: str, stepped: Stepped) -> None:
    async with db.pool(database) as pool:
        assert (await stepped.started(pool)).since == NOON


async def test_a_quick_restart_goes_on_listening(database: str, stepped: Stepped) -> None:
    async with db.pool(database) as pool:
        await stepped.started(pool)
        stepped.set(NOON + timedelta(seconds=50))
        assert (await stepped.started(pool)).since == NOON


async def test_after_an_outage_senders_have_as_long_as_it_was(database: str, stepped: Stepped) -> None:
    async with db.pool(database) as pool:
        await stepped.started(pool)
        stepped.set(NOON + timedelta(hours=1))
        assert (await stepped.started(pool)).since == NOON + timedelta(hours=2)
        stepped.set(NOON + timedelta(hours=1, seconds=50))
        assert (await stepped.started(pool)).since == NOON + timedelta(hours=2)


async def test_after_an_outage_of_days_senders_have_four_hours(database: str, stepped: Stepped) -> None:
    async with db.pool(database) as pool:
        await stepped.started(pool)
        stepped.set(NOON + timedelta(days=3))
        assert (await stepped.started(pool)).since == NOON + timedelta(days=3, hours=4)


async def test_a_step_of_the_clinic_clock_is_no_outage(database: str, stepped: Stepped) -> None:
    async with db.pool(database) as pool:
        running = await stepped.started(pool)
        stepped.set(NOON + timedelta(days=3))
        stepped.seconds += 5
        await running.beat()
        assert running.since == NOON


async def test_a_minute_of_machine_time_without_a_beat_is_an_outage(database: str, stepped: Stepped) -> None:
    async with db.pool(database) as pool:
        running = await stepped.started(pool)
        stepped.seconds += 61
        stepped.set(NOON + timedelta(seconds=61))
        await running.beat()
        assert running.since == NOON + timedelta(seconds=122)
