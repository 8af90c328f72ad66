"""At night a screen rings the pager of whoever is on call; they open its link on a telephone, and have it."""

import json

import httpx

from tests.journey.clinic import Clinic
from tests.journey.pager import Pager


async def test_a_grave_screen_rings_and_its_link_takes_it_on(clinic: Clinic, pager: Pager) -> None:
    pager.forget()
    person = await clinic.refer(facts={"c-ssrs-q4": True})
    page = next(each for each in iter(lambda: json.loads(pager.bodies.get(timeout=30)), None) if _is_grave(each))
    assert person.mrn not in json.dumps(page) and person.id not in json.dumps(page)

    async with httpx.AsyncClient() as telephone:
        shown = await telephone.get(page["data"]["link"])
        assert "I have it" in shown.text and person.id not in shown.text
        taken = await telephone.post(page["data"]["link"], data={"action": "acknowledge"})

    assert "You have it" in taken.text and person.mrn in taken.text
    assert len(await clinic.tasks("intake", person, "accepted", "safety")) == 1


def _is_grave(page: dict[str, dict[str, str]]) -> bool:
    return page["data"]["tier"] == "T4" and page["data"]["reason"] == "suicide-risk"
