"""The command line: help with an example everywhere, and one clear line when it cannot go on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy import clock, hubfile
from deploy.cli import app
from deploy.commands.common import settings_of
from deploy.hubfile import Hub
from deploy.paths import REPOSITORY, SETTINGS, free_port
from tests.deploy import in_process

pytestmark = pytest.mark.processes


def iop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    return subprocess.run(
        (sys.executable, "-m", "deploy.cli", *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120", **environment},
    )


def commands(group: Any, *path: str) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found += commands(command, *path, name) if inner else [((*path, name), command)]
    return found


def test_every_command_says_what_it_does_and_shows_an_example() -> None:
    group = typer.main.get_command(app)
    every = dict(commands(group))

    assert {path[0] for path in every} >= {"up", "token", "settle", "clock", "tail", "parked"}
    for path, command in every.items():
        assert command.help, path
        assert (command.epilog or "").startswith("Example: iop ") or "$(iop " in (command.epilog or ""), path


def test_a_start_imports_no_command_that_is_not_asked_for() -> None:
    loaded = modules("deploy.cli")

    assert [each for each in loaded if each.startswith("deploy.commands.")] == ["deploy.commands.common"]


def test_what_seals_and_what_downloads_is_imported_where_it_is_used() -> None:
    assert "joserfc" not in modules("deploy.cli", "deploy.commands.consumer")
    assert "jgo" not in modules("deploy.cli", "deploy.commands.run")


def modules(*imported: str) -> list[str]:
    """What a process has loaded once it has imported these."""
    program = f"import sys, {', '.join(imported)}; print(*sys.modules)"
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, cwd=REPOSITORY, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "arguments",
    [
        ("settle",),
        ("token", "ehr"),
        ("clock", "set", "+1h"),
        ("tail", "iop.escalations"),
        ("parked", "list"),
        ("parked", "redrive", "--dry-run"),
    ],
)
def test_without_a_hub_one_line_says_how_to_start_one(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = in_process.iop(*arguments, IOP_DATA=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == (
        f"iop: no hub is running in {tmp_path}: start one with `iop up --data {tmp_path}`, "
        "or name its folder with --data\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("parked", "show", "12"), "Invalid value for 'id': Input should be a valid UUID, invalid length: found 2"),
        (("token",), "Missing argument 'client'"),
        (("rubbish",), "No such command 'rubbish'"),
    ],
)
def test_what_is_not_understood_is_one_line_that_names_the_help(arguments: tuple[str, ...], line: str) -> None:
    done = in_process.iop(*arguments)

    place = "iop" if arguments == ("rubbish",) else f"iop {' '.join(arguments[:2])}"
    assert (done.returncode, done.stderr) == (2, f"iop: {line}; see `{place} --help`\n")


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = iop("up", "--data", str(tmp_path / "file" / "hub"))

    assert (done.returncode, done.stderr) == (
        1,
        f"iop: {tmp_path}/file/hub cannot be a hub's folder (Not a directory): choose another one with --data\n",
    )


def test_settings_that_lack_a_file_are_one_line_before_anything_starts(tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.mkdir()

    done = iop("up", "--data", str(tmp_path / "hub"), "--settings", str(settings))

    assert (done.returncode, done.stderr) == (1, f"iop: {settings}/topics.toml: can't be read (FileNotFoundError).\n")


def test_a_hub_that_was_killed_is_one_line_that_says_how_to_start_it_again(tmp_path: Path) -> None:
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={}))
    with hubfile.owned(tmp_path):
        assert iop("settle", "--data", str(tmp_path), "--timeout", "0").stderr.startswith("iop: the hub is not quiet")

    done = iop("settle", "--data", str(tmp_path))

    assert (done.returncode, done.stderr) == (
        1,
        f"iop: the hub in {tmp_path} was killed: start it again with `iop up --data {tmp_path}`\n",
    )


def test_a_command_takes_the_settings_of_the_hub_it_is_about(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    assert settings_of(tmp_path, None) == SETTINGS
    with hubfile.owned(tmp_path):
        hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={}, settings=str(own)))
        assert (settings_of(tmp_path, None), settings_of(tmp_path, SETTINGS)) == (own, SETTINGS)

        done = iop("rota", "who", "--data", str(tmp_path))

    assert done.stderr == f"iop: {own}/rota.toml is missing: nobody is on call (docs/on-call.md)\n"


def test_a_step_past_every_calendar_is_one_line(tmp_path: Path) -> None:
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={}))
    (tmp_path / clock.NAME).write_text("2026-03-02T14:00:00+00:00\n")

    done = iop("clock", "set", "+99999999999w", "--data", str(tmp_path))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "choose a smaller step" in done.stderr


def test_a_hub_that_is_gone_is_one_line_too(tmp_path: Path) -> None:
    port = free_port()
    database = f"postgresql://iop:secret@127.0.0.1:{port}/intake"
    gone = Hub(kafka=f"127.0.0.1:{port}", issuer=f"http://127.0.0.1:{port}", services={}, postgres={"intake": database})
    hubfile.write(tmp_path, gone)
    (tmp_path / "keys" / "clients").mkdir(parents=True)

    for arguments in (("settle", "--timeout", "1"), ("tail", "escalations"), ("parked", "list"), ("token", "nobody")):
        done = iop(*arguments, "--data", str(tmp_path))
        assert done.returncode == 1, arguments
        assert done.stderr.startswith("iop: ") and done.stderr.count("\n") == 1, done.stderr
        assert "secret" not in done.stderr


def test_an_unexpected_error_shows_no_traceback(tmp_path: Path) -> None:
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={}))
    (tmp_path / clock.NAME).write_text("no time at all")

    done = iop("clock", "show", "--data", str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == "iop: unexpected ValueError: run again with IOP_DEBUG=1 to see its traceback\n"


def test_the_clock_is_set_by_a_step(tmp_path: Path) -> None:
    hubfile.write(tmp_path, Hub(kafka="", issuer="", services={}, postgres={}))
    (tmp_path / clock.NAME).write_text("2026-03-02T14:00:00+00:00\n")

    assert iop("clock", "set", "+2h", "--data", str(tmp_path)).stdout == "2026-03-02T16:00:00+00:00\n"
    assert iop("clock", "show", "--data", str(tmp_path)).stdout == "2026-03-02T16:00:00+00:00\n"


def test_a_kafka_of_ones_own_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    done = iop("up", "--data", str(tmp_path / "hub"), KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")

    assert done.returncode == 1
    assert "or correct KAFKA_BOOTSTRAP_SERVERS; or unset" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_of_ones_own_that_does_not_answer_is_one_line_without_its_password(tmp_path: Path) -> None:
    done = iop("up", "--data", str(tmp_path / "hub"), DATABASE_URL=f"postgresql://me:secret@127.0.0.1:{free_port()}/x")

    assert done.returncode == 1
    refusals = [line for line in done.stderr.splitlines() if line.startswith("iop: ")]
    assert len(refusals) == 1
    assert refusals[0].startswith("iop: the PostgreSQL of DATABASE_URL cannot be used")
    assert "secret" not in done.stderr
