"""Days in care for substance use: the stays of this program and the nights elsewhere, joined over short gaps. A day of
two is one (domain 1.1: 90 days across the whole continuum, not in one level)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import msgspec

from services.intake import messages
from shared.rules.packing import instant, pack_id, seconds

PARTS_MOST = 16
"""Stays and nights elsewhere that are remembered: of more the newest, and then the count says that it may be more."""


class CarePart(msgspec.Struct, frozen=True, array_like=True):
    """A stay, or nights `elsewhere` (by an Encounter), from when until when, in seconds (UTC); None while it lasts."""

    packed: str
    since: int
    until: int | None = None
    elsewhere: bool = False


class Care(msgspec.Struct, frozen=True, array_like=True):
    """`dropped`: an older part was forgotten. `counted_at` is when the days of the stay were emitted last (seconds)."""

    parts: tuple[CarePart, ...] = ()
    dropped: bool = False
    counted_at: int = 0

    def after(self, event: "ChangesCare") -> "Care":
        match event:
            case messages.EpisodeAdmitted():
                return self._with(CarePart(pack_id(event.episode_id), seconds(event.admitted_at)))
            case messages.EpisodeDischarged():
                stay = CarePart(pack_id(event.episode_id), seconds(event.admitted_at), seconds(event.discharged_at))
                return self._with(stay)
            case messages.DischargeWithdrawn():
                return self._with(CarePart(pack_id(event.episode_id), seconds(event.admitted_at)))
            case messages.EngagedDaysCounted(counted_at=at):
                return msgspec.structs.replace(self, counted_at=seconds(at))
            case messages.RecordCareDays(counts=False):
                return msgspec.structs.replace(self, parts=self._others(pack_id(event.encounter_id)))
            case messages.RecordCareDays():
                until = seconds(event.ended_at)
                return self._with(CarePart(pack_id(event.encounter_id), seconds(event.started_at), until, True))

    def _with(self, part: CarePart) -> "Care":
        parts = sorted((*self._others(part.packed), part), key=lambda each: (each.since, each.packed))
        dropped = self.dropped or len(parts) > PARTS_MOST
        return msgspec.structs.replace(self, parts=tuple(parts[-PARTS_MOST:]), dropped=dropped)

    def _others(self, packed: str) -> tuple[CarePart, ...]:
        return tuple(each for each in self.parts if each.packed != packed)


ChangesCare = (
    messages.EpisodeAdmitted
    | messages.EpisodeDischarged
    | messages.DischargeWithdrawn
    | messages.EngagedDaysCounted
    | messages.RecordCareDays
)


class EngagedDays(msgspec.Struct, frozen=True):
    """In all, and of them in the stay, in earlier stays beside it, and elsewhere beside both; the first and the last
    day. `at_least` where older parts were forgotten that may belong to it."""

    days: int
    in_stay: int
    in_earlier_stays: int
    elsewhere: int
    since: date
    until: date
    at_least: bool


Span = tuple[int, int]
"""The first and the last day, as ordinals."""


def engaged_days(care: Care, stay: CarePart, now: datetime, zone: str, gap_days: int) -> EngagedDays:
    """Of the chain of care that the stay belongs to, up to its end or to today: whatever lies no more than `gap_days`
    days without care apart."""
    last = _day(min(seconds(now), stay.until or seconds(now)), zone)
    others = [each for each in care.parts if each.packed != stay.packed]
    spans = {each: span for each in (stay, *others) if (span := _span(each, last, zone))}
    of_stay = (min(_day(stay.since, zone), last), last)
    first = _first_of_chain(spans.values(), of_stay, gap_days)
    chain = {each: span for each, span in spans.items() if span[0] >= first}
    in_all, in_stays = _length(chain.values()), _length(span for each, span in chain.items() if not each.elsewhere)
    in_stay = of_stay[1] - of_stay[0] + 1
    oldest = min((_day(each.since, zone) for each in care.parts), default=first)
    return EngagedDays(
        days=in_all,
        in_stay=in_stay,
        in_earlier_stays=in_stays - in_stay,
        elsewhere=in_all - in_stays,
        since=date.fromordinal(first),
        until=date.fromordinal(last),
        at_least=care.dropped and first <= oldest,
    )


def _span(part: CarePart, last: int, zone: str) -> Span | None:
    """Up to the last day that is counted; None where it lies behind it, or never was."""
    first, end = _day(part.since, zone), last if part.until is None else min(_day(part.until, zone), last)
    return (first, end) if first <= end else None


def _day(at: int, zone: str) -> int:
    return instant(at).astimezone(ZoneInfo(zone)).toordinal()


def _first_of_chain(spans: Iterable[Span], stay: Span, gap_days: int) -> int:
    """Backwards from the stay: what ended no longer before than the gap is of it, whatever it overlaps."""
    first = stay[0]
    for since, until in sorted(spans, key=lambda each: each[1], reverse=True):
        if first - until - 1 <= gap_days:
            first = min(first, since)
    return first


def _length(spans: Iterable[Span]) -> int:
    """How many days lie in any of them."""
    days, end = 0, 0
    for since, until in sorted(spans):
        days += max(0, until - max(since - 1, end))
        end = max(end, until)
    return days


def part_of(parts: Sequence[CarePart], episode_id: str, admitted_at: datetime) -> CarePart:
    """The stay; of one that an older release admitted as it began."""
    packed = pack_id(episode_id)
    return next((each for each in parts if each.packed == packed), CarePart(packed, seconds(admitted_at)))
