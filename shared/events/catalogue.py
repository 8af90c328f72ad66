"""The catalogue: every event on a topic: who emits it, who consumes it, and how it is read."""

from collections.abc import Callable
from typing import Any

import msgspec

from shared.events import (
    aftercare,
    aftercare_plan,
    attendance,
    drug_test_order,
    emergency,
    escalation,
    intake,
    laboratory_order,
    outreach,
    partner_answer,
    readmission,
    technical,
    testing,
)
from shared.events.envelope import Event

INTAKE_EVENTS = "iop.intake.events"
ATTENDANCE_EVENTS = "iop.attendance.events"
TESTING_EVENTS = "iop.testing.events"
AFTERCARE_EVENTS = "iop.aftercare.events"
ESCALATIONS = "iop.escalations"
OPEN_ESCALATIONS = "iop.escalations.open"
"""Compacted: of each escalation, by its id, the newest record, and none (null) once it is closed."""
DISCLOSURES = "iop.disclosures"
OPERATIONS = "iop.operations"

PARTITIONS = 12
"""Of every topic, never changed: growth is a new topic and a cut-over."""

BY_A_PERSON = "Task + DetectedIssue per signal + Provenance + AuditEvent"
"""Of what a person does about an escalation."""

Read = Callable[[bytes], Event]


class CatalogueEntry(msgspec.Struct, frozen=True):
    """One event of the catalogue. `read` is None where no service consumes it."""

    event: type[Event]
    topic: str
    producer: str
    focus: str
    consumers: tuple[str, ...] = ()
    read: Read | None = None


_ALL_THREE = ("attendance", "testing", "aftercare")

ENTRIES: tuple[CatalogueEntry, ...] = (
    CatalogueEntry(
        intake.PatientIdentified,
        INTAKE_EVENTS,
        "intake",
        "Patient + Provenance + Binary",
        _ALL_THREE,
        intake.read_patient_identified,
    ),
    CatalogueEntry(
        intake.PatientDied,
        INTAKE_EVENTS,
        "intake",
        "Patient + Provenance",
        _ALL_THREE,
        intake.read_patient_died,
    ),
    CatalogueEntry(
        intake.DeathWithdrawn,
        INTAKE_EVENTS,
        "intake",
        "Patient + Provenance",
        _ALL_THREE,
        intake.read_death_withdrawn,
    ),
    CatalogueEntry(intake.ReferralReceived, INTAKE_EVENTS, "intake", "ServiceRequest + Task"),
    CatalogueEntry(intake.ReferralConcluded, INTAKE_EVENTS, "intake", "ServiceRequest + Task"),
    CatalogueEntry(intake.ReferralAnswered, INTAKE_EVENTS, "intake", "ServiceRequest + Task"),
    CatalogueEntry(
        intake.PartnerReferralChanged,
        INTAKE_EVENTS,
        "intake",
        "Communication + Binary",
        ("aftercare",),
        intake.read_partner_referral_changed,
    ),
    CatalogueEntry(
        intake.LevelOfCareRecommended, INTAKE_EVENTS, "intake", "ServiceRequest + Observation per need + Task"
    ),
    CatalogueEntry(intake.RecommendationWithdrawn, INTAKE_EVENTS, "intake", "ServiceRequest + Task"),
    CatalogueEntry(intake.PlacementSigned, INTAKE_EVENTS, "intake", "Task"),
    CatalogueEntry(intake.EpisodePlanned, INTAKE_EVENTS, "intake", "EpisodeOfCare + Provenance"),
    CatalogueEntry(intake.EpisodeWaitlisted, INTAKE_EVENTS, "intake", "EpisodeOfCare + Provenance"),
    CatalogueEntry(intake.EpisodeCancelled, INTAKE_EVENTS, "intake", "EpisodeOfCare + Provenance"),
    CatalogueEntry(
        intake.EpisodeAdmitted,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare + CarePlan",
        _ALL_THREE,
        intake.read_episode_admitted,
    ),
    CatalogueEntry(intake.EpisodeDeclined, INTAKE_EVENTS, "intake", "EpisodeOfCare"),
    CatalogueEntry(
        intake.EpisodeDischarged,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare + Encounter",
        _ALL_THREE,
        intake.read_episode_discharged,
    ),
    CatalogueEntry(
        intake.DischargeWithdrawn,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare + Encounter + CarePlan + Provenance",
        _ALL_THREE,
        intake.read_discharge_withdrawn,
    ),
    CatalogueEntry(
        intake.EngagedDaysCounted,
        INTAKE_EVENTS,
        "intake",
        "Observation",
        ("aftercare",),
        intake.read_engaged_days_counted,
    ),
    CatalogueEntry(
        intake.EpisodeStepped,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare + CarePlan + Provenance",
        _ALL_THREE,
        intake.read_episode_stepped,
    ),
    CatalogueEntry(
        intake.EpisodePaused,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare",
        ("attendance", "testing"),
        intake.read_episode_paused,
    ),
    CatalogueEntry(
        intake.EpisodeResumed,
        INTAKE_EVENTS,
        "intake",
        "EpisodeOfCare",
        ("attendance", "testing"),
        intake.read_episode_resumed,
    ),
    CatalogueEntry(
        intake.StageAdvanced,
        INTAKE_EVENTS,
        "intake",
        "CarePlan + Provenance",
        ("attendance", "testing"),
        intake.read_stage_advanced,
    ),
    CatalogueEntry(
        intake.FlagsChanged,
        INTAKE_EVENTS,
        "intake",
        "Flag each",
        ("attendance", "aftercare"),
        intake.read_flags_changed,
    ),
    CatalogueEntry(
        intake.CareTeamChanged, INTAKE_EVENTS, "intake", "CareTeam", _ALL_THREE, intake.read_care_team_changed
    ),
    CatalogueEntry(intake.PlanRevised, INTAKE_EVENTS, "intake", "CarePlan + Goal each"),
    CatalogueEntry(
        intake.MedicationsRecorded,
        INTAKE_EVENTS,
        "intake",
        "List + MedicationStatement each",
        ("testing",),
        intake.read_medications_recorded,
    ),
    CatalogueEntry(
        intake.CoverageRecorded,
        INTAKE_EVENTS,
        "intake",
        "List of contained Coverages",
        ("attendance",),
        intake.read_coverage_recorded,
    ),
    CatalogueEntry(
        intake.ConsentGiven, INTAKE_EVENTS, "intake", "Consent", ("testing", "aftercare"), intake.read_consent_given
    ),
    CatalogueEntry(
        intake.ConsentDenied, INTAKE_EVENTS, "intake", "Consent", ("testing", "aftercare"), intake.read_consent_denied
    ),
    CatalogueEntry(
        intake.ConsentRevoked, INTAKE_EVENTS, "intake", "Consent", ("testing", "aftercare"), intake.read_consent_revoked
    ),
    CatalogueEntry(
        intake.ConsentsCurrent,
        INTAKE_EVENTS,
        "intake",
        "none: the heartbeat of the consent ledger",
        ("testing", "aftercare"),
        intake.read_consents_current,
    ),
    CatalogueEntry(intake.PlacementReviewRequested, INTAKE_EVENTS, "intake", "Task"),
    CatalogueEntry(intake.PlacementReviewWithdrawn, INTAKE_EVENTS, "intake", "Task"),
    CatalogueEntry(intake.PlacementReviewCompleted, INTAKE_EVENTS, "intake", "Task"),
    CatalogueEntry(attendance.SessionScheduled, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(attendance.SessionRequested, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(attendance.SessionCancelled, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(attendance.SessionExcused, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(attendance.SessionCancelledLate, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(attendance.SessionCheckedIn, ATTENDANCE_EVENTS, "attendance", "Encounter + Appointment"),
    CatalogueEntry(attendance.SessionAttended, ATTENDANCE_EVENTS, "attendance", "Encounter + Appointment"),
    CatalogueEntry(attendance.CheckInWithdrawn, ATTENDANCE_EVENTS, "attendance", "Encounter + Appointment"),
    CatalogueEntry(attendance.SessionMissed, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(attendance.AttendanceCorrected, ATTENDANCE_EVENTS, "attendance", "Appointment"),
    CatalogueEntry(outreach.OutreachAttempted, ATTENDANCE_EVENTS, "attendance", "Communication"),
    CatalogueEntry(attendance.WeeklyHoursProjectedShort, ATTENDANCE_EVENTS, "attendance", "DetectedIssue"),
    CatalogueEntry(attendance.WeeklyHoursFellShort, ATTENDANCE_EVENTS, "attendance", "DetectedIssue"),
    CatalogueEntry(attendance.WeeklyHoursUnknown, ATTENDANCE_EVENTS, "attendance", "DetectedIssue"),
    CatalogueEntry(attendance.WeeklyHoursCorrected, ATTENDANCE_EVENTS, "attendance", "DetectedIssue"),
    CatalogueEntry(
        testing.DrugTestResulted, TESTING_EVENTS, "testing", "DiagnosticReport + Observation each + Specimen"
    ),
    CatalogueEntry(
        testing.DrugTestCorrected, TESTING_EVENTS, "testing", "DiagnosticReport + Observation each + Specimen"
    ),
    CatalogueEntry(
        testing.ResultMatched, TESTING_EVENTS, "testing", "Provenance + DiagnosticReport + Observation each"
    ),
    CatalogueEntry(testing.ExpectedResultsContinued, TESTING_EVENTS, "testing", "Observation"),
    CatalogueEntry(drug_test_order.DrugTestOrdered, TESTING_EVENTS, "testing", "ServiceRequest"),
    CatalogueEntry(drug_test_order.DrugTestCancelled, TESTING_EVENTS, "testing", "ServiceRequest"),
    CatalogueEntry(drug_test_order.SpecimenCollected, TESTING_EVENTS, "testing", "ServiceRequest + Specimen"),
    CatalogueEntry(drug_test_order.CollectionRefused, TESTING_EVENTS, "testing", "ServiceRequest + Specimen"),
    CatalogueEntry(drug_test_order.CollectionMissed, TESTING_EVENTS, "testing", "ServiceRequest + Specimen"),
    CatalogueEntry(drug_test_order.CollectionWithdrawn, TESTING_EVENTS, "testing", "ServiceRequest + Specimen"),
    CatalogueEntry(drug_test_order.ResultOverdue, TESTING_EVENTS, "testing", "ServiceRequest + Specimen"),
    CatalogueEntry(laboratory_order.LaboratoryOrderPrepared, TESTING_EVENTS, "testing", "Task"),
    CatalogueEntry(laboratory_order.LaboratoryOrderSent, TESTING_EVENTS, "testing", "Task"),
    CatalogueEntry(laboratory_order.LaboratoryOrderFailed, TESTING_EVENTS, "testing", "Task"),
    CatalogueEntry(aftercare.AftercarePlanned, AFTERCARE_EVENTS, "aftercare", "CarePlan"),
    CatalogueEntry(aftercare_plan.AftercareRevised, AFTERCARE_EVENTS, "aftercare", "CarePlan + Provenance by a person"),
    CatalogueEntry(aftercare.AftercareEnded, AFTERCARE_EVENTS, "aftercare", "CarePlan"),
    CatalogueEntry(aftercare.MeetingListPrepared, AFTERCARE_EVENTS, "aftercare", "Communication"),
    CatalogueEntry(aftercare.ReferralPrepared, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    CatalogueEntry(aftercare.ReferralSent, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    CatalogueEntry(aftercare.PartnerAnswered, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest + Provenance"),
    CatalogueEntry(aftercare.ReferralWithheld, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    CatalogueEntry(aftercare.ReferralRefused, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    CatalogueEntry(aftercare.ReferralWithdrawn, AFTERCARE_EVENTS, "aftercare", "Task + ServiceRequest"),
    CatalogueEntry(partner_answer.AnswerPrepared, AFTERCARE_EVENTS, "aftercare", "Task + Communication"),
    CatalogueEntry(partner_answer.AnswerSent, AFTERCARE_EVENTS, "aftercare", "Task + Communication"),
    CatalogueEntry(partner_answer.AnswerWithheld, AFTERCARE_EVENTS, "aftercare", "Task + Communication"),
    CatalogueEntry(partner_answer.AnswerRefused, AFTERCARE_EVENTS, "aftercare", "Task + Communication"),
    CatalogueEntry(partner_answer.AnswerWithdrawn, AFTERCARE_EVENTS, "aftercare", "Task + Communication"),
    CatalogueEntry(aftercare.FollowUpFellDue, AFTERCARE_EVENTS, "aftercare", "Task"),
    CatalogueEntry(aftercare.FollowUpCompleted, AFTERCARE_EVENTS, "aftercare", "Task"),
    CatalogueEntry(readmission.PatientReadmitted, AFTERCARE_EVENTS, "aftercare", "Observation"),
    CatalogueEntry(outreach.ContactAttempted, AFTERCARE_EVENTS, "aftercare", "Communication"),
    CatalogueEntry(
        escalation.EscalationRaised,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_raised,
    ),
    CatalogueEntry(
        escalation.EscalationUpdated,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_updated,
    ),
    CatalogueEntry(escalation.EscalationAcknowledged, ESCALATIONS, "any", BY_A_PERSON),
    CatalogueEntry(escalation.EscalationActedOn, ESCALATIONS, "any", BY_A_PERSON),
    CatalogueEntry(escalation.EscalationHandedOver, ESCALATIONS, "any", BY_A_PERSON),
    CatalogueEntry(escalation.EscalationOverdue, ESCALATIONS, "any", "Task + DetectedIssue per signal"),
    CatalogueEntry(
        escalation.EscalationResolved,
        ESCALATIONS,
        "any",
        BY_A_PERSON,
        ("intake",),
        escalation.read_resolved,
    ),
    CatalogueEntry(
        escalation.EscalationReopened,
        ESCALATIONS,
        "any",
        BY_A_PERSON,
        ("intake",),
        escalation.read_reopened,
    ),
    CatalogueEntry(
        escalation.EscalationRetracted,
        ESCALATIONS,
        "any",
        "Task + DetectedIssue per signal",
        ("intake",),
        escalation.read_retracted,
    ),
    CatalogueEntry(
        escalation.SignalsCorrected, ESCALATIONS, "any", "DetectedIssue each", ("intake",), escalation.read_corrected
    ),
    CatalogueEntry(technical.DisclosureRecorded, DISCLOSURES, "any", "AuditEvent"),
    CatalogueEntry(emergency.EmergencyDisclosed, DISCLOSURES, "aftercare", "AuditEvent"),
    CatalogueEntry(emergency.EmergencyMistaken, DISCLOSURES, "aftercare", "AuditEvent"),
    CatalogueEntry(technical.DeliveryParked, OPERATIONS, "any", "OperationOutcome"),
    CatalogueEntry(technical.DeliveryRedriven, OPERATIONS, "any", "OperationOutcome"),
    CatalogueEntry(technical.StraysStored, OPERATIONS, "any", "OperationOutcome"),
    CatalogueEntry(technical.ConsumerStopped, OPERATIONS, "any", "OperationOutcome"),
    CatalogueEntry(technical.CapacityNearlyReached, OPERATIONS, "intake", "OperationOutcome"),
    CatalogueEntry(technical.FeedSilent, OPERATIONS, "attendance", "OperationOutcome"),
    CatalogueEntry(technical.FeedSpoke, OPERATIONS, "attendance", "OperationOutcome"),
    CatalogueEntry(technical.WorkListAged, OPERATIONS, "testing", "OperationOutcome"),
    CatalogueEntry(technical.FeedTroubled, OPERATIONS, "aftercare", "OperationOutcome"),
    CatalogueEntry(technical.FeedRecovered, OPERATIONS, "aftercare", "OperationOutcome"),
)

BY_TYPE: dict[type[Any], CatalogueEntry] = {entry.event: entry for entry in ENTRIES}
BY_NAME: dict[str, CatalogueEntry] = {entry.event.__name__: entry for entry in ENTRIES}

CONSUMES: dict[str, str] = {
    "intake": ESCALATIONS,
    "attendance": INTAKE_EVENTS,
    "testing": INTAKE_EVENTS,
    "aftercare": INTAKE_EVENTS,
}
"""The one foreign topic each service consumes, so that the order per patient is that topic's order."""
