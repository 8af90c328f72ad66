"""Escalations, emitted by any service: a Task for a person, and a DetectedIssue for each signal behind it.

Only the minimum is written (category, tier, reason, clinical times, due times, owner, patient): never an analyte,
never free text. An escalation belongs to the service that raised it, and only that service changes it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, get_args

import msgspec

from shared.events import audit, fhir, reading
from shared.events.codes import ASSIGNED, ESCALATION, HUB, INPUT, RULE, SERVICE, STAFF
from shared.events.envelope import Event, Resource, name_id

Category = Literal["attendance", "drug-test", "combined", "placement", "safety", "hub-hold"]
SEVERITY = {1: "low", 2: "moderate", 3: "high", 4: "high"}
OVERDUE, UPDATED, HANDED_OVER = "overdue", "updated", "handed-over"
ACKNOWLEDGED, ACTED_ON, RESOLVED, REOPENED = "acknowledged", "acted-on", "resolved", "reopened"
PERSON = "staff/"
"""What names one person rather than a role."""
CLIENT = "client/"
"""What names a client that acts in its own name, where persons stand by their id (no id of theirs has a slash)."""
STEPS = (ACKNOWLEDGED, ACTED_ON, HANDED_OVER, RESOLVED, REOPENED)
"""What a person does about an escalation, each time an AuditEvent of this subtype (ESCALATION)."""
IN_CONTACT = "in-contact-again"
"""Why a silence that was too long is over: a sign of the patient came. Each miss of it has an escalation of its own."""
COMBINING = (
    "missed-session",
    "unexpected-positive",
    "prescribed-medication-absent",
    "specimen-not-valid",
    "specimen-altered",
    "collection-refused",
    "collection-missed",
)
"""Signals that mean more together (domain 5.2): a state names them by their places, which never change. What a result
that cannot show new use raises is none of them."""
AS_POSITIVE = ("unexpected-positive", "specimen-altered")
"""A specimen that was substituted or adulterated counts as a presumptive positive (domain 5.2)."""
SCRIPTS = frozenset({"missed-session", "welfare-check"})
"""What is said to a patient who did not come."""
CONTACT_SCRIPTS = frozenset({"follow-up", "re-engagement", "return-to-use", "in-crisis"})
"""What is said to a patient after the discharge, by what asks somebody to reach out."""
REACHED_OUT = ("missed-session", "no-contact-after-miss", "no-attendance")
"""Reasons for which somebody is asked to reach out."""
PRIORITY = {1: "routine", 2: "urgent", 3: "asap", 4: "stat"}


class Signal(msgspec.Struct, frozen=True, array_like=True):
    """One reason behind an escalation: its code, its clinical time, the reference of the resource behind it."""

    code: str
    at: datetime
    evidence: str


class HandedOver(msgspec.Struct, frozen=True, array_like=True):
    """When an escalation was handed over, and to whom: a member of staff by their id, or anybody of its role ("")."""

    at: datetime
    person: str = ""


DetailCode = Literal[
    "least-minutes",
    "delivered-minutes",
    "projected-minutes",
    "bookable-minutes",
    "least-days",
    "delivered-days",
    "projected-days",
]
"""Of a week: what it needs, has, will have if what is planned is held, and could still be given; days where who pays
asks for some."""


class Detail(msgspec.Struct, frozen=True, array_like=True):
    """A number that a person needs to act, as an input of the Task (INPUT)."""

    code: DetailCode
    number: int


class Escalation(msgspec.Struct, frozen=True, array_like=True):
    """What a person is asked to act on. Times are instants, `tier` is 1 (low) to 4 (critical), domain 5.1. `owner` is
    the role that is asked; where it was `handed_over` since it was asked at this tier, perhaps one person of it."""

    id: str
    category: Category
    reason: str
    tier: int
    owner: str
    rule: str
    raised_at: datetime
    acknowledge_by: datetime
    act_by: datetime
    signals: tuple[Signal, ...]
    subsumes: tuple[str, ...] = ()
    handed_over: HandedOver | None = None

    @property
    def person(self) -> str:
        """Whom it was handed over to; empty where anybody of its role is asked."""
        return self.handed_over.person if self.handed_over is not None else ""

    @property
    def asked(self) -> str:
        """Whom it asks: one person (`staff/<id>`), or a role."""
        return f"{PERSON}{self.person}" if self.person else self.owner


class EscalationEvent(Event, frozen=True, kw_only=True):
    """Any event about an escalation carries it whole, so that what was emitted can be read without its past."""

    escalation: Escalation
    at: datetime
    assigned: str = ""
    """Who of the patient's team has the role that owns it, by their id in the program's staff, where that is known."""
    details: tuple[Detail, ...] = ()
    free_slots: str = ""
    """The search that finds sessions in which a make-up may be held, whenever it is asked."""
    groups: tuple[str, ...] = ()
    """The ids of those that are asked for a seat; none has one yet."""
    slots: tuple[str, ...] = ()
    """The ids of sessions with a free seat in which a make-up may be held, as it was known when this was emitted."""

    def write(self, patient: str) -> list[Resource]:
        return _write(self, patient)


class EscalationRaised(EscalationEvent, frozen=True, kw_only=True):
    """A person is asked to act, and by when."""


class EscalationUpdated(EscalationEvent, frozen=True, kw_only=True):
    """The same trigger again within its window, or one of its signals gone while others stand."""

    accepted: bool = False
    """Whether a person had acknowledged it already; the Task keeps that status."""
    overdue: bool = False
    """Whether it was overdue already; the Task says so on."""
    acted: str = ""
    """What whoever has it did about it last; the Task says so on."""
    gone: tuple[Signal, ...] = ()
    """Signals that stood until now and were wrong: each one's DetectedIssue is entered in error."""


class PersonsStep(EscalationEvent, frozen=True, kw_only=True):
    """What a person did about it: `by` their id in the program's staff, in this `role` of theirs (or `client/<name>`,
    where a client did it in its own name); `client` is who sent that. `proved`: the person's own token or link says who
    they are; else the client states it."""

    by: str | None = None
    client: str = ""
    role: str = ""
    proved: bool = False


class EscalationAcknowledged(PersonsStep, frozen=True, kw_only=True):
    """A person took it on."""

    by: str


class EscalationActedOn(PersonsStep, frozen=True, kw_only=True):
    """Whoever has it did something about it, `act` by code (`codes.ACTS`): it stays open, and theirs."""

    act: str
    by: str


class EscalationHandedOver(PersonsStep, frozen=True, kw_only=True):
    """`by`, who had it or sees to it, hands it over to whom the escalation now names, who is asked anew; `reason` by
    code (`codes.HAND_OVER_REASONS`). `overdue`: it was to be acted on already, and that was emitted."""

    reason: str
    by: str
    overdue: bool = False


class EscalationOverdue(EscalationEvent, frozen=True, kw_only=True):
    """Not acknowledged in time, or (`accepted`) not acted on: emitted once, one tier up, at most T3 (T4 only by the
    safety rules)."""

    accepted: bool = False


class EscalationResolved(PersonsStep, frozen=True, kw_only=True):
    """It was acted on (`by` a person), or the episode ended (`by` is None)."""

    reason: str


class EscalationReopened(PersonsStep, frozen=True, kw_only=True):
    """`by`, who resolved it, has it once more: the same escalation, at the tier it had, with its times begun anew;
    `reason` by code (`codes.REOPEN_REASONS`)."""

    reason: str
    by: str


class EscalationRetracted(EscalationEvent, frozen=True, kw_only=True):
    """The reason was wrong (late check-in, corrected result, excuse): visibly withdrawn, never deleted."""

    reason: str


class SignalsCorrected(Event, frozen=True, kw_only=True):
    """Signals of `COMBINING` are otherwise than they were said to be, whatever has become of the escalations that name
    them: a person may have resolved each of them, and they stay as they were. It is for whoever combines signals."""

    gone: tuple[Signal, ...] = ()
    """They were wrong."""
    moved: tuple[Signal, ...] = ()
    """Their clinical time is known better now."""

    def write(self, patient: str) -> list[Resource]:
        """Each as a DetectedIssue of its own: those of the escalations are told apart by which of them they are of."""
        subject, stated = fhir.reference("Patient", patient), {"entered-in-error": self.gone, "corrected": self.moved}
        return [_of_signal(each, status, subject) for status, signals in stated.items() for each in signals]


def script_url(name: str) -> str:
    """Of what is said to the patient, by channel: `scripts.py` of attendance and of aftercare hold them."""
    return f"{HUB}/PlanDefinition/outreach-{name}"


def _script(escalation: Escalation) -> str | None:
    """Where somebody is asked to reach out: a miss under an active risk is graver than any other one (domain 5.2)."""
    if escalation.reason in CONTACT_SCRIPTS:
        return escalation.reason
    if escalation.reason not in REACHED_OUT:
        return None
    at_risk = escalation.reason == "missed-session" and escalation.tier >= 3
    return "welfare-check" if at_risk else "missed-session"


class _Standing(msgspec.Struct, frozen=True):
    """What an event says of its Task."""

    status: str
    business: tuple[str, ...] = ()
    reason: str | None = None


def is_client(by: str) -> bool:
    """Whether this is no person, but a client in its own name."""
    return by.startswith(CLIENT)


def is_closed(event: EscalationEvent) -> bool:
    """Whether nobody is asked any more once this has happened."""
    return _standing(event).status in ("completed", "cancelled")


def _standing(event: EscalationEvent) -> _Standing:
    match event:
        case EscalationAcknowledged():
            return _Standing("accepted")
        case EscalationResolved(reason=reason):
            return _Standing("completed", reason=reason)
        case EscalationRetracted(reason=reason):
            return _Standing("cancelled", reason=reason)
        case EscalationActedOn(act=act):
            return _Standing("accepted", business=(act,))
        case EscalationReopened(reason=reason):
            return _Standing("accepted", (REOPENED,), reason)
        case EscalationHandedOver(reason=reason, overdue=overdue):
            return _Standing("requested", ((OVERDUE,) if overdue else ()) + (HANDED_OVER,), reason)
        case EscalationUpdated(accepted=accepted, overdue=overdue, acted=acted):
            stands = tuple(each for each in (OVERDUE if overdue else "", acted) if each)
            return _Standing("accepted" if accepted else "requested", business=stands or (UPDATED,))
        case EscalationOverdue(accepted=accepted):
            return _Standing("accepted" if accepted else "requested", business=(OVERDUE,))
        case _:
            return _Standing("requested")


def _write(event: EscalationEvent, patient: str) -> list[Resource]:
    escalation, subject, emitted = event.escalation, fhir.reference("Patient", patient), _standing(event)
    wrong = emitted.status == "cancelled"
    issues = [_issue(each, escalation, subject, wrong=wrong) for each in escalation.signals]
    gone = event.gone if isinstance(event, EscalationUpdated) else ()
    named = [fhir.reference("DetectedIssue", each["id"]) for each in issues]
    task = fhir.without_nothing(
        {
            "resourceType": "Task",
            "id": escalation.id,
            "instantiatesCanonical": f"{RULE}/{escalation.rule}",
            "status": emitted.status,
            "statusReason": fhir.concept(ESCALATION, emitted.reason) if emitted.reason else None,
            "businessStatus": fhir.concept(ESCALATION, *emitted.business) if emitted.business else None,
            "intent": "order",
            "priority": PRIORITY[escalation.tier],
            "code": fhir.concept(ESCALATION, escalation.category),
            "focus": named[0] if named else None,
            "for": subject,
            "authoredOn": escalation.raised_at,
            "lastModified": event.at,
            "requester": fhir.logical(SERVICE, escalation.rule.partition("/")[0]),
            **fhir.asked_of(escalation.owner, escalation.person, event.assigned),
            "reasonCode": fhir.concept(ESCALATION, escalation.reason),
            "restriction": {"period": {"end": escalation.act_by}},
            "input": _inputs(event, named),
        }
    )
    wrong_ones = [_issue(each, escalation, subject, wrong=True) for each in gone]
    return [task, *issues, *wrong_ones, *_recorded(event, patient)]


def _inputs(event: EscalationEvent, signals: Sequence[fhir.Element]) -> list[fhir.Element]:
    """Of its Task; `signals` are the references of its DetectedIssues."""
    escalation = event.escalation
    inputs: list[fhir.Element] = [
        {"type": fhir.concept(INPUT, "tier"), "valueInteger": escalation.tier},
        {"type": fhir.concept(INPUT, "acknowledge-by"), "valueInstant": escalation.acknowledge_by},
    ]
    if escalation.handed_over is not None:
        inputs.append({"type": fhir.concept(INPUT, "handed-over-at"), "valueInstant": escalation.handed_over.at})
    inputs += [{"type": fhir.concept(INPUT, "signal"), "valueReference": each} for each in signals]
    for subsumed in escalation.subsumes:
        inputs.append({"type": fhir.concept(INPUT, "subsumes"), "valueReference": fhir.reference("Task", subsumed)})
    if (script := _script(escalation)) is not None:
        inputs.append({"type": fhir.concept(INPUT, "outreach-script"), "valueCanonical": script_url(script)})
    inputs += [{"type": fhir.concept(INPUT, each.code), "valueInteger": each.number} for each in event.details]
    if event.free_slots:
        inputs.append({"type": fhir.concept(INPUT, "free-slots"), "valueUri": event.free_slots})
    inputs += [
        {"type": fhir.concept(INPUT, "group"), "valueReference": fhir.reference("Group", each)} for each in event.groups
    ]
    inputs += [
        {"type": fhir.concept(INPUT, "slot"), "valueReference": fhir.reference("Slot", each)} for each in event.slots
    ]
    return inputs


class _Act(msgspec.Struct, frozen=True):
    """What an event says a person did: the step, the code of the Provenance's activity, what the AuditEvent tells."""

    step: str
    activity: str = ""
    details: tuple[tuple[str, str], ...] = ()


def _act(event: PersonsStep) -> _Act:
    match event:
        case EscalationActedOn(act=act):
            return _Act(ACTED_ON, act, (("act", act),))
        case EscalationHandedOver(escalation=escalation, reason=reason):
            return _Act(HANDED_OVER, reason, (("reason", reason), ("to", escalation.asked)))
        case EscalationResolved(reason=reason):
            return _Act(RESOLVED, "", (("reason", reason),))
        case EscalationReopened(reason=reason):
            return _Act(REOPENED, reason, (("reason", reason),))
        case _:
            return _Act(ACKNOWLEDGED)


def _recorded(event: EscalationEvent, patient: str) -> list[Resource]:
    """Who did it, as Provenance of the Task and as an AuditEvent, both of this one act: a later one takes neither's
    place. Of what the hub does by itself there is none."""
    if not isinstance(event, PersonsStep) or not (event.by or event.client):
        return []
    identity, act, by = event.escalation.id, _act(event), event.by or ""
    person = "" if is_client(by) else by
    name = _step_name(act, by, event.at)
    target = fhir.reference("Task", identity)
    done = fhir.provenance(name_id(identity, name), target, event.at, person or None, event.client)
    audited = audit.of_step(
        name_id(identity, f"audit:{name}"),
        event.at,
        service=event.escalation.rule.partition("/")[0],
        patient=patient,
        who=audit.Who(event.client, person, event.role, event.proved),
        task=identity,
        step=fhir.coding(ESCALATION, act.step),
        details=act.details,
    )
    activity = {"activity": fhir.concept(ESCALATION, act.activity)} if act.activity else {}
    return [{**done, **activity}, audited]


def _step_name(act: _Act, by: str, at: datetime) -> str:
    return f"{act.step}:{act.activity}:{by}:{at}"


def resolved_record(task: Mapping[str, object], by: str) -> str:
    """The id of the Provenance that stands where `by` resolved this Task as it stands: nobody else's has it."""
    at = reading.utc(msgspec.convert(task["lastModified"], type=datetime))
    return name_id(str(task["id"]), _step_name(_Act(RESOLVED), by, at))


def _issue(signal: Signal, escalation: Escalation, subject: fhir.Element, *, wrong: bool) -> fhir.Element:
    return {
        "resourceType": "DetectedIssue",
        "id": name_id(escalation.id, f"{signal.code}|{signal.evidence}"),
        "status": "entered-in-error" if wrong else "final",
        "code": fhir.concept(ESCALATION, signal.code),
        "severity": SEVERITY[escalation.tier],
        "patient": subject,
        "identifiedDateTime": signal.at,
        "implicated": [{"reference": signal.evidence}],
    }


def _of_signal(signal: Signal, status: str, subject: fhir.Element) -> fhir.Element:
    return {
        "resourceType": "DetectedIssue",
        "id": name_id(signal.evidence.partition("/")[2], f"signal:{signal.code}"),
        "status": status,
        "code": fhir.concept(ESCALATION, signal.code),
        "patient": subject,
        "identifiedDateTime": signal.at,
        "implicated": [{"reference": signal.evidence}],
    }


class _Restriction(reading.Element, frozen=True):
    period: reading.Period


class _Input(reading.Element, frozen=True):
    type: reading.Concept
    value_integer: int | None = None
    value_instant: reading.Instant | None = None
    value_reference: reading.Reference | None = None
    value_uri: str | None = None


class _Extension(reading.Element, frozen=True):
    url: str
    value_reference: reading.Logical


class _Owner(reading.Logical, frozen=True):
    extension: tuple[_Extension, ...] = ()


class _Task(reading.Read, frozen=True):
    id: str
    instantiates_canonical: str
    status: str
    code: reading.Concept
    reason_code: reading.Concept
    owner: _Owner
    authored_on: reading.Instant
    last_modified: reading.Instant
    restriction: _Restriction
    input: tuple[_Input, ...]
    status_reason: reading.Concept | None = None
    business_status: reading.Concept | None = None
    performer_type: tuple[reading.Concept, ...] = ()

    @property
    def assigned(self) -> str:
        named = (each.value_reference.identifier.value for each in self.owner.extension if each.url == ASSIGNED)
        return next(named, "")

    @property
    def person(self) -> str:
        """Whom it was handed over to; empty where its owner is a role."""
        return self.owner.identifier.value if self.owner.identifier.system == STAFF else ""

    @property
    def role(self) -> str:
        return self.performer_type[0].code if self.person else self.owner.identifier.value

    def handed_over(self, at: Sequence[_Input]) -> HandedOver | None:
        return HandedOver(reading.utc(at[0].value_instant), self.person) if at else None

    @property
    def details(self) -> tuple[Detail, ...]:
        stated = ((each.type.code, each.value_integer) for each in self.input)
        return tuple(
            Detail(known, number)
            for code, number in stated
            for known in get_args(DetailCode)
            if known == code and number is not None
        )

    @property
    def free_slots(self) -> str:
        return next((each.value_uri or "" for each in self.inputs["free-slots"]), "")

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(reading.required(each.value_reference).id for each in self.inputs["group"])

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(reading.required(each.value_reference).id for each in self.inputs["slot"])

    @property
    def inputs(self) -> defaultdict[str, list[_Input]]:
        """By code."""
        found = defaultdict[str, list[_Input]](list)
        for each in self.input:
            found[each.type.code].append(each)
        return found


class _DetectedIssue(reading.Read, frozen=True):
    status: str
    code: reading.Concept
    identified_date_time: reading.Instant
    implicated: tuple[reading.Reference, ...]


def _escalation(task: _Task, issues: Sequence[_DetectedIssue]) -> Escalation:
    inputs = task.inputs
    (tier,), (acknowledge,) = inputs["tier"], inputs["acknowledge-by"]
    return Escalation(
        id=fhir.own_id(task.id),
        category=task.code.code,  # type: ignore[arg-type]
        reason=task.reason_code.code,
        tier=reading.required(tier.value_integer),
        owner=task.role,
        rule=task.instantiates_canonical.removeprefix(f"{RULE}/"),
        raised_at=reading.utc(task.authored_on),
        acknowledge_by=reading.utc(acknowledge.value_instant),
        act_by=reading.utc(task.restriction.period.end),
        signals=_signals(issues),
        subsumes=tuple(reading.required(each.value_reference).id for each in inputs["subsumes"]),
        handed_over=task.handed_over(inputs["handed-over-at"]),
    )


def signals_of(task: Mapping[str, object]) -> list[str]:
    """The ids of the DetectedIssues that the Task of an escalation names."""
    named = msgspec.convert(task, type=_Task).inputs["signal"]
    return [reading.required(each.value_reference).id for each in named]


def stated(task: Mapping[str, object], issues: Iterable[Mapping[str, object]]) -> Escalation:
    """The escalation as its stored Task and the DetectedIssues that it names say it."""
    found = [msgspec.convert(each, type=_DetectedIssue) for each in issues]
    return _escalation(msgspec.convert(task, type=_Task), found)


def _signals(issues: Iterable[_DetectedIssue]) -> tuple[Signal, ...]:
    return tuple(
        Signal(each.code.code, reading.utc(each.identified_date_time), each.implicated[0].reference) for each in issues
    )


def _read(resources: Sequence[reading.Read]) -> tuple[_Task, Escalation, datetime]:
    task = reading.of_type(resources, _Task)[0]
    escalation = _escalation(task, reading.of_type(resources, _DetectedIssue))
    return task, escalation, reading.utc(task.last_modified)


@reading.reads(_Task, _DetectedIssue)
def read_raised(resources: Sequence[reading.Read]) -> EscalationRaised:
    task, escalation, at = _read(resources)
    return EscalationRaised(
        escalation=escalation,
        at=at,
        assigned=task.assigned,
        details=task.details,
        free_slots=task.free_slots,
        groups=task.groups,
        slots=task.slots,
    )


@reading.reads(_Task, _DetectedIssue)
def read_updated(resources: Sequence[reading.Read]) -> EscalationUpdated:
    gone = [each for each in reading.of_type(resources, _DetectedIssue) if each.status == "entered-in-error"]
    task, escalation, at = _read([each for each in resources if each not in gone])
    stands = [each.code for each in task.business_status.coding] if task.business_status is not None else []
    return EscalationUpdated(
        escalation=escalation,
        at=at,
        assigned=task.assigned,
        details=task.details,
        free_slots=task.free_slots,
        groups=task.groups,
        slots=task.slots,
        accepted=task.status == "accepted",
        overdue=OVERDUE in stands,
        acted=next((each for each in stands if each not in (OVERDUE, UPDATED)), ""),
        gone=_signals(gone),
    )


class _Agent(reading.Agent, frozen=True):
    role: tuple[reading.Concept, ...] = ()


class _Detail(reading.Element, frozen=True):
    type: str
    value_string: str


class _Entity(reading.Element, frozen=True):
    detail: tuple[_Detail, ...] = ()


class _AuditEvent(reading.Read, frozen=True):
    agent: tuple[_Agent, ...]
    entity: tuple[_Entity, ...]

    @property
    def role(self) -> str:
        return next((each.role[0].code for each in self.agent if each.role), "")

    @property
    def is_proved(self) -> bool:
        return _Detail("person", audit.PROVED) in (detail for each in self.entity for detail in each.detail)


@reading.reads(_Task, _DetectedIssue, reading.Provenance, _AuditEvent)
def read_resolved(resources: Sequence[reading.Read]) -> EscalationResolved:
    return _resolved(resources)


def _resolved(resources: Sequence[reading.Read]) -> EscalationResolved:
    task, escalation, at = _read(resources)
    provenances, audits = reading.of_type(resources, reading.Provenance), reading.of_type(resources, _AuditEvent)
    return EscalationResolved(
        escalation=escalation,
        at=at,
        assigned=task.assigned,
        details=task.details,
        free_slots=task.free_slots,
        groups=task.groups,
        slots=task.slots,
        reason=reading.required(task.status_reason).code,
        by=reading.author_of(provenances),
        client=reading.transmitter_of(provenances),
        role=next((each.role for each in audits), ""),
        proved=any(each.is_proved for each in audits),
    )


@reading.reads(_Task, _DetectedIssue, reading.Provenance, _AuditEvent)
def read_reopened(resources: Sequence[reading.Read]) -> EscalationReopened:
    """Of the same shape; where no person is named, the client did it in its own name."""
    step = _resolved(resources)
    return EscalationReopened(
        escalation=step.escalation,
        at=step.at,
        assigned=step.assigned,
        details=step.details,
        free_slots=step.free_slots,
        groups=step.groups,
        slots=step.slots,
        reason=step.reason,
        by=step.by or f"{CLIENT}{step.client}",
        client=step.client,
        role=step.role,
        proved=step.proved,
    )


@reading.reads(_Task, _DetectedIssue)
def read_retracted(resources: Sequence[reading.Read]) -> EscalationRetracted:
    task, escalation, at = _read(resources)
    reason = reading.required(task.status_reason).code
    return EscalationRetracted(
        escalation=escalation,
        at=at,
        assigned=task.assigned,
        details=task.details,
        free_slots=task.free_slots,
        groups=task.groups,
        slots=task.slots,
        reason=reason,
    )


@reading.reads(_DetectedIssue)
def read_corrected(resources: Sequence[reading.Read]) -> SignalsCorrected:
    """Raises ValueError for evidence that is none of the hub's: further ids are made from it."""
    issues = reading.of_type(resources, _DetectedIssue)
    for each in issues:
        fhir.own_id(each.implicated[0].reference.partition("/")[2])
    gone = [each for each in issues if each.status == "entered-in-error"]
    return SignalsCorrected(gone=_signals(gone), moved=_signals(each for each in issues if each not in gone))
