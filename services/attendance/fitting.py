"""Which group fits a stay, and the week that it makes with it. Pure.

What the hub does not know of a patient (who is of which gender, which language they speak) fits by a person alone.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec

from services.attendance.groups.plan import GroupKind, GroupPlan, Meeting
from services.attendance.groups.seat import ALONE, GroupSeat
from services.attendance.record import Episode, SessionSlot
from services.attendance.settings import Settings

SHARED: frozenset[str] = frozenset(get_args(GroupKind))
"""Kinds of sessions that are held with others."""


def seat_of_stay(episode: Episode, seat: GroupSeat | None) -> GroupSeat | None:
    """None where it is of another stay."""
    return seat if seat is not None and seat.episode_id == episode.id else None


def is_individual(episode: Episode, seat: GroupSeat | None) -> bool:
    """Nobody is put into a group who cannot be in one; a person may choose one all the same."""
    chosen = "" if seat is None else seat.chosen
    return chosen == ALONE or (not chosen and "individual-only" in episode.flags)


def kind_in_groups(episode: Episode, settings: Settings) -> str | None:
    """The kind of the stay's sessions that the program's groups hold; None where they hold none of them."""
    held = {each.kind for each in settings.groups.values()}
    return next((each.kind for each in week_of_care(episode) if each.kind in held), None)


def day_of(moment: datetime, settings: Settings) -> date:
    """The program's."""
    return moment.astimezone(ZoneInfo(settings.timezone)).date()


def groups_that_fit(episode: Episode, settings: Settings, now: datetime, own: str) -> tuple[str, ...]:
    """In their order in program.toml; of closed ones the patient's `own`."""
    planned = _shared(week_of_care(episode), kind_in_groups(episode, settings))
    today = day_of(now, settings)
    return tuple(
        name
        for name, plan in settings.groups.items()
        if (plan.is_open_on(today) or name == own) and _is_for(plan, episode) and _has_the_hours(plan, planned)
    )


def groups_for_make_ups(
    episode: Episode, seat: GroupSeat | None, kinds: Iterable[str], settings: Settings
) -> tuple[str, ...]:
    """Those of this content and time of day in which the patient is not: where they may be a guest."""
    own = "" if seat is None else seat.group
    wanted = set(kinds)
    return tuple(
        name for name, plan in settings.groups.items() if name != own and plan.kind in wanted and _is_for(plan, episode)
    )


def _is_for(plan: GroupPlan, episode: Episode) -> bool:
    flags = episode.flags
    if plan.gender or plan.language or "barrier-language" in flags or not episode.tracks:
        return False
    return (
        plan.track in ("", *episode.tracks)
        and (plan.literacy != "") == ("special-assignment" in flags)
        and (plan.time == "evening") == ("evening" in flags)
        and (plan.modality != "in-person") == ("telehealth" in flags)
    )


def _has_the_hours(plan: GroupPlan, planned: Sequence[SessionSlot]) -> bool:
    """That the plan of care has on its days: with fewer the week would fall short by itself."""
    if not planned or plan.kind != planned[0].kind:
        return False
    meetings = _meetings(plan, planned)
    same_days = len(_days(meetings)) == len(_days(planned))
    return same_days and sum(each.minutes for each in meetings) == sum(each.minutes for each in planned)


def week_of_care(episode: Episode) -> tuple[SessionSlot, ...]:
    return tuple(episode.template[each] for each in episode.slots_of_care)


def week_held(episode: Episode, seat: GroupSeat | None, settings: Settings) -> tuple[SessionSlot, ...]:
    """The week of the plan of care, with the meetings of the patient's group in place of its group sessions. Whoever
    waits for a seat has none of these, and whoever is in no group the same hours as individual work."""
    week = week_of_care(episode)
    if is_individual(episode, seat):
        return _distinct(held_alone(each) if each.kind in SHARED else each for each in week)
    plan = settings.groups.get(seat.group) if seat is not None else None
    kind = kind_in_groups(episode, settings) if plan is None else plan.kind
    meetings = [] if plan is None or seat is None else _slots(seat.group, plan, _shared(week, plan.kind))
    return _distinct((*meetings, *(each for each in week if each.kind != kind)))


def held_alone(slot: SessionSlot) -> SessionSlot:
    """The same hours, as individual work."""
    return msgspec.structs.replace(slot, kind="individual")


def _distinct(slots: Iterable[SessionSlot]) -> tuple[SessionSlot, ...]:
    return tuple(dict.fromkeys(slots))


def _slots(name: str, plan: GroupPlan, planned: Sequence[SessionSlot]) -> list[SessionSlot]:
    every = {each.every_weeks for each in planned}
    return [
        SessionSlot(
            plan.kind,
            each.weekday,
            each.start,
            each.minutes,
            every.pop() if len(every) == 1 else 1,
            modality=plan.modality,
            topic=plan.topic,
            therapist=plan.therapist,
            room=plan.room,
            group=name,
        )
        for each in _meetings(plan, planned)
    ]


def _meetings(plan: GroupPlan, planned: Sequence[SessionSlot]) -> list[Meeting]:
    """On as many days as the week of care has: on its own days first, then on others in their order."""
    own = _days(planned)
    days = sorted(_days(plan.meetings), key=lambda each: (each not in own, each))[: len(own)]
    return [each for each in sorted(plan.meetings, key=lambda each: each.begins) if each.weekday in days]


def _days(slots: Iterable[SessionSlot] | Iterable[Meeting]) -> set[int]:
    return {each.weekday for each in slots}


def _shared(week: Sequence[SessionSlot], kind: str | None) -> list[SessionSlot]:
    return [each for each in week if each.kind == kind]
