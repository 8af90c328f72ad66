"""The groups of a program as program.toml has them: when each meets, its seats, and for whom it is. Pure."""

from collections.abc import Mapping
from datetime import date
from itertools import combinations, pairwise
from typing import Annotated, Final, Literal
from uuid import NAMESPACE_URL

import msgspec

from shared.events import codes
from shared.events.envelope import name_id
from shared.rules.numbers import LocalTime, Weekday

GROUP: Final = "group"
"""The kind of key that a group is."""
SEATS_MOST = 14
"""Groups are usually smaller than 15 (domain 1.2; TIP 47: 8 to 15)."""
WEEK_MINUTES = 7 * 1440
GroupKind = Literal["group", "psychoeducation", "skills", "relapse-prevention", "refusal-training", "workshop"]
"""Of the session kinds those that are held with others."""
Text = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9.|-]*$")]
"""A code or an opaque id, never a name; "" for any, or none."""
GroupName = Annotated[str, msgspec.Meta(max_length=32, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class Meeting(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Each week: weekday 0 is Monday, `start` is local HH:MM."""

    weekday: Weekday
    start: LocalTime
    minutes: Annotated[int, msgspec.Meta(ge=1, le=720)]

    @property
    def begins(self) -> int:
        """In minutes of the week."""
        hours, minutes = self.start.split(":")
        return self.weekday * 1440 + int(hours) * 60 + int(minutes)

    @property
    def ends(self) -> int:
        return self.begins + self.minutes

    @property
    def is_within_its_day(self) -> bool:
        return self.ends <= (self.weekday + 1) * 1440

    def overlaps(self, other: "Meeting") -> bool:
        return self.begins < other.ends and other.begins < self.ends


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group. `track` and `literacy` are codes of the plan of care that its members share, "" for every track, and
    for those who need no special assignment; who is of its `gender` or speaks its `language` the hub does not know, so
    that a person chooses them. From the day `closed_from` on nobody joins: a closed group; "" is an open one."""

    seats: Annotated[int, msgspec.Meta(ge=1, le=SEATS_MOST)]
    meetings: Annotated[tuple[Meeting, ...], msgspec.Meta(min_length=1, max_length=14)]
    time: Literal["day", "evening"]
    kind: GroupKind = "group"
    closed_from: str = ""
    track: Text = ""
    literacy: Literal["", "special-assignment"] = ""
    language: Text = ""
    gender: Literal["", "female", "male", "other"] = ""
    modality: Literal["in-person", "video", "phone"] = "in-person"
    topic: Text = ""
    therapist: Text = ""
    room: Text = ""

    def __post_init__(self) -> None:
        """Raises ValueError, which names the line."""
        if not all(each.is_within_its_day for each in self.meetings):
            raise ValueError("meetings: each must end on the day on which it begins")
        if any(one.overlaps(other) for one, other in pairwise(sorted(self.meetings, key=lambda each: each.begins))):
            raise ValueError("meetings: two of them overlap, and nobody is in two rooms")
        if self.closed_from and not _is_day(self.closed_from):
            raise ValueError("closed_from: must be a day like 2026-02-02, or empty for an open group")

    def is_open_on(self, day: date) -> bool:
        """Whether somebody may join then, where a seat is free."""
        return not self.closed_from or day < date.fromisoformat(self.closed_from)

    def meets_with(self, other: "GroupPlan") -> bool:
        """At one time."""
        return any(one.overlaps(their) for one in self.meetings for their in other.meetings)


Groups = Mapping[GroupName, GroupPlan]


def group_key(program: str, group: str) -> str:
    """The key of a group: it names no patient, so that a person may read it."""
    return f"{program}/{group}"


def group_id(program: str, group: str) -> str:
    """Of its Group."""
    return name_id(NAMESPACE_URL, f"{codes.HUB}/Group/{program}/{group}")


def require_apart(groups: Groups) -> None:
    """Raises ValueError of two groups that one therapist or one room would have at one time."""
    for (name, one), (other_name, other) in combinations(groups.items(), 2):
        same = [
            each for each in ("therapist", "room") if getattr(one, each) and getattr(one, each) == getattr(other, each)
        ]
        if same and one.meets_with(other):
            raise ValueError(f"groups.{other_name}: has the {same[0]} of groups.{name} at the same time")


def _is_day(text: str) -> bool:
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False
