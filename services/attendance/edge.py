"""Foreign FHIR as commands: check-ins and minutes by Encounter, excuses by Appointment, escalations by Task."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from services.attendance.messages import (
    AcknowledgeEscalation,
    CallOffSession,
    CheckIn,
    ExcuseSession,
    MarkMissed,
    ReinstateSession,
    ResolveEscalation,
    WithdrawCheckIn,
)
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport
from shared.edge.fhir.elements import code_in, happened_exactly, planned_exactly, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.search import PARAMETERS
from shared.events.envelope import Command

_UNIT_MINUTES = {"min": Decimal(1), "h": Decimal(60), "s": Decimal(1) / 60, "d": Decimal(1440)}
_PRESENT = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_READ: tuple[Interaction, ...] = ("read", "search-type")

TAKES: dict[str, ResourceSupport] = {
    "Encounter": ResourceSupport((*_READ, "create", "update"), PARAMETERS, conditional_create=True),
    "Appointment": ResourceSupport((*_READ, "update"), PARAMETERS),
    "AppointmentResponse": ResourceSupport((*_READ, "create"), PARAMETERS, conditional_create=True),
    "Task": ResourceSupport((*_READ, "update"), PARAMETERS),
    "DetectedIssue": ResourceSupport(_READ, PARAMETERS),
    "Provenance": ResourceSupport(_READ, PARAMETERS),
}


def interpret(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
    """The commands in these entries. What attendance itself writes is not stored as received."""
    commands: list[Command] = []
    accepted: list[BundleEntry] = []
    for entry in entries:
        _refuse_another_time(entry, context)
        commands.extend(_commands(entry, context))
        if entry.type == "AppointmentResponse":
            accepted.append(entry)
    return Interpretation(tuple(commands), tuple(accepted))


def _commands(entry: BundleEntry, context: Context) -> Sequence[Command]:
    match entry.type:
        case "Encounter":
            return [*_corrected(entry, context), *_encounter(entry, context)]
        case "Appointment":
            return _appointment(entry)
        case "AppointmentResponse":
            return _response(entry)
        case _:
            return (escalation_command(entry, context, AcknowledgeEscalation, ResolveEscalation),)


def _corrected(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """What an Encounter stated until now is withdrawn when it is in error, or now names another session."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None:
        return ()
    stated = _session_of(stored.body)
    if stated is None or (stated == _session_of(entry.resource) and entry.resource["status"] != "entered-in-error"):
        return ()
    return (WithdrawCheckIn(session_id=stated, encounter_id=str(entry.id)),)


def _session_of(encounter: Json) -> str | None:
    return next((target(each, "Appointment") for each in encounter.get("appointment", ())), None)


def _encounter(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """A check-in while it lasts (arrived, in-progress), the minutes once it is over (finished)."""
    encounter = entry.resource
    if encounter["status"] == "entered-in-error" and entry.method == "PUT":
        return ()
    appointment = _session_of(encounter)
    if appointment is None:
        place = f"{entry.place}.appointment"
        raise refuse(422, "required", place, "The session is required: GET /fhir/Appointment?patient=...&date=...")
    status, bounds = encounter["status"], encounter.get("period", {})
    if status == "cancelled":
        return (ExcuseSession(session_id=appointment),)
    if status not in _PRESENT and status != "finished":
        raise refuse(422, "business-rule", f"{entry.place}.status", "Must be arrived, in-progress or finished.")
    came_at = happened_exactly(bounds.get("start"), f"{entry.place}.period.start", context.time)
    minutes = _minutes(entry, came_at, context) if status == "finished" else None
    return (CheckIn(session_id=appointment, encounter_id=str(entry.id), came_at=came_at, minutes=minutes),)


def _minutes(entry: BundleEntry, came_at: datetime, context: Context) -> int:
    """Minutes present: `length` where it is stated (UCUM min, h, s, d), else the period's."""
    encounter, place = entry.resource, entry.place
    length = encounter.get("length")
    if length is not None:
        unit = _UNIT_MINUTES.get(length.get("code", length.get("unit", "min")))
        if unit is None or "value" not in length:
            raise refuse(422, "value", f"{place}.length", "Must have a value in min, h, s or d.")
        return _within_a_day(Decimal(length["value"]) * unit)
    ended = happened_exactly(encounter.get("period", {}).get("end"), f"{place}.period.end", context.time)
    return _within_a_day((ended - came_at).total_seconds() // 60)


def _within_a_day(minutes: Decimal | float) -> int:
    return int(max(0, min(minutes, 24 * 60)))


def _appointment(entry: BundleEntry) -> Sequence[Command]:
    session_id = str(entry.id)
    match entry.resource["status"]:
        case "cancelled":
            if _reason(entry.resource).startswith("prov"):
                return (CallOffSession(session_id=session_id),)
            return (ExcuseSession(session_id=session_id),)
        case "noshow":
            return (MarkMissed(session_id=session_id),)
        case "booked":
            return (ReinstateSession(session_id=session_id),)
        case "arrived" | "checked-in" | "fulfilled":
            start = planned_exactly(entry.resource.get("start"), f"{entry.place}.start")
            return (CheckIn(session_id=session_id, encounter_id=None, came_at=start),)
        case _:
            place = f"{entry.place}.status"
            raise refuse(
                422, "business-rule", place, "Must be booked, arrived, checked-in, fulfilled, noshow or cancelled."
            )


def _refuse_another_time(entry: BundleEntry, context: Context) -> None:
    """A session is not moved here: a 200 that moved nothing would send the patient to an empty room."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if entry.type != "Appointment" or stored is None:
        return
    for name in ("start", "end"):
        before, asked = stored.body.get(name), entry.resource.get(name)
        place = f"{entry.place}.{name}"
        if before and asked and planned_exactly(before, place) != planned_exactly(asked, place):
            raise refuse(422, "not-supported", place, "Must not change; cancel the session: the plan books the next.")


def _reason(appointment: Json) -> str:
    """FHIR's reasons begin with `pat` for the patient's side and `prov` for the provider's."""
    return code_in(appointment.get("cancelationReason")) or ""


def _response(entry: BundleEntry) -> Sequence[Command]:
    appointment = target(entry.resource["appointment"], "Appointment")
    if appointment is None:
        raise refuse(422, "value", f"{entry.place}.appointment", "Must refer to an Appointment of this service.")
    return (ExcuseSession(session_id=appointment),) if entry.resource["participantStatus"] == "declined" else ()


EDGE = Edge(takes=TAKES, interpret=interpret, order=("Encounter", "Appointment", "AppointmentResponse", "Task"))
