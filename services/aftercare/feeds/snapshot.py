"""The meetings that count now, by program: what a list is chosen from. A snapshot is replaced whole, never changed."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.aftercare.meetings.meeting import Meeting


@dataclass(frozen=True, slots=True)
class _Snapshot:
    meetings: tuple[Meeting, ...] = ()
    digest: str = ""


_NOTHING = _Snapshot()


class Snapshots:
    """Of each program the meetings of its feeds, and a digest that changes with them: whoever indexes them does so once
    a digest."""

    def __init__(self) -> None:
        self._of_program: dict[str, _Snapshot] = {}

    def current(self, program: str) -> tuple[Meeting, ...]:
        """The program's meetings; the same tuple until they change, and none of a program without feeds."""
        return self._of_program.get(program, _NOTHING).meetings

    def digest(self, program: str) -> str:
        """Names what `current` returns, in every process and after a restart; empty where there is nothing."""
        return self._of_program.get(program, _NOTHING).digest

    def replace(self, program: str, meetings: Iterable[Meeting], digest: str) -> None:
        self._of_program[program] = _Snapshot(tuple(meetings), digest)
