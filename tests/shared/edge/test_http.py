"""HTTP manners, as any client may try them: every refusal is an OperationOutcome, and nothing said is echoed."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from services.aftercare.edge import EDGE as AFTERCARE
from services.attendance.edge import EDGE as ATTENDANCE
from shared.edge.app import build
from shared.edge.body import read_body
from shared.edge.contract import Edge
from shared.edge.http import FHIR_JSON, named_in
from shared.edge.outcome import HttpRefusal
from shared.edge.submissions import Submissions
from tests.house.test_rooms import ROOT, files
from tests.intake import bundles
from tests.shared.edge.conftest import Counter

Json = dict[str, Any]
FORM = "application/x-www-form-urlencoded"


def observation(patient: str, **more: Any) -> Json:
    who = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": who} | more


async def admitted(counter: Counter, mrn: str = "0001") -> str:
    """The hub's id of a patient taken in."""
    answer = await counter.send(bundles.intake(mrn))
    assert answer.status_code == 200, answer.text
    location: str = answer.json()["entry"][0]["response"]["location"]
    return location.split("/")[1]


@pytest.mark.parametrize("name", ["\0", "", "a/b", "x" * 65, "%"])
def test_what_can_be_no_id_names_nothing(name: str) -> None:
    with pytest.raises(HttpRefusal) as refused:
        named_in(Request({"type": "http", "path_params": {"id": name}}))
    assert refused.value.status == 404


def test_an_id_in_an_address_is_looked_at_before_it_is_looked_for() -> None:
    """The update compares it with the resource's own, the definitions are no rows, a letter has a form of its own."""
    apart = {"shared/edge/http.py": 1, "shared/edge/routes.py": 2, "services/aftercare/letter/binary.py": 1}
    texts = {str(each.relative_to(ROOT)): each.read_text() for each in files("shared", "services")}
    found = {file: text.count('path_params["id"]') for file, text in texts.items() if 'path_params["id"]' in text}
    assert found == apart


# What a client may send


async def test_a_media_type_is_read_in_any_case_and_another_refused(counter: Counter) -> None:
    kinds = {
        "APPLICATION/FHIR+JSON": 200,
        "application/json; charset=utf-8": 200,
        "application/fhir+json; fhirVersion=4.0": 200,
        'application/fhir+json; charset=utf-8; FHIRVERSION="4.0.1"': 200,
        "application/fhir+json; fhirVersion=3.0": 415,
        "application/fhir+json;fhirVersion=5.0": 415,
        "application/fhir+xml": 415,
        "text/plain": 415,
        "": 415,
    }
    answers = {each: await counter.send(bundles.intake("0001"), **{"Content-Type": each}) for each in kinds}
    assert {each: answer.status_code for each, answer in answers.items()} == kinds


async def test_a_compressed_body_is_refused_for_what_it_is(counter: Counter) -> None:
    body = gzip.compress(json.dumps(bundles.intake("0001")).encode())
    headers = {"Content-Type": FHIR_JSON, "Content-Encoding": "gzip"}
    answer = await counter.ask("POST", "/fhir", content=body, headers=headers)
    assert (answer.status_code, answer.headers["Accept-Encoding"]) == (415, "identity")


async def test_a_body_announced_as_too_long_is_refused_before_it_comes(counter: Counter) -> None:
    async def nothing_at_all() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    headers = {"Content-Type": FHIR_JSON, "Content-Length": "99999999"}
    async with asyncio.timeout(5):
        answer = await counter.ask("POST", "/fhir", content=nothing_at_all(), headers=headers)
    assert answer.status_code == 413


async def test_a_body_that_drips_is_not_waited_for_and_its_connection_ends() -> None:
    async def drip() -> Json:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b" ", "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": []}, drip)
    with pytest.raises(HttpRefusal) as refused:
        async with asyncio.timeout(5):
            await read_body(request, 100, seconds_most=0.1)
    assert (refused.value.status, refused.value.headers["Connection"]) == (408, "close")


async def test_a_transaction_is_taken_with_a_slash_behind_the_base_too(counter: Counter) -> None:
    answer = await counter.send(bundles.intake("0001"), "/fhir/")
    assert answer.status_code == 200


# How it is answered


async def test_who_cannot_read_json_is_told(counter: Counter) -> None:
    accepted = {
        "application/fhir+xml": 406,
        "text/turtle": 406,
        "application/fhir+json;q=0": 406,
        "application/fhir+json;q=0.5, application/fhir+xml": 200,
        "application/fhir+json; fhirVersion=4.0": 200,
        "application/fhir+json; fhirVersion=3.0": 406,
        "application/fhir+json; fhirVersion=5.0, application/fhir+json; fhirVersion=4.0": 200,
        "text/html, */*;q=0.8": 200,
        "application/json": 200,
    }
    answers = {each: await counter.ask("GET", "/fhir/Task", headers={"Accept": each}) for each in accepted}
    assert {each: answer.status_code for each, answer in answers.items()} == accepted


async def test_the_format_asked_for_in_the_address_wins(counter: Counter) -> None:
    formats = {
        "json": 200,
        "application/fhir+json": 200,
        "application/fhir%2Bjson": 200,
        "application/fhir%2Bjson%3B%20fhirVersion=3.0": 406,
        "xml": 406,
    }
    unreadable = {"Accept": "application/fhir+xml"}
    answers = {each: await counter.ask("GET", f"/fhir/Task?_format={each}", headers=unreadable) for each in formats}
    assert {each: answer.status_code for each, answer in answers.items()} == formats


async def test_who_asks_for_it_reads_indented_json_and_everybody_else_plain(counter: Counter) -> None:
    patient = await admitted(counter)
    for path in ("Task", f"Patient/{patient}", "metadata", f"Task?patient={patient}", "Nonsense/1", "Task?colour=blue"):
        address = f"/fhir/{path}{'&' if '?' in path else '?'}_format=json"
        pretty, plain = [await counter.ask("GET", f"{address}&_pretty={each}") for each in ("true", "false")]
        assert pretty.status_code == plain.status_code and pretty.headers["Content-Type"].startswith(FHIR_JSON)
        assert (pretty.text[:4], plain.text[:2]) == ("{\n  ", '{"')
        assert pretty.json().keys() == plain.json().keys()


async def test_indenting_keeps_every_digit(counter: Counter) -> None:
    weighed = observation(await admitted(counter), valueQuantity={"value": 0})
    written = json.dumps(weighed).replace('"value": 0', '"value": 1.500')
    headers = {"Content-Type": FHIR_JSON, "Prefer": "return=representation"}
    answer = await counter.ask("POST", "/fhir/Observation?_pretty=true", content=written, headers=headers)
    assert answer.status_code == 201 and '"value": 1.500' in answer.text


async def test_an_answer_without_a_body_has_nothing_to_indent(counter: Counter) -> None:
    patient = await admitted(counter)
    address = "/fhir/Observation?_pretty=true&_format=json&_summary=false"
    answer = await counter.send(observation(patient), address, Prefer="return=minimal")
    assert (answer.status_code, answer.content) == (201, b"")


async def test_the_whole_resource_is_answered_and_no_summary_of_it(counter: Counter) -> None:
    patient = await admitted(counter)
    for path in ("metadata", f"Patient/{patient}", "Task"):
        statuses = {"false": 200, "true": 400, "count": 200 if path == "Task" else 400, "text": 400, "": 400}
        answers = {each: await counter.ask("GET", f"/fhir/{path}?_summary={each}") for each in statuses}
        assert {each: answer.status_code for each, answer in answers.items()} == statuses
        assert "_summary" in answers["true"].json()["issue"][0]["diagnostics"]


async def test_a_write_that_asks_for_a_summary_writes_nothing(counter: Counter) -> None:
    patient = await admitted(counter)
    assert (await counter.send(observation(patient), "/fhir/Observation?_summary=true")).status_code == 400
    assert (await counter.send(observation(patient), "/fhir/Observation?_summary=count")).status_code == 400
    counted = f"/fhir/Observation?patient={patient}&status=final&_summary=count"
    sent = (await counter.ask("GET", counted)).json()["total"]
    assert (await counter.send(observation(patient), "/fhir/Observation?_summary=false&_pretty=false")).is_success
    assert (await counter.ask("GET", counted)).json()["total"] == sent + 1


async def test_a_method_not_allowed_hears_all_that_are(counter: Counter) -> None:
    allowed = {
        "/fhir": "POST",
        "/fhir/Patient": "GET, HEAD, POST, PUT",
        "/fhir/Patient/1": "GET, HEAD, PATCH, PUT",
        "/fhir/metadata": "GET, HEAD",
    }
    answers = {each: await counter.ask("DELETE", each) for each in allowed}
    assert {each.status_code for each in answers.values()} == {405}
    assert {each: ", ".join(sorted(one.headers["Allow"].split(", "))) for each, one in answers.items()} == allowed
    assert all(each.json()["resourceType"] == "OperationOutcome" for each in answers.values())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["Patient", "CarePlan", "Nonsense", "patient"])
async def test_who_shows_no_token_learns_nothing_but_that(counter: Counter, method: str, kind: str) -> None:
    path = f"/fhir/{kind}" if method == "POST" else f"/fhir/{kind}/1"
    answer = await counter.http.request(method, path, json={"resourceType": kind})
    assert (answer.status_code, answer.headers["WWW-Authenticate"][:6]) == (401, "Bearer")


async def test_a_type_that_is_not_taken_is_refused_by_its_address(counter: Counter) -> None:
    types = {"Nonsense": 404, "patient": 404, "EpisodeOfCare": 405}
    answers = {each: await counter.send({"resourceType": "Basic"}, f"/fhir/{each}") for each in types}
    assert {each: answer.status_code for each, answer in answers.items()} == types
    assert {each.json()["issue"][0]["code"] for each in answers.values()} == {"not-supported"}


async def test_a_client_gets_what_it_prefers_after_a_create(counter: Counter) -> None:
    patient = await admitted(counter)
    wishes = {"minimal": None, "OperationOutcome": "OperationOutcome", "representation": "Observation"}
    for wish, emitted in wishes.items():
        answer = await counter.send(observation(patient), Prefer=f"respond-async, return={wish}")
        assert (answer.status_code, answer.headers["ETag"]) == (201, 'W/"1"')
        assert (answer.json()["resourceType"] if answer.content else None) == emitted


async def test_a_client_without_a_preference_hears_how_it_was_read_where_that_is_said(counter: Counter) -> None:
    patient = await admitted(counter)
    answer = await counter.send(observation(patient))
    assert answer.status_code == 201 and "/Observation/" in answer.headers["Location"]
    assert [each["diagnostics"] for each in answer.json()["issue"]] == ["not read: code unknown"]
    basic = {"resourceType": "Basic", "code": {"text": "Unknown"}, "subject": {"reference": f"Patient/{patient}"}}
    assert (await counter.send(basic)).json()["resourceType"] == "Basic"


async def test_the_location_of_what_was_created_can_be_read_while_it_is_current(counter: Counter) -> None:
    patient = await admitted(counter)
    location = (await counter.send(observation(patient))).headers["Location"]
    created = await counter.ask("GET", location)
    assert (created.status_code, created.headers["ETag"]) == (200, 'W/"1"')
    assert created.headers["Last-Modified"].endswith("GMT")
    name = location.partition("/_history")[0]
    amended = {**created.json(), "status": "amended"}
    await counter.ask("PUT", name, json=amended, headers={"Content-Type": FHIR_JSON})
    assert (await counter.ask("GET", location)).status_code == 404
    assert (await counter.ask("GET", f"{name}/_history/2")).status_code == 200


async def test_what_has_not_changed_is_not_sent_again(counter: Counter) -> None:
    patient = await admitted(counter)
    answer = await counter.ask("GET", f"/fhir/Patient/{patient}", headers={"If-None-Match": 'W/"7", W/"1"'})
    assert (answer.status_code, answer.content) == (304, b"")


# What nobody should send, and what nobody foresaw


async def test_what_can_be_no_id_is_not_found(counter: Counter) -> None:
    for path in ("/fhir/Patient/%00", "/fhir/Patient/a%20b", "/fhir/Patient/" + "x" * 65):
        assert (await counter.ask("GET", path)).status_code == 404
    steps = {"headers": {"Content-Type": "application/json-patch+json"}, "json": [{"op": "remove", "path": "/owner"}]}
    for path in ("/fhir/Task/a%00b", "/fhir/Task/" + "x" * 65):
        assert (await counter.ask("PATCH", path, **steps)).status_code == 404


async def test_a_search_that_no_database_could_take_is_refused(counter: Counter) -> None:
    for asked in ("_id=%00", "patient=%00", "status=a%00", "&".join(["_id=1"] * 101)):
        assert (await counter.ask("GET", f"/fhir/Task?{asked}")).status_code == 400


@pytest.mark.parametrize(
    "asked",
    [
        "_count=1" + "0" * 30,
        "_count=²",
        "_offset=1",
        "date=9999",
        "date=9999-12",
        "date=0001-01-01T00:00:00%2B14:00",
        "date=ge9999-12-31T23:59:58-14:00",
        "patient:missing=maybe",
        "_pretty=maybe",
        "identifier=urn:mrn|1",
    ],
)
async def test_what_cannot_be_searched_is_the_clients_mistake(counter: Counter, asked: str) -> None:
    assert (await counter.ask("GET", f"/fhir/Task?{asked}")).status_code == 400


async def test_a_redrive_names_its_patient(counter: Counter) -> None:
    for asked in ("", "key=%00"):
        assert (await counter.operate(f"redrive?{asked}", scope="system/iop-parked.u")).status_code == 400


async def test_what_nobody_foresaw_is_answered_without_any_of_it(counter: Counter) -> None:
    answer = await counter.ask("GET", "/health/ready")
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["code"] == "exception"
    assert "Robin" not in answer.text


# Under which name


async def test_another_host_than_loopback_is_refused_but_for_machines(counter: Counter) -> None:
    hosts = {"127.0.0.1": 200, "localhost:8101": 200, "[::1]": 200, "evil.example": 421, "127.0.0.1.evil.example": 421}
    for host, status in hosts.items():
        answer = await counter.ask("GET", "/fhir/metadata", headers={"Host": host})
        assert (answer.status_code, "evil" in answer.text) == (status, False), host
        assert (await counter.http.get("/health/live", headers={"Host": host})).status_code == 200
        assert (await counter.http.get("/metrics", headers={"Host": host})).status_code == 200


async def test_the_public_address_stands_in_every_link_whatever_host_was_asked(counter: Counter) -> None:
    transport = httpx.ASGITransport(build(replace(counter.dependencies, public_url="https://hub.example/iop")))
    async with httpx.AsyncClient(transport=transport, base_url="http://10.1.2.3:8101") as http:
        headers = {"Authorization": f"Bearer {counter.issuer.token()}"}
        statement = (await http.get("/fhir/metadata")).json()
        page = (await http.get("/fhir/Task?_count=1", headers=headers)).json()
    assert statement["implementation"]["url"] == "https://hub.example/iop/fhir"
    assert page["link"][0]["url"] == "https://hub.example/iop/fhir/Task?_count=1"


async def test_an_address_that_is_none_is_answered_with_where_to_look(counter: Counter) -> None:
    for address in ("/fhir/Patient/1/$everything", "/fhir/Patient/1/Task", "/other"):
        answer = await counter.ask("GET", address)
        assert (answer.status_code, "/fhir/metadata" in answer.json()["issue"][0]["diagnostics"]) == (404, True), (
            address
        )


# What is claimed of definitions


@pytest.mark.parametrize("edge", [ATTENDANCE, AFTERCARE], ids=["attendance", "aftercare"])
async def test_a_type_of_which_there_are_definitions_alone_is_searched_and_read_as_claimed(
    counter: Counter, edge: Edge
) -> None:
    (kind, name), stated = next(iter(edge.definitions.items()))
    others = [each for each, _ in edge.definitions if each == kind]
    served = replace(
        counter.dependencies, submissions=Submissions(counter.intake.inbox, edge, counter.intake.running.keys)
    )
    headers = {"Authorization": f"Bearer {counter.issuer.token()}"}
    transport = httpx.ASGITransport(build(served))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/fhir", headers=headers) as http:
        claimed = (await http.get("/metadata")).json()["rest"][0]["resource"]
        every, by_url, by_id = [
            (await http.get(f"/{kind}{query}")).json()["total"]
            for query in ("", f"?url={stated['url']}", f"?_id={name}")
        ]
        refused = await http.get(f"/{kind}?patient=x")
        unknown = await http.get(f"/{kind}/unknown")
        anybody = await http.get(f"/{kind}", headers={"Authorization": ""})
    interactions = next(each["interaction"] for each in claimed if each["type"] == kind)
    assert [each["code"] for each in interactions] == ["read", "search-type"]
    assert (every, by_url, by_id) == (len(others), 1, 1)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (400, "not-supported")
    assert (unknown.status_code, unknown.json()["issue"][0]["code"]) == (404, "not-found")
    assert anybody.status_code == 401


# Searching by POST


async def test_a_search_is_posted_as_a_form(counter: Counter) -> None:
    patient = await admitted(counter)
    headers = {"Content-Type": FORM}
    answer = await counter.ask(
        "POST", "/fhir/Task/_search?status=requested", content=f"patient={patient}", headers=headers
    )
    (found,) = answer.json()["entry"]
    assert found["resource"]["for"]["reference"] == f"Patient/{patient}"
    assert [each["url"] for each in answer.json()["link"]] == ["http://127.0.0.1/fhir/Task/_search?status=requested"]


async def test_an_observation_is_found_by_its_identifier_in_the_address_and_in_a_form(counter: Counter) -> None:
    numbered = observation(await admitted(counter), identifier=[{"system": "urn:lab", "value": "F|7"}])
    assert (await counter.send(numbered)).status_code == 201
    asked = "identifier=urn%3Alab%7CF%5C%7C7"
    answers = [
        await counter.ask("GET", f"/fhir/Observation?{asked}"),
        await counter.ask("POST", "/fhir/Observation/_search", content=asked, headers={"Content-Type": FORM}),
    ]
    assert [len(each.json()["entry"]) for each in answers] == [1, 1]


async def test_a_day_that_is_searched_is_the_programs_day(counter: Counter) -> None:
    """An evening in New York is the next day in UTC: who asks for the day finds its evening, and not yesterday's."""
    patient = await admitted(counter)
    for time in ("2026-01-04T17:30:00-05:00", "2026-01-04T23:59:59-05:00", "2026-01-04"):
        assert (await counter.send(observation(patient, effectiveDateTime=time))).status_code == 201
    expected = {"2026-01-03": 0, "2026-01-04": 3, "2026-01-05": 0, "lt2026-01-05": 3, "ge2026-01-04T19:00": 1}
    for asked, total in expected.items():
        answer = await counter.ask("GET", f"/fhir/Observation?patient={patient}&status=final&date={asked}")
        assert sum("text" in each["resource"]["code"] for each in answer.json().get("entry", [])) == total, asked


async def test_a_posted_form_may_say_how_the_answer_looks(counter: Counter) -> None:
    patient = await admitted(counter)
    forms = {
        "_pretty=true&_summary=false&_format=json": (200, "{\n"),
        "_pretty=false": (200, '{"'),
        "_summary=true": (400, '{"'),
        "_pretty=1": (400, '{"'),
    }
    for form, (status, begins) in forms.items():
        content, headers = f"patient={patient}&{form}", {"Content-Type": FORM}
        answer = await counter.ask("POST", "/fhir/Task/_search", content=content, headers=headers)
        assert (answer.status_code, answer.text[:2]) == (status, begins)


async def test_a_posted_search_is_a_form_of_known_parameters(counter: Counter) -> None:
    kinds = {FHIR_JSON: 415, "multipart/form-data; boundary=x": 415, FORM: 400}
    for kind, status in kinds.items():
        headers = {"Content-Type": kind}
        answer = await counter.ask("POST", "/fhir/Task/_search", content="colour=blue", headers=headers)
        assert answer.status_code == status


# What the service says of itself


async def test_the_statement_says_what_is_stored_as_received(counter: Counter) -> None:
    (rest,) = (await counter.ask("GET", "/fhir/metadata")).json()["rest"]
    assert "stored as received" in rest["documentation"]


async def test_any_valid_token_reads_what_recommendations_speak_of_and_nobody_else(counter: Counter) -> None:
    named = "/fhir/PlanDefinition/level-of-care"
    token = {"Authorization": f"Bearer {counter.issuer.token(scope='system/Coverage.r')}"}
    answer = await counter.http.get(named, headers=token)
    assert (answer.status_code, answer.json()["url"]) == (200, "https://iop-hub.org/fhir/PlanDefinition/level-of-care")
    again = await counter.http.get(named, headers={**token, "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await counter.http.get(named)).status_code == 401
    assert (await counter.http.get("/fhir/PlanDefinition/another", headers=token)).status_code == 403


async def test_the_statement_names_what_can_be_read_without_a_scope(counter: Counter) -> None:
    (rest,) = (await counter.ask("GET", "/fhir/metadata")).json()["rest"]
    stated = {each["type"]: each["interaction"] for each in rest["resource"]}
    both = [{"code": "read"}, {"code": "search-type"}]
    assert all(stated[each] == both for each in ("PlanDefinition", "CodeSystem", "ConceptMap", "ValueSet"))


NAMED_BY_URL = {
    "PlanDefinition": "https://iop-hub.org/fhir/PlanDefinition/level-of-care",
    "CodeSystem": "https://iop-hub.org/fhir/CodeSystem/level-of-care-4e",
    "ConceptMap": "https://iop-hub.org/fhir/ConceptMap/level-of-care-colorado",
    "ValueSet": "https://iop-hub.org/fhir/ValueSet/signing-reason",
}


@pytest.mark.parametrize(("kind", "url"), NAMED_BY_URL.items(), ids=NAMED_BY_URL)
async def test_what_recommendations_speak_of_is_found_by_its_canonical_url(
    counter: Counter, kind: str, url: str
) -> None:
    token = {"Authorization": f"Bearer {counter.issuer.token(scope='system/Coverage.r')}"}
    named = {"url": url}
    answer = (await counter.http.get(f"/fhir/{kind}", params=named, headers=token)).json()
    (found,) = answer["entry"]
    assert (answer["total"], found["resource"]["url"]) == (1, url)
    assert (await counter.http.get(found["fullUrl"], headers=token)).json() == found["resource"]
    posted = await counter.http.post(f"/fhir/{kind}/_search", data=named, headers=token)
    assert posted.json()["entry"] == answer["entry"]
    for more, hits in (({"version": found["resource"]["version"]}, 1), ({"version": "another"}, 0), ({"_id": "x"}, 0)):
        assert (await counter.http.get(f"/fhir/{kind}", params=named | more, headers=token)).json()["total"] == hits
    counted = (await counter.http.get(f"/fhir/{kind}", params=named | {"_summary": "count"}, headers=token)).json()
    assert counted["total"] == 1 and "entry" not in counted
    assert (await counter.http.get(f"/fhir/{kind}", params=named)).status_code == 401


async def test_a_definition_is_found_by_its_id_and_none_by_an_unknown_url(counter: Counter) -> None:
    answer = (await counter.ask("GET", "/fhir/CodeSystem?_id=referral-state")).json()
    assert [each["resource"]["id"] for each in answer["entry"]] == ["referral-state"]
    nothing = (await counter.ask("GET", "/fhir/CodeSystem?url=https://iop-hub.org/fhir/CodeSystem/another")).json()
    assert (nothing["total"], "entry" in nothing) == (0, False)


@pytest.mark.parametrize(
    "asked",
    ["url=", "url=a,b", "url:below=https://iop-hub.org", "url=a&name=b", "url=a&patient=b"],
)
async def test_a_search_for_a_definition_that_would_be_widened_is_refused(counter: Counter, asked: str) -> None:
    assert (await counter.ask("GET", f"/fhir/CodeSystem?{asked}")).status_code == 400
