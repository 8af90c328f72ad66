"""The manual clock of a local hub: a file with one instant, which the services read as the clinic's time."""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.failure import CannotContinueError

NAME = "clock"
STEP = re.compile(r"\+(\d+)([mhdw])")
UNIT = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def is_manual(data: Path) -> bool:
    """Whether this folder's hub runs on a manual clock."""
    return (data / NAME).exists()


def now(data: Path) -> datetime:
    """The clinic's time: the manual clock's where there is one."""
    return datetime.fromisoformat((data / NAME).read_text().strip()) if is_manual(data) else datetime.now(UTC)


def begin(data: Path, at: datetime) -> None:
    """Give the folder a manual clock, unless it has one: that one stays as it is."""
    if not is_manual(data):
        _write(data, at)


def advance(data: Path, to: datetime) -> None:
    """Move the manual clock forward, atomically.

    Raises:
        CannotContinueError: the hub has no manual clock, or it would go back: the clinic's time never does.
    """
    if not is_manual(data):
        raise CannotContinueError("this hub runs on real time: start it with `iop up --clock manual` to set the clock")
    stands_at = now(data)
    if to < stands_at:
        raise CannotContinueError(
            f"TIME must be after {stands_at.isoformat()}, where the clock is now: it never goes back"
        )
    _write(data, to)


def parse(text: str, since: datetime) -> datetime:
    """`2026-03-02T14:00:00-05:00` (an offset is needed), or `+90m`, `+2h`, `+3d`, `+1w` after `since`."""
    step = STEP.fullmatch(text)
    if step:
        try:
            return since + timedelta(**{UNIT[step[2]]: int(step[1])})
        except OverflowError:
            raise CannotContinueError("TIME must be before the year 10000: choose a smaller step") from None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CannotContinueError(
            "TIME must be like 2026-03-02T14:00:00-05:00, or a step like +90m, +2h, +3d, +1w"
        ) from None
    if instant.tzinfo is None:
        raise CannotContinueError("TIME must have an offset from UTC, like 2026-03-02T14:00:00-05:00 or ...Z")
    return instant.astimezone(UTC)


def _write(data: Path, at: datetime) -> None:
    half = data / f"{NAME}.new"
    half.write_text(at.astimezone(UTC).isoformat() + "\n")
    # Readers look at the file's time: two settings within one tick of the file system must differ.
    os.utime(half, ns=(time.time_ns(), time.time_ns()))
    os.replace(half, data / NAME)
