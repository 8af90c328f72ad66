"""A group: who has a seat in it, and who waits for one, in the order of their waiting.

A key of its own kind (`group_key`), so that of two patients who ask for the last seat one gets it, always. The answers
go to the patient's own key by `To`.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.attendance import messages
from services.attendance.fitting import day_of
from services.attendance.groups.guest import Guest, guests_after
from services.attendance.groups.plan import GroupPlan
from services.attendance.groups.timetable import Timetable
from services.attendance.settings import Settings
from shared.events.envelope import Command, Event
from shared.events.internal import To
from shared.path.service import PATIENT
from shared.rules.decision import Moment
from shared.rules.packing import pack_id, seconds, unpack_id

VERSION = 2
UPCAST: dict[int, Callable[[Any], Any]] = {1: lambda stored: stored}
"""Version 2 only adds, at the end: the guests."""
WAITING_MOST = 40
"""In line for one group; whoever is beyond asks again later: a state stays below 4 KB."""
LOOK_HOURS = 1
"""While anybody waits the group looks again by itself: its seats may have been raised, or it may have closed."""


class Member(msgspec.Struct, frozen=True, array_like=True):
    """In the group, or in line for it. The patient's id is packed, `ask` is short for what they asked; `since` when
    they began to wait, in seconds (UTC)."""

    patient: str
    ask: str
    since: int

    @property
    def turn(self) -> tuple[int, str]:
        return self.since, self.patient

    @property
    def patient_id(self) -> str:
        return unpack_id(self.patient)


class Group(msgspec.Struct, frozen=True, array_like=True):
    """Of one group; a patient is a member or in line, once. The line stands in its order."""

    name: str = ""
    members: tuple[Member, ...] = ()
    line: tuple[Member, ...] = ()
    look_at: datetime | None = None
    timetable: Timetable = Timetable()
    listed: str = ""
    """Short for what was listed of it last."""
    guests: tuple[Guest, ...] = ()
    """Of single sessions, as long as these are in the timetable."""


def react(
    state: Group, event: messages.OfGroups | messages.TimePassed, moment: Moment[Settings]
) -> list[messages.EmitsOfGroups]:
    """Whom free seats are given, and what the others are answered. Total: a repeat is deaf."""
    after = evolve(state, event)
    plan = moment.settings.groups.get(after.name)
    is_open = _is_open(plan, moment)
    free = 0 if plan is None else plan.seats - len(after.members) - _guests_at_once(after, moment)
    given = after.line[: max(free, 0)] if is_open else ()
    changes: list[messages.OfGroupStates] = []
    if given:
        changes.append(messages.SeatsFilled(patients=tuple(each.patient for each in given)))
    elif after.line and not is_open:
        changes.append(messages.LineEnded())
    then = after
    for change in changes:
        then = evolve(then, change)
    return [
        *changes,
        *(_answer(each, messages.SeatGiven(group=after.name, ask=each.ask)) for each in given),
        *_refusals(state, event, then),
        *_looks_again(then, event, moment),
    ]


def _guests_at_once(group: Group, moment: Moment[Settings]) -> int:
    """The most that any session ahead has: beside them nobody has a seat of it."""
    ahead = {each.minute for each in group.timetable.sessions if each.start > moment.now}
    members = {each.patient for each in group.members}
    counted = Counter(each.minute for each in group.guests if each.minute in ahead and each.patient not in members)
    return max(counted.values(), default=0)


def _is_open(plan: GroupPlan | None, moment: Moment[Settings]) -> bool:
    return plan is not None and plan.is_open_on(day_of(moment.now, moment.settings))


def _refusals(state: Group, event: messages.OfGroups | messages.TimePassed, then: Group) -> list[To]:
    """To whoever came and waits, or came for nothing, and to those who are in line no more without a seat."""
    by = pack_id(event.patient) if isinstance(event, messages.OfGroups) else ""
    served = {*then.members, *then.line}
    refused = [_full(then, each, waits=False) for each in state.line if each.patient != by and each not in served]
    came = _asker(event) if isinstance(event, messages.SeatAsked) else None
    if came is not None and came not in (*state.members, *state.line, *then.members):
        refused.append(_full(then, came, waits=came in then.line))
    return refused


def _full(group: Group, to: Member, *, waits: bool) -> To:
    return _answer(to, messages.GroupFull(group=group.name, ask=to.ask, waits=waits))


def _answer(to: Member, event: messages.SeatAnswers) -> To:
    return To(kind=PATIENT, key=to.patient_id, event=event)


def _looks_again(
    then: Group, event: messages.OfGroups | messages.TimePassed, moment: Moment[Settings]
) -> list[messages.EmitsOfGroups]:
    if (then.look_at is not None) == bool(then.line) and not isinstance(event, messages.TimePassed):
        return []
    return [messages.LineLookedAt(look_at=moment.now + timedelta(hours=LOOK_HOURS) if then.line else None)]


def evolve(state: Group, event: Event | Command) -> Group:
    """The state after an event. Total: what it does not know changes nothing."""
    change = msgspec.structs.replace
    match event:
        case messages.SeatAsked(group=name):
            return change(_in_line(state, _asker(event)), name=name)
        case messages.SeatLeft():
            gone = pack_id(event.patient), event.ask
            return change(state, members=_without(state.members, gone), line=_without(state.line, gone))
        case messages.SeatsFilled(patients=patients):
            given = tuple(each for each in state.line if each.patient in patients)
            line = tuple(each for each in state.line if each.patient not in patients)
            return change(state, members=(*state.members, *given), line=line)
        case messages.LineEnded():
            return change(state, line=())
        case messages.LineLookedAt(look_at=at):
            return change(state, look_at=at)
        case messages.GroupShown(form=form):
            return change(state, listed=form)
        case messages.TimetableChanged(timetable=timetable):
            planned = {each.minute for each in timetable.sessions}
            guests = tuple(each for each in state.guests if each.minute in planned)
            return change(state, timetable=timetable, guests=guests)
        case messages.GuestAsked(group=name) | messages.OpenSlotsAsked(group=name):
            return change(state, name=name)
        case messages.GuestLeft() | messages.GuestSeated():
            return change(state, guests=guests_after(state.guests, event))
        case _:
            return state


def _asker(event: messages.SeatAsked) -> Member:
    return Member(pack_id(event.patient), event.ask, seconds(event.since))


def _in_line(state: Group, came: Member) -> Group:
    """What was asked before by the same patient is asked no more."""
    if came in (*state.members, *state.line):
        return state
    members = tuple(each for each in state.members if each.patient != came.patient)
    others = (each for each in state.line if each.patient != came.patient)
    line = sorted((*others, came), key=lambda each: each.turn)[:WAITING_MOST]
    return msgspec.structs.replace(state, members=members, line=tuple(line))


def _without(members: tuple[Member, ...], gone: tuple[str, str]) -> tuple[Member, ...]:
    return tuple(each for each in members if (each.patient, each.ask) != gone)


def due(state: Group) -> datetime | None:
    moments = (state.look_at, state.timetable.books_on_at)
    return min((each for each in moments if each is not None), default=None)
