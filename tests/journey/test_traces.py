"""One request is one trace: through three services, over Kafka, to a partner; and nothing of a patient is in it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.demo.partner import Partners
from shared.platform.tracing import KEYS
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person
from tests.journey.collector import Collected, Collector
from tests.journey.conftest import clinic_in
from tests.journey.seeds import planted, secrets

ALUMNI = "riverbend-alumni"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
RECORDED, UNRECORDED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE[::-1]}-{CALLER}-00"
POLLS_MOST = 300
EXPORT_SECONDS = 1.0


@pytest.fixture
async def clinic(shut_hub: Path, collector: Collector, partners: Partners) -> AsyncIterator[Clinic]:
    """Nothing of before is on its way, or was collected."""
    async with clinic_in(shut_hub, partners) as opened:
        await asyncio.sleep(EXPORT_SECONDS)
        collector.requests.clear()
        yield opened


async def whole(collector: Collector, trace_id: str, *needed: tuple[str, str], caller: str = "") -> list[Collected]:
    """The spans of a trace, once these services have sent these of it, and of each what it stands below."""
    missing, orphans = set(needed), set[str]()
    for _ in range(POLLS_MOST):
        spans = [each for each in collector.spans if each.trace_id == trace_id]
        missing = set(needed) - {(each.service, each.name) for each in spans}
        orphans = {each.parent for each in spans} - {caller, *(each.id for each in spans)}
        if not missing and not orphans:
            return spans
        await asyncio.sleep(0.1)
    raise AssertionError(f"not all came: {sorted(missing)}, nor what others stand below: {sorted(orphans)}")


async def arrived(collector: Collector, span_id: str) -> Collected:
    """One span, once its service has sent it."""
    for _ in range(POLLS_MOST):
        if found := [each for each in collector.spans if each.id == span_id]:
            return found[0]
        await asyncio.sleep(0.1)
    raise AssertionError(f"{span_id} did not come")


async def test_one_post_is_one_trace_through_the_services_to_a_partner_and_names_nobody(
    clinic: Clinic, collector: Collector
) -> None:
    person = Person("MRN-seeded-4711")
    answer = await clinic.driver.post("intake", planted(bundles.intake(person.mrn, clinic.now)))
    person.id = answer.json()["entry"][0]["response"]["location"].split("/")[1]
    await clinic.driver.settle()
    await clinic.sign(person)
    (episode,) = await clinic.driver.search("intake", f"EpisodeOfCare?patient={person.id}&status=active")
    person.episode_id = episode["id"]
    consent = await clinic.consent(person, ALUMNI)
    await clinic.driver.get("intake", f"Patient?identifier={person.mrn}")

    await clinic.discharge(person, traceparent=RECORDED)
    spans = await whole(
        collector,
        TRACE,
        ("iop-intake", "edge"),
        ("iop-intake", "submission"),
        ("iop-intake", "batch"),
        ("iop-intake", "decide"),
        ("iop-intake", "store"),
        ("iop-intake", "lane"),
        ("iop-intake", "send"),
        ("iop-attendance", "decide"),
        ("iop-testing", "decide"),
        ("iop-aftercare", "decide"),
        ("iop-aftercare", "send"),
        caller=CALLER,
    )
    (edge,) = [each for each in spans if each.name == "edge"]
    assert edge.parent == CALLER
    assert edge.attributes["http.route"] == "/fhir"
    assert {each.parent for each in spans} <= {CALLER, *(each.id for each in spans)}
    at_partner = [traceparent for path, traceparent, _ in collector.requests if path == "/alumni"]
    assert [each[3:35] for each in at_partner] == [TRACE]
    assert (await arrived(collector, at_partner[0][36:52])).attributes == {
        "iop.lane": f"partner:{ALUMNI}",
        "iop.outcome": "Delivered",
    }

    assert {name for each in collector.spans for name in each.attributes} <= set(KEYS.values())
    ids = [each.encode() for each in (person.id, person.episode_id, consent)]
    assert [each for each in (*secrets(person.mrn), *ids) if each in collector.bytes] == []
    assert b"iop-intake" in collector.bytes


async def test_a_trace_that_its_caller_does_not_record_is_not_recorded_here_and_junk_begins_another_one(
    clinic: Clinic, collector: Collector
) -> None:
    await clinic.driver.post("intake", planted(bundles.intake("MRN-1", clinic.now)), traceparent=UNRECORDED)
    answer = await clinic.driver.post(
        "intake", planted(bundles.intake("MRN-2", clinic.now)), traceparent="00-Quixwort-junk-01"
    )
    assert answer.status_code == 200
    await clinic.driver.settle()
    headers = [each.headers for each in await clinic.driver.records("iop.intake.events")]
    assert {each["traceparent"][-2:] for each in headers if each["traceparent"][3:35] == TRACE[::-1]} == {"00"}
    await asyncio.sleep(EXPORT_SECONDS)
    (edge,) = [each for each in collector.spans if each.name == "edge" and each.attributes["http.route"] == "/fhir"]
    await whole(collector, edge.trace_id, ("iop-testing", "decide"), ("iop-aftercare", "decide"))
    assert edge.parent == "" and b"Quixwort" not in collector.bytes
    assert [each for each in collector.spans if each.trace_id == TRACE[::-1] or TRACE[::-1] in each.links] == []
