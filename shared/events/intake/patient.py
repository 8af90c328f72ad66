"""Who the patient is, without saying it: keyed digests and parts sealed for one reader."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource, name_id


class Digest(msgspec.Struct, frozen=True, array_like=True):
    """HMAC-SHA256 of an identifier (hex) and the id of the key that made it. Nobody reads the MRN from it."""

    key_id: str
    value: str


class PatientIdentified(Event, frozen=True, kw_only=True):
    """Keyed digests of the identifiers, and one sealed part per reader: a compact JWE whose `kid` names the reader.

    Attendance and testing can open only how the EHR calls the patient, aftercare also name, phone and area.
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


class _Patient(reading.Read, frozen=True):
    identifier: tuple[reading.Identifier, ...] = ()
    deceased_date_time: reading.Instant | None = None


class _Binary(reading.Read, frozen=True):
    data: str


@reading.reads(_Patient, reading.Provenance, _Binary)
def read_patient_identified(resources: Sequence[reading.Read]) -> PatientIdentified:
    (subject,), (provenance,) = reading.of_type(resources, _Patient), reading.of_type(resources, reading.Provenance)
    return PatientIdentified(
        digests=tuple(Digest(each.system.removeprefix(f"{codes.DIGEST}/"), each.value) for each in subject.identifier),
        sealed=tuple(fhir.text_of_base64(each.data) for each in reading.of_type(resources, _Binary)),
        identified_at=reading.utc(provenance.recorded),
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


@reading.reads(_Patient, reading.Provenance)
def read_patient_died(resources: Sequence[reading.Read]) -> PatientDied:
    (subject,), (provenance,) = reading.of_type(resources, _Patient), reading.of_type(resources, reading.Provenance)
    return PatientDied(
        died_at=reading.optional_utc(subject.deceased_date_time),
        reported_at=reading.utc(provenance.recorded),
    )


@reading.reads(_Patient, reading.Provenance)
def read_death_withdrawn(resources: Sequence[reading.Read]) -> DeathWithdrawn:
    (provenance,) = reading.of_type(resources, reading.Provenance)
    return DeathWithdrawn(withdrawn_at=reading.utc(provenance.recorded))
