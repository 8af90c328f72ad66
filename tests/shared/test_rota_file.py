"""rota.toml as its page prints it, and what is refused of it."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.paths import REPOSITORY
from shared.platform.rota import rotas
from shared.platform.settings import ConfigurationError

CHRISTMAS_NIGHT = datetime(2026, 12, 25, 8, tzinfo=UTC)


def printed(heading: str) -> str:
    """The TOML that docs/on-call.md prints under this heading."""
    section = (REPOSITORY / "docs/on-call.md").read_text().partition(f"## {heading}\n")[2]
    found = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Path]:
    shutil.copy(REPOSITORY / "deploy/program.toml", tmp_path)
    (tmp_path / "rota.toml").write_text(printed("The rota"))
    yield tmp_path


def test_the_printed_rota_is_read(deploy: Path) -> None:
    demo = rotas(deploy)["demo"]
    assert demo.rotas["on-call"].who(CHRISTMAS_NIGHT) == "clinician-1"
    assert demo.people[demo.rotas["deputy"].who(CHRISTMAS_NIGHT)].channel == "deputies"
    assert demo.calendar.rings_at(4, CHRISTMAS_NIGHT, CHRISTMAS_NIGHT) == CHRISTMAS_NIGHT


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ('days = ["sat", "sun"]', 'days = ["sun"]', r"rota.toml: program.demo: on-call: nobody from sat 08:00 on\."),
        ('from = "00:00"\nto = "00:00"', 'from = "00:00"\nto = "23:00"', "deputy: nobody from mon 23:00 on"),
        ("America/New_York", "America/Gotham", "timezone must be a zone"),
        ("America/Chicago", "America/Gotham", "timezone must be a zone"),
        ('person = "prescriber-1"', 'person = "nobody-1"', "nobody-1 is no member of the program's staff"),
        ('person.prescriber-1]\nchannel = "deputies"', "person.prescriber-1]", "missing required field `channel`"),
        ("[program.demo.person.prescriber-1]", "[program.demo.person.case-manager-1]", "person.prescriber-1.channel"),
        ("program.demo", "program.other", "is no program of program.toml"),
        ('to = "17:00"', 'to = "25:00"', "regex"),
        ('from = "08:00"\nto = "17:00"\n\n', 'from = "17:00"\nto = "08:00"\n\n', "business_hours: from must be before"),
        ("role = ", "job = ", "unknown field `job`"),
        ("[program.demo]", "[program.demo", r"rota.toml: .*line \d+"),
    ],
)
def test_what_is_wrong_in_it_is_named(deploy: Path, before: str, after: str, wrong: str) -> None:
    text = printed("The rota")
    assert before in text
    (deploy / "rota.toml").write_text(text.replace(before, after))
    with pytest.raises(ConfigurationError, match=wrong):
        rotas(deploy)


def test_the_command_names_who_is_on_call_at_a_time(deploy: Path) -> None:
    arguments = ["rota", "who", "--settings", str(deploy), "--at"]
    asked = [CliRunner().invoke(app, [*arguments, at]) for at in ("2026-12-25T03:00", "2026-12-25T08:00Z")]
    line = "demo at 2026-12-25 03:00 EST: on-call clinician-1 (pager), deputy prescriber-1 (deputies)\n"
    assert [each.stdout for each in asked] == [line, line]


@pytest.mark.parametrize(
    ("arguments", "wrong"), [(["--at", "tomorrow"], "--at must be a time"), ([], "rota.toml is missing")]
)
def test_the_command_answers_with_one_clear_sentence(deploy: Path, arguments: list[str], wrong: str) -> None:
    if not arguments:
        (deploy / "rota.toml").unlink()
    done = CliRunner().invoke(app, ["rota", "who", "--settings", str(deploy), *arguments])
    assert wrong in str(done.exception)
