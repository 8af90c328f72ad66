"""What each version of a service stored is still read: samples of every version in tests/<service>/states."""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey

from services.attendance.messages import EpisodeForgotten
from services.intake.messages import Discharge
from services.intake.record import Episode
from services.intake.state import State
from shared.events.intake import EpisodeAdmitted, EpisodeDischarged
from shared.events.internal import TimePassed
from shared.path.service import PATIENT, Decider
from shared.platform.keys import Keys
from shared.platform.settings import load
from shared.rules.decision import Moment
from tests.events import examples
from tests.events.examples import CAUSE, EXAMPLES
from tests.house.test_rooms import ROOT, SERVICES

(ADMITTED,) = [each for each in EXAMPLES if isinstance(each, EpisodeAdmitted)]
(DISCHARGED,) = [each for each in EXAMPLES if isinstance(each, EpisodeDischarged)]
DISCHARGE = Discharge(
    episode_id=ADMITTED.episode_id,
    encounter_id=DISCHARGED.encounter_id,
    disposition=DISCHARGED.disposition,
    at=DISCHARGED.discharged_at,
)


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


@pytest.mark.parametrize("name", ["intake", "attendance", "testing"])
def test_an_ended_episode_stays_for_the_days_set_on_the_day_it_ended(name: str) -> None:
    ten, forty = (left_at(name, retention_days) for retention_days in (10, 40))
    assert forty - ten == timedelta(days=30)


@pytest.mark.parametrize("name", SERVICES)
def test_a_patient_lives_here_from_the_first_stay_until_it_has_left(name: str) -> None:
    here = decider(name)
    kind = import_module(f"services.{name}.settings").Settings
    settings = load(ROOT / "deploy", name, kind)["demo"]
    state = here.state_type()
    assert not here.lives(state)
    state = State(episode=Episode(ADMITTED.episode_id, ADMITTED.admitted_at)) if name == "intake" else state
    state = state if name == "intake" else _after(here, state, ADMITTED, here.react, settings)
    assert here.lives(state)


@pytest.mark.parametrize("name", ["intake", "attendance", "testing"])
def test_an_ended_stay_lives_until_it_leaves_the_state(name: str) -> None:
    here, state = decider(name), ended(name, retention_days=10)
    assert here.lives(state)
    left = here.evolve(state, EpisodeForgotten() if name == "attendance" else TimePassed())
    assert not here.lives(left)


def left_at(name: str, retention_days: int) -> datetime:
    """When a stay leaves the state that ended under this setting, with nothing of it open."""
    return _due(decider(name), ended(name, retention_days))


def ended(name: str, retention_days: int) -> Any:
    here = decider(name)
    kind = import_module(f"services.{name}.settings").Settings
    settings = msgspec.structs.replace(load(ROOT / "deploy", name, kind)["demo"], retention_days=retention_days)
    state = here.state_type()
    if name == "intake":
        state = State(episode=Episode(ADMITTED.episode_id, ADMITTED.admitted_at))
        return _after(here, state, DISCHARGE, here.decide, settings)
    for event in (ADMITTED, DISCHARGED):
        state = _after(here, state, event, here.react, settings)
    return state


def _after(here: Decider[Any], state: Any, happened: Any, function: Any, settings: Any) -> Any:
    moment = Moment(DISCHARGED.discharged_at, ADMITTED.admitted_at, settings, CAUSE, examples.PATIENT, "demo")
    emitted = function(state, happened, moment)
    for event in (happened, *emitted):
        state = here.evolve(state, event)
    return state


def _due(here: Decider[Any], state: Any) -> datetime:
    due = here.due(state)
    assert due is not None
    return due
