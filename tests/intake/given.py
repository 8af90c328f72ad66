"""Intake's facts and commands, and a few memorable moments."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.intake import messages as w
from services.intake.placement.assessment import Assessment
from services.intake.placement.evidence import merged
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.escalation import Escalation, Signal
from shared.platform.settings import load, organizations, partners

MONDAY = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
A_WEEK_LATER = MONDAY + timedelta(days=7)
PATIENT = "3f0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"
REFERRAL = "8b1f5a0e-1111-4c5a-9e0e-3f0c5a0e5a0e"
REFERRAL_TASK = "8b1f5a0e-2222-4c5a-9e0e-3f0c5a0e5a0e"
_DEPLOY = Path(__file__).parents[2] / "deploy"
SETTINGS = msgspec.structs.replace(
    load(_DEPLOY, "intake", Settings)["demo"],
    weekly_review_days=0,  # of which `decide/test_weekly.py` tells: no other story is interrupted by it
    identifiers=organizations(_DEPLOY)["demo"].identifiers,
    partners=tuple(partners(_DEPLOY).values()),
)

IOP_NEEDS = {
    "withdrawal": "none",
    "biomedical": "1.0",
    "psychiatric-cognitive": "1.5",
    "substance-use-risk": "2.1",
    "recovery-environment": "1.5",
}


def settings(**changed: Any) -> Settings:
    return msgspec.structs.replace(SETTINGS, **changed)


def stated(needs: dict[str, str], at: datetime = MONDAY) -> tuple[w.StatedNeed, ...]:
    return tuple(w.StatedNeed(name, level, at, f"Observation/{name}-{at:%d%H%M}") for name, level in needs.items())


def found(*facts: str, at: datetime = MONDAY) -> tuple[w.ReportedFinding, ...]:
    """Facts, `not x` where denied, `cows=13` for a score; an adult unless said otherwise."""
    values: dict[str, int] = {}
    for each in facts:
        code, _, score = each.removeprefix("not ").partition("=")
        values[code] = int(score) if score else int(not each.startswith("not "))
    values.setdefault("under-18", 0)
    return tuple(w.ReportedFinding(code, value, at, f"Observation/{code}") for code, value in values.items())


def known(needs: dict[str, str], *facts: str, now: datetime = MONDAY, at: datetime = MONDAY) -> Assessment:
    return Assessment(stated(needs, at), merged({}, found(*facts, at=at)), now)


def assessment(needs: dict[str, str], *facts: str, at: datetime = MONDAY) -> w.RecordAssessment:
    return w.RecordAssessment(needs=stated(needs, at), findings=found(*facts, at=at))


def resource(name: str) -> str:
    """An Observation with an id of the hub's own."""
    return f"Observation/{uuid5(NAMESPACE_URL, name)}"


def received(command: w.RecordAssessment) -> w.RecordAssessment:
    """The same as an edge asks it: each need and finding stands in a resource to which the hub gave its id."""
    needs = tuple(msgspec.structs.replace(each, source=resource(each.dimension)) for each in command.needs)
    findings = tuple(msgspec.structs.replace(each, evidence=resource(each.code)) for each in command.findings)
    return msgspec.structs.replace(command, needs=needs, findings=findings)


def referral(identity: str = REFERRAL) -> w.ReceiveReferral:
    return w.ReceiveReferral(referral_id=identity, task_id=REFERRAL_TASK, authored_at=MONDAY)


DIRECTOR = "medical-director-1"


def sign(
    state: State,
    level: str = "2.1",
    reason: str | None = None,
    second: str = "",
    start: datetime | None = None,
    waits: bool = False,
) -> w.SignPlacement:
    assert state.recommended is not None
    return w.SignPlacement(
        task_id=state.recommended.task_id,
        level=level,
        reason=reason,
        by="clinician-1",
        second=second,
        version="1",
        proved=True,
        start=start,
        waits=waits,
    )


def escalated(
    name: str, code: str, at: datetime, *more: tuple[str, datetime], reason: str = "any", tier: int = 1
) -> w.EscalationRaised:
    """Another service's escalation with one signal, or more."""
    signals = tuple(Signal(each, when, f"Appointment/{each}-{when:%d%H}") for each, when in ((code, at), *more))
    escalation = Escalation(
        id=str(uuid5(NAMESPACE_URL, name)),
        category="attendance",
        reason=reason,
        tier=tier,
        owner="case-manager",
        rule="attendance/first-miss|1",
        raised_at=at,
        acknowledge_by=at + timedelta(hours=1),
        act_by=at + timedelta(hours=4),
        signals=signals,
    )
    return w.EscalationRaised(escalation=escalation, at=at)


def withdrawn(raised: w.EscalationRaised) -> w.SignalsCorrected:
    """All that it names was wrong."""
    return w.SignalsCorrected(gone=raised.escalation.signals)


def resolved(raised: w.EscalationRaised) -> w.EscalationResolved:
    return w.EscalationResolved(escalation=raised.escalation, at=raised.at, reason="acted-on", by="therapist-2")


def updated(raised: w.EscalationRaised, *signals: Signal) -> w.EscalationUpdated:
    """These stand now; what else it named was wrong."""
    escalation = msgspec.structs.replace(raised.escalation, signals=signals)
    gone = tuple(each for each in raised.escalation.signals if each not in signals)
    return w.EscalationUpdated(escalation=escalation, at=raised.at, gone=gone)


def retracted(raised: w.EscalationRaised) -> w.EscalationRetracted:
    return w.EscalationRetracted(escalation=raised.escalation, at=raised.at, reason="checked-in-late")
