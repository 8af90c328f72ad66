"""What each version of a service stored is still read: samples of every version in tests/<service>/states."""

from importlib import import_module
from typing import Any

import pytest
from joserfc.jwk import ECKey

from shared.path.service import PATIENT, Decider
from shared.platform.keys import Keys
from tests.house.test_rooms import ROOT, SERVICES


def decider(name: str) -> Decider[Any]:
    keys = Keys(name, (), ECKey.generate_key("P-256"), {}, b"")
    found: Decider[Any] = import_module(f"services.{name}.app").assemble(keys).service.deciders[PATIENT]
    return found


def samples(name: str) -> dict[tuple[int, str], str]:
    """Version and what the sample shows ("" or `-ended`, ...) -> what was stored. `v2-ended.json` is (2, "-ended")."""
    found = {}
    for file in sorted((ROOT / "tests" / name / "states").glob("v*.json")):
        version, hyphen, shown = file.stem.removeprefix("v").partition("-")
        found[int(version), hyphen + shown] = file.read_text().strip()
    return found


def every_sample() -> list[tuple[str, int, str]]:
    return [(name, version, shown) for name in SERVICES for version, shown in samples(name)]


@pytest.mark.parametrize("name", SERVICES)
def test_every_version_has_a_sample_and_a_step_to_the_next(name: str) -> None:
    here = decider(name)
    versions = range(1, here.version + 1)
    assert {version for version, _ in samples(name)} == set(versions)
    assert set(here.upcast) == set(versions[:-1])


@pytest.mark.parametrize(("name", "version", "shown"), every_sample())
def test_a_state_stored_by_each_version_is_the_same_state_today(name: str, version: int, shown: str) -> None:
    here, stored = decider(name), samples(name)
    state = here.read(version, stored[version, shown])
    today = here.write(state)
    assert here.read(here.version, today) == state
    assert here.due(state) == here.due(here.read(here.version, stored[here.version, shown]))
    if version == here.version:
        assert today == stored[version, shown]
