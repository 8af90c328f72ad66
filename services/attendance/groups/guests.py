"""The guests of a group's sessions: of two who ask for the last seat of one session, one gets it, always. Pure.

Whoever is a member, or waits to be one, goes before a guest.
"""

from collections.abc import Iterator

from services.attendance import messages
from services.attendance.groups.groups import Group
from services.attendance.groups.timetable import GroupSession, Timetable, looked_at, minute
from services.attendance.settings import Settings
from shared.events.internal import To
from shared.path.service import PATIENT
from shared.rules.decision import Moment
from shared.rules.packing import pack_id


def react(state: Group, event: messages.OfGuests, moment: Moment[Settings]) -> list[messages.EmitsOfGroups]:
    """The seat is given or not; who has it already hears nothing again."""
    if isinstance(event, messages.OpenSlotsAsked):
        return [To(kind=PATIENT, key=event.patient, event=_open(state, event, moment))]
    asker = pack_id(event.patient)
    if isinstance(event, messages.GuestLeft) or any(
        (each.patient, each.ask) == (asker, event.ask) for each in state.guests
    ):
        return []
    timetable = looked_at(state.timetable, moment.settings.groups.get(event.group), moment)
    session = _session(timetable, event, moment)
    if session is None or not _has_seat(state, session, asker, timetable.seats):
        return [_to(event.patient, messages.GuestSeatRefused(group=event.group, ask=event.ask))]
    return [
        messages.GuestSeated(patient=asker, ask=event.ask, minute=session.minute),
        _to(event.patient, messages.GuestSeatGiven(group=event.group, ask=event.ask)),
    ]


def _open(state: Group, event: messages.OpenSlotsAsked, moment: Moment[Settings]) -> messages.OpenSlots:
    asker, settings = pack_id(event.patient), moment.settings
    timetable = looked_at(state.timetable, settings.groups.get(event.group), moment)
    ahead = (each for each in timetable.sessions if minute(moment.now) < each.held < event.until and not each.mark)
    free = (each for each in ahead if _has_seat(state, each, asker, timetable.seats))
    first = sorted(free, key=lambda each: each.held)[: settings.make_up_slots_most]
    slots = tuple(messages.OpenSlot(event.group, each.minute, each.held, each.minutes) for each in first)
    return messages.OpenSlots(group=event.group, until=event.until, slots=slots)


def _session(timetable: Timetable, event: messages.GuestAsked, moment: Moment[Settings]) -> GroupSession | None:
    asked = (event.at, event.minutes, "")
    ahead = (each for each in timetable.sessions if each.held > minute(moment.now))
    return next((each for each in ahead if (each.held, each.minutes, each.mark) == asked), None)


def _has_seat(state: Group, session: GroupSession, asker: str, seats: int) -> bool:
    here = present(state, session)
    return not state.line and asker not in here and len(here) < seats


def present(state: Group, session: GroupSession) -> set[str]:
    """Who has a seat of this session, by their packed ids."""
    return {each.patient for each in state.members} | {
        each.patient for each in state.guests if each.minute == session.minute
    }


def notified(before: Group, then: Group) -> Iterator[To]:
    """Guests of a session that is held otherwise than it was, each once."""
    known = {each.minute: each for each in before.timetable.sessions}
    now = {each.minute: each for each in then.timetable.sessions}
    for guest in before.guests:
        was, session = known.get(guest.minute), now.get(guest.minute)
        if was is None or session is None or guest not in then.guests:
            continue
        if (was.held, was.mark) != (session.held, session.mark):
            event = messages.GuestMeetingChanged(
                group=then.name, ask=guest.ask, at=session.held, off=session.mark != ""
            )
            yield _to(guest.patient_id, event)


def _to(patient: str, event: messages.GuestAnswers) -> To:
    return To(kind=PATIENT, key=patient, event=event)
