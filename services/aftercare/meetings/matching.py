"""Which meetings fit one patient. Pure: coarse facts in, identifiers out, and when they are on the patient's clock."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from services.aftercare.meetings.meeting import Meeting, Venue
from services.aftercare.meetings.nearness import Spot, names, nearness
from services.aftercare.meetings.type_codes import LANGUAGES
from services.aftercare.meetings.venue_address import CLOSED_FOR_NOW
from services.aftercare.meetings.weekly import DAY_MINUTES, WEEK_MINUTES, on_the_patients_clock, shift_minutes
from services.aftercare.meetings.wishes import FOR_WOMEN, SECULAR_FELLOWSHIPS, Wishes
from services.aftercare.zip_codes import zip_code

NEWCOMER, OPEN, DUAL_DIAGNOSIS, ATTENDANCE_PROOF, WHEELCHAIR = "BE", "O", "DD", "POA", "X"
EVENING_MINUTES = 17 * 60
WOMEN_OR_MEN = frozenset({"W", "M"})
FOR_SOME = frozenset({"BI", "G", "L", "LGBTQ", "M", "N", "NB", "NDG", "P", "POC", "SEN", "T", "W", "Y"})
"""Types that speak to a part of the people: never guessed of a patient, so offered last unless they are wished for."""
_COUNTS = frozenset({NEWCOMER, OPEN, DUAL_DIAGNOSIS, ATTENDANCE_PROOF, WHEELCHAIR, CLOSED_FOR_NOW, "A"}) | FOR_SOME
_NEAR_POINTS = (5, 4, 2, 1, 0)
"""From the nearest band on: a place that can be gone to is better the nearer it is."""
_UNKNOWN_POINTS = 3
"""Of a place that is near by its name alone."""


def _near_points(near_miles: Sequence[int]) -> Mapping[int | None, int]:
    return {None: _UNKNOWN_POINTS, **dict(zip(sorted(near_miles), _NEAR_POINTS, strict=False))}


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """A meeting for this patient: weekdays (Sunday = 0) and HH:MM on their clock, how they can take part, and within
    how many miles it is, where they can go there and that is known."""

    meeting: str
    weekdays: tuple[int, ...]
    start: str
    venues: tuple[Venue, ...]
    miles: int | None = None


class Found(msgspec.Struct, frozen=True):
    """What fits; `is_near` where one of all that fit can be gone to."""

    offers: tuple[Offer, ...] = ()
    is_near: bool = False


class Profile(NamedTuple):
    """All that fits a meeting to wishes, but for where and when it is: many meetings have the same."""

    types: frozenset[str]
    languages: frozenset[str]
    fellowship: str
    venues: tuple[Venue, ...]


class IndexedMeeting(NamedTuple):
    """One meeting: numbers of its profile, spot and zone; minutes of the day at which it starts, there."""

    profile: int
    spot: int
    zone: int
    start: int


@dataclass(frozen=True, slots=True)
class Index:
    """The regular meetings of a snapshot in the order of their starts and ids, made once a snapshot."""

    meetings: tuple[Meeting, ...]
    items: tuple[IndexedMeeting, ...]
    profiles: tuple[Profile, ...]
    spots: tuple[Spot, ...]
    zones: tuple[str | None, ...]

    @classmethod
    def of(cls, meetings: Iterable[Meeting]) -> "Index":
        regular = sorted((each for each in meetings if each.weekdays and each.start), key=_in_order)
        profiles: dict[Profile, int] = {}
        spots: dict[Spot, int] = {}
        zones: dict[str | None, int] = {}
        items = tuple(
            IndexedMeeting(
                profiles.setdefault(_profile(each), len(profiles)),
                spots.setdefault(_spot(each), len(spots)),
                zones.setdefault(each.timezone, len(zones)),
                _minutes(each.start or ""),
            )
            for each in regular
        )
        return cls(tuple(regular), items, tuple(profiles), tuple(spots), tuple(zones))

    def match(self, wishes: Wishes, most: int, now: datetime, near_miles: Sequence[int]) -> Found:
        """At most `most` meetings, the fitting ones first on each weekday, spread over the week. Where none is near,
        by these bands, those that one takes part in from afar."""
        query = _Query(self, wishes, now, near_miles)
        chosen = query.spread(query.ranked(), most)
        return Found(tuple(query.offer(each) for each in chosen), query.is_near)


class _Query:
    """One patient's wishes, looked at once for each profile, spot and zone, and never for each meeting."""

    def __init__(self, index: Index, wishes: Wishes, now: datetime, near_miles: Sequence[int]) -> None:
        self._index, self._wishes, self._now = index, wishes, now
        self._worth = [*map(_Judge(wishes).worth, index.profiles)]
        self._near = [*map(nearness(wishes, near_miles), index.spots)]
        self._shift = [shift_minutes(each, wishes.zone, now) for each in index.zones]
        points = _near_points(near_miles)
        self._near_points = dict.fromkeys(points, 0) if wishes.telehealth else points
        self.is_near = False

    def ranked(self) -> list[int]:
        """The numbers of all that fit, the worthiest first; of those worth the same by start and id."""
        by_worth: dict[int, list[int]] = defaultdict(list)
        worth, near, near_points, evening = self._worth, self._near, self._near_points, self._wishes.evening
        for number, (profile, spot, zone, start) in enumerate(self._index.items):
            there, points = worth[profile]
            if there is not None and (nearby := near[spot]) is not None:
                points = there + near_points[nearby.miles]
                self.is_near = True
            if points is not None:
                by_worth[points + (evening and self._is_evening(start, zone))].append(number)
        return [number for points in sorted(by_worth, reverse=True) for number in by_worth[points]]

    def _is_evening(self, start: int, zone: int) -> bool:
        return (start + self._shift[zone]) % DAY_MINUTES >= EVENING_MINUTES

    def spread(self, ranked: Sequence[int], most: int) -> list[int]:
        """The best of each weekday, then the second best of each, until there are enough."""
        days: list[list[int]] = [[] for _ in range(7)]
        for number in ranked:
            for day in self._days(number):
                if len(days[day]) < most:
                    days[day].append(number)
            if all(len(each) >= most for each in days):
                break
        in_turn = (each for turn in zip_longest(*days) for each in turn if each is not None)
        return list(dict.fromkeys(in_turn))[:most]

    def _days(self, number: int) -> Iterator[int]:
        """Its weekdays on the patient's clock."""
        item = self._index.items[number]
        shifted = item.start + self._shift[item.zone]
        for weekday in self._index.meetings[number].weekdays:
            yield (weekday * DAY_MINUTES + shifted) % WEEK_MINUTES // DAY_MINUTES

    def offer(self, number: int) -> Offer:
        meeting, item = self._index.meetings[number], self._index.items[number]
        nearby = self._near[item.spot] if self._worth[item.profile][0] is not None else None
        venues = tuple(each for each in meeting.venues if each != "in-person" or nearby is not None)
        weekdays, start = on_the_patients_clock(
            meeting.weekdays, meeting.start or "", meeting.timezone, self._wishes.zone, self._now
        )
        return Offer(meeting.id, weekdays, start, venues, nearby.miles if nearby is not None else None)


def _in_order(meeting: Meeting) -> tuple[str, str]:
    return meeting.start or "", meeting.id


def _minutes(start: str) -> int:
    return int(start[:2]) * 60 + int(start[3:5])


def _profile(meeting: Meeting) -> Profile:
    types = frozenset(meeting.types)
    languages = types & _LANGUAGES or frozenset({"EN"})  # one that names no language is held in English
    return Profile(types & _COUNTS, languages, meeting.fellowship, meeting.venues)


def _spot(meeting: Meeting) -> Spot:
    """To the mile: many meetings are at one place. Without coordinates it is about the centre of its ZIP code."""
    if meeting.latitude is not None and meeting.longitude is not None:
        place: tuple[float, float] | None = (round(meeting.latitude, 2), round(meeting.longitude, 2))
    else:
        about = zip_code(meeting.postal_code or "")
        place = about and about.place
    return Spot(place, names(meeting.places), meeting.state)


_Worth = tuple[int | None, int | None]
"""What a profile is worth: where the patient can go there, which needs it to be near; and from afar. None where they
can't take part so."""
_NO_WORTH: _Worth = (None, None)


class _Judge:
    """What one patient's wishes make of a profile."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._language = LANGUAGES.get(wishes.language.partition("-")[0].lower(), "EN")
        self._understood = frozenset({self._language, "EN"})
        self._wished, self._belongs_to = wishes.wished_types, wishes.belongs_to
        self._of_others = FOR_SOME - self._wished - self._belongs_to
        self._of_types = (
            (DUAL_DIAGNOSIS, 4 * wishes.dual_diagnosis),
            (ATTENDANCE_PROOF, 5 * wishes.attendance_proof),
            (NEWCOMER, 2 * wishes.newcomer),
            (OPEN, 1 * wishes.newcomer),
        )

    def worth(self, profile: Profile) -> _Worth:
        types, ways = profile.types, profile.venues
        if self._understood.isdisjoint(profile.languages) or not self._is_open_to(profile):
            return _NO_WORTH
        points, wants_online = self._points(profile), self._wishes.telehealth and "online" in ways
        can_go = "in-person" in ways and CLOSED_FOR_NOW not in types
        can_go = can_go and (WHEELCHAIR in types or not self._wishes.wheelchair)
        from_afar = ways != _IN_PERSON and bool(ways)
        near = points + (wants_online if self._wishes.telehealth else 1) if can_go else None
        return near, points + wants_online if from_afar else None

    def _is_open_to(self, profile: Profile) -> bool:
        """A meeting of women alone, or of men, is for whom it is known that they are."""
        alone = profile.types & WOMEN_OR_MEN or (_WOMEN if profile.fellowship == FOR_WOMEN else _NOBODY)
        return not alone or alone == WOMEN_OR_MEN or alone <= self._belongs_to

    def _points(self, profile: Profile) -> int:
        types = profile.types
        points = sum(points for type_, points in self._of_types if points and type_ in types)
        points += 8 if self._language in profile.languages else 0
        points += 7 if profile.fellowship in self._wishes.fellowships else 0
        points += 6 if self._is_wished(profile) else 0
        return points if self._of_others.isdisjoint(types) else points - 5

    def _is_wished(self, profile: Profile) -> bool:
        wished = self._wished
        return bool(wished) and (
            not wished.isdisjoint(profile.types) or ("A" in wished and profile.fellowship in SECULAR_FELLOWSHIPS)
        )


_IN_PERSON = ("in-person",)
_WOMEN, _NOBODY = frozenset({"W"}), frozenset[str]()
_LANGUAGES = frozenset(LANGUAGES.values())
