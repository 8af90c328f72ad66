"""An attempt to reach a patient who did not come, or after the discharge. No number, no address, no content."""

from datetime import datetime
from typing import Literal

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource
from shared.events.escalation import is_client

Channel = Literal["EMAILWRIT", "FACE", "MAILWRIT", "PHONE", "SMSWRIT", "VIDEOCONF"]
"""Of FHIR's list for the medium of a Communication (v3-ParticipationMode); R4's has no `SMSWRIT` yet."""
OutreachOutcome = Literal["message", "no-answer", "reached", "wrong-number"]


class OutreachAttempted(Event, frozen=True, kw_only=True):
    """Somebody tried to reach the patient because of this escalation, at `attempted_at` by this channel; emitted again,
    of the same attempt, where its outcome is corrected. `by` is their id in the program's staff, None where a client
    reports it in its own name."""

    attempt_id: str
    escalation_id: str
    channel: Channel
    outcome: OutreachOutcome
    attempted_at: datetime
    by: str | None = None

    def write(self, patient: str) -> list[Resource]:
        return [_communication(self, self.escalation_id, patient)]


class ContactAttempted(Event, frozen=True, kw_only=True):
    """Somebody tried to reach the patient after the discharge, as this Task asks: a contact, or an escalation. All else
    as in `OutreachAttempted`."""

    attempt_id: str
    task_id: str
    channel: Channel
    outcome: OutreachOutcome
    attempted_at: datetime
    by: str | None = None

    def write(self, patient: str) -> list[Resource]:
        return [_communication(self, self.task_id, patient)]


def medium(channel: str) -> fhir.Element:
    """As every R4 validator knows it, or as the hub's own."""
    return fhir.concept(codes.OUTREACH_CHANNEL if channel == "SMSWRIT" else codes.PARTICIPATION_MODE, channel)


def _communication(attempt: OutreachAttempted | ContactAttempted, task_id: str, patient: str) -> fhir.Element:
    delivered = attempt.outcome in ("reached", "message")
    person = None if attempt.by is None or is_client(attempt.by) else fhir.staff(attempt.by)
    return fhir.without_nothing(
        {
            "resourceType": "Communication",
            "id": attempt.attempt_id,
            "basedOn": [fhir.reference("Task", task_id)],
            "status": "completed" if delivered else "not-done",
            "statusReason": fhir.concept(codes.OUTREACH, attempt.outcome),
            "medium": [medium(attempt.channel)],
            "subject": fhir.reference("Patient", patient),
            "sent": attempt.attempted_at,
            "sender": person,
        }
    )
