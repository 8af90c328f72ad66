"""What is said to a patient who did not come: by every channel, and nothing of it tells a stranger what it is about."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from services.attendance.definitions import definitions
from services.attendance.scripts import FILE, TABLE
from shared.events.escalation import SCRIPTS, EscalationRaised
from shared.events.outreach import Channel
from shared.platform.scripts import Script, read
from shared.platform.settings import ConfigurationError, programs
from tests.attendance.given import PATIENT, SETTLED
from tests.attendance.story import in_treatment
from tests.scripts import telling
from tests.story import only

TEXTS = [
    pytest.param(script, id=f"{name}-{channel}")
    for name, its in TABLE.items()
    for channel, script in its.channels.items()
]


@pytest.mark.parametrize("script", TEXTS)
def test_no_script_names_the_program_the_disorder_a_treatment_or_a_result(script: Script) -> None:
    assert telling(script.text) == []


@pytest.mark.parametrize("script", TEXTS)
def test_no_script_names_an_organization_of_the_settings(script: Script) -> None:
    for its in programs(FILE.parents[3] / "deploy").values():
        names = {each.lower() for each in re.findall(r"[A-Za-z]{4,}", str(its["organization"]["name"]))}
        assert names.isdisjoint(re.findall(r"[a-z]+", script.text.lower()))


@pytest.mark.parametrize(
    "text",
    [
        "This is {caller} of the recovery center.",
        "You missed your group today.",
        "Your test was positive, {patient}.",
        "We treat you with respect.",
        "You must call.",
    ],
)
def test_what_would_tell_a_stranger_is_found(text: str) -> None:
    assert telling(text) != []


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_medium_in_which_an_attempt_is_reported_has_a_script(name: str) -> None:
    assert {each.medium for each in TABLE[name].channels.values()} == set(get_args(Channel))


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_what_is_left_with_somebody_else_says_whom_to_call_back(name: str) -> None:
    assert all("{number}" in TABLE[name].channels[each].text for each in ("voicemail", "text", "email", "letter"))


@pytest.mark.parametrize(("flags", "name"), [((), "missed-session"), (("suicide-risk",), "welfare-check")])
def test_the_task_of_a_miss_names_the_script_that_is_read_at_attendance(flags: tuple[str, ...], name: str) -> None:
    raised = only(in_treatment(*flags).missing(SETTLED[0]), EscalationRaised)
    asked = next(each for each in raised if each.escalation.reason == "missed-session")
    task: dict[str, Any] = next(iter(asked.write(PATIENT)))
    scripts_of = [each for each in task["input"] if each["type"]["coding"][0]["code"] == "outreach-script"]
    (named,) = [each["valueCanonical"] for each in scripts_of]
    kind, identity = named.rsplit("/", 2)[1:]
    assert identity == f"outreach-{name}"
    assert definitions()[kind, identity]["url"] == named


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("[scripts.welfare-check", "[scripts.another", "welfare-check"),
        ("{number}", "{address}", "scripts.missed-session.channels.voicemail.text"),
        ('medium = "FACE"', 'medium = "FACES"', "channels"),
    ],
)
def test_a_table_that_lacks_a_script_or_has_another_gap_stops_the_start(
    tmp_path: Path, before: str, after: str, place: str
) -> None:
    wrong = tmp_path / "scripts.toml"
    wrong.write_text(FILE.read_text().replace(before, after))
    with pytest.raises(ConfigurationError, match=re.escape(place)):
        read(wrong, SCRIPTS)
