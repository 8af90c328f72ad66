"""Who may: a token is the issuer's, for this hub, for now, for a registered client's program, and within its scopes."""

from typing import Any

import pytest
from joserfc.jwk import ECKey

from shared.edge.clients import TokenVerifier
from shared.platform.clients import registered
from shared.platform.clock import machine_now
from tests.intake import bundles
from tests.service import DEPLOY
from tests.shared.edge.conftest import AUDIENCE, Counter, Issuer

NOW = int(machine_now().timestamp())


async def test_a_token_that_is_not_for_here_and_now_names_nobody(counter: Counter) -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"exp": NOW - 60},
        {"exp": None},
        {"exp": NOW + 3 * 3600},
        {"typ": "id+jwt"},
        {"typ": "JWS"},
        {"exp": str(NOW + 600)},
        {"nbf": NOW + 3 * 3600},
        {"nbf": "soon"},
        {"aud": "another-hub"},
        {"aud": ["another-hub"]},
        {"aud": None},
        {"iss": "https://issuer.example"},
        {"sub": "stranger"},
        {"program": "another"},
    )
    assert [each for each in wrong if await status(counter, **each) != 401] == []


async def test_a_token_for_here_and_now_is_heeded(counter: Counter) -> None:
    right: tuple[dict[str, Any], ...] = (
        {},
        {"aud": ["another-hub", "iop-hub"]},
        {"nbf": NOW - 5},
        {"exp": NOW + 3500},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": "application/at+JWT"},
        {"scope": "system/Task.s"},
    )
    assert [each for each in right if await status(counter, **each) != 200] == []


async def test_a_client_is_refused_where_it_is_not_registered(counter: Counter) -> None:
    """A laboratory's Observations are results at testing; at intake they would be the patient's assessments."""
    token = counter.issuer.token(sub="lab", scope="system/Observation.crus")
    headers = {"Authorization": f"Bearer {token}"}
    await counter.send(bundles.intake("0001"))
    need = bundles.need("Patient?identifier=" + bundles.MRN_SYSTEM + "|0001", "withdrawal", "3.7")
    assert (await counter.ask("GET", "/fhir/Observation", headers=headers)).status_code == 403
    assert (await counter.send(need, **headers)).status_code == 403
    at_testing = TokenVerifier(counter.issuer.url, AUDIENCE, registered(DEPLOY), service="testing")
    assert (await at_testing.caller(headers["Authorization"])).may("Observation", "c")


async def test_a_scope_is_needed_as_it_is_written(counter: Counter) -> None:
    lacking = ("", "system/Task.r", "system/Patient.s", "patient/*.cruds", "system/Task.s?owner=1")
    assert [each for each in lacking if await status(counter, scope=each) != 403] == []


@pytest.mark.parametrize(("scope", "status"), [("system/*.cruds", 403), ("system/iop-parked.u", 400)])
async def test_the_hubs_own_scopes_are_never_covered_by_all(counter: Counter, scope: str, status: int) -> None:
    assert (await counter.operate("redrive", scope=scope)).status_code == status


async def status(counter: Counter, **claims: Any) -> int:
    headers = {"Authorization": f"Bearer {counter.issuer.token(**claims)}"}
    return (await counter.ask("GET", "/fhir/Task", headers=headers)).status_code


async def test_a_token_signed_by_another_key_names_nobody(counter: Counter) -> None:
    stranger = Issuer(counter.issuer.url, ECKey.generate_key("P-256", {"kid": str(counter.issuer.key.kid)}))
    headers = {"Authorization": f"Bearer {stranger.token()}"}
    assert (await counter.ask("GET", "/fhir/Task", headers=headers)).status_code == 401


# What intake does not know, it keeps; but not from anybody


async def specimen(counter: Counter, scope: str, *same_specimen: dict[str, Any]) -> int:
    """What becomes of a Specimen of a known patient, alone or beside others in one transaction."""
    await counter.send(bundles.intake("0001"))
    who = {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": "0001"}}
    bundle = bundles.transaction(
        {"resourceType": "Specimen", "subject": who}, *({**each, "subject": who} for each in same_specimen)
    )
    answer = await counter.send(bundle, Authorization=f"Bearer {counter.issuer.token(scope=scope)}")
    return answer.status_code


async def test_a_type_that_intake_does_not_know_needs_its_scope(counter: Counter) -> None:
    assert await specimen(counter, "system/*.rs system/Task.u") == 403
    assert await specimen(counter, "system/Specimen.c") == 200


async def test_it_may_come_along_with_what_the_token_may_create(counter: Counter) -> None:
    observation = bundles.fact("", "safe-housing", True)
    assert await specimen(counter, "system/Observation.c", observation) == 200
    assert await specimen(counter, "system/Observation.rus", observation) == 403


async def test_an_update_carries_nothing_along(counter: Counter) -> None:
    await counter.send(bundles.intake("0001"))
    task = await counter.intake.task("sign-placement")
    who = {"type": "Patient", "identifier": {"system": bundles.MRN_SYSTEM, "value": "0001"}}
    bundle = bundles.transaction({"resourceType": "Specimen", "subject": who})
    update = {"resource": task, "request": {"method": "PUT", "url": f"Task/{task['id']}"}}
    bundle["entry"].append(update)
    token = counter.issuer.token(scope="system/*.rs system/Task.u")
    assert (await counter.send(bundle, Authorization=f"Bearer {token}")).status_code == 403
