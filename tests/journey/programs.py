"""A second program on the same hub: `west`, whose clients may do there what the first one's do here, under the
same addresses and record numbers."""

import shutil
from pathlib import Path

from deploy.paths import SETTINGS

OURS, THEIRS = "demo", "west"
ONLY_OURS, ONLY_THEIRS = f'["{OURS}"]', f'["{THEIRS}"]'


def with_a_second_program(folder: Path, *, draws: bool = False) -> Path:
    """A folder of settings as an operator makes one: a copy, in which each table of the program stands again. The
    second one may draw the days of its patients' drug tests.

    Nobody reports the many patients of other tests: it holds no feed for silent."""
    shutil.copytree(
        SETTINGS, folder, ignore=shutil.ignore_patterns("*.py", "commands", "demo", "documents", "__pycache__", "jars*")
    )
    program = folder / "program.toml"
    text = program.read_text().replace("silent_sessions = { value = 8", "silent_sessions = { value = 0")
    assert "silent_sessions = { value = 0" in text
    again = text.replace(f"[program.{OURS}", f"[program.{THEIRS}").replace('["riverbend"]', "[]")
    if draws:
        again = again.replace("draws = { value = false", "draws = { value = true")
        assert "draws = { value = true" in again
    program.write_text(f"{text}\n{again}")
    clients = folder / "clients.toml"
    text = clients.read_text()
    again = (
        text[text.index("\n[client.") :]
        .replace("[client.", f"[client.{THEIRS}-")
        .replace("clients/", f"clients/{THEIRS}-")
    )
    clients.write_text(f"{text}\n{again.replace(ONLY_OURS, ONLY_THEIRS)}")
    partners = folder / "partners.toml"
    partners.write_text(partners.read_text().replace(ONLY_OURS, f'["{OURS}", "{THEIRS}"]'))
    return folder
