"""Events as records of a topic, made by the hub's own wire: what a demo reads back from Kafka."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import msgspec

from deploy.demo.chart import Chart
from deploy.demo.fold import fold
from deploy.evidence import Record
from shared.events import wire
from shared.events.attendance import SessionAttended, SessionExcused, SessionMissed, SessionScheduled
from shared.events.catalogue import BY_TYPE
from shared.events.envelope import Envelope, Event, name_id
from shared.events.escalation import Escalation, EscalationRaised, EscalationRetracted, Signal
from shared.events.intake import EpisodeAdmitted, EpisodeDeclined
from shared.events.laboratory_order import LaboratoryOrderSent
from shared.events.testing import AnalyteResult, DrugTestCorrected, DrugTestResulted, ResultOutcome

PATIENT = "3f0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"
MONDAY = datetime(2025, 7, 7, 13, 0, tzinfo=UTC)
TUESDAY = datetime(2025, 7, 8, 13, 0, tzinfo=UTC)
FRIDAY = datetime(2025, 7, 11, 13, 0, tzinfo=UTC)
CAUSE = UUID(PATIENT)


def named(name: str) -> str:
    return name_id(CAUSE, name)


def record(event: Event, at: datetime = MONDAY, name: str = "", producer: str = "") -> Record:
    """The event as it lies on its topic."""
    entry = BY_TYPE[type(event)]
    envelope = Envelope(
        id=uuid5(CAUSE, name or f"{type(event).__name__}{at}"),
        source=producer or ("intake" if entry.producer == "any" else entry.producer),
        event=type(event).__name__,
        program="demo",
        patient=PATIENT,
        at=at,
        correlation_id=CAUSE,
        causation_id=CAUSE,
    )
    written = wire.write(event, envelope)
    return Record(written.topic, PATIENT, written.headers, msgspec.json.decode(written.body))


def chart(*records: Record) -> Chart:
    charts: dict[str, Chart] = {}
    fold(charts, records)
    return charts[PATIENT]


def admitted(track: str = "stimulant") -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=named("episode"),
        plan_id=named("plan"),
        referral_id=named("referral"),
        level="2.1",
        track=track,
        flags=(),
        template=(),
        admitted_at=MONDAY,
    )


def declined() -> EpisodeDeclined:
    return EpisodeDeclined(
        episode_id=named("episode"),
        referral_id=named("referral"),
        level="2.7",
        rules=("R5", "R12", "R14"),
        declined_at=MONDAY,
    )


def _planned(start: datetime) -> dict[str, object]:
    end = start.replace(hour=start.hour + 3)
    identity = named(f"session{start}")
    return {"session_id": identity, "episode_id": named("episode"), "kind": "group", "start": start, "end": end}


def scheduled(start: datetime) -> SessionScheduled:
    return SessionScheduled(**_planned(start))  # type: ignore[arg-type]


def missed(start: datetime) -> SessionMissed:
    return SessionMissed(**_planned(start))  # type: ignore[arg-type]


def excused(start: datetime) -> SessionExcused:
    return SessionExcused(reason="pat", **_planned(start))  # type: ignore[arg-type]


def attended(start: datetime, minutes: int = 180) -> SessionAttended:
    encounter = named(f"encounter{start}")
    there = {"came_at": start, "left_at": start + timedelta(minutes=minutes)}
    return SessionAttended(encounter_id=encounter, minutes=minutes, **there, **_planned(start))  # type: ignore[arg-type]


def resulted(outcome: ResultOutcome, finding: str = "positive") -> DrugTestResulted:
    return DrugTestResulted(status="final", **_report(outcome, finding))  # type: ignore[arg-type]


def ordered(partner: str) -> LaboratoryOrderSent:
    return LaboratoryOrderSent(
        order_id=named("order"),
        task_id=named("order-task"),
        partner=partner,
        action="new",
        attempt=1,
        number="ORD-7",
        panel="drug-test",
        opens_at=TUESDAY,
        closes_at=FRIDAY,
        prepared_at=MONDAY,
        sent_at=MONDAY,
    )


def corrected(outcome: ResultOutcome) -> DrugTestCorrected:
    return DrugTestCorrected(status="corrected", **_report(outcome, "negative"))  # type: ignore[arg-type]


def _report(outcome: ResultOutcome, finding: str) -> dict[str, object]:
    result = AnalyteResult(
        observation_id=named("observation"),
        code="14314-9",
        code_system="http://loinc.org",
        analyte="benzoylecgonine",
        finding=finding,  # type: ignore[arg-type]
        confirmed=False,
        outcome=outcome,
    )
    return {
        "report_id": named("report"),
        "specimen_id": named("specimen"),
        "collected_at": TUESDAY,
        "issued_at": TUESDAY,
        "baseline": outcome == "baseline",
        "results": (result,),
    }


def _escalation(reason: str) -> Escalation:
    return Escalation(
        id=named("escalation"),
        category="drug-test",
        reason=reason,
        tier=2,
        owner="primary-therapist",
        rule="testing/unexpected-positive|1",
        raised_at=TUESDAY,
        acknowledge_by=FRIDAY,
        act_by=FRIDAY,
        signals=(Signal("unexpected-positive", TUESDAY, f"DiagnosticReport/{named('report')}"),),
    )


def raised(reason: str = "unexpected-positive-presumptive") -> EscalationRaised:
    return EscalationRaised(escalation=_escalation(reason), at=TUESDAY)


def retracted(reason: str = "unexpected-positive-presumptive") -> EscalationRetracted:
    return EscalationRetracted(escalation=_escalation(reason), at=FRIDAY, reason="result-corrected")
