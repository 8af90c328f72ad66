"""Two ports: whoever reaches FHIR does not reach what an operator may do, and the other way round."""

import pytest

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
