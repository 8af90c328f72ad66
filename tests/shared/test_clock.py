"""A manual clock: it stands still until it is set forward, and whoever waits for it learns of it."""

import asyncio
from pathlib import Path

import pytest

from shared.platform import clock
from shared.platform.clock import Clock

NOON, LATER = "2026-01-05T12:00:00Z", "2026-01-05T12:30:00Z"


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    file = tmp_path / "clock"
    file.write_text(NOON)
    return file


@pytest.mark.parametrize("still_seconds", [0.0, 60.0], ids=["after it stood still", "while it is set often"])
async def test_who_waits_for_a_manual_clock_goes_on_once_it_is_set_forward(
    manual: Path, monkeypatch: pytest.MonkeyPatch, still_seconds: float
) -> None:
    monkeypatch.setattr(clock, "STILL_SECONDS", still_seconds)
    clinic = Clock(manual)
    waiting = asyncio.create_task(clinic.passing(clinic.now(), 600.0))
    await asyncio.sleep(0.05)
    assert not waiting.done()

    await asyncio.to_thread(manual.write_text, LATER)
    await asyncio.wait_for(waiting, 20)
    assert clinic.now().minute == 30


async def test_who_waits_for_a_manual_clock_that_nobody_sets_waits_no_longer_than_asked(manual: Path) -> None:
    clinic = Clock(manual)
    noon = clinic.now()
    await asyncio.wait_for(clinic.passing(noon, 0.2), 20)
    assert clinic.now() == noon


async def test_a_manual_clock_that_was_set_is_looked_at_often_until_it_has_stood_still(manual: Path) -> None:
    clinic = Clock(manual)
    assert clinic._look_seconds() == clock.LOOK_SECONDS
    clinic._set_at -= clock.STILL_SECONDS
    assert clinic._look_seconds() == clock.LOOK_SECONDS_STILL

    clinic._seen = None
    clinic.now()
    assert clinic._look_seconds() == clock.LOOK_SECONDS
