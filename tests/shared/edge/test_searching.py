"""What a search finds, as an EHR may write it: nothing wrong is found in silence, and nothing is widened."""

from datetime import timedelta

import pytest

from shared.platform.clients import registered
from tests.intake import bundles
from tests.intake.given import MONDAY
from tests.service import DEPLOY
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_http import admitted, observation
from tests.shared.edge.test_paging import ids

EHR = registered(DEPLOY)["ehr"].base_url
EMPTY = [
    "patient=",
    "patient=Patient/",
    "patient=1,http://127.0.0.1/fhir/Patient/",
    "subject=,",
    "status=",
    "status=final,",
    "_id=",
    "date=",
    "_lastUpdated=",
    "status=http://hl7.org/fhir/x|",
    "subject.identifier=",
    "subject.identifier=|",
    "patient:missing=",
    "_sort=",
]
UNKNOWN = [
    "Patient?status=active",
    "Patient?date=2026",
    "Practitioner?subject=1",
    "Provenance?status=x",
    "Task?colour=blue",
    "Task?status:not=requested",
    "Task?_include=Task:focus",
    "Task?_has:Observation:patient:code=1",
    "Task?_offset=1",
    "Task?date=ne2026-01-01",
    "Task?date=ap2026-01-01",
    "Task?patient:identifier=1",
    "Task?_elements=id",
]


async def found(counter: Counter, asked: str) -> list[str]:
    answer = await counter.ask("GET", f"/fhir/{asked}")
    assert answer.status_code == 200, answer.text
    return ids(answer.json())


@pytest.mark.parametrize(
    "asked",
    EMPTY,
)
async def test_a_parameter_without_a_value_is_refused(counter: Counter, asked: str) -> None:
    """What is of nobody yet would be found by it, or of everybody."""
    assert (await counter.ask("GET", f"/fhir/Observation?{asked}")).status_code == 400


async def test_a_value_may_end_in_a_sign_of_the_search(counter: Counter) -> None:
    numbered = observation(await admitted(counter), identifier=[{"system": "urn:lab", "value": "F7,"}])
    await counter.send(numbered)
    assert len(await found(counter, "Observation?identifier=F7%5C,")) == 1


async def test_a_status_of_another_system_is_none(counter: Counter) -> None:
    await counter.send(observation(await admitted(counter), status="amended"))
    expected = {"amended": 1, "|amended": 1, "http://hl7.org/fhir/observation-status|amended": 1}
    expected |= {"urn:other|amended": 0, "urn:other|amended,amended": 1}
    assert {each: len(await found(counter, f"Observation?status={each}")) for each in expected} == expected


async def test_a_patient_is_named_by_the_hubs_id_or_by_the_clients_own_reference(counter: Counter) -> None:
    bundle = bundles.intake("0001")
    patient = (await counter.send(bundle)).json()["entry"][0]["response"]["location"].split("/")[1]
    own = await counter.send(observation(patient, subject={"reference": f"Patient/{patient}"}, status="amended"))
    assert own.is_success
    asked = {
        f"patient={patient}": 1,
        f"subject=Patient/{patient}": 1,
        f"subject:Patient={patient}": 1,
        f"patient=http://127.0.0.1/fhir/Patient/{patient}": 1,
        f"patient=Group/{patient}": 0,
        f"patient={EHR}/Patient/{patient}": 0,
        "patient=somebody-else": 0,
    }
    assert {each: len(await found(counter, f"Observation?status=amended&{each}")) for each in asked} == asked


async def test_two_parameters_narrow_and_two_values_widen(counter: Counter) -> None:
    one, other = [await admitted(counter, each) for each in ("0001", "0002")]
    for patient in (one, other):
        await counter.send(observation(patient, status="amended"))
    asked = {f"patient={one},{other}": 2, f"patient={one}&patient={other}": 0, f"patient={one}&subject={one}": 1}
    assert {each: len(await found(counter, f"Observation?status=amended&{each}")) for each in asked} == asked
    named = [f"{bundles.MRN_SYSTEM}|{each}" for each in ("0001", "0002")]
    assert sorted(await found(counter, f"Patient?identifier={','.join(named)}")) == sorted([one, other])


async def test_a_time_lasts_as_long_as_it_is_written(counter: Counter) -> None:
    """To a minute, a second or a thousandth: `gt` lies behind all of it, as clients that read `lastUpdated` ask."""
    patient = await admitted(counter)
    at = f"{MONDAY:%Y-%m-%d}T09:30:15.250"
    assert (await counter.send(observation(patient, status="amended", effectiveDateTime=f"{at}Z"))).is_success
    day = f"{MONDAY:%Y-%m-%d}"
    asked = {
        f"{day}T09:30Z": 1,
        f"{day}T09:30:15Z": 1,
        f"{day}T09:30:15.250Z": 1,
        f"{day}T09:30:15.25Z": 1,
        f"{day}T09:30:15.000Z": 0,
        f"gt{day}T09:30:15.000Z": 1,
        f"gt{day}T09:30:15Z": 0,
        f"sa{day}T09:30Z": 0,
        f"eb{day}T09:30:16Z": 1,
        f"le{day}T09:30:15.250Z": 1,
        f"lt{day}T09:30:15.250Z": 0,
    }
    assert {each: len(await found(counter, f"Observation?status=amended&date={each}")) for each in asked} == asked


async def test_the_last_change_is_found_by_the_time_that_is_shown(counter: Counter) -> None:
    """It is stored to the microsecond, and shown to the thousandth."""
    counter.intake.set_clock(MONDAY + timedelta(microseconds=123_456))
    patient = await admitted(counter)
    shown = (await counter.ask("GET", f"/fhir/Patient/{patient}")).json()["meta"]["lastUpdated"].replace("+", "%2B")
    for asked in (shown, f"le{shown}", f"ge{shown}"):
        assert await found(counter, f"Patient?_lastUpdated={asked}") == [patient], asked


@pytest.mark.parametrize(
    "asked",
    UNKNOWN,
)
async def test_what_a_type_is_not_searched_by_is_refused_and_never_ignored(counter: Counter, asked: str) -> None:
    answer = await counter.ask("GET", f"/fhir/{asked}", headers={"Prefer": "handling=lenient"})
    assert answer.status_code == 400
    assert "blue" not in answer.text and "colour" not in answer.text


async def test_every_parameter_of_the_statement_is_searched_by(counter: Counter) -> None:
    values = {"token": "x", "reference": "Patient/1", "date": "2026-01-05", "uri": "urn:x"}
    statement = (await counter.ask("GET", "/fhir/metadata")).json()
    for resource in statement["rest"][0]["resource"]:
        for each in resource.get("searchParam", ()):
            named = {"identifier": "urn:x|1", "owner": "case-manager"}
            value = named.get(each["name"], values[each["type"]])
            asked = f"/fhir/{resource['type']}?{each['name']}={value}"
            assert (await counter.ask("GET", asked)).status_code == 200, asked
