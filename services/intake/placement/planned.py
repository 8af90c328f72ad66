"""A signed placement whose stay has not begun: its start is planned, or the patient waits for a seat."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self

import msgspec

from services.intake import messages
from services.intake.messages import StatedNeed
from services.intake.placement.assessment import Assessment, support
from services.intake.placement.evidence import pieces_of
from services.intake.placement.levels import LEVELS, is_below
from services.intake.table import TABLE
from shared.events.envelope import name_id
from shared.rules.packing import instant, pack_id, seconds, unpack_id

_LOOKED_AT_FIRST = tuple(each for each in TABLE.rule if each.safety or each.hold)
"""The rules of danger, and those by which a person looks first."""
EARLIER_MOST = 6
"""Statuses that are remembered: of more the first and the newest; a state stays small."""


class Planned(msgspec.Struct, frozen=True, array_like=True):
    """Times are seconds (UTC). `signed` is the Task (packed id) of the signature, `bound` the higher of the level that
    was signed and the one recommended then, `danger` the pieces of evidence of danger that were known then: only what
    goes beyond them takes the plan back. `since` is when it became what it is, `start` when the stay is to begin (None:
    it waits for a seat), `confirmed` when a clinician last found the needs still true, `look_at` when something becomes
    due."""

    signed: str
    level: str
    bound: str
    since: int
    start: int | None = None
    confirmed: int | None = None
    look_at: int | None = None
    danger: tuple[str, ...] = ()
    known: tuple[tuple[messages.Waits, int], ...] = ()
    """What it was before, and since when, the oldest first."""

    def is_exceeded(self, level: str | None, known: Assessment) -> bool:
        """Whether the rules ask for a higher level by now than was signed or recommended, or danger is new."""
        higher = level is not None and is_below(self.bound, level)
        return higher or not set(danger(known)).issubset(self.danger)

    @property
    def status(self) -> messages.Waits:
        return "waitlist" if self.start is None else "planned"

    @property
    def signed_task(self) -> str:
        return unpack_id(self.signed)

    @property
    def starts_at(self) -> datetime | None:
        return instant(self.start)

    @property
    def looked_at_again(self) -> datetime | None:
        return instant(self.look_at)

    def looked_at(self, at: datetime | None) -> Self:
        return msgspec.structs.replace(self, look_at=seconds(at))

    def earlier(self, at: datetime) -> tuple[messages.EarlierStatus, ...]:
        """What it was up to this instant, the present status among it."""
        return tuple(messages.EarlierStatus(status, instant(since)) for status, since in self._known_at(seconds(at)))

    def _known_at(self, second: int) -> tuple[tuple[messages.Waits, int], ...]:
        """A status of no time is none: a seat was asked for, and answered at once."""
        return self.known if self.since == second else (*self.known, (self.status, self.since))

    def needs_good_until(self, needs: Iterable[StatedNeed], days: int) -> datetime:
        """Up to when the needs may be placed by: so long after the oldest was assessed, or found still true. Where none
        is known, the signature stands for them."""
        confirmed = instant(self.confirmed) if self.confirmed is not None else None
        times = [max(each.at, confirmed) if confirmed else each.at for each in needs]
        first = self.known[0][1] if self.known else self.since
        return min(times, default=confirmed or instant(first)) + timedelta(days=days)

    def moved(self, event: messages.EpisodePlanned | messages.EpisodeWaitlisted) -> Self:
        start = event.starts_at if isinstance(event, messages.EpisodePlanned) else None
        known = self._known_at(seconds(event.at))
        return msgspec.structs.replace(
            self,
            since=seconds(event.at),
            start=seconds(start),
            look_at=None,
            known=(*known[:1], *known[1:][1 - EARLIER_MOST :]),
        )


def danger(known: Assessment) -> tuple[str, ...]:
    """A short name of each answer by which such a rule holds."""
    codes = frozenset().union(*(support(each, known) or () for each in _LOOKED_AT_FIRST))
    stand = {code: tuple(each for each in known.evidence.get(code, ()) if each.value) for code in codes}
    return pieces_of(stand, codes)


def begun(
    event: messages.EpisodePlanned | messages.EpisodeWaitlisted, recommended: str | None, known: Assessment
) -> Planned:
    """With the signature. One under no recommendation is a clinician's word about the needs, too."""
    start = event.starts_at if isinstance(event, messages.EpisodePlanned) else None
    return Planned(
        signed=pack_id(event.signed),
        level=event.level,
        bound=max(event.level, recommended or event.level, key=LEVELS.index),
        since=seconds(event.at),
        start=seconds(start),
        confirmed=seconds(event.at) if recommended is None else None,
        danger=danger(known),
    )


def plan_after(
    plan: Planned | None, event: messages.OfPlan, recommended: str | None, known: Assessment
) -> Planned | None:
    """What is planned after this event."""
    if isinstance(event, messages.EpisodeCancelled):
        return None
    return begun(event, recommended, known) if plan is None else plan.moved(event)


def episode_id(referral_id: str) -> str:
    """Of the stay that a referral begins, planned or not."""
    return name_id(referral_id, "episode")
