"""Two ports: whoever reaches FHIR does not reach what an operator may do, and the other way round."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from shared.edge import operating
from shared.edge.app import build
from shared.path.inbound.readiness import Check
from tests.shared.edge.conftest import Counter

SCOPE = "system/iop-parked.u"
PATHS = ("redrive", "redrive?key=", "", "anything")


@pytest.mark.parametrize("path", PATHS)
async def test_the_public_port_has_nothing_for_operators(counter: Counter, path: str) -> None:
    headers = {"Authorization": f"Bearer {counter.issuer.token(scope=SCOPE)}"}
    for method in ("GET", "POST", "PUT"):
        answer = await counter.http.request(method, f"/admin/{path}", headers=headers)
        assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")


async def test_the_admin_port_takes_a_redrive_of_whoever_may_and_of_nobody_else(counter: Counter) -> None:
    assert (await counter.operate("redrive?key=", scope=SCOPE)).json()["parked"] == 0
    assert (await counter.operate("redrive?key=", scope="system/*.cruds")).status_code == 403
    assert (await counter.admin.post("/admin/redrive?key=")).status_code == 401


async def test_a_redrive_records_the_person_beside_the_client(counter: Counter) -> None:
    assert (await counter.operate("redrive?key=&by=m.okafor", scope=SCOPE)).status_code == 200
    assert (await counter.operate("redrive?key=", scope=SCOPE)).status_code == 200
    rows = await counter.intake.inbox.pool.fetch("SELECT client, by FROM redrives ORDER BY by")
    assert [(row["client"], row["by"]) for row in rows] == [("ehr", "ehr"), ("ehr", "m.okafor")]


async def test_a_dry_run_records_nobody(counter: Counter) -> None:
    assert (await counter.operate("redrive?key=&by=m.okafor&dry_run=true", scope=SCOPE)).status_code == 200
    assert await counter.intake.inbox.pool.fetch("SELECT * FROM redrives") == []


@pytest.mark.parametrize("name", ["x" * 65, "line%0Abreak", "nul%00"])
async def test_a_name_that_no_person_has_is_refused_and_not_repeated(counter: Counter, name: str) -> None:
    refused = await counter.operate(f"redrive?key=&by={name}", scope=SCOPE)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (400, "value")
    assert "printable" in refused.text and "line" not in refused.text


async def test_the_admin_port_serves_no_fhir_but_health_and_metrics(counter: Counter) -> None:
    headers = {"Authorization": f"Bearer {counter.issuer.token()}"}
    for path in ("/fhir/metadata", "/fhir/Patient", "/fhir", "/hl7", "/.well-known/smart-configuration"):
        assert (await counter.admin.get(path, headers=headers)).status_code == 404, path
    for client in (counter.admin, counter.http):
        assert (await client.get("/health/live")).text == "live\n"
        assert b"iop_" in (await client.get("/metrics")).content


async def test_whoever_reads_the_topics_finds_their_contract_on_each_port_without_a_token(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for client in (counter.admin, counter.http):
        served = await client.get("/asyncapi.json")
        assert (served.headers["Content-Type"], served.content) == ("application/json", operating.ASYNCAPI.read_bytes())
    monkeypatch.setattr(operating, "ASYNCAPI", operating.ASYNCAPI.with_name("elsewhere.json"))
    assert (await counter.http.get("/asyncapi.json")).status_code == 404


async def test_readiness_is_json_by_the_names_of_its_checks_and_503_where_one_is_wrong(counter: Counter) -> None:
    async def ask(*checks: Check) -> httpx.Response:
        async def ready() -> Sequence[Check]:
            return checks

        edge = build(replace(counter.dependencies, ready=ready))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://127.0.0.1") as http:
            return await http.get("/health/ready")

    well = await ask(Check(name="broker", status="ok"))
    assert (well.status_code, well.json()) == (200, {"ready": True, "checks": [{"name": "broker", "status": "ok"}]})
    silent = Check(
        name="broker", status="wrong", wrong="Silent.", since=datetime(2026, 1, 5, 17, 0, tzinfo=UTC), remedy="Wait."
    )
    ill = await ask(silent)
    expected = {
        "name": "broker",
        "status": "wrong",
        "wrong": "Silent.",
        "since": "2026-01-05T17:00:00Z",
        "remedy": "Wait.",
    }
    assert (ill.status_code, ill.headers["Retry-After"]) == (503, "5")
    assert ill.json() == {"ready": False, "checks": [expected]}
    assert "Retry-After" not in (await ask(silent, Check(name="consumer", status="wrong"))).headers
