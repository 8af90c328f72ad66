"""A search page by page, as client libraries read it: they follow `next` blindly."""

from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.path.transaction import search
from tests.intake.given import MONDAY
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_http import FORM, Json, admitted, observation
from tests.shared.edge.test_programs import Clinic, clinics

__all__ = ["clinics"]
_SORTS = ("_sort=status", "_sort=", "_sort=date,_lastUpdated", "_sort=date&_sort=-date")


def link(page: Json, relation: str = "next") -> str:
    return next((each["url"] for each in page["link"] if each["relation"] == relation), "")


def ids(page: Json) -> list[str]:
    return [each["resource"]["id"] for each in page.get("entry", ())]


async def followed(counter: Counter, page: Json) -> list[str]:
    """Every id, from this page to the last."""
    seen = ids(page)
    while link(page):
        page = (await counter.ask("GET", link(page))).json()
        seen += ids(page)
    return seen


async def seven(counter: Counter) -> str:
    """The patient of seven Observations: five of different days, two without a time."""
    patient = await admitted(counter)
    for day in range(5):
        time = f"{MONDAY - timedelta(days=day):%Y-%m-%d}"
        assert (await counter.send(observation(patient, effectiveDateTime=time, status="amended"))).is_success
    for _ in range(2):
        assert (await counter.send(observation(patient, status="amended"))).is_success
    return patient


async def test_following_next_reads_each_resource_once_in_the_order_of_clinical_time(counter: Counter) -> None:
    await seven(counter)
    page = (await counter.ask("GET", "/fhir/Observation?status=amended&_count=2")).json()
    assert len(page["entry"]) == 2 and link(page, "self").endswith("/Observation?status=amended&_count=2")
    seen = await followed(counter, page)
    assert len(seen) == len(set(seen)) == 7
    found = [(await counter.ask("GET", f"/fhir/Observation/{each}")).json().get("effectiveDateTime") for each in seen]
    assert found[5:] == [None, None] and found[:5] == sorted(found[:5])


async def test_a_page_that_finds_nothing_where_it_looks_has_a_next(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = await seven(counter)
    counter.intake.set_clock(MONDAY + timedelta(days=1))
    for day in range(8, 11):
        await counter.send(observation(patient, effectiveDateTime=f"{MONDAY - timedelta(days=day):%Y-%m-%d}"))
    monkeypatch.setattr(search, "SORTED_MOST", 1)
    monkeypatch.setattr(search, "LOOKED_AT_MOST", 1)
    since = f"{MONDAY + timedelta(hours=12):%Y-%m-%dT%H:%M:%SZ}"
    page = (await counter.ask("GET", f"/fhir/Observation?_lastUpdated=ge{since}&_sort=-date&_count=2")).json()
    assert ids(page) == [] and link(page)
    assert len(await followed(counter, page)) == 3


@pytest.mark.parametrize("also", ["", "patient={patient}&", "patient:missing=false&"])
async def test_a_search_is_sorted_either_way_and_what_has_no_time_comes_last(counter: Counter, also: str) -> None:
    also = also.format(patient=await seven(counter))
    asked = f"/fhir/Observation?{also}status=amended&_count=2&_sort="
    pages = [(await counter.ask("GET", asked + sort)).json() for sort in ("date", "-date")]
    upwards, downwards = [await followed(counter, page) for page in pages]
    assert upwards[:5] == downwards[:5][::-1] and upwards[5:] == downwards[5:][::-1]
    pages = [(await counter.ask("GET", asked + sort)).json() for sort in ("_lastUpdated", "-_lastUpdated")]
    upwards, downwards = [await followed(counter, page) for page in pages]
    assert upwards == downwards[::-1] and len(upwards) == 7


async def test_a_search_by_the_time_of_change_goes_by_it(counter: Counter) -> None:
    await seven(counter)
    plain, sorted_ = [
        ids((await counter.ask("GET", f"/fhir/Observation?_lastUpdated=ge2020{also}")).json())
        for also in ("", "&_sort=_lastUpdated")
    ]
    assert plain == sorted_ and len(plain) > 7


async def test_a_total_is_shown_to_who_asks_and_stays_that_of_the_first_page(counter: Counter) -> None:
    patient = await seven(counter)
    asked = "/fhir/Observation?status=amended&_count=2"
    totals = {"": None, "&_total=none": None, "&_total=estimate": 7, "&_total=accurate": 7}
    pages = {each: (await counter.ask("GET", asked + each)).json() for each in totals}
    assert {each: page.get("total") for each, page in pages.items()} == totals
    await counter.send(observation(patient, status="amended"))
    assert (await counter.ask("GET", link(pages["&_total=accurate"]))).json()["total"] == 7
    for counted in ("_summary=count", "_count=0"):
        page = (await counter.ask("GET", f"/fhir/Observation?status=amended&{counted}")).json()
        assert (page["total"], page["type"], "entry" in page, link(page)) == (8, "searchset", False, "")


async def test_a_posted_search_is_followed_with_get_and_with_the_same_form(counter: Counter) -> None:
    """An address stands in every log on the way: neither what was asked nor whom a page ends with is in it."""
    await admitted(counter, "0001")
    patients = [await admitted(counter, each) for each in ("0002", "0003", "0004")]
    form = {"content": f"_id={','.join(patients)}&_count=1&_sort=-date", "headers": {"Content-Type": FORM}}
    first = (await counter.ask("POST", "/fhir/Patient/_search?_format=json", **form)).json()
    (cursor,) = parse_qs(urlsplit(link(first)).query)["_cursor"]
    shown = link(first).encode() + urlsafe_b64decode(cursor + "==")
    assert not any(each.encode() in shown for each in patients) and b"-date" not in shown
    assert sorted(await followed(counter, first)) == sorted(patients)
    again = [(await counter.ask("POST", link(first), **form)).json(), (await counter.ask("GET", link(first))).json()]
    assert ids(again[0]) == ids(again[1]) != ids(first)


async def test_a_form_too_long_for_an_address_is_posted_again(counter: Counter) -> None:
    patients = [await admitted(counter, each) for each in ("0001", "0002")]
    form = {"content": f"_id={','.join(patients * 30)}&_count=1", "headers": {"Content-Type": FORM}}
    first = (await counter.ask("POST", "/fhir/Patient/_search", **form)).json()
    assert len(link(first)) < 500
    refused = await counter.ask("GET", link(first))
    assert refused.status_code == 400 and "posted to it again" in refused.json()["issue"][0]["diagnostics"]
    assert {*ids(first), *ids((await counter.ask("POST", link(first), **form)).json())} == set(patients)


async def test_a_cursor_is_good_for_its_own_search_only(counter: Counter) -> None:
    await seven(counter)
    page = (await counter.ask("GET", "/fhir/Observation?status=amended&_count=2")).json()
    cursor = link(page).rpartition("=")[2]
    damaged = cursor[:-8] + ("A" if cursor[-8] != "A" else "B") + cursor[-7:]
    asked = {
        f"Observation?status=amended&_cursor={cursor}": 200,
        f"Observation?_cursor={cursor}&_count=5&status=amended&_pretty=false": 200,
        f"Observation?status=final&_cursor={cursor}": 400,
        f"Observation?_cursor={cursor}": 400,
        f"Observation?status=amended&_sort=-date&_cursor={cursor}": 400,
        f"Task?status=amended&_cursor={cursor}": 400,
        f"Observation?status=amended&_cursor={damaged}": 400,
        f"Observation?status=amended&_cursor={cursor[:20]}": 400,
        "Observation?status=amended&_cursor=x": 400,
        "Observation?status=amended&_cursor=%C3%A4": 400,
        f"Observation?status=amended&_cursor={cursor}&_cursor={damaged}": 400,
    }
    answers = {each: await counter.ask("GET", f"/fhir/{each}") for each in asked}
    assert {each: answer.status_code for each, answer in answers.items()} == asked
    issue = answers["Observation?status=amended&_cursor=x"].json()["issue"][0]
    assert "_cursor must be that of a next link" in issue["diagnostics"]
    other = {"Authorization": f"Bearer {counter.issuer.token(sub='ops')}"}
    assert (await counter.ask("GET", link(page), headers=other)).status_code == 400


async def test_a_cursor_of_one_program_opens_nothing_of_another(clinics: tuple[Clinic, Clinic]) -> None:
    pages = []
    for clinic in clinics:
        for mrn in ("0001", "0002"):
            await clinic.patient(mrn)
        pages.append((await clinic.ask("GET", "/Patient?_count=1")).json())
    ours, theirs = clinics
    assert (await ours.ask("GET", link(pages[0]).partition("/fhir")[2])).status_code == 200
    assert (await theirs.ask("GET", link(pages[0]).partition("/fhir")[2])).status_code == 400


@pytest.mark.parametrize(
    "asked",
    [*_SORTS, "_total=many", "_count=-1", "_count=1&_count=2"],
)
async def test_a_search_that_cannot_be_answered_so_is_refused(counter: Counter, asked: str) -> None:
    answer = await counter.ask("GET", f"/fhir/Task?{asked}")
    name: Any = asked.partition("=")[0]
    assert answer.status_code == 400 and name in answer.json()["issue"][0]["diagnostics"]


async def test_a_page_is_never_longer_than_a_limit(counter: Counter) -> None:
    await seven(counter)
    assert len(ids((await counter.ask("GET", "/fhir/Observation?_count=999999999")).json())) > 7
