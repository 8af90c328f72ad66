"""What a group tells its members of its sessions, and what it remembers of them itself: on no topic."""

from datetime import datetime

from services.attendance.groups.timetable import MeetingChange, Timetable
from shared.events.envelope import Command, Event
from shared.events.internal import StateEvent


class MeetingsChanged(Event, frozen=True, kw_only=True, tag=True):
    """To a member: of the sessions from minute `since` on, all that are held at another time, or not at all."""

    group: str
    since: int
    changes: tuple[MeetingChange, ...]


class TimetableChanged(StateEvent, frozen=True, kw_only=True):
    """Of the group's own state: its sessions as they are from now on."""

    timetable: Timetable


class ChangeMeeting(Command, frozen=True, kw_only=True, tag=True):
    """The group's session of this Slot is held from `start` on, if it `takes_place`; `end` must be as long after it as
    planned. For all its members at once, and never against one of them."""

    slot_id: str
    start: datetime
    end: datetime
    takes_place: bool = True
