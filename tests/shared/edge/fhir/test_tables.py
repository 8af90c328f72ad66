"""The tables are made from the models once a machine, and from then on read without them."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.edge.fhir import definitions, models, tables


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, empty."""
    monkeypatch.setattr(tables, "folder", lambda: tmp_path / "tables")
    return tmp_path / "tables"


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the models fails."""
    monkeypatch.setattr(tables, "_models", lambda: pytest.fail("the models were asked for"))


def test_what_is_stored_is_read_without_the_models(folder: Path, request: pytest.FixtureRequest) -> None:
    made = tables.type_names(), tables.table("Patient")
    request.getfixturevalue("without_models")
    assert (tables.type_names(), tables.table("Patient")) == made


@pytest.mark.parametrize("broken", [b"", b'{"is_resource":true', b'{"is_resource":"yes"}', b"\xff\x00"])
def test_a_broken_table_is_made_again(folder: Path, broken: bytes) -> None:
    made = tables.table("Patient")
    (folder / "Patient.json").write_bytes(broken)
    assert tables.table("Patient") == made
    assert (folder / "Patient.json").read_bytes() != broken


def test_a_folder_that_cannot_be_written_costs_time_only(folder: Path) -> None:
    folder.write_text("a file where the folder would be")
    assert tables.table("Patient") == models.table("Patient")


@pytest.mark.parametrize("changed", ["distribution", "code"])
def test_a_table_of_another_version_is_never_read(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    monkeypatch.undo()
    before = tables.folder.__wrapped__()
    if changed == "code":
        monkeypatch.setattr(tables, "_MADE_BY", ("tables.py",))
    else:
        monkeypatch.setattr(tables, "_PACKAGES", ("fhir.resources", "msgspec"))
    assert tables.folder.__wrapped__() != before


@pytest.mark.processes
def test_a_service_loads_no_models_once_its_tables_are_stored_and_no_colours_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("IOP_CACHE", str(tmp_path))
    stored = tables.folder.__wrapped__()
    monkeypatch.setattr(tables, "folder", lambda: stored)
    definitions.shape.cache_clear()
    definitions.warm(["Task"])
    tables.type_names()

    script = "import sys, services.testing.app, shared.process; shared.process.fhir.warm(['Task']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()

    assert {"fhir_core.types", "structlog", "httpx"} < set(loaded)
    assert [name for name in loaded if name.startswith(("fhir.", "rich", "pygments"))] == []
