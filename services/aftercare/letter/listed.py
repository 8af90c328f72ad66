"""A plan's letter as FHIR: a DocumentReference that says that there is one, and whose; never what stands in it."""

from datetime import datetime
from typing import Final, Literal

from services.aftercare.record import CORRECTED
from shared.events import codes, fhir
from shared.events.aftercare import AftercareEnded, AftercarePlanned
from shared.events.aftercare_plan import AftercareRevised
from shared.events.envelope import Resource
from shared.events.internal import Listed

Status = Literal["current", "superseded", "entered-in-error"]
CONTACTS_MADE: Final = "contacts-made"
WRONG: Final = frozenset({CORRECTED, "discharge-withdrawn"})
"""Why a plan ends that was never called for."""
FORMATS: Final = {"html": "text/html", "pdf": "application/pdf"}
"""What it is read as, by how the id of its Binary ends."""


class LetterListed(Listed, frozen=True, kw_only=True):
    """That there is a letter of this plan, under the plan's own id."""

    plan_id: str
    planned_at: datetime
    status: Status

    def write(self, patient: str) -> list[Resource]:
        attachments = [
            {"contentType": content_type, "url": f"Binary/{self.plan_id}.{ending}"}
            for ending, content_type in FORMATS.items()
        ]
        return [
            {
                "resourceType": "DocumentReference",
                "id": self.plan_id,
                "status": self.status,
                "type": fhir.concept(codes.LOINC, codes.PLAN_OF_CARE_NOTE),
                "category": [fhir.concept(codes.TASK, "aftercare")],
                "subject": fhir.reference("Patient", patient),
                "date": self.planned_at,
                "content": [{"attachment": each} for each in attachments],
                "context": {"related": [fhir.reference("CarePlan", self.plan_id)]},
            }
        ]


def status_after(event: AftercarePlanned | AftercareRevised | AftercareEnded) -> Status:
    """FHIR R4: it counts while its plan does, and once all of that was done; a plan that ends for anything else has
    another in its place, or was a mistake."""
    if not isinstance(event, AftercareEnded) or event.reason == CONTACTS_MADE:
        return "current"
    return "entered-in-error" if event.reason in WRONG else "superseded"
