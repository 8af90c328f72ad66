"""What the hub has of the simulated patients, as its topics do: each session, minute, week, and open escalation."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deploy.evidence import Record, Topics
from shared.events import codes
from shared.platform.kafka import Cluster
from tests.year.recount import NAMED_MOST, Reason

ESCALATIONS, ATTENDANCE = "iop.escalations", "iop.attendance.events"
OPEN = ("requested", "accepted")
STATUS = {
    "SessionScheduled": "planned",
    "SessionMissed": "missed",
    "AttendanceCorrected": "present",
    "SessionCancelled": "cancelled",
    "SessionExcused": "excused",
    "SessionCancelledLate": "cancelled-late",
    "SessionCheckedIn": "present",
    "SessionAttended": "attended",
    "CheckInWithdrawn": "planned",
}
FINDING = {"WeeklyHoursFellShort": "short", "WeeklyHoursUnknown": "unknown", "WeeklyHoursCorrected": ""}
Resource = dict[str, Any]


@dataclass
class Seen:
    """A session at the hub; `encounters` are the minutes that each one that stands adds, None while it is open."""

    id: str
    start: datetime
    kind: str
    event: str = ""
    encounters: dict[str, int | None] = field(default_factory=dict)
    missed_at: list[datetime] = field(default_factory=list)
    shortfall: str = ""

    @property
    def status(self) -> str:
        if self.encounters:
            return "present" if None in self.encounters.values() else "attended"
        return STATUS[self.event]

    @property
    def minutes(self) -> int:
        return sum(each or 0 for each in self.encounters.values())


@dataclass
class Patient:
    sessions: dict[str, Seen] = field(default_factory=dict)
    weeks: dict[datetime, tuple[str, int, str]] = field(default_factory=dict)
    """By its start: the finding, the minutes, and the id of its DetectedIssue."""
    tasks: list[tuple[datetime, str, Reason | None]] = field(default_factory=list)
    """Each time that a Task changed: its id, and what it asks while it is open."""

    def reasons(self, at: datetime) -> dict[Reason, str]:
        """What was asked at this instant, and by which Task."""
        stood: dict[str, Reason | None] = {}
        for changed_at, task, reason in self.tasks:
            if changed_at <= at:
                stood[task] = reason
        return {reason: task for task, reason in stood.items() if reason is not None}


async def observe(cluster: Cluster) -> dict[str, Patient]:
    """By the hub's id of the patient. A record that was sent twice changes nothing. Sessions come first: Tasks name
    them."""
    found: dict[str, Patient] = {}
    seen: set[str] = set()
    for topic in (ATTENDANCE, ESCALATIONS):
        async with Topics(cluster, (topic,)) as topics:
            async for batch in topics.batches():
                fold(found, [each for each in batch if each.producer == "attendance" and each.id not in seen])
                seen.update(each.id for each in batch)
    return found


def fold(found: dict[str, Patient], records: Iterable[Record]) -> None:
    for record in records:
        patient, at = found.setdefault(record.patient, Patient()), datetime.fromisoformat(record.headers["ce_time"])
        if record.topic == ESCALATIONS:
            _task(patient, record, at)
        elif record.event in FINDING:
            _week(patient, record)
        elif record.event in STATUS:
            _session(patient, record, at)


def _session(patient: Patient, record: Record, at: datetime) -> None:
    by_kind = {each["resourceType"]: each for each in record.resources}
    appointment, encounter = by_kind["Appointment"], by_kind.get("Encounter")
    kind = str(appointment["serviceType"][0]["coding"][0]["code"])
    session = patient.sessions.setdefault(appointment["id"], Seen(appointment["id"], _time(appointment["start"]), kind))
    session.event = record.event
    stated = [each for each in appointment.get("extension", ()) if each["url"] == codes.SHORTFALL]
    session.shortfall = str(stated[0]["valueCodeableConcept"]["coding"][0]["code"]) if stated else ""
    if record.event == "SessionMissed":
        session.missed_at.append(at)
    if encounter is not None and encounter["status"] == "entered-in-error":
        session.encounters.pop(encounter["id"], None)
    elif encounter is not None:
        length = encounter.get("length")
        session.encounters[encounter["id"]] = None if length is None else int(length["value"])


def _week(patient: Patient, record: Record) -> None:
    issue = record.resources[0]
    minutes = int(issue["detail"].partition(" ")[0])
    patient.weeks[_time(issue["identifiedPeriod"]["start"])] = (FINDING[record.event], minutes, issue["id"])


def _task(patient: Patient, record: Record, at: datetime) -> None:
    tasks = [each for each in record.resources if each["resourceType"] == "Task"]
    if not tasks:
        return
    (task,) = tasks
    issues = [each for each in record.resources if each["resourceType"] == "DetectedIssue"]
    stand = [each for each in issues if each["status"] != "entered-in-error"]
    about = [each["implicated"][0]["reference"].partition("/")[2] for each in stand]
    starts = sorted(patient.sessions[each].start for each in about if each in patient.sessions)
    reason = (str(task["reasonCode"]["coding"][0]["code"]), tuple(starts[-NAMED_MOST:]))
    patient.tasks.append((at, task["id"], reason if task["status"] in OPEN else None))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
