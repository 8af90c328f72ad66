"""Foreign FHIR as commands: one Bundle in a fixed order, all or none, about one patient."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from uuid import NAMESPACE_URL, uuid5

from services.intake.definitions import definitions
from services.intake.edge import (
    assessing,
    care_elsewhere,
    consent_answer,
    consenting,
    covering,
    diagnoses,
    discharge,
    patients,
    plan,
    planning,
    prescribing,
    referrers,
    signing,
    staging,
    sums,
    tasks,
)
from services.intake.edge import screens as screening
from services.intake.edge.own_codes import forms_named, with_forms
from services.intake.edge.panels import of_panels
from services.intake.edge.screens import ScreenReading, remark
from services.intake.edge.sums import Summed
from services.intake.messages import (
    RecordAssessment,
    RecordConditions,
    RecordMedications,
    ReportedFinding,
    ReportFindings,
)
from services.intake.table import SAFETY_CODES
from shared.edge import work_item
from shared.edge.contract import Context, Edge, Interpretation
from shared.edge.fhir import BundleEntry, Interaction, ResourceSupport, encode
from shared.edge.outcome import Issue
from shared.edge.search import AUDITS, DIRECTORY, FINDINGS, IDENTIFIED, PARAMETERS, PATIENTS, TASKS, WITHOUT_STATUS
from shared.events import codes
from shared.events.envelope import Command
from shared.events.fhir import concept
from shared.path.transaction.resources import AcceptedResource, Name
from shared.platform.keys import Keys

__all__ = ["TAKES", "edge", "interpret"]

_READ: tuple[Interaction, ...] = ("read", "search-type")
_SENT = ResourceSupport((*_READ, "create", "update"), PARAMETERS, conditional_create=True)
_EMITTED = ResourceSupport(_READ, PARAMETERS)

TAKES: dict[str, ResourceSupport] = {
    "Patient": ResourceSupport((*_READ, "create", "update"), PATIENTS, conditional_create=True),
    "Observation": ResourceSupport((*_READ, "create", "update"), IDENTIFIED, conditional_create=True),
    **dict.fromkeys(
        ("Organization", "Practitioner"),
        ResourceSupport((*_READ, "create", "update"), DIRECTORY, conditional_create=True),
    ),
    **dict.fromkeys(
        (
            "MedicationRequest",
            "MedicationStatement",
            "Condition",
            "Consent",
            "QuestionnaireResponse",
            "Coverage",
            "ServiceRequest",
            "Encounter",
            *plan.TYPES,
        ),
        _SENT,
    ),
    "Questionnaire": ResourceSupport((*_READ, "create", "update"), DIRECTORY),
    "Task": ResourceSupport((*_READ, "create", "update", "patch"), TASKS, conditional_create=True),
    "EpisodeOfCare": ResourceSupport((*_READ, "update"), PARAMETERS),
    "List": _EMITTED,
    "DetectedIssue": ResourceSupport(_READ, FINDINGS),
    "Provenance": ResourceSupport(_READ, WITHOUT_STATUS),
    "AuditEvent": ResourceSupport(_READ, AUDITS),
}
ORDER = (
    "Questionnaire",
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
    "CareTeam",
    "Goal",
    "CarePlan",
    "Task",
    "Encounter",
    "EpisodeOfCare",
)
SEND_FORM = "send-questionnaire"
_MEDICATIONS = ("MedicationRequest", "MedicationStatement")
_ASSESSED = ("Observation", "QuestionnaireResponse")
_DIAGNOSED = ("Condition", "Encounter")


def edge(keys: Keys) -> Edge:
    """Intake's edge: it creates patients, takes messages, and stores what it does not know as received."""
    return Edge(
        takes=TAKES,
        interpret=lambda entries, context: interpret(entries, context, keys),
        order=ORDER,
        unknown_patient="created",
        also=frozenset({"messages", "any-type"}),
        time_asks_a_person=screening.time_asks_a_person,
        minutes=sums.minutes,
        forms=forms_named,
        questions=frozenset({SEND_FORM}),
        behind=_behind,
        definitions=definitions(),
    )


def _behind(entries: Sequence[BundleEntry], context: Context) -> list[Name]:
    return [*signing.behind(entries, context), *referrers.behind(entries, context), *covering.behind(entries)]


def interpret(entries: Sequence[BundleEntry], context: Context, keys: Keys) -> Interpretation:
    """Patient, consents, safety, medications, conditions, assessment, plan, referral, Tasks, end: in this order."""
    context, every = with_forms(entries, context), (*entries, *context.unchanged)
    screens = {
        str(each.id): screening.read(each, context) for each in _of(entries, *_ASSESSED) if _is_screen(each, context)
    }
    observed = [each for each in _of(entries, "Observation") if _is_screen(each, context)]
    summed = sums.summed(observed, screens, context)
    screens |= summed.readings
    panels = of_panels(observed, screens, context)
    screens |= panels.readings
    consents = {str(each.id): consenting.consented(each, every, context) for each in _of(entries, "Consent")}
    commands: list[Command] = [
        *_persons(entries, context, keys),
        *(each.command for each in consents.values() if each.command is not None),
        *_assessed(entries, screens, (summed, panels), context),
        *(covering.coverage(each, every, context) for each in _of(entries, "Coverage")),
        *plan.commands(entries, context),
        *_requested(entries, context, keys),
        *_ends(entries, context),
    ]
    unknown = {each.unknown_form for each in screens.values() if each.unknown_form}
    as_received = [each for each in entries if not _is_decided(each, context)]
    return Interpretation(
        tuple(commands),
        tuple(each for each in as_received if each.type not in ("Bundle", "Questionnaire")),
        (*summed.stored, *(_sealed(each, keys) for each in as_received if each.type == "Bundle")),
        questions=tuple(_form_asked(each, context) for each in sorted(unknown)),
        remarks=_with_what_counts_no_more(
            {
                **{identity: each.issues for identity, each in screens.items()},
                **{identity: (consent_answer.remark(each, context),) for identity, each in consents.items()},
                **{str(each.id): unread for each in _of(entries, "Patient") if (unread := _unread_languages(each))},
                **_remarks(entries, context),
            },
            [each for each in _of(entries, *_ASSESSED, "Condition") if _replaces_answers(each, screens, context)],
        ),
    )


def _replaces_answers(entry: BundleEntry, screens: Mapping[str, ScreenReading], context: Context) -> bool:
    """Whether what it said before counted until now, and does so no more. An item says nothing by itself."""
    before, read = context.stored.get((entry.type, str(entry.id))), screens.get(str(entry.id))
    if before is None or before.body.get("status", "final") not in screening.STANDING:
        return False
    return read is None or not (read.is_unreadable or read.points)


def _with_what_counts_no_more(
    remarks: dict[str, tuple[Issue, ...]], updates: Sequence[BundleEntry]
) -> dict[str, tuple[Issue, ...]]:
    """Of an update of which nothing is read, its sender learns that nothing of it counts on."""
    for each in updates:
        found = remarks.get(str(each.id), ())
        if found and not any(issue.diagnostics.startswith("read as") for issue in found):
            remarks[str(each.id)] = (*found, remark("what it said before counts no more", each.place))
    return remarks


def _form_asked(canonical: str, context: Context) -> AcceptedResource:
    """Once for each client and form: its Questionnaire is to be sent, or its items mapped, before answers are read."""
    name = f"{codes.HUB}/{SEND_FORM}|{context.program}|{context.caller.name}|{canonical}"
    asked = {"client": context.caller.name, "questionnaire": canonical}
    inputs = [{"type": concept(codes.INPUT, kind), "valueString": text} for kind, text in asked.items()]
    return work_item.task(
        uuid5(NAMESPACE_URL, name), SEND_FORM, "form-unknown", inputs, context.now, confidential=False
    )


def _of(entries: Sequence[BundleEntry], *types: str) -> list[BundleEntry]:
    return [each for each in entries if each.type in types]


def _persons(entries: Sequence[BundleEntry], context: Context, keys: Keys) -> Iterator[Command]:
    """Who the patient is, and whether they live."""
    for each in _of(entries, "Patient"):
        yield patients.identified(each, context, keys)
        yield from patients.deceased(each, context)


def _requested(entries: Sequence[BundleEntry], context: Context, keys: Keys) -> Iterator[Command]:
    """Referrals to this program, then what a person did with a Task of the hub's."""
    for each in _of(entries, "ServiceRequest"):
        signing.require_senders_own(each, context)
        yield from tasks.referral(each, (*entries, *context.unchanged), context, keys)
    for each in _of(entries, "Task"):
        if tasks.is_ours(each, context):
            yield tasks.completed(each, context)
        elif (stage := staging.unasked(each, context)) is not None:
            yield stage


def _ends(entries: Sequence[BundleEntry], context: Context) -> Iterator[Command]:
    """Of the stay, by the EpisodeOfCare, or when it begins; else what an Encounter says anew, or that of care
    elsewhere: before the stay ends, and after it goes on."""
    finished = discharge.finished(entries, context)
    planned = [each for each in _of(entries, "EpisodeOfCare") if planning.is_set(each, context)]
    others = [each for each in _of(entries, "EpisodeOfCare") if each not in planned and each not in finished]
    yield from (planning.set_plan(each, context) for each in planned)
    yield from (discharge.discharged(each, entries, context) for each in others)
    for each in _of(entries, "Encounter"):
        elsewhere = care_elsewhere.is_elsewhere(each, context)
        if elsewhere or not (finished or others):
            yield from (care_elsewhere.reported if elsewhere else discharge.changed)(each, context)
        yield from care_elsewhere.days(each, context)
    yield from (discharge.discharged(each, entries, context) for each in finished)


def _remarks(entries: Sequence[BundleEntry], context: Context) -> dict[str, tuple[Issue, ...]]:
    """How the needs, the diagnoses, the orders and the ends of stays were read."""
    found = ((each, _read_as(each, entries, context)) for each in entries)
    return {str(each.id): tuple(remark(text, each.place) for text in texts) for each, texts in found if texts}


def _unread_languages(entry: BundleEntry) -> tuple[Issue, ...]:
    unread = patients.unread_languages(entry)
    return tuple(remark("not read: language unknown; send its BCP 47 code (urn:ietf:bcp:47)", each) for each in unread)


def _read_as(entry: BundleEntry, entries: Sequence[BundleEntry], context: Context) -> list[str]:
    match entry.type:
        case "Observation" if not _is_screen(entry, context):
            return list(assessing.lines(assessing.need(entry, context), context))
        case "Condition":
            return diagnoses.read_as(entry, context)
        case "ServiceRequest" if tasks.is_referral(entry.resource, context):
            return ["read as referral", *referrers.read_as(entry, (*entries, *context.unchanged), context)]
        case "ServiceRequest" if tasks.takes_back(entry, context):
            return ["read as a referral taken back"]
        case "ServiceRequest" if tasks.was_referral(entry, context):
            return ["read as a referral, whose status the hub says; put it as revoked to take it back"]
        case "ServiceRequest":
            return ["not read: no referral to this program"]
        case "Coverage":
            return covering.read_as(entry, (*entries, *context.unchanged), context)
        case "CareTeam" | "Goal" | "CarePlan":
            return plan.read_as(entry, context)
        case "Encounter" if not discharge.is_of(entry, entries, context):
            return care_elsewhere.read_as(entry, context) or discharge.read_as(entry)
        case _:
            return []


def _is_screen(entry: BundleEntry, context: Context) -> bool:
    return entry.type == "QuestionnaireResponse" or not assessing.is_need(entry, context)


def _assessed(
    entries: Sequence[BundleEntry], screens: Mapping[str, ScreenReading], summed: Sequence[Summed], context: Context
) -> Iterator[Command]:
    """Safety first, so that it reaches a person even while the rest waits; then lists, diagnoses and the needs."""
    found = (
        *(finding for each in screens.values() for finding in each.findings),
        *(finding for each in summed for finding in each.findings),
    )
    diagnosed = tuple(
        finding
        for each in _of(entries, *_DIAGNOSED)
        for finding in (diagnoses.diagnosed if each.type == "Condition" else care_elsewhere.findings)(each, context)
    )
    stepped = tuple(each for entry in _of(entries, "Encounter") for each in care_elsewhere.stepped_down(entry, context))
    if urgent := tuple(each for each in (*found, *diagnosed) if each.code in SAFETY_CODES):
        yield ReportFindings(findings=urgent)
    yield from _listed(entries, (*diagnosed, *stepped), context)
    ages = [age for each in _of(entries, "Patient") for age in patients.age(each, context)]
    needs = (
        *(assessing.need(each, context) for each in _of(entries, "Observation") if not _is_screen(each, context)),
        *(need for each in screens.values() for need in each.needs),
    )
    readable = [each for each in _of(entries, *_ASSESSED) if not _is_unreadable(each, screens)]
    again = (*_replaced(readable, context), *(source for each in summed for source in each.sources))
    if needs or found or ages or again:
        yield RecordAssessment(needs=needs, findings=(*ages, *found), sources=again)


def _is_unreadable(entry: BundleEntry, screens: Mapping[str, ScreenReading]) -> bool:
    """What it said before stands until somebody can read what it says now."""
    return str(entry.id) in screens and screens[str(entry.id)].is_unreadable


def _listed(
    entries: Sequence[BundleEntry], diagnosed: tuple[ReportedFinding, ...], context: Context
) -> Iterator[Command]:
    """The medications, then the diagnoses."""
    if prescribed := tuple(
        prescribing.prescribed(each, (*entries, *context.unchanged), context) for each in _of(entries, *_MEDICATIONS)
    ):
        yield RecordMedications(medications=prescribed)
    cared = [each for each in _of(entries, "Encounter") if care_elsewhere.states_anew(each, context)]
    replaced = _replaced([*_of(entries, "Condition"), *cared], context)
    if diagnosed or replaced:
        yield RecordConditions(findings=diagnosed, sources=replaced)


def _replaced(entries: Sequence[BundleEntry], context: Context) -> tuple[str, ...]:
    """Those of which an earlier version was stored: what it said counts no more, whatever this one says."""
    return tuple(f"{each.type}/{each.id}" for each in entries if (each.type, str(each.id)) in context.stored)


def _is_decided(entry: BundleEntry, context: Context) -> bool:
    """What the hub itself writes when it decides (its Tasks, the stay) is not stored as received."""
    if entry.type == "Task":
        return tasks.is_ours(entry, context)
    if entry.type in plan.TYPES:
        return plan.is_own(entry, context)
    return entry.type == "EpisodeOfCare"


def _sealed(entry: BundleEntry, keys: Keys) -> AcceptedResource:
    """A document inside a message carries a Patient with it: stored encrypted, like every Patient."""
    return AcceptedResource(
        entry.type, str(entry.id), b64encode(keys.encrypt(encode(entry.resource))).decode(), sealed=True
    )
