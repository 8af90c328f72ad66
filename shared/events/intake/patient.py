"""Who the patient is, without saying it: keyed digests and parts sealed for one reader."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Event, Resource, name_id


class Digest(msgspec.Struct, frozen=True, array_like=True):
    """HMAC-SHA256 of an identifier (hex) and the id of the key that made it. Nobody reads the MRN from it."""

    key_id: str
    value: str


class PatientIdentified(Event, frozen=True, kw_only=True):
    """Keyed digests of the identifiers, and one sealed part per reader: a compact JWE whose `kid` names the reader.

    Attendance and testing can open only the EHR's own reference, aftercare also name, phone and area.
    """

    digests: tuple[Digest, ...]
    sealed: tuple[str, ...]
    identified_at: datetime

    def write(self, patient: str) -> list[Resource]:
        target = fhir.reference("Patient", patient)
        provenance: Resource = {
            "resourceType": "Provenance",
            "id": name_id(patient, "provenance"),
            "target": [target],
            "recorded": self.identified_at,
            "agent": [{"who": fhir.staff("intake")}],
        }
        identifiers = [{"system": f"{codes.DIGEST}/{each.key_id}", "value": each.value} for each in self.digests]
        subject: Resource = fhir.without_nothing(
            {"resourceType": "Patient", "id": patient, "identifier": identifiers, "active": True}
        )
        return [subject, provenance, *(_sealed(jwe, ordinal, patient) for ordinal, jwe in enumerate(self.sealed))]


def _sealed(jwe: str, ordinal: int, patient: str) -> Resource:
    return {
        "resourceType": "Binary",
        "id": name_id(patient, f"sealed:{ordinal}"),
        "contentType": "application/jose",
        "securityContext": fhir.reference("Patient", patient),
        "data": fhir.base64_text(jwe),
    }


def read_patient_identified(resources: Sequence[Resource]) -> PatientIdentified:
    (subject,), (provenance,) = fhir.of_type(resources, "Patient"), fhir.of_type(resources, "Provenance")
    return PatientIdentified(
        digests=tuple(
            Digest(each["system"].removeprefix(f"{codes.DIGEST}/"), each["value"])
            for each in subject.get("identifier", ())
        ),
        sealed=tuple(fhir.text_of_base64(each["data"]) for each in fhir.of_type(resources, "Binary")),
        identified_at=fhir.moment(provenance["recorded"]),
    )
