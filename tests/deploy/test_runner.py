"""`iop up`: everything starts, what dies is started again, and nothing is left running."""

import os
import signal
import sys
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy import hubfile, keys, runner
from deploy import token as tokens
from tests.deploy.hubs import Running, StartIdleHub
from tests.deploy.waiting import alive, until


def test_hub_json_has_the_shape_other_programs_rely_on(idle_hub: Running) -> None:
    hub = idle_hub.hub

    assert set(hub) == {"kafka", "issuer", "services", "postgres", "settings"}
    assert set(hub["services"]) == set(hub["postgres"]) == {"intake", "attendance", "testing", "aftercare"}
    assert set(hub["services"]["testing"]) == {"fhir", "admin", "hl7", "mllp", "pid"}
    assert set(hub["services"]["attendance"]) == {"fhir", "admin", "pid"}
    assert set(hub["services"]["intake"]) == {"fhir", "admin", "pid", "replicas"}
    assert [set(each) for each in hub["services"]["intake"]["replicas"]] == [{"admin", "pid"}]
    assert all(alive(service["pid"]) for service in hub["services"].values())
    assert (idle_hub.data / "hub.json").stat().st_mode & 0o777 == 0o600


def test_a_client_gets_a_token_that_the_published_keys_verify(idle_hub: Running) -> None:
    hub = hubfile.read(idle_hub.data)

    token = tokens.fetch(hub.issuer, idle_hub.data / "keys", "lab")

    published = KeySet([keys.read(idle_hub.data / "keys" / "issuer.public.json")])
    claims = jwt.decode(token, published, algorithms=["ES256"]).claims
    assert (claims["sub"], claims["program"], claims["aud"]) == ("lab", "demo", "iop-hub")
    assert claims["scope"] == "system/DiagnosticReport.crus system/Observation.crus system/Specimen.crus"


def test_the_issuer_publishes_its_keys_and_never_the_private_part(idle_hub: Running) -> None:
    port = int(idle_hub.hub["issuer"].rpartition(":")[2])

    for path in ("/jwks.json", "/.well-known/smart-configuration", "/.well-known/openid-configuration", "/health/live"):
        assert runner.answers_ok(port, path)


def test_a_service_killed_outright_is_back_under_a_new_pid(idle_hub: Running) -> None:
    killed = idle_hub.hub["services"]["testing"]["pid"]

    os.kill(killed, signal.SIGKILL)

    assert until(lambda: idle_hub.hub["services"]["testing"]["pid"] != killed)
    assert alive(idle_hub.hub["services"]["testing"]["pid"])
    assert "testing ended (SIGKILL); started again in" in idle_hub.output_file.read_text()


def test_the_one_address_of_two_replicas_answers_while_one_of_them_hangs(idle_hub: Running) -> None:
    intake = idle_hub.hub["services"]["intake"]
    port = int(intake["fhir"].removesuffix("/fhir").rpartition(":")[2])
    for hanging in (intake["pid"], intake["replicas"][0]["pid"]):
        os.kill(hanging, signal.SIGSTOP)
        answers = [runner.answers_ok(port, "/fhir/metadata") for _ in range(10)]
        os.kill(hanging, signal.SIGCONT)
        assert answers == [True] * 10


def test_a_replica_killed_outright_comes_back_and_the_other_stays(idle_hub: Running) -> None:
    before = idle_hub.hub["services"]["intake"]

    os.kill(before["replicas"][0]["pid"], signal.SIGKILL)

    assert until(lambda: idle_hub.hub["services"]["intake"]["replicas"] != before["replicas"])
    assert idle_hub.hub["services"]["intake"]["pid"] == before["pid"]
    assert "intake-1 ended (SIGKILL)" in idle_hub.output_file.read_text()


def test_a_second_hub_in_the_same_folder_is_refused(idle_hub: Running, start_idle_hub: StartIdleHub) -> None:
    second = start_idle_hub(idle_hub.data)

    assert second.process.wait(30) == 1
    assert "a hub already runs in" in second.output_file.read_text()
    assert (idle_hub.data / "hub.json").exists()


def test_when_stopped_by_ctrl_c_nothing_is_left(data: Path, start_idle_hub: StartIdleHub) -> None:
    """Nor by SIGTERM: so `idle_hub` ends, and says so."""
    begun = start_idle_hub(data, wait=True)
    started = begun.pids
    assert len(started) == 8

    begun.process.send_signal(signal.SIGINT)

    assert begun.process.wait(30) == 0
    assert not [pid for pid in started if alive(pid)]
    assert not (data / "hub.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_when_the_runner_itself_is_killed_nothing_is_left(data: Path, start_idle_hub: StartIdleHub) -> None:
    begun = start_idle_hub(data, wait=True)
    started = begun.pids

    begun.process.kill()
    begun.process.wait()

    assert until(lambda: not [pid for pid in started if alive(pid)])


def test_a_part_that_cannot_start_stops_the_hub_with_one_line(data: Path, start_idle_hub: StartIdleHub) -> None:
    begun = start_idle_hub(data, "tests.deploy.nothing_of_this_name")

    assert begun.process.wait(60) == 1
    assert begun.output_file.read_text().splitlines()[-1].startswith("iop: testing ended while starting (code 1); see ")
    assert not begun.pids
