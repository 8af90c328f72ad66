"""A Kafka's folder is begun by a copy of what Kafka's own `format` wrote, or by `format` itself, never by less."""

import re
from pathlib import Path

import pytest

from deploy import embedded_kafka, kafka_folder
from deploy.kafka_folder import MARKER, begun, remember
from deploy.paths import free_port

KAFKA = "Kafka 4.3.1, node 1"
WRITTEN = {"bootstrap.checkpoint": b"\x00\x01\xff", MARKER: b"version=1\n", "below/it": b""}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kafka_folder, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def remembered(tmp_path: Path, own_cache: Path) -> Path:
    """Where a copy lies that is whole."""
    for name, content in WRITTEN.items():
        (tmp_path / "formatted" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "formatted" / name).write_bytes(content)
    remember(tmp_path / "formatted", KAFKA)
    return own_cache / "kafka.formatted"


def test_a_copy_holds_every_file_as_it_was_written(tmp_path: Path, remembered: Path) -> None:
    assert begun(tmp_path / "topics", KAFKA)

    assert _files(tmp_path / "topics") == WRITTEN


def test_nothing_is_copied_where_nothing_was_formatted(tmp_path: Path) -> None:
    assert not begun(tmp_path / "topics", KAFKA)


def test_what_another_kafka_wrote_is_not_copied(tmp_path: Path, remembered: Path) -> None:
    assert not begun(tmp_path / "topics", "Kafka 4.3.2, node 1")

    assert not (tmp_path / "topics").exists()


def test_a_copy_that_lost_or_changed_one_byte_is_not_taken(tmp_path: Path, remembered: Path) -> None:
    whole = remembered.read_bytes()
    for at in range(len(whole)):
        for broken in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            remembered.write_bytes(broken)

            assert not begun(tmp_path / "topics", KAFKA)


def test_a_folder_counts_as_formatted_only_when_all_of_it_is_copied(
    tmp_path: Path, remembered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = kafka_folder._write, list[str]()

    def killed_before_the_last(path: Path, content: bytes) -> None:
        written.append(path.name)
        if len(written) == len(WRITTEN):
            raise InterruptedError
        write(path, content)

    monkeypatch.setattr(kafka_folder, "_write", killed_before_the_last)
    with pytest.raises(InterruptedError):
        begun(tmp_path / "topics", KAFKA)

    assert not (tmp_path / "topics" / MARKER).exists()


@pytest.mark.processes
def test_the_embedded_kafka_is_formatted_once_and_a_copy_is_what_it_would_have_written(
    tmp_path: Path, own_cache: Path
) -> None:
    embedded_kafka.prepare(tmp_path / "first", free_port())
    embedded_kafka.prepare(tmp_path / "second", free_port())
    (own_cache / "kafka.formatted").write_bytes(b"broken")
    embedded_kafka.prepare(tmp_path / "third", free_port())
    embedded_kafka.prepare(tmp_path / "fourth", free_port())

    first, second, third, fourth = (
        _files(tmp_path / name / "kafka" / "topics") for name in ("first", "second", "third", "fourth")
    )
    assert (first, third) == (second, fourth)
    assert first != third
    assert _timeless(first) == _timeless(third)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _timeless(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without the folder's own id and what tells when it was formatted: of a batch its checksum and its two times."""
    of_folder, batches = files[MARKER], files["bootstrap.checkpoint"]
    at = 0
    while at < len(batches):
        batches = batches[: at + 17] + bytes(4) + batches[at + 21 : at + 27] + bytes(16) + batches[at + 43 :]
        at += 12 + int.from_bytes(batches[at + 8 : at + 12], "big")
    named = re.sub(rb"#.*\n|(?<=directory.id=).*", b"", of_folder)
    return files | {MARKER: named, "bootstrap.checkpoint": batches}
