"""Java libraries: only the committed ones are used, whatever a download left behind."""

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from deploy import jars
from deploy.demo.serving import serving
from deploy.failure import CannotContinueError
from deploy.jars import KAFKA
from deploy.paths import free_port
from shared.platform.cache import cache

LOGGER = "org.slf4j:slf4j-simple:1.7.36"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without talking."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A cache that holds every library, sharing the files of the real one."""
    here = tmp_path / "cache"
    for source in jars.classpath(KAFKA, cache()):
        target = here / source.relative_to(cache())
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(source, target)
    return here


@pytest.fixture
def mirror() -> Iterator[dict[str, str]]:
    """A Maven repository on loopback, serving the real cache."""
    with serving(partial(Quiet, directory=str(cache() / "maven"))) as address:
        yield {"mirror": address}


def replace(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def test_libraries_that_are_there_and_whole_need_no_network(filled: Path) -> None:
    nowhere = {"nowhere": f"http://127.0.0.1:{free_port()}"}

    assert len(jars.classpath(KAFKA, filled, nowhere)) == len(list(KAFKA.committed()))


def test_a_half_written_library_is_fetched_again(filled: Path, mirror: dict[str, str]) -> None:
    broken = jars.path(filled, LOGGER)
    whole = broken.read_bytes()
    replace(broken, whole[: len(whole) // 2])

    jars.classpath(KAFKA, filled, mirror)

    assert broken.read_bytes() == whole


def test_a_library_that_is_absent_is_fetched(filled: Path, mirror: dict[str, str]) -> None:
    absent = jars.path(filled, LOGGER)
    absent.unlink()

    jars.classpath(KAFKA, filled, mirror)

    assert absent.exists()


def test_a_library_that_is_not_the_committed_one_is_never_used(filled: Path, tmp_path: Path) -> None:
    absent = jars.path(filled, LOGGER)
    absent.unlink()
    forged = tmp_path / "forged" / absent.relative_to(filled / "maven")
    forged.parent.mkdir(parents=True)
    forged.write_bytes(b"something else")

    with (
        serving(partial(Quiet, directory=str(tmp_path / "forged"))) as address,
        pytest.raises(CannotContinueError, match=f"{LOGGER} does not match its checksum"),
    ):
        jars.classpath(KAFKA, filled, {"forger": address})

    assert not absent.exists()


def test_without_network_one_line_says_what_failed_and_what_to_do(filled: Path) -> None:
    jars.path(filled, LOGGER).unlink()

    with pytest.raises(CannotContinueError, match=f"could not download {LOGGER}.*KAFKA_BOOTSTRAP_SERVERS"):
        jars.classpath(KAFKA, filled, {"nowhere": f"http://127.0.0.1:{free_port()}"})


def test_a_library_with_a_classifier_lies_beside_the_one_without() -> None:
    plain, data = (jars.path(Path(), f"org.xmlresolver:xmlresolver:5.2.1{each}") for each in ("", ":data"))
    assert (plain.parent, data.name) == (data.parent, "xmlresolver-5.2.1-data.jar")
