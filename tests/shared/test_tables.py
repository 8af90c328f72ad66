"""Whatever is wrong in a table that a service comes with: it names file, line and fault, and ends with 78."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from shared.platform.ending import EXIT_CONFIGURATION
from shared.platform.settings import ConfigurationError
from shared.platform.tables import by_key

REPOSITORY = Path(__file__).parents[2]
TABLES = sorted(REPOSITORY.glob("services/**/data/*"))


def reader_of(table: Path) -> Path:
    """The one module that reads this table."""
    (found,) = [each for each in table.parents[1].glob("*.py") if f'"{table.name}"' in each.read_text()]
    return found


def imported_beside(table: Path, folder: Path, damage: Callable[[Path], object]) -> ModuleType:
    """The module that reads this table, imported where the table is damaged."""
    shutil.copytree(table.parent, folder / "data")
    damage(folder / "data" / table.name)
    place = shutil.copy(reader_of(table), folder)
    spec = spec_from_file_location(f"damaged_{reader_of(table).stem}", place)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def undamaged(_: Path) -> None: ...


def cut(file: Path) -> None:
    """As a disk that was full leaves it: within the last line."""
    whole = file.read_text().rstrip()
    file.write_text(whole[: whole.rindex("," if file.suffix == ".csv" else "=")])


def without_a_column(file: Path) -> None:
    """The first line is gone; of a TOML file the first name."""
    head, _, rest = file.read_text().partition("\n" if file.suffix == ".csv" else "[")
    assert head
    file.write_text(rest)


DAMAGES: tuple[Callable[[Path], object], ...] = (
    lambda file: file.unlink(),
    lambda file: file.write_bytes(b""),
    lambda file: file.write_bytes(b"\xff\xfe\x00"),
    cut,
    without_a_column,
)


@pytest.mark.parametrize("table", TABLES, ids=lambda each: each.name)
def test_a_damaged_table_is_named_by_whoever_reads_it(table: Path, tmp_path: Path) -> None:
    imported_beside(table, tmp_path / "right", undamaged)
    for number, damage in enumerate(DAMAGES):
        folder = tmp_path / str(number)
        with pytest.raises(ConfigurationError) as wrong:
            imported_beside(table, folder, damage)
        assert str(wrong.value).startswith(str(folder / "data" / table.name))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("code,name\na,1\nb\n", ", line 3: must have as many fields as the first line."),
        ("code,name\na,1,2\n", ", line 2: must have as many fields as the first line."),
        ("code,name\na,1\nb,2\na,3\n", ", line 4: code must be stated, and once only."),
        ("code,name\n,1\n", ", line 2: code must be stated, and once only."),
        ("code,title\na,1\n", ", line 2: name is missing."),
        ('code,name\na,"1\n', ", near line 1: unexpected end of data."),
        ("code,name\n", ": must have rows."),
    ],
)
def test_the_line_and_the_fault_are_named(content: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as wrong:
        by_key(file, "code", lambda row: row["name"])
    assert str(wrong.value) == f"{file}{sentence}"


def test_a_service_with_a_damaged_table_ends_with_78_and_a_sentence(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "services", tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "shared").symlink_to(REPOSITORY / "shared")
    file = tmp_path / "services" / "testing" / "data" / "loinc.csv"
    cut(file)
    started = [sys.executable, "-m", "services.testing.app"]
    ended = subprocess.run(started, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == EXIT_CONFIGURATION
    (line,) = ended.stderr.splitlines()
    assert (json.loads(line)["service"], json.loads(line)["error"]) == ("testing", "ConfigurationError")
    assert json.loads(line)["event"].startswith(f"{file}, line ")
