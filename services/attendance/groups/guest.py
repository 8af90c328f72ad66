"""A guest: who makes up a miss in one session of a group, as the group and as the patient's own state remember it."""

import msgspec

from services.attendance.groups import guest_events as w
from shared.rules.packing import pack_id, unpack_id


class Guest(msgspec.Struct, frozen=True, array_like=True):
    """Of a group: this patient, whose id is packed, has the seat of the session that was planned for this minute; `ask`
    is short for what they asked."""

    patient: str
    ask: str
    minute: int

    @property
    def patient_id(self) -> str:
        return unpack_id(self.patient)


class GuestSeat(msgspec.Struct, frozen=True, array_like=True):
    """Of a patient: the session at this place (its minute, its slot) is held with this group, which was asked for a
    seat of it, and has `given` one."""

    minute: int
    slot: int
    group: str
    ask: str
    given: bool = False

    @property
    def place(self) -> tuple[int, int]:
        return self.minute, self.slot


def guests_after(known: tuple[Guest, ...], event: w.OfGuests | w.GuestSeated) -> tuple[Guest, ...]:
    """Of a group, after this event."""
    match event:
        case w.GuestSeated(patient=patient, ask=ask, minute=minute):
            return (*known, Guest(patient, ask, minute))
        case w.GuestLeft():
            gone = pack_id(event.patient), event.ask
            return tuple(each for each in known if (each.patient, each.ask) != gone)
        case w.GuestAsked() | w.OpenSlotsAsked():
            return known


def guest_seats_after(known: tuple[GuestSeat, ...], event: w.OfOwnGuestSeat) -> tuple[GuestSeat, ...]:
    """Of a patient, after this event."""
    others = tuple(each for each in known if each.ask != event.ask)
    match event:
        case w.GuestSeatSought(place=(minute, slot), group=group, ask=ask):
            return (*others, GuestSeat(minute, slot, group, ask))
        case w.GuestSeatReturned():
            return others
        case w.GuestSeatTaken(minute=minute):
            changed = (msgspec.structs.replace(each, given=True, minute=minute) for each in known if each not in others)
            return (*others, *changed)
