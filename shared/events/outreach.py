"""What attendance emits of an attempt to reach a patient who did not come. No number, no address, no content."""

from datetime import datetime
from typing import Literal

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource
from shared.events.escalation import is_client

Channel = Literal["EMAILWRIT", "FACE", "MAILWRIT", "PHONE", "SMSWRIT", "VIDEOCONF"]
"""Of FHIR's list for the medium of a Communication (v3-ParticipationMode)."""
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
        delivered = self.outcome in ("reached", "message")
        person = None if self.by is None or is_client(self.by) else fhir.staff(self.by)
        attempt = {
            "resourceType": "Communication",
            "id": self.attempt_id,
            "basedOn": [fhir.reference("Task", self.escalation_id)],
            "status": "completed" if delivered else "not-done",
            "statusReason": fhir.concept(codes.OUTREACH, self.outcome),
            "medium": [fhir.concept(codes.PARTICIPATION_MODE, self.channel)],
            "subject": fhir.reference("Patient", patient),
            "sent": self.attempted_at,
            "sender": person,
        }
        return [fhir.without_nothing(attempt)]
