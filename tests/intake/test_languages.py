"""Which language a patient speaks, by the system of its code; where nobody here can read it, its sender learns so."""

from pathlib import Path
from typing import Any

import pytest

from deploy import keys as key_files
from services.intake.messages import RecordPatient
from shared.events import codes
from shared.platform.keys import Keys
from tests.intake import bundles
from tests.intake.test_interpret import interpreted, one

Json = dict[str, Any]
ISO = "urn:iso:std:iso:639:-2"
NOT_READ = "not read: language unknown; send its BCP 47 code (urn:ietf:bcp:47)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return key_files.make(tmp_path_factory.mktemp("keys"))


def speaking(*languages: Json) -> Json:
    """The last one is preferred."""
    spoken = [{"language": each, "preferred": each is languages[-1]} for each in languages]
    return {**bundles.patient("0001"), "communication": spoken}


def coded(code: str, system: str | None = codes.LANGUAGE) -> Json:
    return {"coding": [{"code": code} | ({"system": system} if system else {})]}


def read(folder: Path, patient: Json) -> tuple[str | None, list[tuple[str, str]]]:
    """The language that aftercare learns, and what the outcome says of others."""
    meant = interpreted(Keys.load(folder, "intake"), patient)
    recorded: RecordPatient = one(meant.commands, RecordPatient)
    opened = Keys.load(folder, "aftercare").open(recorded.sealed)
    assert opened is not None
    remarked = [each for issues in meant.remarks.values() for each in issues]
    return opened["language"], [(each.diagnostics, each.expression[0].partition("resource")[2]) for each in remarked]


@pytest.mark.parametrize(
    "language", [coded("es"), coded("es", None), {"coding": [*coded("x9", ISO)["coding"], *coded("es")["coding"]]}]
)
def test_a_language_is_read_by_its_code_in_bcp_47(folder: Path, language: Json) -> None:
    assert read(folder, speaking(language)) == ("es", [])


def test_the_preferred_language_comes_first_with_its_script_and_region(folder: Path) -> None:
    assert read(folder, speaking(coded("en-US"), coded("zh-Hant-TW"))) == ("zh-Hant-TW", [])


@pytest.mark.parametrize(
    "language", [coded("fr", ISO), coded("ES-local", "urn:ehr"), coded("Spanish", None), {"text": "es"}]
)
def test_a_code_of_another_system_is_no_language_here_and_its_sender_learns_so(folder: Path, language: Json) -> None:
    assert read(folder, speaking(language)) == (None, [(NOT_READ, ".communication[0].language")])
    assert read(folder, speaking(coded("pl"), language)) == ("pl", [(NOT_READ, ".communication[1].language")])


def test_who_names_no_language_learns_nothing(folder: Path) -> None:
    assert read(folder, bundles.patient("0001")) == (None, [])
