"""Folds the records of the topics into each patient's chart, with one function for each event."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from deploy.demo.chart import Chart, FollowUp, OrderedTest, Permission, Raised, Referral, Result, Session, Step
from deploy.evidence import Record
from shared.events import codes, fhir


def fold(charts: dict[str, Chart], records: Iterable[Record]) -> None:
    """Add records to the charts of their patients. A record read twice changes nothing."""
    for record in records:
        if record.patient:
            chart = charts.setdefault(record.patient, Chart(record.patient))
            summary = _SUMMARIES.get(record.event, _nothing)(chart, record, _instant(record.headers["ce_time"]))
            chart.steps.append(Step(_instant(record.headers["ce_time"]), record.event, summary))


def _nothing(chart: Chart, record: Record, at: datetime) -> str:
    return ""


def _recommended(chart: Chart, record: Record, at: datetime) -> str:
    request = record.resources[0]
    chart.level, chart.rules = fhir.code_of(request["code"]), fhir.codes_of(request.get("reasonCode"))
    details = [each["coding"][0] for each in request.get("orderDetail", ())]
    chart.conditions = tuple(each["code"] for each in details if each["system"] == codes.CONDITION)
    return f"{chart.level} by {' '.join(chart.rules)}"


def _signed(chart: Chart, record: Record, at: datetime) -> str:
    return fhir.code_of(record.resources[0]["output"][0]["valueCodeableConcept"])


def _admitted(chart: Chart, record: Record, at: datetime) -> str:
    episode, plan = record.resources[:2]
    chart.admitted_at = _instant(episode["period"]["start"])
    chart.track = fhir.code_of(plan["category"][0])
    return f"track {chart.track}"


def _advanced(chart: Chart, record: Record, at: datetime) -> str:
    return fhir.codes_of(record.resources[0].get("category"))[-1]


def _declined(chart: Chart, record: Record, at: datetime) -> str:
    level, *rules = record.resources[0]["type"]
    chart.declined_at, chart.level, chart.rules = at, fhir.code_of(level), fhir.codes_of(rules)
    return f"{chart.level} by {' '.join(chart.rules)}"


def _discharged(chart: Chart, record: Record, at: datetime) -> str:
    encounter = record.resources[1]
    chart.discharged_at = _instant(encounter["period"]["end"])
    chart.disposition = fhir.code_of(encounter["hospitalization"]["dischargeDisposition"], codes.DISPOSITION)
    return chart.disposition


def _session(outcome: str) -> Callable[[Chart, Record, datetime], str]:
    def describe(chart: Chart, record: Record, at: datetime) -> str:
        appointment = next(each for each in record.resources if each["resourceType"] == "Appointment")
        known = chart.sessions.setdefault(
            appointment["id"],
            Session(
                _instant(appointment["start"]),
                _instant(appointment["end"]),
                fhir.code_of(appointment["serviceType"][0]),
            ),
        )
        known.outcome = outcome
        if record.resources[0]["resourceType"] == "Encounter":
            known.minutes = int(record.resources[0].get("length", {"value": 0})["value"])
        return f"{known.kind} {known.start:%d %b}"

    return describe


def _fell_short(chart: Chart, record: Record, at: datetime) -> str:
    issue = record.resources[0]
    week = _instant(issue["identifiedPeriod"]["start"])
    others = [each for each in chart.short_weeks if each != week]
    chart.short_weeks[:] = others if issue["status"] == "entered-in-error" else [*others, week]
    return str(issue["detail"])


def _projected(chart: Chart, record: Record, at: datetime) -> str:
    return str(record.resources[0]["detail"])


def _resulted(chart: Chart, record: Record, at: datetime) -> str:
    report = next(each for each in record.resources if each["resourceType"] == "DiagnosticReport")
    outcomes = {
        _code(observation["code"], codes.ANALYTE): _code(observation["interpretation"], codes.OUTCOME)
        for observation in record.resources
        if observation["resourceType"] == "Observation"
    }
    known = chart.results.get(report["id"])
    was = (
        {}
        if known is None
        else {name: before for name, before in known.outcomes.items() if outcomes.get(name) != before}
    )
    chart.results[report["id"]] = Result(
        _instant(report["effectiveDateTime"]),
        report["status"],
        outcomes,
        was if record.event == "DrugTestCorrected" else {},
        "conclusionCode" in report,
    )
    return _in_short(chart.results[report["id"]])


def _in_short(result: Result) -> str:
    notable = [f"{name} {outcome}" for name, outcome in result.outcomes.items() if outcome != "expected-negative"]
    return ", ".join(notable) or "as expected"


def _ordered(chart: Chart, record: Record, at: datetime) -> str:
    task = record.resources[0]
    known = chart.ordered.setdefault(task["id"], OrderedTest(task["owner"]["identifier"]["value"]))
    known.status = task["status"]
    reason = fhir.code_of(task["statusReason"]) if "statusReason" in task else ""
    known.steps.append(Step(at, record.event, reason))
    (action,) = fhir.task_inputs(task, "laboratory-action")
    return f"{known.partner}, {action['valueCode']}{', ' + reason if reason else ''}"


def _escalation(state: str) -> Callable[[Chart, Record, datetime], str]:
    def describe(chart: Chart, record: Record, at: datetime) -> str:
        task = record.resources[0]
        (tier,) = fhir.task_inputs(task, "tier")
        known = chart.escalations.setdefault(
            task["id"],
            Raised(
                task["id"],
                _instant(task["authoredOn"]),
                fhir.code_of(task["code"]),
                fhir.code_of(task["reasonCode"]),
                tier["valueInteger"],
                task["owner"]["identifier"]["value"],
            ),
        )
        known.tier = tier["valueInteger"]
        match state:
            case "acknowledged":
                known.acknowledged_at = at
            case "reopened":
                known.ended_at, known.ended, known.end_reason = None, "", ""
            case "resolved" | "retracted":
                known.ended_at, known.ended, known.end_reason = at, state, fhir.code_of(task["statusReason"])
        return f"T{known.tier} {known.reason}" + (f", {known.end_reason}" if known.ended else "")

    return describe


def _review(chart: Chart, record: Record, at: datetime) -> str:
    task = record.resources[0]
    ended = task["status"] == "completed"
    end_reason = "done" if ended else fhir.code_of(task.get("statusReason") or task["reasonCode"])
    chart.reviews[task["id"]] = Step(at, record.event, end_reason)
    return end_reason


def _consented(chart: Chart, record: Record, at: datetime) -> str:
    consent = record.resources[0]
    named = tuple(each["reference"]["identifier"]["value"] for each in consent["provision"].get("actor", ()))
    chart.consents[consent["id"]] = Permission(_instant(consent["dateTime"]), named)
    return ", ".join(named)


def _revoked(chart: Chart, record: Record, at: datetime) -> str:
    consent = chart.consents.get(record.resources[0]["id"])
    if consent is None:
        return ""
    consent.revoked_at = at
    return ", ".join(consent.recipients)


def _referral(chart: Chart, record: Record, at: datetime) -> str:
    task, request = record.resources[:2]
    referral = chart.referrals.setdefault(request["id"], Referral(task["owner"]["identifier"]["value"]))
    end_reason = fhir.code_of(task["statusReason"]) if "statusReason" in task else ""
    referral.steps.append(Step(at, record.event, end_reason))
    return f"{referral.partner}{', ' + end_reason if end_reason else ''}"


def _disclosed(chart: Chart, record: Record, at: datetime) -> str:
    audit = record.resources[0]
    return f"{audit['subtype'][0]['code']}: {audit['agent'][1]['who']['identifier']['value']}"


def _meetings(chart: Chart, record: Record, at: datetime) -> str:
    chart.meetings = len(record.resources[0].get("payload", ()))
    return f"{chart.meetings} meetings to choose from, no group is informed"


def _follow_up(chart: Chart, record: Record, at: datetime) -> str:
    task = record.resources[0]
    known = chart.follow_ups.setdefault(task["id"], FollowUp(_instant(task["authoredOn"])))
    known.outcome = fhir.code_of(task["statusReason"]) if "statusReason" in task else known.outcome
    return known.outcome


_SUMMARIES: dict[str, Callable[[Chart, Record, datetime], str]] = {
    "LevelOfCareRecommended": _recommended,
    "PlacementSigned": _signed,
    "EpisodeAdmitted": _admitted,
    "EpisodeDeclined": _declined,
    "StageAdvanced": _advanced,
    "EpisodeDischarged": _discharged,
    "SessionScheduled": _session("planned"),
    "SessionAttended": _session("attended"),
    "SessionMissed": _session("missed"),
    "SessionExcused": _session("excused"),
    "SessionCancelled": _session("cancelled"),
    "AttendanceCorrected": _session("planned"),
    "CheckInWithdrawn": _session("planned"),
    "WeeklyHoursFellShort": _fell_short,
    "WeeklyHoursCorrected": _fell_short,
    "WeeklyHoursProjectedShort": _projected,
    "DrugTestResulted": _resulted,
    "DrugTestCorrected": _resulted,
    "LaboratoryOrderPrepared": _ordered,
    "LaboratoryOrderSent": _ordered,
    "LaboratoryOrderFailed": _ordered,
    "EscalationRaised": _escalation("raised"),
    "EscalationUpdated": _escalation("updated"),
    "EscalationAcknowledged": _escalation("acknowledged"),
    "EscalationActedOn": _escalation("acted on"),
    "EscalationHandedOver": _escalation("handed over"),
    "EscalationOverdue": _escalation("overdue"),
    "EscalationResolved": _escalation("resolved"),
    "EscalationReopened": _escalation("reopened"),
    "EscalationRetracted": _escalation("retracted"),
    "PlacementReviewRequested": _review,
    "PlacementReviewWithdrawn": _review,
    "PlacementReviewCompleted": _review,
    "ConsentGiven": _consented,
    "ConsentRevoked": _revoked,
    "ReferralPrepared": _referral,
    "ReferralWithdrawn": _referral,
    "ReferralSent": _referral,
    "ReferralWithheld": _referral,
    "ReferralRefused": _referral,
    "DisclosureRecorded": _disclosed,
    "MeetingListPrepared": _meetings,
    "FollowUpFellDue": _follow_up,
    "FollowUpCompleted": _follow_up,
}


def _code(concepts: Any, system: str) -> str:
    """The code of this system in a concept, or in the first of several that has one."""
    for concept in concepts if isinstance(concepts, list) else [concepts]:
        for coding in concept["coding"]:
            if coding.get("system") == system:
                return str(coding["code"])
    return "unknown"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
