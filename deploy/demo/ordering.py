"""A drug test is ordered, refused, and given after all: nothing of it was ever a result before the laboratory's."""

from functools import partial

from deploy.demo import forms
from deploy.demo.stay import TESTED_ON, Clinic, Stay
from shared.events import codes

WEEK = 6
DAY, HOUR, _ = TESTED_ON
"""The specimen that is given after all is that of the week: its result ends the order."""


def begin(clinic: Clinic, stay: Stay) -> None:
    put, local = clinic.agenda.put, partial(clinic.local, WEEK, DAY)
    put(local(HOUR - 2, 5), partial(_ordered, stay))
    put(local(HOUR - 1, 5), partial(_refused, stay))
    put(local(HOUR, 5), partial(_given, stay))
    put(clinic.local(WEEK, DAY + 1, 11), partial(_reported, stay))


async def _order(stay: Stay) -> str:
    (order,) = await stay.driver.search("testing", f"ServiceRequest?patient={stay.patient}&status=active,revoked")
    return str(order["id"])


async def _ordered(stay: Stay) -> None:
    answer = await stay.driver.post("testing", forms.drug_test(stay.patient))
    stay.accepted(answer, "the order of a drug test")


async def _refused(stay: Stay) -> None:
    refused = forms.specimen(stay.patient, await _order(stay), stay.driver.now, refused=True)
    stay.accepted(await stay.driver.post("testing", refused), "a refused specimen")
    await stay.driver.settle()
    task = await stay.escalated("testing", "drug-test")
    reason = task["reasonCode"]["coding"][0]["code"]
    stay.expect(reason == "collection-refused", f"a refusal asks a person, and is no positive ({reason})")


async def _given(stay: Stay) -> None:
    given = forms.specimen(stay.patient, await _order(stay), stay.clinic.local(WEEK, *TESTED_ON))
    stay.accepted(await stay.driver.post("testing", given), "a specimen given after all")
    await stay.driver.settle()
    open_ones = await stay.tasks("testing", "requested", codes.ESCALATION, "drug-test")
    stay.expect(open_ones == [], "given within its window, the refusal is taken back")


async def _reported(stay: Stay) -> None:
    found = await stay.driver.search("testing", f"ServiceRequest?patient={stay.patient}&status=completed")
    stay.expect(len(found) == 1, "the laboratory's result ends the order")
