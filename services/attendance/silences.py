"""Patients of whom nothing is heard since a miss: nobody reached them for too long, or they attended nothing. Pure.

Counted anew from the sessions and the attempts each time, so in whatever order these became known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.attendance.record import Episode, Session, SilenceKind, decides_at, moment_of
from shared.rules.outreach import Attempt


@dataclass(frozen=True)
class Silence:
    """Since the last sign of the patient: every miss that no person has answered, the first one names it. It is too
    long at the instant `at`."""

    kind: SilenceKind
    misses: tuple[Session, ...]
    at: datetime


def silences(episode: Episode | None, sessions: Sequence[Session], outreach: Sequence[Attempt]) -> Iterator[Silence]:
    """Those that last. None of a stay that is over or paused: the patient is not waited for."""
    if episode is None or episode.is_over or episode.paused_at is not None:
        return
    misses = sorted((each for each in sessions if each.counts_as_missed), key=lambda each: each.place)
    if not misses:
        return
    contact, attendance = (timedelta(hours=each) for each in episode.silent_hours)
    attended, contacted = (signs(kind, sessions, outreach) for kind in ("no-attendance", "no-contact"))
    if since := _since(misses, contacted, "no-contact"):
        yield Silence("no-contact", since, _decided(episode, sessions, since[0].start + contact))
    if since := _since(misses, attended, "no-attendance"):
        begins = max([episode.admitted_at, *attended])
        yield Silence("no-attendance", since, _decided(episode, sessions, begins + attendance))


def signs(kind: str, sessions: Sequence[Session], outreach: Sequence[Attempt]) -> list[datetime]:
    """Of the patient: sessions that they came to; of a contact also when somebody reached them."""
    attended = [each.start for each in sessions if each.outcome in ("present", "attended")]
    reached = [moment_of(each.at) for each in outreach if each.reached and kind == "no-contact"]
    return attended + reached


def _since(misses: Sequence[Session], known: Sequence[datetime], kind: SilenceKind) -> tuple[Session, ...]:
    last = max(known, default=None)
    return tuple(each for each in misses if kind not in each.answered and (last is None or each.start >= last))


def _decided(episode: Episode, sessions: Sequence[Session], ends: datetime) -> datetime:
    """Once silence has decided each session until then: who comes to that one has given a sign in time."""
    return max([ends, *(decides_at(episode, each) for each in sessions if each.waits and each.start <= ends)])
