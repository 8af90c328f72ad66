"""Groups in program.toml: what can't be stops the start, and the text names the group and the setting."""

from pathlib import Path

import pytest

from services.attendance.settings import Settings
from shared.platform.settings import ConfigurationError, load
from tests.service import DEPLOY

WHOLE = (DEPLOY / "program.toml").read_text()
SOUND = {"seats": "12", "meetings": '[[0, "17:30", 180], [2, "17:30", 180]]', "time": '"evening"'}


def table(name: str, **changed: str) -> str:
    lines = (f'{key} = {{ value = {value}, unit = "u", source = "s" }}' for key, value in (SOUND | changed).items())
    return "\n".join((f"\n[program.demo.attendance.groups.{name}]", *lines, ""))


def loaded(folder: Path, *tables: str) -> Settings:
    (folder / "program.toml").write_text(WHOLE + "".join(tables))
    return load(folder, "attendance", Settings)["demo"]


def test_groups_are_read_in_their_order(tmp_path: Path) -> None:
    settings = loaded(tmp_path, table("evening-b"), table("evening-a", room='"r-1"'))
    assert list(settings.groups) == ["evening-b", "evening-a"]
    assert settings.groups["evening-a"].meetings[1].weekday == 2


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"seats": "15"}, "<= 14"),
        ({"seats": "0"}, ">= 1"),
        ({"meetings": '[[7, "17:30", 180]]'}, "<= 6"),
        ({"meetings": '[[0, "25:00", 180]]'}, "regex"),
        ({"meetings": '[[0, "22:00", 180]]'}, "meetings: each must end on the day"),
        ({"meetings": '[[0, "17:30", 180], [0, "19:00", 90]]'}, "meetings: two of them overlap"),
        ({"meetings": "[]"}, "length >= 1"),
        ({"kind": '"individual"'}, "Invalid enum value"),
        ({"time": '"night"'}, "Invalid enum value"),
        ({"closed_from": '"2026-13-01"'}, "closed_from: must be a day"),
        ({"colour": '"blue"'}, "unknown field"),
        ({"therapist": '"Dana Smith"'}, "regex"),
    ],
)
def test_what_no_group_can_be_stops_the_start(tmp_path: Path, changed: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, table("evening-a", **changed))
    assert text in str(refused.value) and "groups.evening-a" in str(refused.value)


@pytest.mark.parametrize("same", ["therapist", "room"])
def test_two_groups_at_one_time_have_not_one_therapist_or_one_room(tmp_path: Path, same: str) -> None:
    both = table("evening-a", **{same: '"x-1"'}), table("evening-b", **{same: '"x-1"'})
    with pytest.raises(ConfigurationError, match=rf"groups.evening-b: has the {same} of groups.evening-a"):
        loaded(tmp_path, *both)
    apart = table("day-c", **{same: '"x-1"', "meetings": '[[1, "17:30", 180]]'})
    assert len(loaded(tmp_path, both[0], apart).groups) == 2


def test_a_name_that_no_key_could_be_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="groups"):
        loaded(tmp_path, table('"Monday Evening"'))
