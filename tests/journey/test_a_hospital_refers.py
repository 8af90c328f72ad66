"""A hospital refers, and learns where its own referral stands once a consent names it; until then nothing."""

from typing import Any

from tests.intake import bundles
from tests.journey.clinic import Clinic, Person
from tests.journey.test_promises import eventually

HOSPITAL = "riverbend-hospital"
NPI = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999928"}
THEIRS = {"system": "https://hospital.example.org/orders", "value": "REFERRED-4711"}
REFERS: dict[str, Any] = {"requester": {"type": "Organization", "identifier": NPI}, "identifier": [THEIRS]}


async def referred_by_the_hospital(clinic: Clinic, mrn: str) -> Person:
    bundle = bundles.intake(mrn, clinic.now)
    for each in bundle["entry"]:
        if each["resource"]["resourceType"] == "ServiceRequest":
            each["resource"] |= REFERS
    answer = await clinic.driver.post("intake", bundle)
    assert answer.status_code == 200, answer.text
    assert "the partner riverbend-hospital: answered where a consent permits it" in answer.text
    await clinic.driver.settle()
    return Person(mrn, answer.json()["entry"][0]["response"]["location"].split("/")[1])


async def test_a_hospital_that_referred_learns_the_state_of_its_referral_and_nothing_before_a_consent(
    clinic: Clinic,
) -> None:
    received_before = len(clinic.partners.received(HOSPITAL))
    person = await referred_by_the_hospital(clinic, "MRN-hospital-1")
    assert await eventually(clinic, person, "AnswerWithheld")
    assert (await clinic.sign(person)).status_code == 200
    assert await eventually(clinic, person, "AnswerWithheld", 2)
    (held,) = await clinic.tasks("aftercare", person, "on-hold", "answer-referrer")
    assert held["statusReason"]["coding"][0]["code"] == "no-consent-names-this-partner"
    assert len(clinic.partners.received(HOSPITAL)) == received_before

    await clinic.consent(person, HOSPITAL, purpose="TREAT", fields=("referral-state",))
    assert await eventually(clinic, person, "AnswerSent")
    (bundle,) = clinic.partners.received(HOSPITAL)[received_before:]
    task = bundle["entry"][1]["resource"]
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("completed", "admitted")
    assert task["focus"] == {"type": "ServiceRequest", "identifier": THEIRS}
    assert "Patient" not in [each["resource"]["resourceType"] for each in bundle["entry"]]

    records = await clinic.records(person, "iop.intake.events", "iop.aftercare.events", "iop.disclosures")
    assert {"PartnerReferralChanged", "AnswerSent", "DisclosureRecorded"} <= {each.event for each in records}
    assert not any("REFERRED-4711" in str(each) for each in records)
