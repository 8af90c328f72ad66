"""The stages of a stay: each with its level of care, its weeks and its sessions of the week; the hours taper."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated

import msgspec

from shared.rules.numbers import Count, LocalTime, Weekday

WEEK_MINUTES = {"1.5": (1, 540), "2.1": (540, 1200), "2.5": (1200, 7 * 1440)}
"""Of each level that has a weekly template: minutes a week, from and below (domain 2.2, 2.9): 20 hours and more are
partial hospitalisation, less than 9 are outpatient."""
INTENSIVE_MINUTES = WEEK_MINUTES["2.1"][0]
SessionMinutes = Annotated[int, msgspec.Meta(ge=1, le=720)]
BlockMinutes = Annotated[int, msgspec.Meta(ge=1, le=180)]
APART_MOST = 12
"""Blocks of a week that are sessions of their own: more would not fit into a state of attendance."""
PauseMinutes = Annotated[int, msgspec.Meta(ge=0, le=180)]
Blocks = Annotated[int, msgspec.Meta(ge=1, le=4)]
Weeks = Annotated[int, msgspec.Meta(ge=1, le=52)]
Days = Annotated[tuple[Weekday, ...], msgspec.Meta(max_length=5)]


class Sessions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the sessions of every stage share: minutes of a block and of a session, starts in local HH:MM."""

    block_minutes: BlockMinutes
    block_pause_minutes: PauseMinutes
    """Between two blocks of a day, which then are sessions of their own; 0: all of them are one session."""
    individual_minutes: SessionMinutes
    family_minutes: SessionMinutes
    family_every_weeks: Count
    intensive_days_least: Annotated[int, msgspec.Meta(ge=1, le=5)]
    """Days a week on which an intensive level has sessions."""
    day_start: LocalTime
    evening_start: LocalTime

    def starts(self, blocks: int, start: str) -> tuple[str, ...]:
        """Of the sessions that so many blocks of a day are, from local `start` on; raises ValueError where the last one
        would end after midnight."""
        if not self.block_pause_minutes:
            return (start,)
        apart = self.block_minutes + self.block_pause_minutes
        begun = [_minute(start) + number * apart for number in range(blocks)]
        if begun[-1] + self.block_minutes > 24 * 60:
            raise ValueError("sessions.block_pause_minutes: the blocks of a day must end before midnight")
        return tuple(f"{at // 60:02}:{at % 60:02}" for at in begun)

    def group_minutes(self, blocks: int) -> int:
        """Of each of these sessions."""
        return self.block_minutes if self.block_pause_minutes else blocks * self.block_minutes


class Week(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sessions of a week (domain 2.9): weekday 0 is Monday, the groups of a day are of so many blocks in a row."""

    group_weekdays: Days
    group_blocks: Blocks
    individual_weekdays: Days
    family_weekdays: Days

    def __post_init__(self) -> None:
        """All sessions of a day would begin at one time, and nobody is in two rooms."""
        if not self.days:
            raise ValueError("group_weekdays: a stage without a session is none")
        if len(set(self.days)) < len(self.days):
            raise ValueError(
                "group_weekdays, individual_weekdays, family_weekdays: each session needs a day of its own"
            )

    @property
    def days(self) -> tuple[int, ...]:
        return (*self.group_weekdays, *self.individual_weekdays, *self.family_weekdays)

    def is_of(self, level: str, sessions: Sessions) -> bool:
        """Whether every week of it, with the family session and without, has the hours and the days of this level."""
        least, below = WEEK_MINUTES[level]
        groups = len(self.group_weekdays) * self.group_blocks * sessions.block_minutes
        minutes = groups + len(self.individual_weekdays) * sessions.individual_minutes
        most = minutes + len(self.family_weekdays) * sessions.family_minutes
        days = len(self.group_weekdays) + len(self.individual_weekdays)
        return least <= minutes <= most < below and (least < INTENSIVE_MINUTES or days >= sessions.intensive_days_least)


class Stage(Week, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of them: after so many weeks the therapist is asked what follows. A track may have a week of its own."""

    level: str
    weeks: Weeks
    tracks: dict[str, Week] = {}

    def week_of(self, track: str) -> Week:
        return self.tracks.get(track, self)


Stages = Mapping[str, Stage]
"""By their code, in the order in which they follow each other."""


def require_stages(stages: Stages, sessions: Sessions, tracks: frozenset[str]) -> None:
    """Each with the hours of its level, for every track. Raises ValueError, which names the stage."""
    for name, stage in stages.items():
        if stage.level not in WEEK_MINUTES:
            raise ValueError(f"stages.{name}.level: must be one of {', '.join(WEEK_MINUTES)}")
        if not tracks.issuperset(stage.tracks):
            raise ValueError(f"stages.{name}.tracks: must name tracks of the placement table")
        for track in ("", *stage.tracks):
            _require_apart(stage.week_of(track), sessions, f"stages.{name}")
            if not stage.week_of(track).is_of(stage.level, sessions):
                place = f"stages.{name}" + (f".tracks.{track}" if track else "")
                raise ValueError(f"{place}: its week hasn't the hours and days of level {stage.level}")


def _require_apart(week: Week, sessions: Sessions, place: str) -> None:
    held = [sessions.starts(week.group_blocks, start) for start in (sessions.day_start, sessions.evening_start)]
    if len(held[0]) > 1 and len(held[0]) * len(week.group_weekdays) > APART_MOST:
        raise ValueError(f"{place}: with sessions.block_pause_minutes its week has at most {APART_MOST} blocks")


def _minute(start: str) -> int:
    """Of the day, by local HH:MM."""
    hour, _, minute = start.partition(":")
    return int(hour) * 60 + int(minute)


def first_of(stages: Stages, level: str) -> str:
    """The stage in which a stay of this level begins; "" where the program has none."""
    return next((name for name, stage in stages.items() if stage.level == level), "")


def after(stages: Stages, code: str) -> str:
    """The stage that follows this one; "" behind the last, and behind one that the program has no more."""
    names = list(stages)
    return next((later for now, later in pairwise(names) if now == code), "")
