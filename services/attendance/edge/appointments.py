"""An Appointment, and the answer to it, as what they report of its session."""

from collections.abc import Iterator, Sequence

from services.attendance.edge.booking import missed
from services.attendance.messages import (
    AcceptSession,
    CallOffSession,
    CancelSession,
    Coding,
    ConfirmAttendance,
    MakeUpMiss,
    MarkMissed,
    MoveSession,
    OfOneSession,
    ReinstateSession,
    WithdrawBooking,
)
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, codings, planned_exactly, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes
from shared.events.envelope import Command

_OF_THE_PROGRAM = frozenset(
    ["prov", "prov-pers", "prov-dch", "prov-edu", "prov-hosp", "prov-labs", "prov-mri", "prov-onc", "maint", "oth-room"]
)
"""Reasons of FHIR's list by which a program calls off."""
CODINGS_MOST, CHARACTERS_MOST = 4, 200
"""Of the reasons of one Appointment, those that are read again; a code system and its code have so many characters."""


def appointment(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """Nothing of a slot that a session has left, nor of a session whose group has not answered, sent back as the hub
    wrote them: the one takes place elsewhere, of the other the group decides."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is not None and stored.body["status"] == entry.resource["status"] == "pending":
        return ()
    left = "moved" in codes_in(entry.resource.get("cancelationReason"), codes.REASON)
    return () if left and entry.resource["status"] == "cancelled" else (reported(entry, context),)


def reported(entry: BundleEntry, context: Context) -> OfOneSession:
    """What its status reports of the session. Only one that was booked was booked in error. Raises HttpRefusal 422."""
    session_id = str(entry.id)
    match entry.resource["status"]:
        case "cancelled":
            return _cancelled(session_id, entry.resource.get("cancelationReason"), context)
        case "noshow":
            return MarkMissed(session_id=session_id)
        case "booked":
            return ReinstateSession(session_id=session_id)
        case "arrived" | "checked-in" | "fulfilled":
            return ConfirmAttendance(session_id=session_id, held=entry.resource["status"] == "fulfilled")
        case "entered-in-error" if entry.method == "PUT":
            return WithdrawBooking(session_id=session_id)
        case _:
            place = f"{entry.place}.status"
            raise refuse(
                422, "business-rule", place, "Must be booked, arrived, checked-in, fulfilled, noshow or cancelled."
            )


def _cancelled(session_id: str, reason: Json | None, context: Context) -> CancelSession | CallOffSession:
    """Called off where FHIR's own codes all say so: a local code that looks like one of them hides no absence. Of
    several reasons the one by which the program excuses. What the hub itself wrote is no reason, sent back."""
    sent = tuple(_sent(reason))
    stated = tuple(each for each in sent if len(each.code_system) + len(each.code) <= CHARACTERS_MOST)[:CODINGS_MOST]
    written = frozenset(codes_in(reason, codes.REASON))
    standard = list(codes_in(reason, codes.CANCELLATION, None))
    if _OF_THE_PROGRAM.issuperset(standard) if standard else not sent and "called-off" in written:
        return CallOffSession(session_id=session_id, stated=stated)
    foreign = [each.code for each in sent]
    excuses = (each for each in foreign if each in context.settings.excuse_reasons)
    found = (*excuses, *standard, *foreign, *(written & {"excused"}), "")
    return CancelSession(session_id=session_id, reason=found[0], stated=stated)


def _sent(reason: Json | None) -> Iterator[Coding]:
    """Without what the hub itself writes."""
    for coding in codings(reason):
        if "code" in coding and coding.get("system") != codes.REASON:
            yield Coding(str(coding.get("system", "")), str(coding["code"]))


def response(entry: BundleEntry) -> Sequence[Command]:
    """Declined, or accepted after all; any other answer is stored and changes nothing."""
    session_id = target(entry.resource["appointment"], "Appointment")
    if session_id is None:
        raise refuse(422, "value", f"{entry.place}.appointment", "Must refer to an Appointment of this service.")
    match entry.resource["participantStatus"]:
        case "declined":
            return (CancelSession(session_id=session_id, declined=True),)
        case "accepted":
            return (AcceptSession(session_id=session_id),)
        case _:
            return ()


def made_up(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """Where it names another miss than it did. One that it names no more stays: what is not sent is not taken back."""
    stored, named = context.stored.get((entry.type, str(entry.id))), missed(entry.resource, entry.place)
    if not named or (stored is not None and missed(stored.body, entry.place) == named):
        return ()
    return (MakeUpMiss(session_id=str(entry.id), missed_id=named),)


def another_time(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """Where it is put at another time than it has, or as booked at the time that it had before it was moved."""
    stored, sent = context.stored.get((entry.type, str(entry.id))), entry.resource
    if stored is None or "start" not in stored.body:
        return ()
    before, asked = (
        {each: planned_exactly(body[each], f"{entry.place}.{each}") for each in ("start", "end") if each in body}
        for body in (stored.body, sent)
    )
    differs = any(each in before and before[each] != moment for each, moment in asked.items())
    if not differs and not ("start" in asked and sent["status"] == "booked"):
        return ()
    return (MoveSession(session_id=str(entry.id), start=asked.get("start", before["start"]), end=asked.get("end")),)
