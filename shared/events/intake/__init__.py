"""What intake emits: who the patient is, what was referred, recommended, signed, admitted, consented and discharged."""

from shared.events.intake.consents import (
    ConsentGiven,
    ConsentRevoked,
    ConsentsCurrent,
    Purpose,
    read_consent_given,
    read_consent_revoked,
    read_consents_current,
)
from shared.events.intake.episode import (
    WEEKDAYS,
    EpisodeAdmitted,
    EpisodeDeclined,
    EpisodeDischarged,
    TemplateSlot,
    read_episode_admitted,
    read_episode_discharged,
)
from shared.events.intake.medications import Medication, MedicationsRecorded, read_medications_recorded
from shared.events.intake.patient import Digest, PatientIdentified, read_patient_identified
from shared.events.intake.placement import (
    LevelOfCareRecommended,
    Need,
    PlacementReviewCompleted,
    PlacementReviewRequested,
    PlacementReviewWithdrawn,
    PlacementSigned,
    Priority,
    ReferralReceived,
)

__all__ = [
    "WEEKDAYS",
    "ConsentGiven",
    "ConsentRevoked",
    "ConsentsCurrent",
    "Digest",
    "EpisodeAdmitted",
    "EpisodeDeclined",
    "EpisodeDischarged",
    "LevelOfCareRecommended",
    "Medication",
    "MedicationsRecorded",
    "Need",
    "PatientIdentified",
    "PlacementReviewCompleted",
    "PlacementReviewRequested",
    "PlacementReviewWithdrawn",
    "PlacementSigned",
    "Priority",
    "Purpose",
    "ReferralReceived",
    "TemplateSlot",
    "read_consent_given",
    "read_consent_revoked",
    "read_consents_current",
    "read_episode_admitted",
    "read_episode_discharged",
    "read_medications_recorded",
    "read_patient_identified",
]
