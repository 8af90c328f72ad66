"""No request stalls a service: the worst bodies of 5 MB are sent, and meanwhile /health/live is watched."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from shared.edge.fhir import Limits
from shared.edge.http import FHIR_JSON, FORM
from tests.intake import bundles
from tests.shared.edge.conftest import Counter
from tests.shared.edge.test_http import admitted, observation
from tests.stalls import TURN_SECONDS_MOST, longest_turn

Json = dict[str, Any]
BYTES = Limits().body_bytes_max


def filled(resource: Callable[[list[Any]], Json], unit: Any, count: int | None = None) -> bytes:
    """A body with as many units as go into the limit, or so many."""
    most = (BYTES - 1000) // (len(_text(unit)) + 1)
    return _text(resource([unit] * (count or most)))


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def bundle(entries: list[Any]) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def put(kind: str) -> Json:
    return {"resource": {"resourceType": kind, "id": "a"}, "request": {"method": "PUT", "url": f"{kind}/a"}}


def posted(resource: Json) -> Json:
    return {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


FEW = Limits().values_max // 8
REFUSED = {
    "thirty thousand updates": lambda: filled(bundle, put("Observation")),
    "names": lambda: filled(lambda all_: {"resourceType": "Patient", "name": [{"given": all_}]}, "a"),
    "extensions": lambda: filled(lambda all_: observation("", extension=all_), {"url": "a", "valueInteger": 1}),
    "empty lists": lambda: filled(lambda all_: {"resourceType": "Patient", "name": all_}, []),
    "fractions": lambda: filled(lambda all_: observation("", component=all_), {"valueDecimal": 1.5}),
    "entries": lambda: filled(bundle, put("Task"), 1_001),
}


async def longest_silence(counter: Counter, send: Callable[[], Any]) -> tuple[int, float]:
    """The status, and the longest that /health/live was not answered meanwhile, in seconds of the loop's own work."""

    async def lives() -> None:
        assert (await counter.http.get("/health/live")).status_code == 200

    answered, longest = await longest_turn(send, lives)
    return answered.status_code, longest


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_too_much_is_counted_before_it_is_built(counter: Counter, name: str) -> None:
    body = REFUSED[name]()
    path = "/fhir" if b'"Bundle"' in body[:60] else f"/fhir/{json.loads(body)['resourceType']}"
    answers = []

    async def send() -> Any:
        answers.append(await counter.ask("POST", path, content=body, headers={"Content-Type": FHIR_JSON}))
        return answers[-1]

    status, silence = await longest_silence(counter, send)
    assert (status, answers[-1].json()["issue"][0]["code"]) == (413, "too-costly")
    assert silence <= TURN_SECONDS_MOST


def referral(patient: str) -> Json:
    kind = {"resourceType": "ServiceRequest", "status": "active", "intent": "order"}
    return kind | {"subject": {"reference": f"Patient/{patient}"}, "authoredOn": "2026-01-05"}


def consent(patient: str) -> Json:
    return bundles.consent("riverbend-alumni", who=f"Patient/{patient}", given="2026-01-01", until="2027-01-01")


TAKEN: dict[str, Callable[[str], Json]] = {
    "a thousand referrals": lambda patient: bundle([posted(referral(patient))] * 1_000),
    "a thousand consents": lambda patient: bundle([posted(consent(patient))] * 1_000),
    "one observation of many parts": lambda patient: observation(
        patient, component=[{"code": {"text": "x"}}] * (FEW * 2)
    ),
    "many performers": lambda patient: observation(patient, performer=[{"reference": "Practitioner/1"}] * FEW * 3),
    "a long note": lambda patient: observation(patient, note=[{"text": '"\\' * (BYTES // 5)}]),
}


@pytest.mark.parametrize("name", TAKEN)
async def test_the_largest_that_is_taken_holds_nobody_up(counter: Counter, name: str) -> None:
    patient = await admitted(counter)
    resource = TAKEN[name](patient)
    body, path = _text(resource), "/fhir" if resource["resourceType"] == "Bundle" else "/fhir/Observation"

    async def send() -> Any:
        return await counter.ask("POST", path, content=body, headers={"Content-Type": FHIR_JSON})

    status, silence = await longest_silence(counter, send)
    assert status in (200, 201, 202, 422)
    assert silence <= TURN_SECONDS_MOST


async def test_a_search_is_limited_before_it_is_read(counter: Counter) -> None:
    values, headers = ",".join(["a"] * 2_400_000), {"Content-Type": FORM}
    forms = {
        f"_id={values}": 413,
        urlencode({"_id": ",".join(["a"] * 501)}): 400,
        "&".join(["_id=1"] * 101): 400,
    }
    for form, status in forms.items():

        async def send(form: str = form) -> Any:
            return await counter.ask("POST", "/fhir/Task/_search", content=form, headers=headers)

        answered, silence = await longest_silence(counter, send)
        assert (answered, (await send()).json()["issue"][0]["code"]) == (status, "too-costly")
    assert silence <= TURN_SECONDS_MOST
    form = urlencode({"_id": ",".join(["a"] * 500)})
    assert (await counter.ask("POST", "/fhir/Task/_search", content=form, headers=headers)).status_code == 200
