"""Waiting for something real to happen, at most so long."""

import time
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]


def until(true: Callable[[], object], seconds: float = 20.0) -> bool:
    """Whether it became true in time."""
    give_up_at = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has collected yet does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def children(pid: int) -> list[int]:
    """The processes it started."""
    return [each.pid for each in psutil.Process(pid).children()] if alive(pid) else []
