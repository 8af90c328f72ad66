"""What intake seals for a service is who the patient is to it: readable by its id, and stored in no clear text."""

import pytest

from services.aftercare import app as aftercare
from services.attendance import app as attendance
from services.testing import app as testing
from shared.events.intake import PatientIdentified
from tests.service import EMITTED_AT, ServiceOnPostgres, StartService, caller

APPS = {"attendance": attendance, "testing": testing, "aftercare": aftercare}
SYSTEM = "https://clinic.demo.iop-hub.org/mrn"


@pytest.mark.parametrize("name", APPS)
async def test_whoever_reacts_to_a_patient_can_say_how_the_ehr_calls_them(
    start_service: StartService, name: str
) -> None:
    service = await start_service(APPS[name].assemble, name, EMITTED_AT)
    assert await identifiers(service) == []
    for number in ("MRN-FIRST", "MRN-CORRECTED"):
        await service.consume(identified(service, number))
        assert await identifiers(service) == [{"system": SYSTEM, "value": number}]
    for table in ("resources", "journal", "state", "outbox"):
        rows = await service.select(f"SELECT {table}::text FROM {table}")
        assert not [row for row in rows if "MRN-" in str(row[0])]


async def test_what_is_sealed_for_somebody_else_says_nothing(start_service: StartService) -> None:
    service = await start_service(attendance.assemble, "attendance", EMITTED_AT)
    await service.consume(identified(service, "MRN-FIRST", reader="testing"))
    assert await service.count("resources WHERE type = 'Patient'") == 0


def identified(service: ServiceOnPostgres, number: str, reader: str = "") -> PatientIdentified:
    part = {"patient": {"identifier": [{"system": SYSTEM, "value": number}]}}
    sealed = service.keys.seal(reader or service.inbox.service.name, part)
    return PatientIdentified(digests=(), sealed=(sealed,), identified_at=EMITTED_AT)


async def identifiers(service: ServiceOnPostgres) -> list[dict[str, str]]:
    found = await service.select("SELECT id FROM resources WHERE type = 'Patient'")
    patients = [await service.reader.one("Patient", str(id_), caller("ehr")) for (id_,) in found]
    return [identifier for patient in patients for identifier in patient["identifier"]]
