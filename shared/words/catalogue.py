"""The catalogue: every word that crosses the bus, who says it, on which topic, who hears it, and how it is read."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from shared.words import aftercare, attendance, escalation, intake, technical, testing
from shared.words.envelope import Resource, Word

INTAKE_EVENTS = "iop.intake.events"
ATTENDANCE_EVENTS = "iop.attendance.events"
TESTING_EVENTS = "iop.testing.events"
AFTERCARE_EVENTS = "iop.aftercare.events"
ESCALATIONS = "iop.escalations"
DISCLOSURES = "iop.disclosures"
OPERATIONS = "iop.operations"

PARTITIONS = 12
"""Of every topic, never changed: growth is a new topic and a cut-over."""

Read = Callable[[Sequence[Resource]], Word]


class Entry(msgspec.Struct, frozen=True):
    """One word of the catalogue. `read` is None where no service hears it."""

    word: type[Word]
    topic: str
    said_by: str
    focus: str
    heard_by: tuple[str, ...] = ()
    read: Read | None = None


_ALL_THREE = ("attendance", "testing", "aftercare")

ENTRIES: tuple[Entry, ...] = (
    Entry(
        intake.PatientIdentified,
        INTAKE_EVENTS,
        "intake",
        "Patient + Provenance + Binary",
        _ALL_THREE,
        intake.read_patient_identified,
    ),
    Entry(intake.ReferralReceived, INTAKE_EVENTS, "intake", "ServiceRequest + Task"),
    Entry(intake.LevelOfCareRecommended, INTAKE_EVENTS, "intake", "ServiceRequest + Observation per need + Task"),
    Entry(intake.PlacementSigned, INTAKE_EVENTS, "intake", "Task"),
    Entry(
        intake.EpisodeAdmitted,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare + CarePlan",
        _ALL_THREE,
        intake.read_episode_admitted,
    ),
    Entry(intake.EpisodeDeclined, INTAKE_EVENTS, "intake", "EpisodeOfCare"),
    Entry(
        intake.EpisodeDischarged,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare + Encounter",
        _ALL_THREE,
        intake.read_episode_discharged,
    ),
    Entry(
        intake.MedicationsRecorded,
        INTAKE_EVENTS,
        "intake",
        "List + MedicationStatement each",
        ("testing",),
        intake.read_medications_recorded,
    ),
    Entry(intake.ConsentGiven, INTAKE_EVENTS, "intake", "Consent", ("aftercare",), intake.read_consent_given),
    Entry(intake.ConsentRevoked, INTAKE_EVENTS, "intake", "Consent", ("aftercare",), intake.read_consent_revoked),
    Entry(
        intake.ConsentsCurrent,
        INTAKE_EVENTS,
        "intake",
        "none: the heartbeat of the consent ledger",
        ("aftercare",),
        intake.read_consents_current,
    ),
    Entry(intake.PlacementReviewRequested, INTAKE_EVENTS, "intake", "Task"),
    Entry(intake.PlacementReviewWithdrawn, INTAKE_EVENTS, "intake", "Task"),
    Entry(intake.PlacementReviewCompleted, INTAKE_EVENTS, "intake", "Task"),
    Entry(attendance.SessionScheduled, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    Entry(attendance.SessionCancelled, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    Entry(attendance.SessionExcused, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    Entry(attendance.SessionCheckedIn, ATTENDANCE_EVENTS, "attendance", "Encounter + Appointment"),
    Entry(attendance.SessionAttended, ATTENDANCE_EVENTS, "attendance", "Encounter + Appointment"),
    Entry(attendance.CheckInWithdrawn, ATTENDANCE_EVENTS, "attendance", "Encounter + Appointment"),
    Entry(attendance.SessionMissed, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    Entry(attendance.AttendanceCorrected, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    Entry(attendance.WeeklyHoursFellShort, ATTENDANCE_EVENTS, "attendance", "DetectedIssue"),
    Entry(attendance.WeeklyHoursCorrected, ATTENDANCE_EVENTS, "attendance", "DetectedIssue"),
    Entry(testing.DrugTestResulted, TESTING_EVENTS, "testing", "DiagnosticReport + Observation each + Specimen"),
    Entry(testing.DrugTestCorrected, TESTING_EVENTS, "testing", "DiagnosticReport + Observation each + Specimen"),
    Entry(testing.ResultMatched, TESTING_EVENTS, "testing", "Provenance + DiagnosticReport + Observation each"),
    Entry(aftercare.AftercarePlanned, AFTERCARE_EVENTS, "aftercare", "CarePlan"),
    Entry(aftercare.AftercareEnded, AFTERCARE_EVENTS, "aftercare", "CarePlan"),
    Entry(aftercare.MeetingListPrepared, AFTERCARE_EVENTS, "aftercare", "Communication"),
    Entry(aftercare.ReferralPrepared, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    Entry(aftercare.ReferralSent, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    Entry(aftercare.ReferralWithheld, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    Entry(aftercare.ReferralRefused, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    Entry(aftercare.ReferralWithdrawn, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    Entry(aftercare.FollowUpFellDue, AFTERCARE_EVENTS, "aftercare", "Task"),
    Entry(aftercare.FollowUpCompleted, AFTERCARE_EVENTS, "aftercare", "Task"),
    Entry(
        escalation.EscalationRaised,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_raised,
    ),
    Entry(
        escalation.EscalationUpdated,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_updated,
    ),
    Entry(escalation.EscalationAcknowledged, ESCALATIONS, "any", "Task + DetectedIssue per signal"),
    Entry(escalation.EscalationOverdue, ESCALATIONS, "any", "Task + DetectedIssue per signal"),
    Entry(
        escalation.EscalationResolved,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_resolved,
    ),
    Entry(
        escalation.EscalationRetracted,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_retracted,
    ),
    Entry(technical.DisclosureRecorded, DISCLOSURES, "any", "AuditEvent"),
    Entry(technical.WordParked, OPERATIONS, "any", "OperationOutcome"),
    Entry(technical.WordRedriven, OPERATIONS, "any", "OperationOutcome"),
)

BY_TYPE: dict[type[Any], Entry] = {entry.word: entry for entry in ENTRIES}
BY_NAME: dict[str, Entry] = {entry.word.__name__: entry for entry in ENTRIES}

HEARS: dict[str, str] = {
    "intake": ESCALATIONS,
    "attendance": INTAKE_EVENTS,
    "testing": INTAKE_EVENTS,
    "aftercare": INTAKE_EVENTS,
}
"""The one foreign topic each service hears, so that the order per patient is that topic's order."""
