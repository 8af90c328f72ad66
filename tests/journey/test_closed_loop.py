"""A partner closes the loop of its referral over HTTP, by its own client, which sees nothing else."""

from shared.events import codes, fhir
from tests.journey.clinic import Clinic
from tests.journey.test_promises import ALUMNI, eventually


async def test_a_partner_answers_its_referral_by_its_own_client(clinic: Clinic) -> None:
    person = await clinic.admit()
    await clinic.consent(person, ALUMNI)
    await clinic.discharge(person)
    assert await eventually(clinic, person, "ReferralSent")
    tasks = await clinic.driver.search("aftercare", f"Task?patient={person.id}&status=requested")
    (sent,) = [each for each in tasks if each["owner"]["identifier"]["value"] == ALUMNI]

    waiting = await clinic.driver.search("aftercare", "Task?status=requested", client=ALUMNI)
    (seen,) = [each for each in waiting if each["id"] == sent["id"]]
    assert person.id not in str(waiting)
    refused = await clinic.driver.get("aftercare", f"ServiceRequest/{sent['focus']['reference'].split('/')[1]}", ALUMNI)
    assert refused.status_code == 403
    for change in (
        {"status": "accepted"},
        {"status": "in-progress", "businessStatus": fhir.concept(codes.TASK, "attended")},
        {"status": "completed"},
    ):
        answered = await clinic.driver.put("aftercare", seen | change, client=ALUMNI)
        assert answered.status_code == 200
    assert await eventually(clinic, person, "PartnerAnswered")
    (closed,) = await clinic.driver.search("aftercare", f"Task?_id={sent['id']}")
    assert closed["status"] == "completed"
