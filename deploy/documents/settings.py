"""docs/settings.md: every number of deploy/program.toml, and every variable of the environment."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import FieldInfo, fields

from deploy.documents.tables import table
from deploy.paths import REPOSITORY
from shared.platform.feeds import FEEDS_MOST, RegisteredFeed
from shared.platform.settings import Process

PROGRAM = REPOSITORY / "deploy" / "program.toml"
HEADING = re.compile(r"\bdomain (\d)\.(\d)")
INTRODUCTION = """# Settings

Nothing of this needs to be changed to run the hub on one machine. This page is made from `deploy/program.toml` and
`shared/platform/settings.py` by `make docs`.

## The numbers of a program

A program overrides them in its own section of `deploy/program.toml`: `[program.<name>]`. Each has a value, a unit and a
source. Marked are sources that are *unverified* (not read in the original), *secondary* (a text about the original),
and *this project's default*, which a program should review.

"""
OF_A_SERVICE: Mapping[str, str] = {
    "database_url": "PostgreSQL of this service: `postgresql://user:password@host:port/database`",
    "kafka_bootstrap": "Kafka, `host:port`, several with commas",
    "kafka_security": "`PLAINTEXT` (loopback only), `SSL` or `SASL_SSL`; host names are always verified",
    "kafka_mechanism": "with `SASL_SSL`: `SCRAM-SHA-512`, `SCRAM-SHA-256`, `PLAIN` or `OAUTHBEARER`",
    "kafka_username": "with a mechanism by password: the service's own user",
    "kafka_password_file": "file of that user's password, or with `OAUTHBEARER` of the client's secret",
    "kafka_ca_file": "PEM of who signed the brokers' certificates; without it whom the system trusts",
    "kafka_cert_file": "PEM of our certificate, where brokers want one",
    "kafka_key_file": "PEM of its key, not encrypted",
    "kafka_token_url": "with `OAUTHBEARER`: where a token is had by client credentials; https, or http on loopback",
    "kafka_client_id": "with `OAUTHBEARER`: our client id at that server",
    "kafka_scope": "with `OAUTHBEARER`: the scope asked for, if any",
    "host": "address on which the service listens",
    "http_port": "port for FHIR, `/metrics` and `/health`; 0 is any free one",
    "public_url": "address of this service for its clients, before `/fhir`: it stands in all links; without it only"
    " requests to loopback are answered",
    "admin_host": "address for `/admin`, on loopback for nobody outside needs it",
    "admin_port": "port for `/admin`, with `/metrics` and `/health` too; without it there is no `/admin`",
    "mllp_host": "address for MLLP without TLS, so on loopback (testing only)",
    "mllp_port": "port for HL7 v2 over MLLP (testing only); without it there is no MLLP",
    "mllp_tls_host": "address for MLLP with mutual TLS, which may be any (testing only)",
    "mllp_tls_port": "port for it; without it there is none",
    "mllp_tls_cert_file": "PEM of the certificate that laboratories are shown, and of who signed it; read again when it"
    " changes",
    "mllp_tls_key_file": "PEM of its key, not encrypted; read again when it changes",
    "mllp_lines": "MLLP connections at once",
    "mllp_lines_a_client": "MLLP connections at once from one address",
    "mllp_first_seconds": "seconds until the first message of an MLLP connection must begin",
    "mllp_idle_seconds": "seconds until the next message of an MLLP connection must be complete",
    "hl7_message_bytes": "bytes of an HL7 message at most, over MLLP and HTTP (this project's default; testing only)",
    "hl7_batch_bytes": "bytes of a batch of them at most (this project's default)",
    "hl7_batch_messages": "messages of a batch at most (this project's default)",
    "hl7_rows": "rows (OBX) of a message at most; of one with more nothing is read, and a person is asked (this"
    " project's default)",
    "hl7_answer_seconds": "seconds within which a message is stored, or to be sent again: AE 207 (this project's"
    " default)",
    "deploy": "folder of program.toml, partners.toml, topics.toml, clients.toml, feeds.toml and meetings/; where"
    " somebody is on call of rota.toml and oncall.toml too",
    "keys": "folder of the keys, as `iop up` makes it in its own",
    "issuer": "address of the token issuer; its keys are read at `/jwks.json`",
    "audience": "audience that a token must name",
    "log_level": "`debug` logs every request, `info` those that were refused, `warning` and `error` less",
    "clock_file": "file of a manual clock; without it the clinic's time is real time",
    "http_socket": "descriptor of a listening socket that the process inherits, where several share the address",
    "mllp_socket": "the same for MLLP",
    "mllp_tls_socket": "the same for MLLP with TLS",
    "replica": "name of this replica among those of its service, each its own; default: the host's ordinal, else 0",
    "catch_up_hours": "after an outage silence counts again once senders had as long as it was, at most so many hours",
}
OF_A_FEED: Mapping[str, str] = {
    "program": "whose meetings they are; what two programs both use stands twice, under two names",
    "kind": "`meeting-guide` (JSON, or a published sheet as CSV), `bmlt` (a root server or aggregator) or `table` (a"
    " curated CSV)",
    "zone": "time zone of meetings that name none",
    "attribution": "who publishes it, as a patient reads it",
    "url": "where a `meeting-guide` or `table` is: https, or http on loopback; no redirect leads to another host",
    "file": "instead of `url`: a file, below the folder of feeds.toml",
    "root": "of a `bmlt`: its address, which ends with a slash",
    "service_bodies": "of a `bmlt`: numbers of the service bodies whose meetings are read, with all below them",
    "root_server_ids": "of an aggregator: numbers of the root servers whose meetings are read",
    "fellowship": "of meetings that name none: `aa`, `na`, `smart` ...",
    "regions": "of meetings that name no place",
    "every_hours": "how often it is fetched, and up to a tenth later; in trouble every hour",
    "stale_days": "a copy that could not be renewed for so long is a trouble of its own",
}
OF_THE_COMMANDS = (
    ("IOP_DATA", "`.iop`", "folder of the hub"),
    (
        "IOP_CACHE",
        "`.cache`",
        "folder for what is downloaded or made once: Kafka's libraries, classes and new folder, the tables of FHIR",
    ),
    ("IOP_DEBUG", "", "any text: an unexpected error shows its traceback"),
    (
        "KAFKA_BOOTSTRAP_SERVERS",
        "",
        "a Kafka of your own instead of the embedded one, `host:port`, reached as `IOP_KAFKA_...` above say",
    ),
    (
        "DATABASE_URL",
        "",
        "a PostgreSQL of your own instead of the embedded one; its user must be able to create databases",
    ),
    ("IOP_PARTNER_URL_<NAME>", "", "address of a partner instead of the one in partners.toml"),
)

OF_TRACES = (
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "`http(s)://host:port` of a collector that takes OTLP over HTTP; without it no trace is recorded",
    ),
    ("OTEL_EXPORTER_OTLP_HEADERS", "", "headers that it asks for, `name=value`, several with commas"),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "", "PEM of who signed its certificate; without it whom the system trusts"),
    (
        "OTEL_TRACES_SAMPLER",
        "`parentbased_traceidratio`",
        "which requests begin a recorded trace: a share of them; `parentbased_always_on`: all",
    ),
    (
        "OTEL_TRACES_SAMPLER_ARG",
        "`0.02`",
        "that share, from 0 to 1; where the caller names a trace, its choice is followed",
    ),
    ("OTEL_BSP_SCHEDULE_DELAY", "`5000`", "milliseconds until recorded spans are sent"),
)


def page() -> str:
    """The whole page."""
    variables = ("variable", "default", "meaning")
    return "".join(
        (
            INTRODUCTION,
            *_programs(tomllib.loads(PROGRAM.read_text())["program"]),
            "## The feeds of meetings\n\nA table `[feed.NAME]` each in `feeds.toml`, at most ",
            f"{FEEDS_MOST} ([operate](operate.md#feeds-of-meetings)).\n\n",
            table(
                ("setting", "default", "meaning"),
                [_of_feed(each) for each in fields(RegisteredFeed) if each.name in OF_A_FEED],
            )
            + "\n",
            "## The environment of a service\n\n",
            table(variables, [_variable(name) for name in Process.model_fields]),
            "\n## Traces\n\nOf each service, by OpenTelemetry's names; whatever else its SDK reads holds as well, but "
            "for the limits of a span.\n\n",
            table(variables, [(f"`{name}`", default, meaning) for name, default, meaning in OF_TRACES]),
            "\n## The environment of the commands\n\n",
            table(variables, [(f"`{name}`", default, meaning) for name, default, meaning in OF_THE_COMMANDS]),
        )
    )


def _programs(programs: Mapping[str, Any]) -> Iterator[str]:
    for name, program in programs.items():
        for section, numbers in _sections(f"program.{name}", program):
            yield f"### {section}\n\n"
            yield table(("setting", "value", "unit", "source"), numbers) + "\n"


def _sections(name: str, section: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """A section with its own numbers, then the sections inside it."""
    numbers = [
        (f"`{key}`", _written(entry["value"]), entry["unit"], _linked(entry["source"]))
        for key, entry in _numbers(section)
    ]
    plain = [(f"`{key}`", _written(value), "", "") for key, value in section.items() if not isinstance(value, dict)]
    if plain or numbers:
        yield name, [*plain, *numbers]
    for key, inner in section.items():
        if isinstance(inner, dict) and "value" not in inner:
            yield from _sections(f"{name}.{key}", inner)


def _numbers(section: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, entry in section.items():
        if isinstance(entry, dict) and "value" in entry:
            yield key, entry


def _linked(source: str) -> str:
    """The source, its headings of the clinical rules as links."""
    return HEADING.sub(r"[domain \1.\2](clinical-rules.md#rule-\1-\2)", source)


def _written(value: object) -> str:
    match value:
        case list():
            return ", ".join(str(number) for number in value) or "none"
        case "":
            return "none"
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _of_feed(field: FieldInfo) -> tuple[str, str, str]:
    default = "required" if field.required else "" if field.default in ("", ()) else f"`{field.default}`"
    return f"`{field.name}`", default, OF_A_FEED[field.name]


def _variable(name: str) -> tuple[str, str, str]:
    field = Process.model_fields[name]
    default = "required" if field.is_required() else _default(None if field.default_factory else field.default)
    return f"`IOP_{name.upper()}`", default, OF_A_SERVICE[name]


def _default(value: object) -> str:
    match value:
        case None:
            return ""
        case Path():
            return f"`{value.as_posix()}`"
        case _:
            return f"`{value}`"
