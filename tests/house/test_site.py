"""The site builds, the rules that the code names have a heading there, and the history is told in short subjects."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.test_rooms import ROOT

RULES = ROOT / "docs" / "clinical-rules.md"
RELEASE = "0032e53"
"""From this commit on subjects are short."""
SUBJECT_LETTERS_MOST = 72


@pytest.mark.processes
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site"))
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": "", "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "site" / "index.html").exists()


def test_every_rule_that_the_code_names_has_a_heading() -> None:
    anchors = set(re.findall(r"#rule-([0-9]+-[0-9]+)", RULES.read_text()))
    named: dict[str, str] = {}
    for folder in ("shared", "services", "deploy"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".toml", ".csv") and file.is_file():
                for references in re.findall(r"domain ((?:[0-9]+\.[0-9]+(?:, | and |; )?)+)", file.read_text()):
                    for rule in re.findall(r"[0-9]+\.[0-9]+", references):
                        named[rule.replace(".", "-")] = str(file.relative_to(ROOT))
    assert len(named) > 20
    assert {rule: file for rule, file in named.items() if rule not in anchors} == {}


def test_subjects_of_commits_are_short() -> None:
    found = subprocess.run(
        ("git", "log", "--format=%s", f"{RELEASE}.."), cwd=ROOT, capture_output=True, text=True, check=False
    )
    subjects = found.stdout.splitlines()  # none where the history is cut off before it
    assert [each for each in subjects if len(each) > SUBJECT_LETTERS_MOST] == []
