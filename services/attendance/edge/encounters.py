"""An Encounter as what it reports: when somebody was there, and for which sessions."""

from collections.abc import Sequence

from services.attendance.edge.booking import meanings
from services.attendance.edge.periods import reported
from services.attendance.messages import CancelSession, CheckIn, WithdrawCheckIn
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events import codes
from shared.events.attendance import SESSION_KINDS
from shared.events.envelope import Command

_PRESENT = frozenset({"arrived", "triaged", "in-progress", "onleave"})


def encounter(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """A check-in while it lasts (arrived, in-progress), the time present once it is over (finished)."""
    resource, status = entry.resource, entry.resource["status"]
    withdrawn = WithdrawCheckIn(encounter_id=str(entry.id))
    if status == "entered-in-error" and entry.method == "PUT":
        return (withdrawn,)
    sessions = _sessions(resource)
    if status == "cancelled":
        _require(sessions, f"{entry.place}.appointment")
        return (withdrawn, *(CancelSession(session_id=each, by_encounter=True) for each in sessions))
    if status not in _PRESENT and status != "finished":
        raise refuse(422, "business-rule", f"{entry.place}.status", "Must be arrived, in-progress or finished.")
    periods, minutes_known = reported(resource, entry.place, context)
    check_in = CheckIn(
        session_ids=sessions,
        encounter_id=str(entry.id),
        periods=periods,
        class_code=_class_code(resource.get("class", {})),
        minutes_known=minutes_known,
        names_others=any(target(each, "Appointment") is None for each in resource.get("appointment", ())),
        kind="" if sessions else _kind(entry, context),
    )
    return (check_in,)


def _sessions(encounter: Json) -> tuple[str, ...]:
    named = (target(each, "Appointment") for each in encounter.get("appointment", ()))
    return tuple(dict.fromkeys(each for each in named if each is not None))


def _require(sessions: tuple[str, ...], place: str) -> None:
    if not sessions:
        raise refuse(422, "required", place, "The session is required: GET /fhir/Appointment?patient=...&date=...")


def _kind(entry: BundleEntry, context: Context) -> str:
    """The one kind of session that its types tell; "" where they tell none, or several."""
    concepts = [*entry.resource.get("type", ()), entry.resource.get("serviceType", {})]
    read = meanings([(each, f"{entry.place}.type") for each in concepts], context)
    kinds = {each for each in read if each in SESSION_KINDS}
    return kinds.pop() if len(kinds) == 1 else ""


def _class_code(coding: Json) -> str:
    return str(coding.get("code", "AMB")) if coding.get("system") == codes.ACT else "AMB"
