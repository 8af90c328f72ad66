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


async def test_the_admin_port_serves_no_fhir_but_health_and_metrics(counter: Counter) -> None:
    headers = {"Authorization": f"Bearer {counter.issuer.token()}"}
    for path in ("/fhir/metadata", "/fhir/Patient", "/fhir", "/hl7", "/.well-known/smart-configuration"):
        assert (await counter.admin.get(path, headers=headers)).status_code == 404, path
    for client in (counter.admin, counter.http):
        assert (await client.get("/health/live")).text == "live\n"
        assert b"iop_" in (await client.get("/metrics")).content
