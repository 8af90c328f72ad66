"""Who pays for the patient when, as their Coverages say it: at no instant more than one. Pure; instants in seconds."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from math import inf

import msgspec

from services.intake import messages
from shared.rules.packing import instant, pack_id, seconds

COVERAGES_MOST = 12
"""Of one patient: of more those that ended first are forgotten, a state stays small."""
LAST = 1_000
"""The place of a Coverage that states none: it comes after those that do."""


class Coverage(msgspec.Struct, frozen=True, array_like=True):
    """What a Coverage (packed id) says: its payer ("" where nobody could read it), its place among several, and its
    time, [since, until); None is always, for good. One that was taken back is not in the list."""

    packed: str
    payer: str
    place: int
    since: int | None = None
    until: int | None = None

    def holds(self, at: float) -> bool:
        return self.begins <= at < self.ends

    @property
    def begins(self) -> float:
        return -inf if self.since is None else self.since

    @property
    def ends(self) -> float:
        return inf if self.until is None else self.until


Coverages = tuple[Coverage, ...]


def coverages_after(known: Coverages, command: messages.RecordCoverage) -> Coverages:
    """With what this one says now in place of what it said."""
    packed = pack_id(command.coverage_id)
    before = next((each for each in known if each.packed == packed), None)
    others = [each for each in known if each.packed != packed]
    if command.is_withdrawn:
        return tuple(others)
    now = Coverage(packed, command.payer, command.place, seconds(command.since), _until(command, before))
    return tuple(sorted((*others, now), key=lambda each: (each.ends, each.packed))[-COVERAGES_MOST:])


def _until(command: messages.RecordCoverage, before: Coverage | None) -> int | None:
    """One that is cancelled, and has not ended by then, has ended when that was known first."""
    if command.cancelled_at is None:
        return seconds(command.until)
    at = seconds(command.cancelled_at)
    return at if before is None or before.until is None else min(at, before.until)


def payers_of(known: Coverages) -> tuple[messages.PayerSpan, ...]:
    """Who pays when, in order of time: of several Coverages the first in place, then the one that began last. Nobody is
    named while that one's payer is unknown, whoever else pays beside them."""
    edges = sorted({edge for each in known for edge in (each.begins, each.ends)})
    spans: list[tuple[str, float, float]] = []
    for since, until in pairwise(edges):
        payer = _pays(known, since)
        if payer and spans and (spans[-1][0], spans[-1][2]) == (payer, since):
            spans[-1] = (payer, spans[-1][1], until)
        elif payer:
            spans.append((payer, since, until))
    return tuple(messages.PayerSpan(payer, _instant(since), _instant(until)) for payer, since, until in spans)


def _pays(known: Sequence[Coverage], at: float) -> str:
    holding = [each for each in known if each.holds(at)]
    first = min(holding, key=lambda each: (each.place, -each.begins, each.packed), default=None)
    return first.payer if first is not None else ""


def _instant(edge: float) -> datetime | None:
    return instant(int(edge)) if abs(edge) != inf else None
