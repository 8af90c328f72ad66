"""Java libraries: fetched once, and never used unless they equal the committed checksums.

A file of checksums pins every library by coordinate and content, so no dependency is resolved at run time. A folder
left half filled by an interrupted download is noticed and the broken files are fetched again, once. What fetches is
imported only then: it is a fifth of what `iop up` imports.
"""

import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.failure import CannotContinueError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class Libraries:
    """What one program needs. `otherwise` ends the advice when it cannot be downloaded: the alternative."""

    name: str
    checksums: Path
    megabytes: int
    otherwise: str = ""

    def committed(self) -> Iterator[tuple[str, str]]:
        """Coordinate (`group:artifact:version`, `:classifier` where there is one) and SHA-256 of each library."""
        for line in self.checksums.read_text().splitlines():
            digest, coordinate = line.split()
            yield coordinate, digest


KAFKA = Libraries(
    name="Apache Kafka",
    checksums=Path(__file__).with_name("jars.sha256"),
    megabytes=43,
    otherwise=", or set KAFKA_BOOTSTRAP_SERVERS to a Kafka of your own",
)


def classpath(libraries: Libraries, cache: Path, repositories: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """The checked libraries, downloading under `cache` what is absent or broken.

    Args:
        libraries: what is wanted.
        cache: the folder for them.
        repositories: Maven repositories by name; the mirrors of ~/.config/jgo.conf and then Maven Central when None.

    Raises:
        CannotContinueError: a library could not be downloaded, or does not match its checksum.
    """
    wanted = {path(cache, coordinate): (coordinate, digest) for coordinate, digest in libraries.committed()}
    cache.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache / "jars.lock"):
        absent = [(at, *wanted[at]) for at in wanted if not _is_whole(at, wanted[at][1])]
        if absent:
            _fetch(libraries, cache, absent, repositories or _configured())
    return tuple(wanted)


def broken(libraries: Libraries, cache: Path) -> list[str]:
    """The coordinates of those that are absent, or not what was committed; nothing is fetched."""
    return [each for each, digest in libraries.committed() if not _is_whole(path(cache, each), digest)]


def path(cache: Path, coordinate: str) -> Path:
    """Where a library lies: the layout of a Maven repository."""
    group, artifact, version, *classifier = coordinate.split(":")
    name = "-".join((artifact, version, *classifier))
    return cache / "maven" / Path(*group.split(".")) / artifact / version / f"{name}.jar"


def _is_whole(at: Path, digest: str) -> bool:
    try:
        with at.open("rb") as jar:
            return hashlib.file_digest(jar, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


def _configured() -> dict[str, str]:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL

    return {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}


def _fetch(
    libraries: Libraries, cache: Path, absent: list[tuple[Path, str, str]], repositories: Mapping[str, str]
) -> None:
    """Download with visible progress, then hold each library against its checksum."""
    from jgo.maven import MavenContext
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    context = MavenContext(repo_cache=cache / "maven", local_repos=[], remote_repos=dict(repositories), timeout=60)
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(
            f"Fetching {libraries.name}: {len(absent)} libraries, {libraries.megabytes} MB at most, only this once ..."
        )
    columns = (TextColumn(f"Fetching {libraries.name} (once)"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        task = progress.add_task("", total=len(absent))
        for _ in pool.map(lambda row: _fetch_one(libraries, context, *row), absent):
            progress.advance(task)


def _fetch_one(libraries: Libraries, context: "MavenContext", at: Path, coordinate: str, digest: str) -> None:
    at.unlink(missing_ok=True)
    group, artifact, version, *classifier = coordinate.split(":")
    try:
        context.project(group, artifact).at_version(version).artifact(*classifier).resolve()
    except (OSError, RuntimeError) as failure:
        at.unlink(missing_ok=True)
        raise CannotContinueError(
            f"could not download {coordinate} ({type(failure).__name__}): check the network or name a Maven mirror in "
            f"~/.config/jgo.conf{libraries.otherwise}"
        ) from failure
    if not _is_whole(at, digest):
        at.unlink(missing_ok=True)
        raise CannotContinueError(
            f"{coordinate} does not match its checksum in {libraries.checksums.name} and was removed: try "
            "again, or ask whoever runs your Maven mirror"
        )


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Several hubs may start at the same moment; only one of them downloads."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
