"""The flags of a stay: those of the admission hold until what stands behind them changes, or grows too old."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from services.intake import messages
from services.intake.decide.course import Course
from services.intake.decide.placing import known_of
from services.intake.placement import schedule
from services.intake.record import Episode
from services.intake.settings import Settings
from services.intake.state import State
from services.intake.table import TABLE, codes_asked, window_of
from shared.rules.decision import Moment

CHANGING = (
    messages.AboutEvidence
    | messages.RecordMedications
    | messages.SignPlacement
    | messages.SetPlan
    | messages.SeatGiven
    | messages.WithdrawDischarge
    | messages.TimePassed
)
ASKED = frozenset(code for each in TABLE.flag for code in codes_asked(each.when))
"""The codes behind a flag."""


def stated(course: Course) -> list[messages.Emits]:
    """During a stay, attendance grades a miss by the flags of its day: they are emitted whole when they are others than
    those emitted last; and when the next answer behind one is too old, they are looked at again."""
    in_stay = course.before.episode is not None or course.emits(messages.EpisodeAdmitted | messages.DischargeWithdrawn)
    if not in_stay or not isinstance(course.cause, CHANGING):
        return []
    after, moment = course.after, course.moment
    if after.episode is None:
        return []
    found, change_at = _changed(after, after.episode, moment), changes_at(after, moment)
    if change_at != after.episode.flags_change_at:
        found.append(messages.FlagsLookedAt(change_at=change_at))
    return found


def _changed(state: State, episode: Episode, moment: Moment[Settings]) -> list[messages.Emits]:
    """Where nobody remembers which were emitted they are emitted again, and ended what was one since the admission."""
    now = schedule.flags(known_of(state, moment))
    before = episode.flags
    if before is None:
        before = schedule.flags(known_of(state, msgspec.structs.replace(moment, now=episode.admitted_at)))
        same = not before and not now
    else:
        same = set(before) == set(now)
    ended = tuple(each for each in before if each not in now)
    return [] if same else [messages.FlagsChanged(flags=now, ended=ended, changed_at=moment.now)]


def changes_at(state: State, moment: Moment[Settings]) -> datetime | None:
    """The next instant at which something behind a flag ends or begins by itself."""
    moments = (*_ends_of_windows(state), *_days_of_medications(state, moment.settings.timezone))
    return min((each for each in moments if each > moment.now), default=None)


def _ends_of_windows(state: State) -> Iterator[datetime]:
    for code in ASKED & state.evidence.keys():
        days = window_of(code).days
        if days is not None:
            yield from (each.at + timedelta(days=days, seconds=1) for each in state.evidence[code] if not each.ended)


def _days_of_medications(state: State, zone: str) -> Iterator[datetime]:
    for each in state.medications or ():
        if each.start_on is not None:
            yield _midnight(each.start_on, zone)
        if each.end_on is not None and each.end_on < date.max:
            yield _midnight(each.end_on + timedelta(days=1), zone)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))
