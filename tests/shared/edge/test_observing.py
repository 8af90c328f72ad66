"""Each request has an id that leads to its line in the log, and a refusal is counted; no metric names a patient."""

from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tests.shared.edge.conftest import Counter


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_what_is_refused_quotes_the_id_of_the_request_and_the_log_has_it_with_route_and_client(
    counter: Counter,
) -> None:
    with capture_logs() as lines:
        answer = await counter.ask("GET", "/fhir/Task/0190a7a0-0000-7000-8000-000000000000")
    assert answer.status_code == 404
    assert answer.json()["id"] == answer.headers["X-Request-Id"]
    (line,) = [each for each in lines if each["event"] == "answered"]
    expected: dict[str, Any] = {"route": "/fhir/{type}/{id}", "status": 404, "client": "ehr", "method": "GET"}
    assert {**line, **expected, "id": answer.headers["X-Request-Id"]} == line


async def test_what_asks_for_health_every_second_fills_no_log(counter: Counter) -> None:
    with capture_logs() as lines:
        for path in ("/health/ready", "/health/live", "/metrics"):
            await counter.http.get(path)
    assert [each["route"] for each in lines if each["event"] == "answered" and each["log_level"] != "debug"] == []


async def test_an_id_that_a_client_brings_is_not_taken_over_for_it_may_name_a_patient(counter: Counter) -> None:
    answer = await counter.ask("GET", "/fhir/metadata", headers={"X-Request-Id": "MRN-7788"})
    assert answer.headers["X-Request-Id"] != "MRN-7788"


@pytest.mark.parametrize(
    ("path", "status", "route"), [("/fhir/Task/no_id", 404, "/fhir/{type}/{id}"), ("/x/y", 404, "other")]
)
async def test_a_refusal_is_counted_by_the_table_of_routes_and_never_by_the_address(
    counter: Counter, path: str, status: int, route: str
) -> None:
    asked = {"service": "intake", "route": route, "code": "not-found"}
    before = counted("iop_refused_total", **asked)
    assert (await counter.ask("GET", path)).status_code == status
    assert counted("iop_refused_total", **asked) == before + 1
    assert counted("iop_edge_seconds_count", service="intake", route=route, status=str(status)) >= 1
