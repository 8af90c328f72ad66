"""What aftercare emits where a patient comes back soon: after how many days, and whose end of care it followed."""

from datetime import datetime

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id

DAYS_SINCE_DISCHARGE = "days-since-discharge"


class PatientReadmitted(Event, frozen=True, kw_only=True):
    """A stay began soon after another one ended: `days` are whole local days between the two. An Observation about the
    stay that began, beside it the one before."""

    episode_id: str
    earlier_episode_id: str
    admitted_at: datetime
    days: int

    def write(self, patient: str) -> list[Resource]:
        stays = (self.episode_id, self.earlier_episode_id)
        return [
            {
                "resourceType": "Observation",
                "id": name_id(self.episode_id, "readmission"),
                "status": "final",
                "code": fhir.concept(codes.COUNT, DAYS_SINCE_DISCHARGE),
                "subject": fhir.reference("Patient", patient),
                "focus": [fhir.reference("EpisodeOfCare", each) for each in stays],
                "effectiveDateTime": self.admitted_at,
                "valueQuantity": {"value": self.days, "unit": "d", "system": codes.UCUM, "code": "d"},
            }
        ]
