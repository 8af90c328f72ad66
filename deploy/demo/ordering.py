"""A drug test is ordered, goes to the laboratory over MLLP, is refused, and given after all; the laboratory's report
comes back under the order's number and ends it."""

from collections.abc import Sequence
from functools import partial

from rich.table import Table

from deploy.demo import forms
from deploy.demo.courses import UNQUIET
from deploy.demo.laboratory import NAME
from deploy.demo.stay import REPORTED_ON, TESTED_ON, Clinic, Stay
from deploy.laboratory.orders import Order
from deploy.laboratory.panel import ANALYTES
from deploy.laboratory.reports import report
from shared.events import codes, fhir

(WEEK,) = UNQUIET.ordered
DAY, HOUR, _ = TESTED_ON
"""The specimen that is given after all is that of the week: its result ends the order."""
DISCLOSURES = "110106"
"""The type of an AuditEvent (DICOM): something was exported."""


def begin(clinic: Clinic, stay: Stay) -> None:
    put, local = clinic.agenda.put, partial(clinic.local, WEEK, DAY)
    put(local(HOUR - 2, 5), partial(_ordered, stay))
    put(local(HOUR - 2, 10), partial(_sent, stay))
    put(local(HOUR - 1, 5), partial(_refused, stay))
    put(local(HOUR, 5), partial(_given, stay))
    put(clinic.local(WEEK, *REPORTED_ON), partial(_reported, stay))
    put(clinic.local(WEEK, DAY + 1, 11), partial(_ended, stay))


def table(rows: Sequence[tuple[str, str]]) -> Table:
    shown = Table("a drug test", "", title="ordered of the laboratory", title_justify="left")
    for row in rows:
        shown.add_row(*row)
    return shown


async def _order(stay: Stay) -> str:
    (order,) = await stay.driver.search("testing", f"ServiceRequest?patient={stay.patient}&status=active,revoked")
    return str(order["id"])


async def _ordered(stay: Stay) -> None:
    answer = await stay.driver.post("testing", forms.drug_test(stay.patient))
    stay.accepted(answer, "the order of a drug test")


async def _sent(stay: Stay) -> None:
    """The laboratory has it, with what it may know of the patient; and the books say so."""
    order = _at_laboratory(stay)
    stay.expect(stay.mrn in order.patient.field(3), "the laboratory knows whose specimen it will be")
    stay.expect(order.patient.part(5) == "Synthetic", "it has the name that stands on the label")
    task = await stay.one_task("testing", "accepted", codes.TASK, "laboratory-order")
    stay.expect(task["focus"]["reference"].endswith(await _order(stay)), "its Task says that the laboratory took it")
    books = await stay.driver.search("testing", f"AuditEvent?patient={stay.patient}&type={DISCLOSURES}")
    sent = [each for each in books if fhir.logical(codes.PARTNER, NAME) in [agent["who"] for agent in each["agent"]]]
    results = [each["subtype"][0]["code"] for each in sent]
    stay.expect(results == ["made"], f"the disclosure stands in the patient's accounting once ({results})")
    note = stay.clinic.laboratory.note
    note("OML^O21 over MLLP, new order", f"{NAME} answers ORL^O22: AA, OK")
    note("in the books, AuditEvent", "made, under its agreement (42 CFR 2.11)")


def _at_laboratory(stay: Stay) -> Order:
    orders = list(stay.clinic.laboratory.orders.values())
    stay.expect(len(orders) == 1, f"the laboratory has one order ({len(orders)})")
    return orders[0]


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
    """By the number under which it was ordered."""
    laboratory = stay.clinic.laboratory
    order = laboratory.reported(_at_laboratory(stay))
    message = report(order, stay.clinic.local(WEEK, *TESTED_ON), stay.driver.now)
    answer = await stay.driver.send_mllp(message)
    stay.expect(b"\rMSA|AA|" in answer, "the laboratory's report on its order is accepted (AA)")
    laboratory.note("ORU^R01 over MLLP, under the order's number", f"AA; {len(ANALYTES)} analytes, none found")


async def _ended(stay: Stay) -> None:
    found = await stay.driver.search("testing", f"ServiceRequest?patient={stay.patient}&status=completed")
    stay.expect(len(found) == 1, "the laboratory's result ends the order")
    stay.expect(_at_laboratory(stay).actions == ("NW",), "the laboratory was told of it once")
    stay.clinic.laboratory.note("its ServiceRequest", "completed")
