"""The manual clock: a file that only goes forward."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy import clock
from deploy.failure import CannotContinueError

MONDAY = datetime(2026, 3, 2, 14, tzinfo=UTC)


def test_a_folder_keeps_the_time_of_its_clock(tmp_path: Path) -> None:
    clock.begin(tmp_path, MONDAY)
    clock.advance(tmp_path, MONDAY + timedelta(hours=2))
    clock.begin(tmp_path, MONDAY + timedelta(days=9))

    assert clock.now(tmp_path) == MONDAY + timedelta(hours=2)


def test_the_clock_never_goes_back(tmp_path: Path) -> None:
    clock.begin(tmp_path, MONDAY)

    with pytest.raises(CannotContinueError, match="never goes back"):
        clock.advance(tmp_path, MONDAY - timedelta(seconds=1))

    assert clock.now(tmp_path) == MONDAY


def test_real_time_cannot_be_set(tmp_path: Path) -> None:
    with pytest.raises(CannotContinueError, match="--clock manual"):
        clock.advance(tmp_path, MONDAY)

    assert not clock.is_manual(tmp_path)


def test_two_settings_in_a_row_leave_different_file_times(tmp_path: Path) -> None:
    clock.begin(tmp_path, MONDAY)
    seen = set()
    for minute in range(50):
        clock.advance(tmp_path, MONDAY + timedelta(minutes=minute))
        seen.add((tmp_path / clock.NAME).stat().st_mtime_ns)

    assert len(seen) == 50


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-03-02T10:00:00-05:00", MONDAY + timedelta(hours=1)),
        ("2026-03-02T14:00:00Z", MONDAY),
        ("+90m", MONDAY + timedelta(minutes=90)),
        ("+2h", MONDAY + timedelta(hours=2)),
        ("+3d", MONDAY + timedelta(days=3)),
        ("+1w", MONDAY + timedelta(days=7)),
    ],
)
def test_a_time_is_an_instant_or_a_step(text: str, means: datetime) -> None:
    assert clock.parse(text, MONDAY) == means


@pytest.mark.parametrize("text", ["2026-03-02T10:00:00", "2026-03-02", "tomorrow", "2h", "+2", "-2h", ""])
def test_a_time_without_an_offset_or_sense_is_refused(text: str) -> None:
    with pytest.raises(CannotContinueError, match="TIME"):
        clock.parse(text, MONDAY)
