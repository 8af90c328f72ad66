"""Foreign FHIR in, told: one Bundle becomes commands in a fixed order, all or none, about one patient."""

from base64 import b64encode
from collections.abc import Sequence

from services.intake.edge import assessing, consenting, people, placing, prescribing
from services.intake.table import TABLE
from services.intake.words import (
    RecordAssessment,
    RecordConditions,
    RecordCoverage,
    RecordMedications,
    ReportFindings,
)
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.fhir import Entry, Interaction, Taken, encode
from shared.edge.search import IDENTIFIED, PARAMETERS
from shared.path.identity import Keys
from shared.path.item import Accepted
from shared.words.envelope import Command

__all__ = ["TAKES", "edge", "interpret"]

_READ: tuple[Interaction, ...] = ("read", "search-type")
_SENT = Taken((*_READ, "create", "update"), PARAMETERS, conditional_create=True)
_SAID = Taken(_READ, PARAMETERS)

TAKES: dict[str, Taken] = {
    **dict.fromkeys(
        ("Patient", "Observation"), Taken((*_READ, "create", "update"), IDENTIFIED, conditional_create=True)
    ),
    **dict.fromkeys(
        (
            "Consent",
            "MedicationRequest",
            "MedicationStatement",
            "Condition",
            "QuestionnaireResponse",
            "Coverage",
            "Organization",
            "Practitioner",
            "ServiceRequest",
            "Task",
            "Encounter",
        ),
        _SENT,
    ),
    "EpisodeOfCare": Taken((*_READ, "update"), PARAMETERS),
    **dict.fromkeys(("CarePlan", "List", "DetectedIssue"), _SAID),
}
ORDER = (
    "Patient",
    "Organization",
    "Consent",
    "MedicationRequest",
    "MedicationStatement",
    "Condition",
    "Observation",
    "QuestionnaireResponse",
    "Coverage",
    "ServiceRequest",
    "Task",
    "Encounter",
    "EpisodeOfCare",
)
_MEDICATIONS = ("MedicationRequest", "MedicationStatement")
_ASSESSED = ("Observation", "QuestionnaireResponse")
_URGENT = TABLE.looked_at_by_safety()


def edge(keys: Keys) -> Edge:
    """Intake's edge: it keeps patients, takes messages, and keeps what it does not know as it came."""
    return Edge(
        takes=TAKES,
        interpret=lambda entries, context: interpret(entries, context, keys),
        order=ORDER,
        messages=True,
        keeps_patients=True,
        accepts_any=True,
    )


def interpret(entries: Sequence[Entry], context: Context, keys: Keys) -> Interpretation:
    """Patient, consents, safety, medications, conditions, assessment, referral, Tasks, discharge: in this order."""
    commands: list[Command] = [
        *(people.identified(each, context, keys) for each in _of(entries, "Patient")),
        *(told for each in _of(entries, "Consent") for told in consenting.consented(each, entries, context)),
        *_assessed(entries, context),
        *(RecordCoverage(coverage_id=str(each.id)) for each in _of(entries, "Coverage")),
        *(told for each in _of(entries, "ServiceRequest") for told in placing.referral(each, entries, context)),
        *(placing.completed(each, context) for each in _of(entries, "Task") if placing.is_ours(each, context)),
        *(placing.discharge(each, entries, context) for each in _of(entries, "EpisodeOfCare")),
    ]
    kept = [each for each in entries if not _is_decided(each, entries, context)]
    return Interpretation(
        tuple(commands),
        tuple(each for each in kept if each.type != "Bundle"),
        tuple(_sealed(each, keys) for each in kept if each.type == "Bundle"),
    )


def _of(entries: Sequence[Entry], *types: str) -> list[Entry]:
    return [each for each in entries if each.type in types]


def _assessed(entries: Sequence[Entry], context: Context) -> list[Command]:
    """Safety first, so that it reaches a person even while the rest waits; then lists, diagnoses and the needs."""
    found = [one for each in _of(entries, *_ASSESSED) for one in assessing.findings(each, context)]
    ages = [one for each in _of(entries, "Patient") for one in people.age(each, context)]
    needs = [one for each in _of(entries, "Observation") if (one := assessing.need(each, context))]
    diagnosed = [one for each in _of(entries, "Condition") for one in assessing.findings(each, context)]
    prescribed = [prescribing.prescribed(each, entries, context) for each in _of(entries, *_MEDICATIONS)]
    urgent = tuple(each for each in found if each.code in _URGENT)
    commands: list[Command] = []
    if urgent:
        commands.append(ReportFindings(findings=urgent))
    if prescribed:
        commands.append(RecordMedications(medications=tuple(prescribed)))
    if diagnosed:
        commands.append(RecordConditions(findings=tuple(diagnosed)))
    if needs or found or ages:
        commands.append(RecordAssessment(needs=tuple(needs), findings=(*ages, *found)))
    return commands


def _is_decided(entry: Entry, entries: Sequence[Entry], context: Context) -> bool:
    """What the hub itself writes when it decides (its Tasks, the discharge) is not kept as it came."""
    if entry.type == "Task":
        return placing.is_ours(entry, context)
    if entry.type == "Encounter":
        return bool(_of(entries, "EpisodeOfCare"))
    return entry.type == "EpisodeOfCare"


def _sealed(entry: Entry, keys: Keys) -> Accepted:
    """A document inside a message carries a Patient with it: kept encrypted, like every Patient."""
    return Accepted(entry.type, str(entry.id), b64encode(keys.encrypt(encode(entry.resource))).decode(), sealed=True)
