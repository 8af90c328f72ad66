"""Foreign FHIR as commands: reports with their Observations and Specimen, a lone Observation as a report of one;
orders and what became of their collection; Tasks.

Everything a laboratory sends is stored as received. What is emitted of it has its own id, made from the laboratory's
number, so that a correction meets what it corrects.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.testing.messages import ReportResult
from services.testing.orders import collecting, placing
from services.testing.reading.interpretation import COMPONENTS_MOST, TooManyComponents, unread
from services.testing.reading.interpretation import interpret as interpreted
from services.testing.reading.laboratory import (
    NO_NUMBER,
    TAKEN_BACK,
    Component,
    LaboratoryReport,
    Status,
    with_authorities,
)
from services.testing.reading.measures import topic_of
from services.testing.reading.observations import REPORT, STATUS, codes_of, report_of, tagged
from services.testing.reading.prose import apart
from services.testing.reading.submitted import (
    Submitted,
    collected_at,
    components,
    contained_in,
    doubtful,
    issued_at,
    members,
    parts,
    rejected,
    remarks,
    results,
    specimen_number,
    specimen_type,
    specimens_of,
)
from services.testing.reading.unmapped import waiting_by_code
from services.testing.reading.validity import stating_a_condition
from services.testing.worklist import (
    KINDS,
    MAP_CODE,
    code_task,
    line_of,
    value_task,
)
from services.testing.worklist.assigning import WHOSE, sought, task
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.escalations import escalation_command
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport
from shared.edge.fhir.elements import codes_in, target
from shared.edge.finding import FIND
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.search import AUDITS, DOCUMENTS, FINDINGS, IDENTIFIED, REPORTS, SPECIMENS, TASKS, WITHOUT_STATUS
from shared.events.codes import ORDER_NUMBER, OUTCOME
from shared.events.envelope import Command, is_id
from shared.events.testing import Number
from shared.path.transaction import sealed
from shared.path.transaction.resources import AcceptedResource
from shared.platform.keys import Keys
from shared.rules.packing import pack_id

_READ: tuple[Interaction, ...] = ("read", "search-type")
_SENT = ResourceSupport((*_READ, "create", "update"), REPORTS, conditional_create=True, conditional_update=True)
REPORTED = ("DiagnosticReport", "Observation", "Specimen")
TAKES: dict[str, ResourceSupport] = {
    **dict.fromkeys(REPORTED, _SENT),
    "Specimen": msgspec.structs.replace(_SENT, search=SPECIMENS),
    "ServiceRequest": msgspec.structs.replace(_SENT, search=IDENTIFIED),
    "Task": ResourceSupport((*_READ, "create", "update", "patch"), TASKS, conditional_create=True),
    "DetectedIssue": ResourceSupport(_READ, FINDINGS),
    "DocumentReference": ResourceSupport(_READ, DOCUMENTS),
    "Binary": ResourceSupport(("read",)),
    "Provenance": ResourceSupport(_READ, WITHOUT_STATUS),
    "AuditEvent": ResourceSupport(_READ, AUDITS),
}
CONTEXT = frozenset(
    ["Patient", "Organization", "Practitioner", "PractitionerRole", "ServiceRequest", "Location", "Device", "Encounter"]
)
"""What laboratories send along with a report: it says whom and what it is about."""
_WITH_RESULTS: tuple[Status, ...] = ("preliminary", "final", "corrected")
NO_DRUG_TEST = (OUTCOME, "not-a-drug-test")


@dataclass
class _Notes:
    """What interpreting leaves behind: the tag of each resource, the reports that were read, and where values stand
    that nothing reads."""

    tags: dict[str, tuple[str, str]] = field(default_factory=dict)
    reports: list[LaboratoryReport] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)


def interpret(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
    """One command for each report; an Observation that no report names belongs to an earlier one or is its own."""
    entries = [collecting.with_order(each, context) for each in entries]
    submitted = Submitted((*context.unchanged, *entries), context)
    commands: list[Command] = []
    stored: list[AcceptedResource] = []
    notes = _Notes()
    of_the_program = placing.is_of_the_program(entries, context)
    grouped = {name for each in entries for name in (*results(each.resource), *members(each.resource))}
    for entry in entries:
        match entry.type:
            case "Task" if placing.is_of_laboratory(_stored(entry, context)):
                commands.append(placing.sent_again(entry))
            case "Task" if collecting.is_collection(entry, context):
                commands.extend(collecting.reported(entry, entries, context))
            case "Task":
                collecting.require_collection(entry)
                commands.append(escalation_command(entry, context))
            case placing.ORDER:
                commands.append(placing.placed(entry, context))
            case "Specimen" if of_the_program:
                commands.extend(placing.collections(entry, context))
            case "DiagnosticReport":
                commands.extend(_commands(_of_report(entry, submitted), entry, submitted, notes))
            case "Observation" if f"Observation/{entry.id}" not in grouped:
                commands.extend(_commands(_of_observation(entry, submitted), entry, submitted, notes))
            case _:
                pass
    as_received = [each for each in entries if _is_stored_as_received(each, context)]
    accepted = [_accepted(each, notes.tags, context) for each in as_received]
    plain = [apart(each, context.now) if _may_hold_prose(each, context) else (each, ()) for each in accepted]
    stored.extend(document for _, documents in plain for document in documents)
    questions = tuple(_questions(notes, context))
    return Interpretation(tuple(commands), tuple(each for each, _ in plain), tuple(stored), questions)


def _is_stored_as_received(entry: BundleEntry, context: Context) -> bool:
    """An order is read as the hub has emitted it."""
    match entry.type:
        case "Task":
            return collecting.is_collection(entry, context)
        case other:
            return other != placing.ORDER


def _may_hold_prose(entry: BundleEntry, context: Context) -> bool:
    return entry.type in REPORTED or collecting.is_collection(entry, context)


def _questions(notes: _Notes, context: Context) -> Iterator[AcceptedResource]:
    laboratory = context.program, context.caller.name
    waiting = waiting_by_code(notes.reports, *laboratory, context.settings)
    yield from (code_task(*laboratory, code, context.now, results) for code, results in waiting.items())
    if notes.unread:
        yield value_task(*laboratory, tuple(notes.unread), context.now)


def _accepted(entry: BundleEntry, tags: Mapping[str, tuple[str, str]], context: Context) -> BundleEntry:
    """The entry as it is stored: tagged with its report, and without a subject while nobody knows whom it is about."""
    tag = tags.get(f"{entry.type}/{entry.id}")
    stored = entry if tag is None else msgspec.structs.replace(entry, resource=tagged(entry.resource, *tag))
    return stored if context.patient else _unmatched(stored)


def _stored(entry: BundleEntry, context: Context) -> Json:
    """What this entry replaces, as it is now."""
    stored = context.stored.get((entry.type, str(entry.id)))
    return stored.body if stored else {}


def _commands(
    report: LaboratoryReport, entry: BundleEntry, submitted: Submitted, notes: _Notes
) -> Iterator[ReportResult]:
    """The report as a command, its Observations tagged with it; what is no drug test is only marked."""
    context, tags = submitted.context, notes.tags
    notes.reports.append(report)
    try:
        command = interpreted(report, context.program, context.caller.name, context.settings)
    except TooManyComponents as error:
        raise refuse(422, "too-costly", entry.place, f"A report holds at most {COMPONENTS_MOST} results.") from error
    if command is None:
        if topic_of(report, context.caller.name, context.settings) == "other":
            tags[f"{entry.type}/{entry.id}"] = NO_DRUG_TEST
        return
    if not (report.components or report.rejected) and report.status in _WITH_RESULTS:
        place = f"{entry.place}.result"
        raise refuse(422, "required", place, "A report with this status must have its Observations in `result`.")
    earlier = report_of(_stored(entry, context))
    if earlier is not None:
        command = msgspec.structs.replace(command, report_id=earlier, extent="component")
        tags[f"{entry.type}/{entry.id}"] = (REPORT, earlier)
    tags.update((name, (REPORT, command.report_id)) for name in parts(entry.resource, submitted))
    notes.unread |= dict.fromkeys(unread(report, context.caller.name, context.settings))
    yield command


def _unmatched(entry: BundleEntry) -> BundleEntry:
    """While nobody knows whom it is about, it says nothing of a subject."""
    return msgspec.structs.replace(entry, resource={k: v for k, v in entry.resource.items() if k != "subject"})


def _of_report(entry: BundleEntry, submitted: Submitted) -> LaboratoryReport:
    report, status = entry.resource, STATUS.get(entry.resource["status"], "unknown")
    contained = contained_in(report)
    named = ((name, contained.get(name) or submitted.observation(name)) for name in results(report))
    holder = f"{entry.type}/{entry.id}"
    found = [(f"{holder}{name}" if name in contained else name, each) for name, each in named if each is not None]
    here = [each for _, each in found]
    if not here and results(report) and status in ("final", "corrected"):
        status = _without_results(entry, submitted.context)
    inside = [{"contained": report.get("contained", ()), **each} for each in here]
    specimens = [found for each in (report, *inside) for found in specimens_of(each, submitted)]
    read = tuple(component for each in found for component in components(each, submitted, contained))
    return msgspec.structs.replace(
        _of_resource(entry, specimens, (report, *here), read, submitted),
        status=status,
        extent="report" if len(here) == len(results(report)) or status in TAKEN_BACK else "message",
    )


def _without_results(entry: BundleEntry, context: Context) -> Status:
    """A report may become final without its Observations being sent again, and nothing else may."""
    before = STATUS.get(str(_stored(entry, context).get("status")), "unknown")
    if entry.resource["status"] == "final" and before == "preliminary":
        return "promoted"
    place = f"{entry.place}.result"
    raise refuse(422, "required", place, "The report's Observations are required in the same transaction.")


def _of_observation(entry: BundleEntry, submitted: Submitted) -> LaboratoryReport:
    """A lone Observation, or one that heads its members."""
    observation, name = entry.resource, f"Observation/{entry.id}"
    specimens, read = list(specimens_of(observation, submitted)), tuple(components((name, observation), submitted, {}))
    return _of_resource(entry, specimens, (observation,), read, submitted)


def _of_resource(
    entry: BundleEntry,
    specimens: Sequence[tuple[Json, Json]],
    written: Sequence[Json],
    read: tuple[Component, ...],
    submitted: Submitted,
) -> LaboratoryReport:
    """What a report and a lone Observation have in common; `written` are the resources that may hold remarks.

    Of what is no drug test, as far as anybody knows, no time is asked: an answer to a question at order entry seldom
    has one.
    """
    resource, context = entry.resource, submitted.context
    reference, specimen = next(iter(specimens), ({}, {}))
    known = [each for _, each in specimens]
    own = LaboratoryReport(
        number=_number(resource) if entry.type == "DiagnosticReport" else NO_NUMBER,
        filler=_filler(resource, f"{entry.type}/{entry.id}"),
        specimen=specimen_number(reference, specimen),
        specimen_type=tuple(code for each in known for code in specimen_type(each)),
        numbers=tuple(_numbers(resource)),
        panel=codes_of(resource["code"]),
        collected_at=context.now,
        issued_at=context.now,
        status=STATUS.get(resource["status"], "unknown"),
        rejected=any(map(rejected, known)),
        doubtful=any(map(doubtful, known)),
        remarks=stating_a_condition(remark for each in (*written, *known) for remark in remarks(each)),
        components=read,
    )
    report = with_authorities(own, context.caller.client.assigning_authorities)
    if topic_of(report, context.caller.name, context.settings) != "drug-test":
        return report
    collected, to_minute = collected_at(resource, specimen, submitted, entry.place)
    issued = issued_at(resource, submitted, entry.place)
    dated = {"issued_at": issued or collected, "undated": issued is None}
    return msgspec.structs.replace(report, collected_at=collected, to_minute=to_minute, **dated)


def _filler(resource: Json, otherwise: str) -> str:
    """The laboratory's own name for it: its number with the system, else the resource itself."""
    number = _number(resource)
    return f"{number.system}|{number.value}" if number.value else otherwise


def _number(resource: Json) -> Number:
    """An identifier of type FILL, else the first one: as HL7 has it in OBR-3."""
    named = list(_numbers(resource))
    filler = next((each for each in named if each.kind == "FILL"), None)
    return filler or next((each for each in named if each.kind != "PLAC"), NO_NUMBER)


def _numbers(resource: Json) -> Iterator[Number]:
    """Its identifiers with a value, as FILL or PLAC where they say so, and the orders that it is based on."""
    for each in resource.get("identifier", ()):
        if each.get("value"):
            kind = next((code for code in codes_in(each.get("type")) if code in ("FILL", "PLAC")), "")
            yield Number(kind, str(each["value"]), str(each.get("system", "")))
    for each in resource.get("basedOn", ()):
        if (order := target(each, placing.ORDER)) is not None and is_id(order):
            yield Number("PLAC", pack_id(order), ORDER_NUMBER)
        elif value := each.get("identifier", {}).get("value"):
            yield Number("PLAC", str(value), str(each["identifier"].get("system", "")))


def edge(keys: Keys) -> Edge:
    """Testing's edge: what waits for its patient is stored, and what people wrote is stored sealed."""

    def sealing(entries: Sequence[BundleEntry], context: Context) -> Interpretation:
        meant = interpret(entries, context)
        return dataclasses.replace(meant, stored=sealed.binaries(keys, meant.stored))

    return Edge(
        takes=TAKES,
        interpret=sealing,
        order=("ServiceRequest", "Specimen", "Observation", "DiagnosticReport", "Task"),
        unknown_patient="waiting",
        also=frozenset({"messages"}),
        questions=KINDS,
        assigns=frozenset({FIND, WHOSE}),
        sought=sought,
        whose=task,
        code_lines={MAP_CODE: line_of},
        context=CONTEXT,
        context_beside=frozenset({"DiagnosticReport", "Observation"}),
        behind=collecting.behind,
    )
