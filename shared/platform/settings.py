"""Settings: the clinic's numbers from program.toml (per program), and the process's own from its environment."""

import itertools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.rules.consent import Partner, require_narrow
from shared.rules.laboratory_partner import require_laboratory
from shared.rules.organization import Organization
from shared.rules.partner_access import require_whole
from shared.rules.partner_kinds import ANSWERED, REFERRAL_STATE, TERMS
from shared.rules.staff import Member, Staff, require_staff

T = TypeVar("T")
P = TypeVar("P", bound=BaseSettings)
_IDENTIFIER = re.compile(r"[^\s|]+\|[^|]+")
_OF_ALL_SERVICES = ("timezone", "ahead_minutes", "escalation")
_OF_SOME_SERVICES = {"payers": ("intake", "attendance")}
_LENT = {"testing": {"calendar": "attendance"}}
"""Which tables of another service a service reads too: the days on which the program is closed stand once."""
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
        raise ConfigurationError(f"{unread.filename or place}: can't be read ({type(unread).__name__}).") from unread
    except ValueError as wrong:
        raise ConfigurationError(f"{place}: {wrong}.") from wrong


def ordinal_of(host: str) -> str:
    """The number at the end of a host's name, as an orchestrator gives it: `testing-2` is 2; 0 without one."""
    found = re.search(r"-(\d+)$", host)
    return found[1] if found else "0"


def _matching(pattern: str, remedy: str) -> AfterValidator:
    """A text of this form; what stands in it is never repeated, for it may hold a password."""

    def require(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(remedy)
        return text

    return AfterValidator(require)


_HOST = r"(?:[^\s:,/@?\[\]]+|\[[0-9A-Fa-f:.]+\])"
Text = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Descriptor = Annotated[int, Field(ge=3)]
Lines = Annotated[int, Field(ge=1)]
Bytes = Annotated[int, Field(ge=4_096)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Database = Annotated[
    str,
    _matching(
        rf"postgres(?:ql)?://(?:[^\s/]*@)?(?:{_HOST}(?::\d{{1,5}})?(?:,{_HOST}(?::\d{{1,5}})?)*)?(?:[/?]\S*)?",
        "must be postgresql://user:password@host:port/database",
    ),
]
Brokers = Annotated[
    str, _matching(rf"{_HOST}:\d{{1,5}}(?:,\s*{_HOST}:\d{{1,5}})*", "must be host:port, several with commas")
]
Address = Annotated[
    str, _matching(rf"https?://{_HOST}(?::\d{{1,5}})?(?:/\S*)?", "must be http(s)://host[:port][/path]")
]


class AnyProcess(BaseSettings):
    """What each of the hub's five processes needs to know of its surroundings, `IOP_...` in the environment."""

    model_config = SettingsConfigDict(env_prefix="IOP_", hide_input_in_errors=True)

    host: Text = "127.0.0.1"
    http_port: Port = 0
    deploy: Path = Path("deploy")
    keys: Path
    issuer: Address
    audience: Text = "iop-hub"


KafkaProtocol = Literal["PLAINTEXT", "SSL", "SASL_SSL"]
KafkaMechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]


class KafkaEnvironment(BaseSettings):
    """How Kafka is reached; `shared/platform/kafka.py` says what belongs together."""

    model_config = SettingsConfigDict(env_prefix="IOP_", hide_input_in_errors=True)

    kafka_security: KafkaProtocol = "PLAINTEXT"
    kafka_mechanism: KafkaMechanism | None = None
    kafka_username: Text | None = None
    kafka_password_file: Path | None = None
    """Of OAUTHBEARER it holds the client's secret."""
    kafka_ca_file: Path | None = None
    kafka_cert_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_token_url: Address | None = None
    kafka_client_id: Text | None = None
    kafka_scope: Text | None = None


LogLevel = Literal["debug", "info", "warning", "error"]


class Process(AnyProcess, KafkaEnvironment):
    """What a service needs to know besides."""

    database_url: Database
    kafka_bootstrap: Brokers
    http_socket: Descriptor | None = None
    """Where several processes share one address, the socket that each inherits."""
    public_url: str = ""
    admin_host: Text = "127.0.0.1"
    admin_port: Port | None = None
    """Without a port there is no `/admin`."""
    mllp_host: Text = "127.0.0.1"
    mllp_port: Port | None = None
    """Without a port there is no MLLP."""
    mllp_socket: Descriptor | None = None
    mllp_tls_host: Text = "127.0.0.1"
    mllp_tls_port: Port | None = None
    """Without a port there is no MLLP with TLS."""
    mllp_tls_socket: Descriptor | None = None
    mllp_tls_cert_file: Path | None = None
    mllp_tls_key_file: Path | None = None
    mllp_lines: Lines = 512
    mllp_lines_a_client: Lines = 64
    mllp_first_seconds: Seconds = 30.0
    mllp_idle_seconds: Seconds = 300.0
    hl7_message_bytes: Bytes = 5_242_880
    hl7_batch_bytes: Bytes = 20_971_520
    hl7_batch_messages: Lines = 2_000
    hl7_rows: Lines = 2_000
    hl7_answer_seconds: Seconds = 10.0
    clock_file: Path | None = None
    log_level: LogLevel = "info"
    """`debug` logs every request, `info` those that were refused."""
    replica: Text = Field(default_factory=lambda: ordinal_of(gethostname()))
    """Its name among the processes of its service: the host's ordinal (`testing-2`), else 0."""
    catch_up_hours: Annotated[float, Field(ge=0, le=24)] = 4.0
    """At most so long senders' queues drain after an outage, before silence counts again."""

    @property
    def link_base(self) -> str:
        """Where a link leads: on loopback where no public address is named."""
        host = self.host if self.host in LOOPBACK else LOOPBACK[0]
        return self.public_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}"


ACCOUNTING_DAYS = 1096
"""42 CFR 2.25(a): a patient may ask for an accounting of the disclosures in the 3 years before."""
AccountedDays = Annotated[int, msgspec.Meta(ge=ACCOUNTING_DAYS)]


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days for which a program keeps documents as received, the journal and who read what (both go by whole months),
    and what is closed of a patient's record. The last three hold what accounts for disclosures."""

    documents_days: Annotated[int, msgspec.Meta(ge=1)]
    journal_days: AccountedDays
    records_days: AccountedDays
    accounting_days: AccountedDays


def environment(type_: type[P]) -> P:
    """What the environment says. Raises ConfigurationError naming each variable that is missing or wrong."""
    try:
        return type_()
    except ValidationError as wrong:
        found = ((str(each["loc"][0]), each["msg"].removeprefix("Value error, ")) for each in wrong.errors())
        raise ConfigurationError("; ".join(f"IOP_{name.upper()}: {text}" for name, text in found)) from wrong


def programs(deploy: Path) -> dict[str, dict[str, Any]]:
    """The sections of program.toml: program -> its tables. Raises ConfigurationError."""
    found = tables(deploy / "program.toml", "program")
    if not found:
        raise ConfigurationError(f"{deploy / 'program.toml'}: must have a program, [program.NAME].")
    return found


@contextmanager
def with_program(deploy: Path, program: Path) -> Iterator[Path]:
    """The folder of settings as it were with this file as its program.toml, gone again afterwards.

    What is wrong in it is said as at a start, with this file's name: raises ConfigurationError.
    """
    with TemporaryDirectory(prefix="iop-settings-") as name:
        folder = Path(name)
        for each in deploy.resolve().iterdir():
            (folder / each.name).symlink_to(program.resolve() if each.name == "program.toml" else each)
        try:
            yield folder
        except ConfigurationError as wrong:
            text = str(wrong).replace(str(folder / "program.toml"), str(program))
            raise ConfigurationError(text.replace(str(folder), str(deploy))) from wrong


def tables(file: Path, name: str, *, may_be_absent: bool = False) -> dict[str, dict[str, Any]]:
    """The tables `[name.*]` of a file. Raises ConfigurationError."""
    with configuration(file):
        whole = _parsed(file.read_text("utf-8"))
        found = msgspec.convert(whole.get(name, {}) if may_be_absent else whole[name], type=dict[str, Any])
    for key, each in found.items():
        with configuration(f"{file}: {name}.{key}"):
            found[key] = msgspec.convert(each, type=dict[str, Any])
    return found


@lru_cache(maxsize=16)
def _parsed(toml: str) -> dict[str, Any]:
    """A start asks for program.toml seven times, which takes longer to parse than all else that it does. Nobody
    changes what is returned."""
    return tomllib.loads(toml)


def read_each(
    file: Path, name: str, read: Callable[[str, dict[str, Any]], T], *, may_be_absent: bool = False
) -> dict[str, T]:
    """Each table `[name.*]` of a file as `read` makes it of its key and what it holds. Raises ConfigurationError."""
    found = {}
    for key, each in tables(file, name, may_be_absent=may_be_absent).items():
        with configuration(f"{file}: {name}.{key}"):
            found[key] = read(key, each)
    return found


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

    Raises ConfigurationError, naming the setting, when one is missing or of another type.
    """
    loaded = {}
    for program, its in programs(deploy).items():
        with configuration(f"{deploy / 'program.toml'}: program.{program} ({service})"):
            values = numbers(msgspec.convert(its.get(service, {}), type=dict[str, Any]))
            shared = numbers(_shared_with(service, its)) | {"staff": _staff(program, its)}
            require_zone(shared["timezone"])
            loaded[program] = _converted({**shared, **values}, type_)
    return loaded


def _shared_with(service: str, its: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """What the program has for this service beside its own table. Raises KeyError where it is missing."""
    names = (*_OF_ALL_SERVICES, *(name for name, services in _OF_SOME_SERVICES.items() if service in services))
    lent = {name: its.get(lender, {}).get(name, {}) for name, lender in _LENT.get(service, {}).items()}
    return {name: its[name] for name in names} | lent


def _converted(values: Mapping[str, object], type_: type[T]) -> T:
    """Raises ValueError, which names the key of a table of any keys too, where msgspec writes `[...]`."""
    try:
        return msgspec.convert(values, type=type_, strict=False)
    except msgspec.ValidationError as wrong:
        name = found[1] if (found := _ANY_KEY.search(str(wrong))) else ""
        table = values.get(name)
        alone = {key: {**values, name: {key: each}} for key, each in table.items()} if isinstance(table, dict) else {}
        key = next((each for each, them in alone.items() if _fault(them, type_) == str(wrong)), None)
        raise ValueError(str(wrong) if key is None else str(wrong).replace("[...]", f".{key}", 1)) from wrong


_ANY_KEY = re.compile(r"`\$\.(\w+)\[\.\.\.\]")


def _fault(values: Mapping[str, object], type_: type[T]) -> str:
    try:
        msgspec.convert(values, type=type_, strict=False)
    except msgspec.ValidationError as wrong:
        return str(wrong)
    return ""


class Number(msgspec.Struct, frozen=True):
    """A number of program.toml, with its unit and where it comes from."""

    value: object
    unit: str
    source: str


Sourced = Mapping[str, Number]


def sourced(deploy: Path, service: str) -> dict[str, Sourced]:
    """Per program, each number that the service decides with: by its name, below a table `table.name`."""
    return {
        program: _sourced({**its.get(service, {}), **_shared_with(service, its)})
        for program, its in programs(deploy).items()
    }


def _sourced(table: Mapping[str, object], place: str = "") -> dict[str, Number]:
    found: dict[str, Number] = {}
    for name, each in table.items():
        if isinstance(each, dict) and {"value", "unit", "source"} <= each.keys():
            found[f"{place}{name}"] = Number(each["value"], each["unit"], each["source"])
        elif isinstance(each, dict):
            found |= _sourced(each, f"{place}{name}.")
    return found


def require_zone(name: object) -> ZoneInfo:
    """A day is the program's day, so its zone must be one. Raises ValueError."""
    try:
        return ZoneInfo(str(name))
    except (ValueError, LookupError, OSError) as unknown:
        raise ValueError("timezone must be a zone of the IANA database, like America/New_York") from unknown


def _staff(program: str, its: Mapping[str, Any]) -> Staff:
    """Who may sign and answer Tasks. Raises ConfigurationError where nobody may, or a name is not one person's."""
    place = f"program.toml: program.{program}.staff"
    if not its.get("staff"):
        raise ConfigurationError(f"{place}: must name who signs and answers Tasks, with their roles.")
    try:
        return require_staff(msgspec.convert(its["staff"], type=dict[str, Member]))
    except ValueError as wrong:
        raise ConfigurationError(f"{place}: {wrong}") from wrong


def staff(deploy: Path) -> dict[str, Staff]:
    """The staff of each program. Raises ConfigurationError."""
    return {program: _staff(program, its) for program, its in programs(deploy).items()}


def organizations(deploy: Path) -> dict[str, Organization]:
    """Each program as the organization that refers to its partners. Raises ConfigurationError."""
    file = deploy / "program.toml"
    return read_each(file, "program", lambda _, its: msgspec.convert(its["organization"], type=Organization))


def zones(deploy: Path) -> dict[str, ZoneInfo]:
    """Each program's own, in which its days begin. Raises ConfigurationError."""
    return read_each(deploy / "program.toml", "program", lambda _, its: require_zone(its["timezone"]))


def retention(deploy: Path) -> dict[str, Retention]:
    """Per program, how long what no decision needs is stored."""
    found = {}
    for program, its in programs(deploy).items():
        with configuration(f"{deploy / 'program.toml'}: program.{program}.retention"):
            found[program] = msgspec.convert(numbers({"retention": its["retention"]})["retention"], type=Retention)
    return found


def topic_days(deploy: Path, topic: str) -> int:
    """For how many days a topic keeps its records."""
    file = deploy / "topics.toml"
    known = tables(file, "topic")
    with configuration(f"{file}: topic.{topic}.retention_days"):
        days: int = msgspec.convert(known[topic]["retention_days"], type=Annotated[int, msgspec.Meta(ge=1)])
    return days


def partners(deploy: Path) -> dict[str, Partner]:
    """The partners of partners.toml by name. Raises ConfigurationError."""
    file = deploy / "partners.toml"
    known = read_each(file, "partner", lambda name, each: msgspec.convert({"name": name, **each}, type=Partner))
    for name, partner in known.items():
        with configuration(f"{file}: partner.{name}"):
            require_laboratory(require_narrow(partner))
            require_whole(partner.access)
        if partner.access.token_url:
            require_url(partner.access.token_url, f"{file}: partner.{name}.access.token_url")
    _require_identified(known, file)
    _require_referrers(known, file)
    _require_one_laboratory(known, file)
    return {name: _with_paths(each, deploy) for name, each in known.items()}


def _with_paths(partner: Partner, deploy: Path) -> Partner:
    """A file that is named in partners.toml lies beside it, unless its path is absolute."""
    access = partner.access.with_paths(lambda path: str(deploy / path))
    return partner if access == partner.access else msgspec.structs.replace(partner, access=access)


def _require_identified(known: Mapping[str, Partner], file: Path) -> None:
    """A consent names a partner by its identifier alone, so that it means one of a program. Raises
    ConfigurationError."""
    seen: dict[tuple[str, str], str] = {}
    for name, partner in known.items():
        place = f"{file}: partner.{name}.identifier"
        if not partner.identifier.strip():
            raise ConfigurationError(f"{place}: must not be empty.")
        for program in partner.programs:
            if (other := seen.setdefault((program, partner.identifier), name)) != name:
                raise ConfigurationError(f"{place}: is that of partner.{other} of the same program already.")


def _require_referrers(known: Mapping[str, Partner], file: Path) -> None:
    """Each that refers may be answered, and each identifier means one partner of a program. Raises
    ConfigurationError."""
    seen: dict[tuple[str, str], str] = {}
    for name, partner in known.items():
        place = f"{file}: partner.{name}.refers_as"
        if not all(_IDENTIFIER.fullmatch(each) for each in partner.refers_as):
            raise ConfigurationError(f"{place}: must be identifiers, system|value.")
        answered = ANSWERED & TERMS[partner.kind].fields
        if partner.refers_as and answered.isdisjoint(partner.fields):
            raise ConfigurationError(f"{place}: needs {' or '.join(sorted(answered or {REFERRAL_STATE}))} in fields.")
        for key in itertools.product(partner.programs, partner.refers_as):
            if seen.setdefault(key, name) != name:
                raise ConfigurationError(f"{place}: names partner.{seen[key]} of the same program already.")


def _require_one_laboratory(known: Mapping[str, Partner], file: Path) -> None:
    """Which of two an order would go to nothing says. Raises ConfigurationError."""
    seen: dict[str, str] = {}
    for name, partner in known.items():
        for program in partner.programs if partner.kind == "laboratory" else ():
            if (other := seen.setdefault(program, name)) != name:
                place = f"{file}: partner.{name}"
                raise ConfigurationError(f"{place}: program {program} has partner.{other} as its laboratory already.")


def require_url(text: str, place: str) -> str:
    """The address of somebody outside: https, or http on loopback. Raises ConfigurationError naming the place."""
    scheme, host, _, _ = _address(text)
    if not host or not (scheme == "https" or (scheme == "http" and host in LOOPBACK)):
        raise ConfigurationError(f"{place}: must be https://host[:port]/path, or http:// on loopback.")
    return text


def require_mllp_url(text: str, place: str) -> str:
    """Likewise, of somebody who is sent HL7 over MLLP. Raises ConfigurationError naming the place."""
    scheme, host, port, rest = _address(text)
    if not (host and port) or rest or not (scheme == "mllps" or (scheme == "mllp" and host in LOOPBACK)):
        raise ConfigurationError(f"{place}: must be mllps://host:port, or mllp://host:port on loopback.")
    return text


def _address(text: str) -> tuple[str, str | None, int | None, str]:
    """Scheme, host, port, and what stands besides; no host where it is no address."""
    try:
        parts = urlsplit(text)
        named = f"{parts.path}{parts.query}{parts.fragment}{parts.username or ''}{parts.password or ''}"
        return parts.scheme, parts.hostname, parts.port, named
    except ValueError:
        return "", None, None, ""
