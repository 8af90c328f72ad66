"""What is asked of persons by what is known of the sessions: the triggers of domain 5.2, counted anew each time. Pure.

Whatever the order in which it became known, the same sessions ask for the same.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.attendance import cap, outcomes, projection
from services.attendance.fitting import is_individual, seat_of_stay
from services.attendance.record import RequestKind, Session
from services.attendance.settings import Settings
from services.attendance.silences import silences
from services.attendance.state import WEEK_SHORT, State, unreported_at
from services.attendance.walk_outs import KIND as LEAVES_GROUPS
from services.attendance.walk_outs import walked_out

RISKS = frozenset({"suicide-risk", "overdose-risk"})
NOWHERE = (0, 0)
"""The place of what is asked about several sessions."""


@dataclass(frozen=True)
class Demand:
    """Something to ask of a person, of these sessions; `act_by` where it is earlier than its tier's time.

    Of a silence, since when it is `too_long_at`."""

    kind: RequestKind
    place: tuple[int, int]
    reason: str
    tier: int
    sessions: tuple[Session, ...]
    act_by: datetime | None = None
    too_long_at: datetime | None = None
    about: str = ""
    """The resource that it is about, where that is no session."""


def demands(state: State, now: datetime, settings: Settings) -> list[Demand]:
    """Everything that the sessions ask for and no person has answered. A stay that is over asks for minutes alone."""
    episode = state.episode
    if episode is None or episode.died_at is not None:
        return []
    found = _unreported(state, now)
    if episode.is_over:
        return found
    misses = sorted((each for each in state.sessions if each.counts_as_missed), key=_place)
    found += [_outreach(state, each, settings) for each in misses if "missed" not in each.answered]
    if len(misses) > 1:
        found += _repeated(misses, state, settings)
    if over := cap.beyond(misses, state.past_misses, settings):
        found.append(Demand(cap.OVER_CAP, NOWHERE, cap.REASON, 3, over))
    return [
        *found,
        *_late_or_partial(state, settings),
        *_leaves_groups(state, settings),
        *_short_week(state),
        *_silent(state, now),
    ]


def _unreported(state: State, now: datetime) -> list[Demand]:
    """An Encounter that is still open a day after its session (`report_minutes_hours`), or over without its minutes."""
    episode = state.episode
    assert episode is not None
    return [
        Demand("report-minutes", each.place, "report-minutes", 1, (each,))
        for each in state.sessions
        if each.lasts and "report-minutes" not in each.answered and unreported_at(episode, each) <= now
    ]


def _late_or_partial(state: State, settings: Settings) -> list[Demand]:
    """Two sessions attended late or in part within two weeks: one alone asks nobody (domain 5.2)."""
    episode = state.episode
    assert episode is not None
    found = sorted((each for each in state.sessions if outcomes.counts(episode, each, settings)), key=_place)
    runs = _in_windows(found, settings.shortfall_window_days, settings.shortfalls_in_window, settings)
    several = _unanswered(runs, outcomes.KIND)
    return [Demand(outcomes.KIND, NOWHERE, "late-or-partial-in-14-days", 1, several)] if several else []


def _short_week(state: State) -> list[Demand]:
    """Projected below its hours from mid-week on, while a make-up may still be held (domain 5.2)."""
    episode, week = state.episode, state.projection
    if episode is None or week is None or not week.asks:
        return []
    about = f"DetectedIssue/{projection.issue_id(episode, week.start)}"
    return [Demand(projection.KIND, NOWHERE, WEEK_SHORT, 2, (), about=about)]


def _silent(state: State, now: datetime) -> list[Demand]:
    """Nobody is discharged for it: a person looks at it (domain 5.2)."""
    reasons = {"no-contact": "no-contact-after-miss", "no-attendance": "no-attendance"}
    return [
        Demand(each.kind, each.misses[0].place, reasons[each.kind], 3, each.misses, too_long_at=each.at)
        for each in silences(state.episode, state.sessions, state.outreach)
        if each.at <= now
    ]


def _outreach(state: State, missed: Session, settings: Settings) -> Demand:
    """Somebody reaches out within a day of the session's start, whatever the tier; the flags are those of now."""
    assert state.episode is not None
    act_by = missed.start + timedelta(hours=settings.outreach_hours)
    tier = 1
    early = missed.start < state.episode.admitted_at + timedelta(days=settings.early_days)
    if at_risk(state):
        tier = 3
    elif early or "opioid-history" in state.episode.flags:
        tier = 2
    return Demand("missed", missed.place, "missed-session", tier, (missed,), act_by)


def undone(before: State, after: State) -> list[tuple[Session, Session]]:
    """Absences that are none any more, as they were and as they are. One that the end of the stay took back may come
    again with it."""
    if after.sessions == before.sessions:
        return []
    absent = {each.place: each for each in before.sessions if _is_absence(each)}
    return [(absent[each.place], each) for each in after.sessions if each.place in absent and not _is_absence(each)]


def _is_absence(session: Session) -> bool:
    return session.counts_as_missed or (session.mark == "ended" and session.concluded and not session.presences)


def at_risk(state: State) -> bool:
    return state.episode is not None and not RISKS.isdisjoint(state.episode.flags)


def _repeated(misses: Sequence[Session], state: State, settings: Settings) -> list[Demand]:
    """Two within a week; three in a row or within two weeks, for which a person is asked once."""
    found = []
    pairs = _in_windows(misses, settings.miss_window_days, settings.misses_in_window, settings)
    if two := _unanswered(pairs, "two-misses"):
        found.append(Demand("two-misses", NOWHERE, "two-misses-in-7-days", 2, two))
    rows = _unanswered(_in_a_row(state, settings), "three-misses")
    near = _in_windows(misses, settings.long_window_days, settings.misses_in_long_window, settings)
    if three := tuple(sorted({*rows, *_unanswered(near, "three-misses")}, key=_place)):
        reason = "three-consecutive-misses" if rows else "three-misses-in-14-days"
        found.append(Demand("three-misses", NOWHERE, reason, 3, three))
    return found


def _leaves_groups(state: State, settings: Settings) -> list[Demand]:
    """Proposes individual therapy (domain 1.5): a person decides. Nobody is asked of whom that is decided already."""
    episode, seat = state.episode, state.seat
    assert episode is not None
    if is_individual(episode, seat_of_stay(episode, seat)):
        return []
    left = sorted((each for each in state.sessions if walked_out(episode, each, settings)), key=_place)
    runs = _in_windows(left, settings.walk_out_window_days, settings.walk_outs_in_window, settings)
    several = _unanswered(runs, LEAVES_GROUPS)
    return [Demand(LEAVES_GROUPS, NOWHERE, LEAVES_GROUPS, 1, several)] if several else []


def _in_windows(misses: Sequence[Session], days: int, least: int, settings: Settings) -> list[Sequence[Session]]:
    """Every run of misses, or of others, given in their order, that lie within so many days of its last one.

    Days of the clinic's clock: in the week of a clock change, Monday at six to Monday at six is seven days too.
    """
    starts, zone, span = [each.start for each in misses], ZoneInfo(settings.timezone), timedelta(days=days)
    firsts = [bisect_right(starts, start.astimezone(zone) - span) for start in starts]
    runs = [misses[first : last + 1] for last, first in enumerate(firsts)]
    return [each for each in runs if len(each) >= least]


def _in_a_row(state: State, settings: Settings) -> list[Sequence[Session]]:
    """Misses with no session between them that was attended. Excused and called-off sessions break no row."""
    held = sorted(
        (each for each in state.sessions if each.counts_as_missed or each.outcome in ("present", "attended")),
        key=_place,
    )
    most = settings.consecutive_misses
    rows = [held[last - most : last] for last in range(most, len(held) + 1)]
    return [each for each in rows if all(one.counts_as_missed for one in each)]


def _unanswered(runs: Sequence[Sequence[Session]], kind: RequestKind) -> tuple[Session, ...]:
    """The sessions of all runs of which a person has not answered every miss."""
    standing = [run for run in runs if any(kind not in each.answered for each in run)]
    return tuple(sorted({each for run in standing for each in run}, key=_place))


def _place(session: Session) -> tuple[int, int]:
    return session.place
