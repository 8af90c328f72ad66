"""Foreign FHIR as commands: referrals by ServiceRequest, plans by CarePlan, lists by CommunicationRequest, Tasks."""

from collections.abc import Sequence

from services.aftercare.definitions import definitions
from services.aftercare.edge import plans
from services.aftercare.edge.emergencies import emergency, mistaken
from services.aftercare.edge.meetings import list_asked
from services.aftercare.edge.permitted import permitted
from services.aftercare.edge.referrals import asked
from services.aftercare.edge.tasks import remarks, task
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport
from shared.edge.outcome import Issue
from shared.edge.search import AUDITS, DIRECTORY, DOCUMENTS, FINDINGS, PARAMETERS, TASKS, WITHOUT_STATUS
from shared.events.envelope import Command

_READ: tuple[Interaction, ...] = ("read", "search-type")

TAKES: dict[str, ResourceSupport] = {
    "ServiceRequest": ResourceSupport((*_READ, "create"), PARAMETERS, conditional_create=True),
    "Task": ResourceSupport((*_READ, "update", "patch"), TASKS),
    "CarePlan": ResourceSupport((*_READ, "update"), PARAMETERS),
    "Observation": ResourceSupport(_READ, PARAMETERS),
    "CommunicationRequest": ResourceSupport((*_READ, "create"), PARAMETERS),
    "DocumentReference": ResourceSupport(_READ, DOCUMENTS),
    "Binary": ResourceSupport(("read",)),
    "Communication": ResourceSupport((*_READ, "create", "update"), PARAMETERS, conditional_create=True),
    "HealthcareService": ResourceSupport(_READ, DIRECTORY),
    "DetectedIssue": ResourceSupport(_READ, FINDINGS),
    "Provenance": ResourceSupport(_READ, WITHOUT_STATUS),
    "AuditEvent": ResourceSupport(_READ, AUDITS),
}


def interpret(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
    """The commands in these entries. Only what says who was told in an emergency is stored as it came: referral and
    Task aftercare writes itself."""
    commands = tuple(command for entry in entries for command in _commands(entry, context))
    read = {str(entry.id): _remarks(entry, context) for entry in entries}
    stored = tuple(entry for entry in entries if entry.type == "Communication")
    return Interpretation(commands, stored, remarks={identity: each for identity, each in read.items() if each})


def _commands(entry: BundleEntry, context: Context) -> Sequence[Command]:
    match entry.type:
        case "ServiceRequest":
            return (asked(entry, context),)
        case "CommunicationRequest":
            return (list_asked(entry, context),)
        case "Communication":
            return (mistaken(entry, context) if entry.method == "PUT" else emergency(entry, context),)
        case "CarePlan":
            return (plans.agreed(entry, context),)
        case _:
            return task(entry, context)


def _remarks(entry: BundleEntry, context: Context) -> tuple[Issue, ...]:
    return plans.remarks(entry, context) if entry.type == "CarePlan" else remarks(entry, context)


EDGE = Edge(
    takes=TAKES,
    interpret=interpret,
    order=("ServiceRequest", "CarePlan", "Communication", "CommunicationRequest", "Task"),
    definitions=definitions(),
    ledger_views={("Consent", "permitted"): permitted},
)
