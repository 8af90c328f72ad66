"""Who was there, when: periods cut to a session, and their minutes in all. Pure; spans are seconds from its start."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from services.attendance.record import Episode, Period, Session, Span


def within(
    episode: Episode, session: Session, periods: Sequence[Period], now: datetime, early_minutes: int
) -> tuple[Span, ...] | None:
    """The part of these periods that lies in the session; None where none of them touches it.

    An open period lasts until now; one of no length does not show that somebody came. Who comes up to `early_minutes`
    before the start has come to this session.
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


def from_arrival(
    episode: Episode, session: Session, period: Period, now: datetime, early_minutes: int
) -> tuple[Span, ...] | None:
    """The open span of who was there, nobody knows how long; None where it does not show that they were.

    Without an end, only who came to this session has been there: no more than `early_minutes` before it began.
    """
    start, end = period
    since, length = _seconds(session, start), episode.minutes(session) * 60
    if end is not None:
        came = _touches(since, _seconds(session, end), length)
    else:
        came = -early_minutes * 60 <= since < length and _seconds(session, now) > 0
    return ((max(0, since), None),) if came else None


def minutes(episode: Episode, session: Session) -> int:
    """Minutes present: the union of all periods that are known to have ended; all planned ones of a fulfilled one."""
    return minutes_of_all(episode, (session,))


def minutes_of_all(episode: Episode, sessions: Iterable[Session]) -> int:
    """Minutes present in any of these sessions: where two overlap, the same minute counts once."""
    return seconds_of_all(episode, sessions) // 60


def seconds_of_all(episode: Episode, sessions: Iterable[Session]) -> int:
    return _seconds_present(span for each in sessions for span in _on_the_clock(episode, each))


def minutes_planned(episode: Episode, sessions: Iterable[Session]) -> int:
    """Minutes that somebody could spend in these sessions: nobody is in two at once."""
    return _seconds_present((each.minute * 60, (each.minute + episode.minutes(each)) * 60) for each in sessions) // 60


def minutes_expected(episode: Episode, sessions: Iterable[Session], whole: Callable[[Session], bool]) -> int:
    """Minutes present in these sessions, and of those that may be attended `whole` all from when somebody came."""
    return _seconds_present(span for each in sessions for span in _expected(episode, each, whole(each))) // 60


def _expected(episode: Episode, session: Session, whole: bool) -> Iterable[Span]:
    yield from _on_the_clock(episode, session)
    if whole:
        begins = session.minute * 60
        came = min((span[0] for each in session.presences for span in each.spans), default=0)
        yield begins + came, begins + episode.minutes(session) * 60


def _on_the_clock(episode: Episode, session: Session) -> Iterable[Span]:
    """The spans of a session in seconds since 1970."""
    begins = session.minute * 60
    if not session.presences and session.mark == "fulfilled":
        yield begins, begins + episode.minutes(session) * 60
    for each in session.presences:
        for start, end in each.spans:
            yield begins + start, None if end is None else begins + end


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
    return since < until and since < length and until > 0


def _in_order(span: Span) -> tuple[int, bool, int]:
    start, end = span
    return start, end is None, end or 0


def _seconds_present(spans: Iterable[Span]) -> int:
    total = reached = 0
    for start, end in sorted((start, end) for start, end in spans if end is not None):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
