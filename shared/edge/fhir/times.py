"""Which elements of a foreign resource tell a time, and by which door each comes in: one table for all four services.

`happened`: it is over, or begun; `planned`: it may lie ahead. What a service itself decides by may be stricter. What
was entered in error is taken back whatever its times say. The doors: `elements`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from shared.edge.fhir import elements
from shared.edge.fhir.submission import BundleEntry
from shared.edge.json import Json
from shared.edge.moments import ProgramTime

Tense = Literal["happened", "planned"]


class TimeElement(NamedTuple):
    """An element by its FHIRPath within its resource, of whatever `[x]`: a date, an instant, or a period of both."""

    type: str
    path: str
    tense: Tense


TIMES = (
    TimeElement("AllergyIntolerance", "onset", "happened"),
    TimeElement("AllergyIntolerance", "recordedDate", "happened"),
    TimeElement("Appointment", "start", "planned"),
    TimeElement("Appointment", "end", "planned"),
    TimeElement("Appointment", "requestedPeriod", "planned"),
    TimeElement("Condition", "onset", "happened"),
    TimeElement("Condition", "abatement", "happened"),
    TimeElement("Condition", "recordedDate", "happened"),
    TimeElement("Consent", "dateTime", "happened"),
    TimeElement("Consent", "provision.period", "planned"),
    TimeElement("Coverage", "period", "planned"),
    TimeElement("DiagnosticReport", "effective", "happened"),
    TimeElement("DiagnosticReport", "issued", "happened"),
    TimeElement("Encounter", "period.start", "happened"),
    TimeElement("Encounter", "period.end", "planned"),
    TimeElement("EpisodeOfCare", "period.start", "happened"),
    TimeElement("EpisodeOfCare", "period.end", "planned"),
    TimeElement("Immunization", "occurrence", "happened"),
    TimeElement("MedicationRequest", "authoredOn", "happened"),
    TimeElement("MedicationRequest", "dispenseRequest.validityPeriod", "planned"),
    TimeElement("MedicationStatement", "effective", "planned"),
    TimeElement("MedicationStatement", "dateAsserted", "happened"),
    TimeElement("Observation", "effective", "happened"),
    TimeElement("Observation", "issued", "happened"),
    TimeElement("Patient", "deceased", "happened"),
    TimeElement("Procedure", "performed", "happened"),
    TimeElement("QuestionnaireResponse", "authored", "happened"),
    TimeElement("ServiceRequest", "authoredOn", "happened"),
    TimeElement("ServiceRequest", "occurrence", "planned"),
    TimeElement("Slot", "start", "planned"),
    TimeElement("Slot", "end", "planned"),
    TimeElement("Specimen", "collection.collected", "happened"),
    TimeElement("Specimen", "receivedTime", "happened"),
    TimeElement("Task", "authoredOn", "happened"),
    TimeElement("Task", "restriction.period", "planned"),
)
_BY_TYPE = {kind: tuple(each for each in TIMES if each.type == kind) for kind in {each.type for each in TIMES}}
_AHEAD = {"Encounter": ("planned",), "EpisodeOfCare": ("planned", "waitlist", "cancelled")}
_KINDS = ("", "DateTime", "Instant", "Period")


def require_times(entry: BundleEntry, time: ProgramTime) -> None:
    """Each time that the resource tells, through its door. Raises HttpRefusal 422 with the place."""
    resource = entry.resource
    if "entered-in-error" in (resource.get("status"), *elements.codes_in(resource.get("verificationStatus"))):
        return
    for element in _BY_TYPE.get(entry.type, ()):
        through = elements.planned if element.tense == "planned" or _is_ahead(entry) else elements.happened
        for text, place in _written(resource, element.path.split("."), entry.place):
            through(text, place, time)


def _is_ahead(entry: BundleEntry) -> bool:
    """A visit that is planned has not begun, nor has a stay that waits, or does not begin."""
    return entry.resource.get("status") in _AHEAD.get(entry.type, ())


def _written(parent: Json, path: Sequence[str], place: str) -> Iterator[tuple[str, str]]:
    """The texts of an element, with their places."""
    name, *below = path
    for kind in _KINDS:
        value = parent.get(f"{name}{kind}")
        if isinstance(value, str) and not below:
            yield value, f"{place}.{name}"
        elif isinstance(value, dict):
            for part in (below,) if below else (("start",), ("end",)):
                yield from _written(value, part, f"{place}.{name}")
