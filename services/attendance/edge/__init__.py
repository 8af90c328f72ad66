"""Foreign FHIR as commands: presence by Encounter, cancellations by Appointment, for a whole group by Slot; by Task
answers and outreach."""

from collections.abc import Sequence

from services.attendance.definitions import definitions
from services.attendance.edge import guests
from services.attendance.edge.appointments import another_time, appointment, made_up, reported, response
from services.attendance.edge.booking import booking, require_answered
from services.attendance.edge.encounters import encounter
from services.attendance.edge.feed import OF_FEED, answer, is_of_feed
from services.attendance.edge.grouping import chosen, is_choice, require_known
from services.attendance.edge.outreach import task
from services.attendance.edge.slots import OF_GROUP, slot
from services.attendance.edge.week import week
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport
from shared.edge.search import (
    APPOINTMENTS,
    AUDITS,
    ENCOUNTERS,
    FINDINGS,
    GROUPS,
    PARAMETERS,
    SCHEDULES,
    SLOTS,
    TASKS,
    WITHOUT_STATUS,
)
from shared.events.envelope import Command

_READ: tuple[Interaction, ...] = ("read", "search-type")
_STORED = frozenset({"Encounter", "AppointmentResponse"})
"""Read again as they were sent. What attendance itself writes is not stored as received."""

TAKES: dict[str, ResourceSupport] = {
    "Encounter": ResourceSupport((*_READ, "create", "update"), ENCOUNTERS, conditional_create=True),
    "Appointment": ResourceSupport((*_READ, "create", "update"), APPOINTMENTS, conditional_create=True),
    "AppointmentResponse": ResourceSupport((*_READ, "create"), PARAMETERS, conditional_create=True),
    "Slot": ResourceSupport((*_READ, "update"), SLOTS),
    "Group": ResourceSupport(_READ, GROUPS),
    "Schedule": ResourceSupport(_READ, SCHEDULES),
    "Task": ResourceSupport((*_READ, "create", "update", "patch"), TASKS, conditional_create=True),
    "DetectedIssue": ResourceSupport(_READ, FINDINGS),
    "Communication": ResourceSupport(_READ, PARAMETERS),
    "Provenance": ResourceSupport(_READ, WITHOUT_STATUS),
    "AuditEvent": ResourceSupport(_READ, AUDITS),
}


def interpret(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
    """The commands in these entries."""
    require_answered(entries)
    commands: list[Command] = []
    for entry in entries:
        commands.extend(_commands(entry, context))
    stored = (each for each in entries if each.type in _STORED or is_choice(each, context))
    return Interpretation(tuple(commands), tuple(stored))


def _commands(entry: BundleEntry, context: Context) -> Sequence[Command]:
    match entry.type:
        case "Encounter":
            return encounter(entry, context)
        case "Appointment" if entry.method == "POST":
            return (booking(entry, context, reported(entry, context)),)
        case "Appointment":
            return (*another_time(entry, context), *made_up(entry, context), *appointment(entry, context))
        case "AppointmentResponse":
            return response(entry)
        case "Task" if is_choice(entry, context):
            return chosen(entry, context)
        case "Slot":
            return slot(entry, context)
        case _ if is_of_feed(entry, context):
            return (answer(entry, context),)
        case _:
            require_known(entry)
            return task(entry, context)


EDGE = Edge(
    takes=TAKES,
    interpret=interpret,
    order=("Encounter", "Appointment", "AppointmentResponse", "Slot", "Task"),
    definitions=definitions(),
    others={"Slot": OF_GROUP, "Task": OF_FEED},
    views={("Appointment", "week"): week},
    behind=guests.behind,
)
