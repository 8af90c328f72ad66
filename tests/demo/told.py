"""Words as records of a topic, made by the hub's own wire: what a demo reads back from Kafka."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

import msgspec

from deploy.demo.chart import Chart
from deploy.demo.fold import fold
from deploy.evidence import Record
from shared.words import wire
from shared.words.attendance import SessionAttended, SessionExcused, SessionMissed, SessionScheduled
from shared.words.catalogue import BY_TYPE
from shared.words.envelope import Envelope, Word, name_id
from shared.words.escalation import Escalation, EscalationRaised, EscalationRetracted, Signal
from shared.words.intake import EpisodeAdmitted, EpisodeDeclined
from shared.words.testing import AnalyteResult, DrugTestCorrected, DrugTestResulted, Outcome

PATIENT = "3f0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"
MONDAY = datetime(2025, 7, 7, 13, 0, tzinfo=UTC)
TUESDAY = datetime(2025, 7, 8, 13, 0, tzinfo=UTC)
FRIDAY = datetime(2025, 7, 11, 13, 0, tzinfo=UTC)
CAUSE = UUID(PATIENT)


def named(name: str) -> str:
    return name_id(CAUSE, name)


def record(word: Word, at: datetime = MONDAY, name: str = "", said_by: str = "") -> Record:
    """The word as it lies on its topic."""
    entry = BY_TYPE[type(word)]
    envelope = Envelope(
        id=uuid5(CAUSE, name or f"{type(word).__name__}{at}"),
        source=said_by or ("intake" if entry.said_by == "any" else entry.said_by),
        word=type(word).__name__,
        program="demo",
        patient=PATIENT,
        at=at,
        correlation_id=CAUSE,
        causation_id=CAUSE,
    )
    written = wire.write(word, envelope)
    return Record(written.topic, PATIENT, written.head, msgspec.json.decode(written.body))


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
    return SessionExcused(because="pat", **_planned(start))  # type: ignore[arg-type]


def attended(start: datetime, minutes: int = 180) -> SessionAttended:
    encounter = named(f"encounter{start}")
    return SessionAttended(encounter_id=encounter, minutes=minutes, **_planned(start))  # type: ignore[arg-type]


def resulted(outcome: Outcome, finding: str = "positive") -> DrugTestResulted:
    return DrugTestResulted(status="final", **_report(outcome, finding))  # type: ignore[arg-type]


def corrected(outcome: Outcome) -> DrugTestCorrected:
    return DrugTestCorrected(status="corrected", **_report(outcome, "negative"))  # type: ignore[arg-type]


def _report(outcome: Outcome, finding: str) -> dict[str, object]:
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
    return EscalationRetracted(escalation=_escalation(reason), at=FRIDAY, because="result-corrected")
