"""Foreign FHIR in, told: reports with their Observations and Specimen, a lone Observation as a report of one; Tasks.

Everything a laboratory sends is kept as it came. What is said of it later has its own id, made from the laboratory's
number, so that a correction meets what it corrects.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from services.testing.assigning import asks_whose, assigned
from services.testing.interpretation import interpret as interpreted
from services.testing.laboratory import Component, LaboratoryReport, Status
from services.testing.observations import STATUS, Json, codes_of, component_of, instant_of, raw_codes
from services.testing.words import AcknowledgeEscalation, ReportResult, ResolveEscalation
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.escalations import told as escalation_told
from shared.edge.fhir import Entry, Interaction, Taken
from shared.edge.outcome import refuse
from shared.edge.search import PARAMETERS
from shared.words.codes import OUTCOME
from shared.words.envelope import Command

_READ: tuple[Interaction, ...] = ("read", "search-type")
TAKES: dict[str, Taken] = {
    "DiagnosticReport": Taken((*_READ, "create", "update"), PARAMETERS, conditional_create=True),
    "Observation": Taken((*_READ, "create", "update"), PARAMETERS, conditional_create=True),
    "Specimen": Taken((*_READ, "create", "update"), PARAMETERS, conditional_create=True),
    "Task": Taken((*_READ, "update"), PARAMETERS),
    "DetectedIssue": Taken(_READ, PARAMETERS),
    "Provenance": Taken(_READ, PARAMETERS),
}
NO_DRUG_TEST = {"system": OUTCOME, "code": "not-a-drug-test"}


@dataclass
class _Submitted:
    """What came in one submission, by reference."""

    entries: Sequence[Entry]
    context: Context
    observations: dict[str, Entry] = field(default_factory=dict)
    specimens: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.entries:
            if each.type == "Observation":
                self.observations[f"Observation/{each.id}"] = each
            elif each.type == "Specimen":
                self.specimens[f"Specimen/{each.id}"] = each.resource

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.context.settings.timezone)


def interpret(entries: Sequence[Entry], context: Context) -> Interpretation:
    """One command for each report; an Observation that no report names is a report of its own."""
    submitted = _Submitted(entries, context)
    commands: list[Command] = []
    others: set[str] = set()
    grouped = {name for each in entries for name in (*_results(each.resource), *_members(each.resource))}
    for entry in entries:
        match entry.type:
            case "Task" if asks_whose(asked := _stored(entry, context)):
                commands.extend(assigned(entry, asked))
            case "Task":
                commands.append(escalation_told(entry, AcknowledgeEscalation, ResolveEscalation))
            case "DiagnosticReport":
                commands.extend(_told(_of_report(entry, submitted), entry, context, others))
            case "Observation" if f"Observation/{entry.id}" not in grouped:
                commands.extend(_told(_of_observation(entry, submitted), entry, context, others))
            case _:
                pass
    kept = [
        _tagged(each) if each.place in others else each
        for each in entries
        if each.type != "Task" or asks_whose(_stored(each, context))
    ]
    return Interpretation(tuple(commands), tuple(each if context.patient else _unmatched(each) for each in kept))


def _stored(entry: Entry, context: Context) -> Json:
    """What this entry replaces, as it is now."""
    stored = context.stored.get((entry.type, str(entry.id)))
    return stored.body if stored else {}


def _told(report: LaboratoryReport, entry: Entry, context: Context, others: set[str]) -> Iterator[ReportResult]:
    """The report as a command; what is no drug test is only marked."""
    command = interpreted(report, context.program, context.caller.name, context.settings)
    if command is None:
        others.add(entry.place)
    else:
        yield command


def _tagged(entry: Entry) -> Entry:
    meta = entry.resource.get("meta", {})
    tags = [*meta.get("tag", ()), NO_DRUG_TEST]
    return msgspec.structs.replace(entry, resource={**entry.resource, "meta": {**meta, "tag": tags}})


def _unmatched(entry: Entry) -> Entry:
    """While nobody knows whom it is about, it says nothing of a subject."""
    return msgspec.structs.replace(entry, resource={k: v for k, v in entry.resource.items() if k != "subject"})


def _results(resource: Json) -> list[str]:
    return [str(each.get("reference", "")) for each in resource.get("result", ()) if isinstance(each, dict)]


def _members(resource: Json) -> list[str]:
    return [str(each.get("reference", "")) for each in resource.get("hasMember", ())]


def _of_report(entry: Entry, submitted: _Submitted) -> LaboratoryReport:
    report, status = entry.resource, STATUS.get(entry.resource["status"], "unknown")
    contained = {f"#{each.get('id')}": each for each in report.get("contained", ())}
    here = [
        found
        for name in _results(report)
        if (found := contained.get(name) or _resource(submitted.observations.get(name))) is not None
    ]
    if not here and _results(report) and status in ("final", "corrected"):
        status = _without_results(entry, submitted.context)
    return LaboratoryReport(
        filler=_filler(report, f"DiagnosticReport/{entry.id}"),
        specimen=_specimen_number(next(iter(report.get("specimen", ())), {}), submitted, contained),
        panel=codes_of(report["code"]),
        collected_at=_collected_at(report, submitted, contained, entry.place),
        issued_at=_issued_at(report, submitted),
        status=status,
        rejected=_rejected(next(iter(report.get("specimen", ())), {}), submitted, contained),
        components=tuple(component for each in here for component in _components(each, submitted)),
    )


def _without_results(entry: Entry, context: Context) -> Status:
    """A report may become final without its Observations being sent again, and nothing else may."""
    before = STATUS.get(str(_stored(entry, context).get("status")), "unknown")
    if entry.resource["status"] == "final" and before == "preliminary":
        return "promoted"
    raise refuse(
        422, "required", f"{entry.place}.result", "Send the Observations with their report, in one transaction."
    )


def _of_observation(entry: Entry, submitted: _Submitted) -> LaboratoryReport:
    """A lone Observation, or one that heads its members."""
    observation = entry.resource
    return LaboratoryReport(
        filler=_filler(observation, f"Observation/{entry.id}"),
        specimen=_specimen_number(observation.get("specimen", {}), submitted, {}),
        panel=codes_of(observation["code"]),
        collected_at=_collected_at(observation, submitted, {}, entry.place),
        issued_at=_issued_at(observation, submitted),
        status=STATUS.get(observation["status"], "unknown"),
        rejected=_rejected(observation.get("specimen", {}), submitted, {}),
        components=tuple(_components(observation, submitted)),
    )


def _resource(entry: Entry | None) -> Json | None:
    return None if entry is None else entry.resource


def _filler(resource: Json, otherwise: str) -> str:
    """The laboratory's own number: an identifier of type FILL, else the first one, else the resource itself."""
    named = [each for each in resource.get("identifier", ()) if each.get("value")]
    filler = next((each for each in named if "FILL" in raw_codes(each.get("type", {}))), None)
    chosen = filler or next(iter(named), None)
    return otherwise if chosen is None else f"{chosen.get('system', '')}|{chosen['value']}"


def _specimen_of(reference: Json, submitted: _Submitted, contained: Mapping[str, Json]) -> Json | None:
    name = str(reference.get("reference", ""))
    return contained.get(name) or submitted.specimens.get(name)


def _specimen_number(reference: Json, submitted: _Submitted, contained: Mapping[str, Json]) -> str:
    specimen = _specimen_of(reference, submitted, contained) or {}
    named = [specimen.get("accessionIdentifier", {}), *specimen.get("identifier", ()), reference.get("identifier", {})]
    chosen = next((each for each in named if each.get("value")), None)
    return str(reference.get("reference", "")) if chosen is None else f"{chosen.get('system', '')}|{chosen['value']}"


def _rejected(reference: Json, submitted: _Submitted, contained: Mapping[str, Json]) -> bool:
    return (_specimen_of(reference, submitted, contained) or {}).get("status") == "unsatisfactory"


def _collected_at(resource: Json, submitted: _Submitted, contained: Mapping[str, Json], place: str) -> datetime:
    """The specimen's collection, else the report's effective time; a day is that midnight in the program's zone."""
    reference = resource.get("specimen", {})
    first = next(iter(reference), {}) if isinstance(reference, list) else reference
    collection = (_specimen_of(first, submitted, contained) or {}).get("collection", {})
    texts = (
        collection.get("collectedDateTime"),
        collection.get("collectedPeriod", {}).get("start"),
        resource.get("effectiveDateTime"),
        resource.get("effectiveInstant"),
        resource.get("effectivePeriod", {}).get("start"),
        resource.get("issued"),
    )
    found = next((each for each in texts if each), None)
    if found is None:
        raise refuse(422, "required", f"{place}.effective", "When was the specimen collected?")
    return instant_of(str(found), submitted.zone)


def _issued_at(resource: Json, submitted: _Submitted) -> datetime:
    issued = resource.get("issued")
    return instant_of(str(issued), submitted.zone) if issued else submitted.context.now


def _components(observation: Json, submitted: _Submitted) -> Iterator[Component]:
    """The Observation's own value, those of its components, those of its members."""
    parts, members = observation.get("component", ()), _members(observation)
    if (not parts and not members) or any(name.startswith("value") for name in observation):
        yield component_of(observation, observation["status"])
    for each in parts:
        yield component_of(each, observation["status"])
    for name in members:
        member = submitted.observations.get(name)
        if member is not None:
            yield from _components(member.resource, submitted)


EDGE = Edge(
    takes=TAKES,
    interpret=interpret,
    order=("Specimen", "Observation", "DiagnosticReport", "Task"),
    waits=True,
)
