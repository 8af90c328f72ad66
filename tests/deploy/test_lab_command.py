"""`iop lab map`: codes are imported whole or not at all, exported as they were, and tried."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy import hubfile
from deploy.cli import app
from deploy.hubfile import Hub
from tests.service import DEPLOY

HEAD = "laboratory,code,meaning,reviewed_by,from\n"
GOOD = "lab,NIT 7,nitrite mcg/mL,R. Eviewer,2026-02-01\nlab,T17,59673-4,R. Eviewer,2026-01-05\n"


@pytest.fixture
def data(database: str, tmp_path: Path) -> Path:
    """A hub whose testing has no line yet."""
    hub = Hub(kafka="", issuer="", services={}, postgres={"testing": database}, settings=str(DEPLOY))
    hubfile.write(tmp_path, hub)
    return tmp_path


def printed(data: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["lab", "map", *arguments, "--program", "demo", "--data", str(data)])
    assert done.exit_code == code or (code and done.exception is not None), done.output
    return done.output + str(done.exception or "")


def imported(data: Path, content: str, code: int = 0) -> str:
    file = data / "codes.csv"
    file.write_text(content)
    return printed(data, "import", str(file), code=code)


def test_what_is_imported_is_exported_and_the_same_again_changes_nothing(data: Path) -> None:
    assert imported(data, HEAD + GOOD) == "2 lines, 2 of them new or changed\n"
    assert printed(data, "export") == HEAD + GOOD
    assert imported(data, HEAD + GOOD) == "2 lines, 0 of them new or changed\n"
    assert "R. Eviewer" in printed(data, "list")


def test_a_code_is_listed_as_it_stands(data: Path) -> None:
    codes = ("COC[ng/mL]", "THC[/50]", "A:100:B")
    imported(data, HEAD + "".join(f"lab,{each},59673-4,R. Eviewer,2026-01-05\n" for each in codes))
    listed = printed(data, "list")
    assert [each for each in codes if each not in listed] == []


def test_a_spreadsheet_computes_nothing_of_what_is_exported_and_it_is_imported_as_it_was(data: Path) -> None:
    codes = ("=1+1", "'=1+1", "+T", "-T", "@T", "'T", "T-'=")
    imported(data, HEAD + "".join(f"lab,{each},59673-4,R. Eviewer,2026-01-05\n" for each in codes if each[0] != "'"))
    imported(data, HEAD + "".join(f"lab,'{each},59673-4,R. Eviewer,2026-01-05\n" for each in codes if each[0] == "'"))
    exported = printed(data, "export")
    assert {line.split(",")[1] for line in exported.splitlines()[1:]} == {
        *("'=1+1", "''=1+1", "'+T", "'-T", "'@T", "''T", "T-'=")
    }
    assert imported(data, exported) == "7 lines, 0 of them new or changed\n"


def test_a_code_is_tried_by_the_map_by_the_public_table_and_by_nothing(data: Path) -> None:
    imported(data, HEAD + GOOD + "lab,CMT,comment,R. Eviewer,2026-01-05\n")
    assert "lab: fentanyl, presence, presumptive, by the map (59673-4)" in printed(data, "test", "T17")
    assert "lab: cocaine-metabolite" not in printed(data, "test", "T17")
    assert "by the table of public codes" in printed(data, "test", "14314-9")
    assert "lab: no result (comment), by the map" in printed(data, "test", "CMT")
    assert "lab: read as nothing" in printed(data, "test", "T18")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("west,T1,59673-4,R. Eviewer,2026-01-05", "line 4: laboratory must be"),
        ("lab,T1,fentanil,R. Eviewer,2026-01-05", "line 4: meaning must be"),
        ("lab,T1,59673-4,,2026-01-05", "line 4: reviewed_by must"),
        ("lab,,59673-4,R. Eviewer,2026-01-05", "line 4: code must be stated"),
        ("lab,T17,59673-4,R. Eviewer,2026-01-05", "line 4: a laboratory's code must stand once"),
        ("lab,T1,59673-4,R. Eviewer,5 January", "line 4: from must be a day"),
        ("lab,T1,59673-4,R. Eviewer", "line 4: must have the columns"),
    ],
)
def test_a_line_that_cannot_be_is_named_and_none_is_stored(data: Path, line: str, reason: str) -> None:
    assert reason in imported(data, f"{HEAD}{GOOD}{line}\n", code=1)
    assert printed(data, "export") == HEAD
