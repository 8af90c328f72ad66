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


class PatientDied(Event, frozen=True, kw_only=True):
    """The patient is reported dead, until a person confirms it or it is withdrawn: nobody looks for them meanwhile.

    `died_at` is the first instant at which they may have died, None where that is unknown.
    """

    died_at: datetime | None
    reported_at: datetime

    def write(self, patient: str) -> list[Resource]:
        died = {"deceasedBoolean": True} if self.died_at is None else {"deceasedDateTime": self.died_at}
        return _life(patient, died, self.reported_at)


class DeathWithdrawn(Event, frozen=True, kw_only=True):
    """The report of the death was wrong: the patient lives, and is looked for and cared for as before."""

    withdrawn_at: datetime

    def write(self, patient: str) -> list[Resource]:
        return _life(patient, {"deceasedBoolean": False}, self.withdrawn_at)


def _life(patient: str, deceased: fhir.Element, recorded: datetime) -> list[Resource]:
    provenance: Resource = {
        "resourceType": "Provenance",
        "id": name_id(patient, "provenance:deceased"),
        "target": [fhir.reference("Patient", patient)],
        "recorded": recorded,
        "agent": [{"who": fhir.staff("intake")}],
    }
    return [{"resourceType": "Patient", "id": patient, **deceased}, provenance]


def read_patient_died(resources: Sequence[Resource]) -> PatientDied:
    (subject,), (provenance,) = fhir.of_type(resources, "Patient"), fhir.of_type(resources, "Provenance")
    return PatientDied(
        died_at=fhir.optional_moment(subject.get("deceasedDateTime")),
        reported_at=fhir.moment(provenance["recorded"]),
    )


def read_death_withdrawn(resources: Sequence[Resource]) -> DeathWithdrawn:
    (provenance,) = fhir.of_type(resources, "Provenance")
    return DeathWithdrawn(withdrawn_at=fhir.moment(provenance["recorded"]))
