"""`iop codes check`: what a sample would be understood as, without a hub."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.in_process import iop

pytestmark = pytest.mark.processes
OWN = "urn:oid:1.2.840.114350.1"


def observed(system: str, code: str, **changed: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-05",
        "valueInteger": 12,
        **changed,
    }


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The hub's own, with a code map."""
    folder = tmp_path / "settings"
    folder.mkdir()
    for each in Path("deploy").glob("*.toml"):
        (folder / each.name).write_text(each.read_text())
    with (folder / "clients.toml").open("a") as clients:
        clients.write(f'\n[client.ehr.codes]\n"{OWN}|7" = "cows"\n')
    return folder


def check(sample: Path, settings: Path, *more: str) -> Any:
    return iop("codes", "check", str(sample), "--settings", str(settings), "--data", str(sample.parent), *more)


def test_a_sample_is_read_entry_by_entry_by_the_map_of_the_client(tmp_path: Path, settings: Path) -> None:
    sample = tmp_path / "sample.json"
    entries = [observed("http://loinc.org", "44261-6"), observed(OWN, "7"), observed(OWN, "8")]
    sample.write_text(
        json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": each} for each in entries]})
    )
    of_ehr = check(sample, settings, "--client", "ehr")
    assert (of_ehr.returncode, of_ehr.stderr) == (0, "")
    assert [line.split(" (")[0].strip() for line in of_ehr.stdout.splitlines() if "older" not in line] == [
        "Bundle.entry[0].resource Observation",
        "read as phq-9",
        "Bundle.entry[1].resource Observation",
        "read as cows",
        "Bundle.entry[2].resource Observation",
        "not read: code unknown",
    ]
    of_anybody = json.loads(check(sample, settings, "--json").stdout)
    assert of_anybody[1]["lines"] == ["not read: code unknown (Bundle.entry[1].resource)"]


def test_what_would_be_refused_ends_with_code_1(tmp_path: Path, settings: Path) -> None:
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps(observed("http://loinc.org", "44261-6", effectiveDateTime="2999-01-01")))
    refused = check(sample, settings)
    assert refused.returncode == 1
    assert "refused" in refused.stdout
    assert refused.stderr == "iop: 1 of 1 would be refused, and with it the whole\n"


def test_a_wrong_line_of_a_map_and_an_unknown_client_are_one_line(tmp_path: Path, settings: Path) -> None:
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps(observed(OWN, "7")))
    unknown = check(sample, settings, "--client", "nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "iop: intake: The client must be registered in clients.toml.\n")
    with (settings / "clients.toml").open("a") as clients:
        clients.write('"7" = "cows"\n')
    wrong = check(sample, settings)
    assert wrong.returncode == 1
    assert 'clients.toml: client.ehr.codes."7": must map' in wrong.stderr
