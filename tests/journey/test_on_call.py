"""At night a screen rings the pager of whoever is on call; they open its link on a telephone, and have it."""

import json

import httpx

from tests.journey.clinic import FENTANYL, Clinic
from tests.journey.pager import Pager


async def test_a_grave_screen_rings_and_its_link_takes_it_on(clinic: Clinic, pager: Pager) -> None:
    pager.forget()
    person = await clinic.refer(facts={"c-ssrs-q4": True})
    page = next_page(pager, "suicide-risk")
    assert page["data"]["tier"] == "T4"
    assert person.mrn not in json.dumps(page) and person.id not in json.dumps(page)

    async with httpx.AsyncClient() as telephone:
        shown = await telephone.get(page["data"]["link"])
        assert "I have it" in shown.text and person.id not in shown.text
        taken = await telephone.post(page["data"]["link"], data={"action": "acknowledge"})

    assert "You have it" in taken.text and person.mrn in taken.text
    assert len(await clinic.tasks("intake", person, "accepted", "safety")) == 1


async def test_whoever_takes_on_a_specimen_is_shown_the_patient_as_the_ehr_knows_them(
    clinic: Clinic, pager: Pager
) -> None:
    pager.forget()
    person = await clinic.admit()
    await clinic.test(person)  # the baseline
    await clinic.pass_by(days=1)
    await clinic.test(person, FENTANYL)
    page = next_page(pager, "unexpected-positive-opioid")

    async with httpx.AsyncClient() as telephone:
        shown = await telephone.get(page["data"]["link"])
        assert person.mrn not in shown.text
        taken = await telephone.post(page["data"]["link"], data={"action": "acknowledge"})

    assert "You have it" in taken.text and person.mrn in taken.text


def next_page(pager: Pager, reason: str) -> dict[str, dict[str, str]]:
    """The next one that rings for this reason."""
    while True:
        page: dict[str, dict[str, str]] = json.loads(pager.bodies.get(timeout=30))
        if page["data"]["reason"] == reason:
            return page
