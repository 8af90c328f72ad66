"""Settings: the clinic's numbers from program.toml (per program), and the process's own from its environment."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.rules.consent import Partner
from shared.rules.staff import Member, Staff, require_distinct

T = TypeVar("T")
_OF_ALL_SERVICES = ("timezone", "ahead_minutes", "escalation")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ConfigurationError(Exception):
    """A file or the environment says what can't be; the text names the place and the remedy."""


@contextmanager
def configuration(place: object) -> Iterator[None]:
    """What is wrong in a file of settings is said whole, with its place: it holds no patient's data.

    Raises ConfigurationError.
    """
    try:
        yield
    except KeyError as missing:
        raise ConfigurationError(f"{place}: {missing.args[0]} is missing.") from missing
    except OSError as unread:
        raise ConfigurationError(f"{place}: can't be read ({type(unread).__name__}).") from unread
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as wrong:
        raise ConfigurationError(f"{place}: {wrong}.") from wrong


def ordinal_of(host: str) -> str:
    """The number at the end of a host's name, as an orchestrator gives it: `testing-2` is 2; 0 without one."""
    found = re.search(r"-(\d+)$", host)
    return found[1] if found else "0"


class Process(BaseSettings):
    """What one process needs to know of its surroundings: addresses and paths, `IOP_...` in the environment."""

    model_config = SettingsConfigDict(env_prefix="IOP_", hide_input_in_errors=True)

    database_url: str
    kafka_bootstrap: str
    host: str = "127.0.0.1"
    http_port: int = 0
    public_url: str = ""
    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    """Without a port there is no `/admin`."""
    mllp_host: str = "127.0.0.1"
    mllp_port: int | None = None
    """Without a port there is no MLLP."""
    mllp_lines: int = 512
    mllp_lines_a_client: int = 64
    mllp_first_seconds: float = 30.0
    mllp_idle_seconds: float = 300.0
    deploy: Path = Path("deploy")
    keys: Path
    issuer: str
    audience: str = "iop-hub"
    clock_file: Path | None = None
    replica: str = Field(default_factory=lambda: ordinal_of(gethostname()))
    """Its name among the processes of its service: the host's ordinal (`testing-2`), else 0."""
    catch_up_hours: Annotated[float, Field(ge=0, le=24)] = 4.0
    """At most so long senders' queues drain after an outage, before silence counts again."""


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days for which a program keeps documents as received, and the journal (which goes by whole months)."""

    documents_days: Annotated[int, msgspec.Meta(ge=1)]
    journal_days: Annotated[int, msgspec.Meta(ge=1)]


def environment() -> Process:
    """What the environment says. Raises ConfigurationError naming each variable that is missing or wrong."""
    try:
        return Process()  # type: ignore[call-arg]
    except ValidationError as wrong:
        found = ((".".join(map(str, each["loc"])), each["msg"]) for each in wrong.errors())
        raise ConfigurationError("; ".join(f"IOP_{name.upper()}: {text}" for name, text in found)) from wrong


def programs(deploy: Path) -> dict[str, dict[str, Any]]:
    """The sections of program.toml: program -> its tables."""
    file = deploy / "program.toml"
    with configuration(file):
        return dict(tomllib.loads(file.read_text())["program"])


def numbers(table: Mapping[str, Any]) -> dict[str, Any]:
    """The values of one table, without their units and sources; a nested table stays one."""
    return {
        name: each["value"]
        if isinstance(each, dict) and "value" in each
        else numbers(each)
        if isinstance(each, dict)
        else each
        for name, each in table.items()
    }


def load(deploy: Path, service: str, type_: type[T]) -> dict[str, T]:
    """Per program, the service's settings: its own table, with what the program has for all its services.

    Raises msgspec.ValidationError, naming the setting, when one is missing or of another type.
    """
    loaded = {}
    for program, tables in programs(deploy).items():
        values = numbers(tables.get(service, {}))
        shared = numbers({name: tables[name] for name in _OF_ALL_SERVICES}) | {"staff": _staff(program, tables)}
        loaded[program] = msgspec.convert({**shared, **values}, type=type_, strict=False)
    return loaded


def _staff(program: str, tables: Mapping[str, Any]) -> Staff:
    """Who may sign and answer Tasks. Raises ConfigurationError where nobody may, or a name is not one person's."""
    place = f"program.toml: program.{program}.staff"
    if not tables.get("staff"):
        raise ConfigurationError(f"{place}: must name who signs and answers Tasks, with their roles.")
    try:
        return require_distinct(msgspec.convert(tables["staff"], type=dict[str, Member]))
    except ValueError as wrong:
        raise ConfigurationError(f"{place}: {wrong}") from wrong


def retention(deploy: Path) -> dict[str, Retention]:
    """Per program, how long what no decision needs is stored."""
    found = programs(deploy)
    return {name: msgspec.convert(numbers(tables["retention"]), type=Retention) for name, tables in found.items()}


def topic_days(deploy: Path, topic: str) -> int:
    """For how many days a topic keeps its records."""
    file = deploy / "topics.toml"
    with configuration(file):
        days: int = tomllib.loads(file.read_text())["topic"][topic]["retention_days"]
    return days


def partners(deploy: Path) -> dict[str, Partner]:
    """The partners of partners.toml by name."""
    file = deploy / "partners.toml"
    with configuration(file):
        table = tomllib.loads(file.read_text())["partner"]
        return {name: msgspec.convert({"name": name, **each}, type=Partner) for name, each in table.items()}


def require_url(text: str, place: str) -> str:
    """The address of somebody outside: https, or http on loopback. Raises ConfigurationError naming the place."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)):
        raise ConfigurationError(f"{place}: must be https://host[:port]/path, or http:// on loopback.")
    return text
