"""Who was there, when: periods cut to a session, and their minutes in all. Pure; spans are seconds from its start."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.attendance.record import Episode, Period, Session, Span


def within(
    episode: Episode, session: Session, periods: Sequence[Period], now: datetime, early_minutes: int
) -> tuple[Span, ...] | None:
    """The part of these periods that lies in the session; None where none of them touches it.

    An open period lasts until now. Who comes up to `early_minutes` before the start has come to this session.
    """
    length, until = episode.minutes(session) * 60, _seconds(session, now)
    found: list[Span] = []
    for start, end in periods:
        since = _seconds(session, start)
        if end is None:
            if since < length and (until > 0 or since >= -early_minutes * 60):
                found.append((max(0, since), None))
        elif _touches(since, _seconds(session, end), length):
            found.append((max(0, since), min(length, _seconds(session, end))))
    return tuple(sorted(found, key=_in_order)) if found else None


def minutes(episode: Episode, session: Session) -> int:
    """Minutes present: the union of all periods that are known to have ended; all planned ones of a fulfilled one."""
    if not session.presences:
        return episode.minutes(session) if session.mark == "fulfilled" else 0
    return _seconds_present(span for each in session.presences for span in each.spans) // 60


def without(periods: Iterable[Period], leaves: Sequence[tuple[datetime, datetime]]) -> tuple[Period, ...]:
    """What is left of ended periods when somebody was away meanwhile."""
    left = [(start, end) for start, end in periods if end is not None]
    for away, back in leaves:
        parts = [((start, min(end, away)), (max(start, back), end)) for start, end in left]
        left = [(start, end) for both in parts for start, end in both if start < end]
    return tuple(left)


def shortened(periods: Iterable[Period], most: timedelta) -> tuple[Period, ...]:
    """Ended periods up to so much time in all; what was stated beyond it is cut off their end."""
    left, found = most, []
    for start, end in periods:
        if end is not None and left > timedelta(0):
            until = min(end, start + left)
            left -= until - start
            found.append((start, until))
    return tuple(found)


def _seconds(session: Session, moment: datetime) -> int:
    return int(moment.timestamp()) - session.minute * 60


def _touches(since: int, until: int, length: int) -> bool:
    if since == until:
        return 0 <= since < length
    return since < length and until > 0


def _in_order(span: Span) -> tuple[int, bool, int]:
    start, end = span
    return start, end is None, end or 0


def _seconds_present(spans: Iterable[Span]) -> int:
    total = reached = 0
    for start, end in sorted((start, end) for start, end in spans if end is not None):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
