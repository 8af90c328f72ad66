"""Which meetings fit one patient. Pure: coarse facts in, identifiers out."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import msgspec

from services.aftercare.meetings.meeting import Meeting, Venue
from services.aftercare.meetings.type_codes import LANGUAGES
from services.aftercare.meetings.venue_address import CLOSED_FOR_NOW

NEWCOMER, OPEN, DUAL_DIAGNOSIS, ATTENDANCE_PROOF, WHEELCHAIR = "BE", "O", "DD", "POA", "X"
EVENING = "17:00"
FOR_SOME = frozenset({"BI", "G", "L", "LGBTQ", "M", "N", "NB", "NDG", "P", "POC", "SEN", "T", "W", "Y"})
"""Types that speak to a part of the people: never guessed of a patient, so offered last."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What a list should look like for one patient: coarse facts only, `language` is a BCP 47 code."""

    newcomer: bool = False
    dual_diagnosis: bool = False
    attendance_proof: bool = False
    wheelchair: bool = False
    telehealth: bool = False
    evening: bool = False
    language: str = "en"
    area: str | None = None


def match(meetings: Sequence[Meeting], wishes: Wishes, most: int) -> tuple[str, ...]:
    """Identifiers of at most `most` meetings, the fitting ones first on each weekday, spread over the week. Where none
    is near, those of any area: a list is never silently empty."""
    found = _matching(meetings, wishes, most)
    return found or _matching(meetings, msgspec.structs.replace(wishes, area=None), most)


def _matching(meetings: Iterable[Meeting], wishes: Wishes, most: int) -> tuple[str, ...]:
    suitable = [
        each for each in meetings if _is_regular(each) and _venues(each, wishes) and _is_understood(each, wishes)
    ]
    ranked = sorted(suitable, key=lambda each: (-_worth(each, wishes), each.start or "", each.id))
    return _spread(ranked, most)


def _is_regular(meeting: Meeting) -> bool:
    return bool(meeting.weekdays) and meeting.start is not None


def _venues(meeting: Meeting, wishes: Wishes) -> list[Venue]:
    """The ways in which this patient can take part; a place that is far, closed or full of steps is none."""
    near = wishes.area is None or wishes.area.casefold() in {each.casefold() for each in meeting.places}
    reachable = WHEELCHAIR in meeting.types or not wishes.wheelchair
    in_person = near and reachable and CLOSED_FOR_NOW not in meeting.types
    return [each for each in meeting.venues if each != "in-person" or in_person]


def _is_understood(meeting: Meeting, wishes: Wishes) -> bool:
    return bool({_language(wishes), "EN"} & _spoken(meeting))


def _language(wishes: Wishes) -> str:
    return LANGUAGES.get(wishes.language.partition("-")[0].lower(), "EN")


def _spoken(meeting: Meeting) -> set[str]:
    """A meeting that names no language is held in English."""
    return set(meeting.types) & set(LANGUAGES.values()) or {"EN"}


def _worth(meeting: Meeting, wishes: Wishes) -> int:
    types = set(meeting.types)
    points = 8 if _language(wishes) in _spoken(meeting) else 0
    points += sum(worth for type_, worth in _worth_of_types(wishes).items() if type_ in types)
    points += 1 if wishes.evening and _is_evening(meeting) else 0
    points += 1 if _preferred(wishes) in _venues(meeting, wishes) else 0
    return points - (5 if types & FOR_SOME else 0)


def _worth_of_types(wishes: Wishes) -> dict[str, int]:
    """What a type of meeting is worth to this patient."""
    return {
        DUAL_DIAGNOSIS: 4 * wishes.dual_diagnosis,
        ATTENDANCE_PROOF: 4 * wishes.attendance_proof,
        NEWCOMER: 2 * wishes.newcomer,
        OPEN: 1 * wishes.newcomer,
    }


def _preferred(wishes: Wishes) -> Venue:
    return "online" if wishes.telehealth else "in-person"


def _is_evening(meeting: Meeting) -> bool:
    return (meeting.start or "") >= EVENING


def _spread(ranked: Sequence[Meeting], most: int) -> tuple[str, ...]:
    """The best of each weekday, then the second best of each, until there are enough."""
    days = [[each.id for each in ranked if day in each.weekdays] for day in range(7)]
    in_turn = (each for turn in zip_longest(*days) for each in turn if each is not None)
    return tuple(dict.fromkeys(in_turn))[:most]
