"""A group's sessions: booked ahead, listed as Slots, and called off or moved for all its members at once.

No decision lists a Slot or tells a member by itself: after each it is looked at what has changed (`followed`), whatever
changed it, so that nobody is told twice and nobody is forgotten.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from services.attendance import messages
from services.attendance.groups import groups
from services.attendance.groups import guests as group_guests
from services.attendance.groups import listing as group_listing
from services.attendance.groups.groups import Group
from services.attendance.groups.timetable import (
    FormerMember,
    GroupSession,
    Timetable,
    is_closed,
    looked_at,
    minute,
    oldest,
    overlap,
)
from services.attendance.settings import Settings
from shared.events.envelope import Command, Event
from shared.events.internal import To
from shared.events.listed import GroupSlot, SlotsListed, SlotStatus, schedule_id, slot_id
from shared.path.service import PATIENT
from shared.rules.decision import Moment, Refused
from shared.rules.packing import unpack_id

Emissions = list[messages.EmitsOfGroups]
NOT_THERE = Refused("not-found", "No session of this group that can still be changed (correction_days) has this id.")
WHOLE_MINUTES = Refused("business-rule", "Must be a whole minute.", "Slot.start")
ANOTHER_LENGTH = Refused("business-rule", "Must be as long after start as planned: a session moves whole.", "Slot.end")
BEGUN = Refused("conflict", "A session that has begun does not move: it is called off, or stands.", "Slot.start")
NOT_AHEAD = Refused("business-rule", "Must be in the future.", "Slot.start")
TOO_FAR = Refused("business-rule", "Must be within the days that are booked (book_days).", "Slot.start")
TWO_AT_ONCE = Refused("conflict", "The group has another session then: choose another time.", "Slot.start")
CLOSED = Refused(
    "conflict", "The program is closed on this day (calendar of program.toml): choose another.", "Slot.start"
)
UNPLANNED = Refused("conflict", "The group does not meet then any more (program.toml).", "Slot.status")


def react(state: Group, event: messages.ConsumesOfGroups, moment: Moment[Settings]) -> Emissions:
    """What a group decides, and what follows for its sessions, for whoever is in it, and for whoever reads of it."""
    decided = (
        group_guests.react(state, event, moment)
        if isinstance(event, messages.OfGuests)
        else groups.react(state, event, moment)
    )
    emitted = followed(state, event, decided, moment)
    return group_listing.followed(state, event, emitted, moment)


def decide(state: Group, command: messages.CommandsOfGroups, moment: Moment[Settings]) -> Emissions | Refused:
    """A session is called off, moved, or takes place after all."""
    session = _named(state, command.slot_id, moment)
    if session is None:
        return NOT_THERE
    changed = _changed(state.timetable, session, command, moment)
    if isinstance(changed, Refused):
        return changed
    emitted: Emissions = []
    if changed != session:
        emitted.append(messages.TimetableChanged(timetable=state.timetable.with_session(changed)))
    return followed(state, command, emitted, moment)


def _named(state: Group, identity: str, moment: Moment[Settings]) -> GroupSession | None:
    schedule = schedule_id(moment.program, state.name)
    return next((each for each in state.timetable.sessions if slot_id(schedule, each.minute) == identity), None)


def _changed(
    timetable: Timetable, session: GroupSession, command: messages.ChangeMeeting, moment: Moment[Settings]
) -> GroupSession | Refused:
    if command.start.second or command.start.microsecond:
        return WHOLE_MINUTES
    at = minute(command.start)
    there = msgspec.structs.replace(session, at=0 if at == session.minute else at, mark="")
    if command.end != there.end:
        return ANOTHER_LENGTH
    if there.held != session.held and (refused := _may_move(timetable, session, there, moment)) is not None:
        return refused
    if not command.takes_place:
        return msgspec.structs.replace(there, mark="off")
    if session.mark == "unplanned" and not there.at:
        return UNPLANNED
    return CLOSED if is_closed(there.start, moment.settings) else there


def _may_move(
    timetable: Timetable, session: GroupSession, there: GroupSession, moment: Moment[Settings]
) -> Refused | None:
    if session.start <= moment.now:
        return BEGUN
    if there.start <= moment.now:
        return NOT_AHEAD
    if there.held >= timetable.until:
        return TOO_FAR
    others = [each for each in timetable.sessions if each.minute != session.minute]
    if any(overlap(there, each) or there.held == each.minute for each in others):
        return TWO_AT_ONCE
    return None


def followed(
    before: Group, cause: Event | Command, emitted: Sequence[messages.EmitsOfGroups], moment: Moment[Settings]
) -> Emissions:
    """What was decided; the sessions as they are now, where they changed; and whoever that concerns is told."""
    after = _after(before, cause, emitted)
    if not after.name:
        return [*emitted]
    plan = moment.settings.groups.get(after.name)
    timetable = looked_at(_with_former(before, after, moment), plan, moment)
    then = msgspec.structs.replace(after, timetable=timetable)
    more: Emissions = []
    if timetable != after.timetable:
        more.append(messages.TimetableChanged(timetable=timetable))
    if plan is not None and (slots := tuple(_listed(before, then, moment))):
        schedule = schedule_id(moment.program, then.name)
        more.append(SlotsListed(group=then.name, schedule_id=schedule, kind=plan.kind, slots=slots))
    return [*emitted, *more, *_notified(before, then, moment), *group_guests.notified(before, then)]


def _after(before: Group, cause: Event | Command, emitted: Sequence[messages.EmitsOfGroups]) -> Group:
    after = groups.evolve(before, cause)
    for each in emitted:
        after = after if isinstance(each, To) else groups.evolve(after, each)
    return after


def _with_former(before: Group, after: Group, moment: Moment[Settings]) -> Timetable:
    """Who has left is remembered, and who came back is a member."""
    here = {each.patient for each in after.members}
    left = [FormerMember(each.patient, minute(moment.now)) for each in before.members]
    gone = {each.patient: each for each in (*after.timetable.former, *left) if each.patient not in here}
    return msgspec.structs.replace(after.timetable, former=tuple(gone.values()))


def _listed(before: Group, then: Group, moment: Moment[Settings]) -> Iterator[GroupSlot]:
    """Those that are new or other than they were listed; of what has begun nobody asks whether a seat is free."""
    known = {each.minute: each for each in before.timetable.sessions}
    schedule = schedule_id(moment.program, then.name)
    for each in then.timetable.sessions:
        is_other = known.get(each.minute) != each
        was, now = _has_seats(before, each), _has_seats(then, each)
        if is_other or (was != now and each.start > moment.now and each.mark == ""):
            yield GroupSlot(slot_id(schedule, each.minute), _status(each, now), each.start, each.end)


def _has_seats(group: Group, session: GroupSession) -> bool:
    return len(group_guests.present(group, session)) < group.timetable.seats


def _status(session: GroupSession, has_seats: bool) -> SlotStatus:
    if session.mark:
        return "busy-unavailable"
    return "free" if has_seats else "busy"


def _notified(before: Group, then: Group, moment: Moment[Settings]) -> Iterator[To]:
    """Each member once, in the order of their seats: whoever has just been given one, and all of them where something
    changed. Of what was held before they left former members hear too."""
    since, now = oldest(moment), then.timetable
    event = messages.MeetingsChanged(group=then.name, since=since, changes=now.changes(since))
    changed = event.changes != before.timetable.changes(since)
    known = {each.patient for each in before.members}
    for each in then.members:
        if changed or each.patient not in known:
            yield To(kind=PATIENT, key=each.patient_id, event=event)
    begun = _earliest_of_past(before.timetable, now, moment)
    for former in now.former:
        if begun is not None and former.minute >= begun:
            yield To(kind=PATIENT, key=unpack_id(former.patient), event=event)


def _earliest_of_past(before: Timetable, now: Timetable, moment: Moment[Settings]) -> int | None:
    """When the first of those began that have begun, and are other than they were."""
    known: Mapping[int, GroupSession] = {each.minute: each for each in before.sessions}
    other = (each for each in now.sessions if each.start <= moment.now)
    changed = [each.held for each in other if each.minute in known and known[each.minute].change != each.change]
    return min(changed, default=None)
