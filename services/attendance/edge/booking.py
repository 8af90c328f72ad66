"""An Appointment that an EHR creates, as the session that it books: its kind, times, and who takes part where."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from services.attendance.edge.guests import guest_of
from services.attendance.messages import (
    BookingNumber,
    BookReportedSession,
    BookSession,
    ConfirmAttendance,
    MarkMissed,
    OfOneSession,
)
from services.attendance.record import BY_ITSELF, MINUTES_MOST, SessionSlot
from shared.edge.conditional import sought_by
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codings, planned_exactly, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import known_member
from shared.events import codes
from shared.events.attendance import IN_PERSON, MODALITIES, SESSION_KINDS, VIDEO
from shared.events.intake import TOPICS

NUMBERS_MOST = 4
"""Of one Appointment, those by which it is found again."""
_OWN = {codes.SESSION: SESSION_KINDS, codes.MODALITY: MODALITIES, codes.TOPIC: TOPICS[1:]}
_OPAQUE = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def booking(entry: BundleEntry, context: Context, report: OfOneSession) -> BookSession:
    """`report` is what its status reports. Raises HttpRefusal 422."""
    start = _instant(entry, "start")
    books = BookReportedSession if isinstance(report, ConfirmAttendance | MarkMissed) else BookSession
    return books(
        appointment_id=str(entry.id),
        start=start,
        slot=_slot(entry, start, context),
        numbers=tuple(dict.fromkeys(_numbers(entry)))[:NUMBERS_MOST],
        makes_up=missed(entry.resource, entry.place),
        report=report,
    )


def require_answered(entries: Sequence[BundleEntry]) -> None:
    """Which session a booking is, its answer says: no report names it before. Raises HttpRefusal 422."""
    booked = {str(each.id) for each in entries if (each.method, each.type) == ("POST", "Appointment")}
    for entry in entries:
        named = entry.resource.get("appointment", ())
        for each in named if isinstance(named, list) else [named] if named else ():
            if target(each, "Appointment") in booked:
                text = "Must name a session that stands: send the Appointment first, then name the one of its answer."
                raise refuse(422, "business-rule", f"{entry.place}.appointment", text)


def _kind(meant: Sequence[str], place: str) -> str:
    """The one kind of session among these. Raises HttpRefusal 422."""
    found = [each for each in meant if each in SESSION_KINDS]
    if len(set(found)) != 1:
        text = (
            f"Must be one of {', '.join(SESSION_KINDS)} ({codes.SESSION}), or a code that session_codes of program.toml"
            " maps to one."
        )
        raise refuse(422, "code-invalid", place, text)
    return found[0]


def missed(appointment: Json, place: str) -> str:
    """The session whose miss it makes up; "" where it names none. Raises HttpRefusal 422."""
    named = (target(each, "Appointment") for each in appointment.get("supportingInformation", ()))
    found = list(dict.fromkeys(each for each in named if each is not None))
    if len(found) > 1:
        text = "Must name one Appointment at most: that of the session which it makes up."
        raise refuse(422, "business-rule", f"{place}.supportingInformation", text)
    return found[0] if found else ""


def meanings(concepts: Sequence[tuple[Json, str]], context: Context) -> Iterator[str]:
    """In the hub's codes; a foreign one that nobody mapped means nothing here. Raises HttpRefusal 422 for one that
    the hub's own system does not have."""
    for concept, place in concepts:
        for coding in codings(concept):
            system, code = str(coding.get("system", "")), str(coding.get("code", ""))
            if system in _OWN and code not in _OWN[system]:
                raise refuse(422, "code-invalid", place, f"Must be one of {', '.join(_OWN[system])} ({system}).")
            if system in _OWN:
                yield code
            elif (system, code) == (codes.ACT, "VR"):
                yield VIDEO
            elif (meaning := context.settings.session_codes.get(f"{system}|{code}")) is not None:
                yield meaning


def _slot(entry: BundleEntry, start: datetime, context: Context) -> SessionSlot:
    minutes = _minutes(entry, start)
    meant = list(meanings(list(_concepts(entry)), context))
    modality = next((each for each in meant if each in MODALITIES), IN_PERSON)
    return SessionSlot(
        _kind(meant, f"{entry.place}.serviceType"),
        BY_ITSELF,
        "",
        minutes,
        modality="" if modality == IN_PERSON else modality,
        topic=next((each for each in meant if each in TOPICS[1:]), ""),
        therapist=next(_therapists(entry, context), ""),
        room=next(_opaque(entry, "Location"), ""),
        group=guest_of(entry, start, start + timedelta(minutes=minutes), context),
    )


def _concepts(entry: BundleEntry) -> Iterator[tuple[Json, str]]:
    for name in ("serviceType", "serviceCategory"):
        for number, each in enumerate(entry.resource.get(name, ())):
            yield each, f"{entry.place}.{name}[{number}]"
    if "appointmentType" in entry.resource:
        yield entry.resource["appointmentType"], f"{entry.place}.appointmentType"


def _therapists(entry: BundleEntry, context: Context) -> Iterator[str]:
    """By the id that the program's list of staff gives them, else by the EHR's."""
    for each in entry.resource["participant"]:
        if (member := known_member(each.get("actor", {}), context)) is not None:
            yield member
    yield from _opaque(entry, "Practitioner")


def _opaque(entry: BundleEntry, kind: str) -> Iterator[str]:
    for each in entry.resource["participant"]:
        identity = target(each.get("actor"), kind)
        if identity is not None and _OPAQUE.fullmatch(identity):
            yield identity


def _instant(entry: BundleEntry, name: str) -> datetime:
    place = f"{entry.place}.{name}"
    found = planned_exactly(entry.resource.get(name), place)
    if found.second or found.microsecond:
        raise refuse(422, "business-rule", place, "Must be a whole minute.")
    return found


def _minutes(entry: BundleEntry, start: datetime) -> int:
    """By its end, else by `minutesDuration`."""
    stated = entry.resource.get("minutesDuration")
    if "end" not in entry.resource and stated is not None:
        end, place = start + timedelta(minutes=min(int(stated), MINUTES_MOST + 1)), f"{entry.place}.minutesDuration"
    else:
        end, place = _instant(entry, "end"), f"{entry.place}.end"
    minutes = int((end - start).total_seconds()) // 60
    if not 0 < minutes <= MINUTES_MOST:
        raise refuse(422, "business-rule", place, f"Must be 1 to {MINUTES_MOST} minutes after start.")
    return minutes


def _numbers(entry: BundleEntry) -> Iterator[BookingNumber]:
    """By which it is found again, that of its condition first."""
    if entry.if_none_exist is not None:
        sought = sought_by(entry.if_none_exist, entry.place)
        yield BookingNumber(sought.system, sought.value)
    for each in entry.resource.get("identifier", ()):
        if each.get("system") and each.get("value"):
            yield BookingNumber(str(each["system"]), str(each["value"]))
