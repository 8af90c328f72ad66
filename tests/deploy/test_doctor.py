"""`iop doctor`: each check names what is wrong and what to do, and what hangs hangs nobody else."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import copy, copytree
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey, KeySet
from typer.testing import CliRunner

from deploy import comparing, hubfile, queries
from deploy.certificates import Authority
from deploy.cli import app
from deploy.commands.doctor import lines
from deploy.comparing import Difference
from deploy.demo.pager import ROTA
from deploy.doctor import databases, files, network
from deploy.doctor.asking import BY_URL, Place, ask
from deploy.doctor.checks import CHECKS, Result, examine
from deploy.doctor.facts import Database, Facts, Group, KafkaFacts, NoAnswer, ReadinessCheck, Ready, Rows
from deploy.doctor.waiting import answered, in_thread
from deploy.hubfile import Hub
from deploy.paths import REPOSITORY, SETTINGS
from shared.path.outbound.http import public_authorities
from shared.path.transaction.feeds import StoredFeed
from shared.platform import certificates as laboratory_certificates
from shared.platform import db
from shared.platform.agreement import STEPS, Agreement
from shared.platform.certificates import in_pem
from shared.platform.clients import laboratories
from shared.platform.kafka import Cluster
from shared.platform.settings import partners
from tests.journey.pager import WITH_A_GAP
from tests.stalls import stalls

SILENT = NoAnswer("did not answer in 3 s")
SIMULATOR = "mllp://127.0.0.1:2577"
SERVICES = ("intake", "attendance", "testing", "aftercare")
WELL = Facts(
    hub=Hub("127.0.0.1:9092", "http://127.0.0.1:8100", {}, {}),
    free_bytes=10_000_000_000,
    free_bytes_least=2_000_000_000,
    ports={"kafka at 127.0.0.1:9092": True},
    java="openjdk 21",
    issuer=("a",),
    issuer_key="a",
    certificates={"partner alumni": 90.0},
    laboratories={"laboratory lab": 90.0},
    databases={name: Database(18) for name in SERVICES},
    kafka=KafkaFacts((), {name: Group(1) for name in SERVICES}),
    services={name: Ready(ready=True) for name in SERVICES},
)


def stored(**changed: Any) -> dict[str, Any]:
    """The facts where testing's database has something else."""
    return {"databases": {**WELL.databases, "testing": replace(Database(18), **changed)}}


def waiting(**rows: Any) -> dict[str, Any]:
    return stored(rows=Rows(**rows))


STOPPED = ReadinessCheck("consumer", "wrong", "It has stopped.", datetime(2026, 1, 5, 3, 12, tzinfo=UTC), "resume it")
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("hub", {"hub": NoAnswer("no hub is running")}, "no hub is running"),
    ("ports", {"ports": {"MLLP at 127.0.0.1:2575": False}}, "nobody listens for MLLP at 127.0.0.1:2575"),
    ("services", {"services": {"testing-1": SILENT}}, "testing-1: did not answer in 3 s"),
    (
        "services",
        {"services": dict.fromkeys(("intake", "testing"), Ready(ready=False, checks=(STOPPED,)))},
        "intake, testing: It has stopped, since 2026-01-05 03:12:00 UTC (resume it)",
    ),
    ("disk", {"free_bytes": 1_500_000_000}, "1500 MB are free, 2000 MB are wanted"),
    ("java", {"java": NoAnswer("java ends with 1")}, "java ends with 1"),
    ("jars", {"broken_jars": ["org.apache.kafka:kafka_2.13:4.1.0"]}, "kafka_2.13:4.1.0 is missing or broken"),
    ("file modes", {"readable_by_others": ["keys/digest.key"]}, "keys/digest.key can be read by others"),
    ("settings", {"settings": ["program.toml: timezone is missing"]}, "program.toml: timezone is missing"),
    ("keys", {"keys": ["digest.key: can't be read"]}, "digest.key: can't be read"),
    ("issuer", {"issuer": SILENT}, "did not answer in 3 s"),
    ("issuer", {"issuer": ("b",)}, "it publishes another key"),
    ("other issuers", {"other_issuers": {"clinic": SILENT}}, "clinic: did not answer in 3 s"),
    ("other issuers", {"other_issuers": {"clinic": ()}}, "clinic: it publishes no keys"),
    ("on call", {"pagers": ["oncall.toml: secret_files is missing"]}, "secret_files is missing"),
    ("rota", {"rota": ["on-call: nobody from Mon 03:00"]}, "nobody from Mon 03:00"),
    ("certificates", {"certificates": {"partner alumni": 13.0}}, "partner alumni: its certificate ends in 13 days"),
    ("certificates", {"certificates": {"partner alumni": NoAnswer("is refused")}}, "partner alumni: is refused"),
    ("laboratories", {"laboratories": {"laboratory lab": 13.0}}, "laboratory lab: its certificate ends in 13 days"),
    ("laboratories", {"laboratories": {"laboratory lab": NoAnswer("no PEM")}}, "laboratory lab: no PEM"),
    ("database", {"databases": {**WELL.databases, "testing": SILENT}}, "testing: did not answer in 3 s"),
    ("database", stored(version=14), "testing: PostgreSQL 14, 15 or later is needed"),
    ("database", stored(rows=NoAnswer("its rows can't be read (X)")), "testing: its rows can't be read (X)"),
    ("rights", stored(lacking=["INSERT on journal"]), "testing: its user lacks INSERT on journal"),
    ("schema", stored(agreement=Agreement(absent=("0009_x.sql",))), "older than the code: it lacks 0009_x.sql"),
    ("clock", stored(agreement=Agreement(-5.1)), "testing: The database's clock is 5 s behind this machine's"),
    ("kafka", {"kafka": SILENT}, "did not answer in 3 s"),
    (
        "topics",
        {"kafka": KafkaFacts((Difference("iop.x", "topic", "absent", "present", "created"),))},
        "iop.x: topic is absent, present is wanted",
    ),
    ("groups", {"kafka": KafkaFacts((), {"testing": Group(0)})}, "iop.testing has 0 of 1 members"),
    ("groups", {"kafka": KafkaFacts((), {"testing": Group(0, error="NotCoordinator")})}, "iop.testing: NotCoordinator"),
    ("groups", {"kafka": KafkaFacts((), NoAnswer("clerk has no right"))}, "clerk has no right"),
    ("lag", {"kafka": KafkaFacts((), {"testing": Group(1, 5_001)})}, "testing: 5001 records wait to be read"),
    ("consumers", waiting(stopped="iop.intake.events/3/7 (bug)"), "testing: stopped at iop.intake.events/3/7 (bug)"),
    ("reader", waiting(reader_lacks=["the role iop_reader"]), "testing: it lacks the role iop_reader"),
    ("gate", waiting(gate="the gate is shut"), "testing: the gate is shut"),
    ("lanes", waiting(lanes={"internal": 121.0}), "testing: the oldest row of internal has waited for 2 min"),
    ("lanes", waiting(lanes={"partner:x": 7_300.0}), "testing: the oldest row of partner:x has waited for 2 h"),
    (
        "lanes",
        waiting(lanes={"partner:on-call": 61.0}),
        "testing: the oldest row of partner:on-call has waited for 61 s",
    ),
    ("parked", waiting(parked={"queued": 2, "bug": 1}), "testing: 1 bug, 2 queued"),
    ("strays", waiting(strays=3), "testing: 3 records on its topic that are no events"),
    (
        "unmatched",
        waiting(waiting=2, waiting_seconds=180_000.0),
        "2 results wait for their patient, the oldest for 2 d",
    ),
    (
        "retention",
        waiting(retention_seconds=4 * 3600.0),
        "testing: what is past its days was last deleted 4 h ago",
    ),
    ("deadlines", waiting(late_deadlines=4), "testing: 4 have passed and are not decided"),
    (
        "feeds",
        waiting(silent_feeds=[queries.SilentFeed("demo", datetime(2026, 1, 5, 23, 0, tzinfo=UTC), "5f0c")]),
        "testing: nothing is reported of demo's sessions since 2026-01-05 23:00Z (Task/5f0c)",
    ),
    (
        "meeting feeds",
        waiting(
            meeting_feeds=[
                StoredFeed(
                    program="demo", name="west", trouble="shrunk", troubled_at=datetime(2026, 1, 5, 23, 0, tzinfo=UTC)
                )
            ]
        ),
        "feed west of demo is in trouble since 2026-01-05 23:00Z (shrunk)",
    ),
    ("journal", waiting(unreadable_settings=1), "1 stored settings are not what their digest says"),
    ("journal", waiting(without_settings=5), "the settings of 5 decisions are not stored"),
]


def test_a_hub_that_is_well_has_nothing_wrong() -> None:
    assert {each.status for each in examine(WELL)} == {"ok"}


@pytest.mark.parametrize(("name", "change", "sentence"), WRONG)
def test_each_check_names_what_is_wrong_and_what_to_do(name: str, change: dict[str, Any], sentence: str) -> None:
    found = {each.name: each for each in examine(replace(WELL, **change))}
    assert found[name].status == "wrong"
    assert sentence in found[name].text
    assert found[name].remedy
    others = {each.name for each in found.values() if each.status == "wrong"} - {name}
    assert others == set()


def test_no_check_is_left_out() -> None:
    assert {name for name, *_ in WRONG} == {each.name for each in CHECKS}


@pytest.mark.parametrize(
    "within",
    [
        waiting(lanes={"topic:iop.x": 119.0, "partner:x": 890.0, "partner:on-call": 59.0}),
        waiting(waiting=9, waiting_seconds=86_000.0),
        {"kafka": KafkaFacts((), {"testing": Group(2, 5_000)})},
        {"certificates": {"partner alumni": 14.0}},
        {"is_embedded": False, "java": NoAnswer("none"), "broken_jars": ["x"]},
        {"services": {}},
        {
            "hub": BY_URL,
            "services": {"http://clinic:8001": Ready(ready=True)},
            "kafka": KafkaFacts((), {"testing": Group(0)}),
        },
    ],
)
def test_what_is_within_its_limits_or_does_not_matter_here_is_not_wrong(within: dict[str, Any]) -> None:
    assert [each for each in examine(replace(WELL, **within)) if each.status == "wrong"] == []


def test_what_hangs_on_something_else_that_is_wrong_is_not_asked_so_that_the_cause_stands_alone() -> None:
    silent = replace(WELL, databases=dict.fromkeys(SERVICES, SILENT), kafka=SILENT)
    by_status: dict[str, set[str]] = {"wrong": set(), "not asked": set(), "ok": set()}
    for each in examine(silent):
        by_status[each.status].add(each.name)
    assert by_status["wrong"] == {"database", "kafka"}
    assert by_status["not asked"] == {
        *("rights", "schema", "clock", "consumers", "gate", "lanes", "parked", "strays", "unmatched", "deadlines"),
        *("reader", "feeds", "meeting feeds", "retention", "journal", "topics", "groups", "lag"),
    }


OF_ROWS = {
    *("reader", "consumers", "gate", "lanes", "parked", "strays", "unmatched", "deadlines", "feeds", "retention"),
    *("meeting feeds", "journal"),
}
WITHOUT_RIGHTS = NoAnswer("rights are missing", asked=False)
PARTLY: list[tuple[Database | NoAnswer, str, str, set[str]]] = [
    (SILENT, "database", "testing: did not answer in 3 s", {"rights", "schema", "clock", *OF_ROWS}),
    (
        Database(18, ("INSERT on journal",), WITHOUT_RIGHTS, WITHOUT_RIGHTS),
        "rights",
        "testing: rights are missing",
        {"schema", "clock", *OF_ROWS},
    ),
]


@pytest.mark.parametrize(("testing", "cause", "reason", "unasked"), PARTLY)
def test_where_one_database_can_not_be_asked_nothing_is_ok_that_hangs_on_it(
    testing: Database | NoAnswer, cause: str, reason: str, unasked: set[str]
) -> None:
    found = {each.name: each for each in examine(replace(WELL, databases={**WELL.databases, "testing": testing}))}
    assert {name for name, each in found.items() if each.status == "wrong"} == {cause}
    assert {name for name, each in found.items() if each.status == "not asked"} == unasked
    assert {found[name].text for name in unasked} == {reason}


@pytest.mark.parametrize(("testing", "cause", "reason", "unasked"), PARTLY)
def test_what_the_other_databases_have_is_named_though_one_can_not_be_asked(
    testing: Database | NoAnswer, cause: str, reason: str, unasked: set[str]
) -> None:
    wrong = Rows(gate="the gate is shut", parked={"bug": 1}, late_deadlines=4, stopped="x/0/1 (bug)")
    aftercare = Database(18, rows=wrong, agreement=Agreement(-60.0, ("0009_x.sql",)))
    databases = {**WELL.databases, "testing": testing, "aftercare": aftercare}
    found = {each.name: each for each in examine(replace(WELL, databases=databases))}
    for name in ("gate", "parked", "deadlines", "consumers", "schema", "clock"):
        assert (found[name].status, found[name].text[:10]) == ("wrong", "aftercare:"), name


def test_a_person_reads_what_is_wrong_first_and_what_mends_it_in_one_line() -> None:
    found = lines([Result("disk", "ok"), Result("kafka", "wrong", "silent", "start it"), Result("lag", "not asked")])
    assert found == ["wrong      kafka         silent -> start it", "not asked  lag", "ok         disk"]


# What is asked


async def test_what_hangs_is_named_and_waited_for_no_longer() -> None:
    began = time.monotonic()
    hung = await asyncio.gather(
        answered(in_thread(lambda: time.sleep(30)), 0.2),
        answered(asyncio.sleep(30), 0.2),
        answered(in_thread(int), 0.2),
    )
    assert list(hung) == [NoAnswer("did not answer in 0.2 s"), NoAnswer("did not answer in 0.2 s"), 0]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (asyncpg.InternalClientError("x"), "does not answer (InternalClientError)"),
        (PermissionError("x"), "does not answer (PermissionError)"),
        (ZeroDivisionError("x"), "could not be asked (ZeroDivisionError)"),
    ],
)
async def test_whatever_one_question_ends_with_it_is_an_answer_that_repeats_nothing(
    raised: Exception, reason: str
) -> None:
    async def ends() -> None:
        raise raised

    assert await answered(ends(), 3.0) == NoAnswer(reason)


async def test_a_folder_or_address_that_is_malformed_is_named_and_the_rest_is_asked(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub.json").mkdir()
    (tmp_path / "clock").write_text("yesterday")
    monkeypatch.setenv("DATABASE_URL", "postgresql://iop@localhost:x/")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("IOP_KAFKA_SECURITY", "NONE")
    found = await ask(Place(tmp_path, own))
    assert isinstance(found.kafka, NoAnswer)
    assert (found.kafka.asked, "IOP_KAFKA_SECURITY" in found.kafka.reason) == (True, True)
    assert found.hub == NoAnswer("does not answer (IsADirectoryError)")
    assert set(found.databases.values()) == {NoAnswer("DATABASE_URL is no address")}
    assert found.rota == NoAnswer("could not be asked (ValueError)")
    assert found.settings == []
    monkeypatch.setenv("DATABASE_URL", "postgresql://iop@localhost:1/")
    found = await ask(Place(tmp_path, own))
    assert set(found.databases.values()) == {NoAnswer("could not be asked (ValueError)")}


async def test_keys_are_where_the_environment_has_them_and_not_missed_on_another_machine(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "IOP_KEYS"):
        monkeypatch.delenv(name, raising=False)
    elsewhere = Place(tmp_path / "none", own, ("http://127.0.0.1:1",))
    assert (await ask(elsewhere)).keys == BY_URL
    assert isinstance((await ask(replace(elsewhere, urls=()))).keys, NoAnswer)
    secret = tmp_path / "mounted" / "digest.key"
    secret.parent.mkdir()
    secret.write_text("secret")
    secret.chmod(0o644)
    monkeypatch.setenv("IOP_KEYS", str(secret.parent))
    found = await ask(elsewhere)
    assert found.readable_by_others == [str(secret)]
    assert isinstance(found.keys, list)
    assert any("mounted" in each for each in found.keys)


def test_secrets_that_others_can_read_are_named_by_their_file_wherever_a_file_names_them(tmp_path: Path) -> None:
    data, settings = tmp_path / "data", tmp_path / "settings"
    (data / "keys" / "kafka").mkdir(parents=True)
    (data / "kafka").mkdir()
    settings.mkdir()
    (settings / "oncall.toml").write_text('[program.demo.channel.phone]\nsecret_files = ["new.key", "old.key"]\n')
    partner = '[partner.x]\nidentifier = "x"\nkind = "treating-provider"\nprograms = ["demo"]\npurpose = "TREAT"\n'
    access = '[partner.x.access]\nbearer_file = "bearer"\nca_file = "ca.pem"\n'
    (settings / "partners.toml").write_text(partner + access)
    own = ("keys/digest.key", "keys/kafka/broker.pem", "kafka/server.properties", "postgres.password")
    secrets = [*(data / each for each in own), *(settings / each for each in ("old.key", "new.key", "bearer"))]
    public = [data / "keys/intake.public.json", data / "keys/kafka/ca.pem", settings / "ca.pem"]
    for each in (*secrets, *public):
        each.write_text("secret")
    for mode in (0o644, 0o640):
        for each in (*secrets, *public):
            each.chmod(mode)
        assert set(files.readable_by_others(data, data / "keys", settings)) == {str(each) for each in secrets}
    for each in secrets:
        each.chmod(0o600)
    assert files.readable_by_others(data, data / "keys", settings) == []


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of settings of one's own."""
    copied = tmp_path / "settings"
    copied.mkdir()
    for each in SETTINGS.glob("*.toml"):
        (copied / each.name).write_text(each.read_text())
    copytree(SETTINGS / "meetings", copied / "meetings")
    return copied


def test_settings_that_come_with_the_hub_are_whole_and_each_broken_file_is_named(own: Path) -> None:
    assert files.settings(own) == []
    for name, broken in (
        ("program.toml", "timezone = "),
        ("topics.toml", "writers = "),
        ("clients.toml", "base_url = "),
    ):
        whole = (own / name).read_text()
        (own / name).write_text(whole.replace(broken, f"no_{broken}", 1))
        assert any(name in each for each in files.settings(own)), name
        (own / name).write_text(whole)


def test_a_gap_in_the_rota_is_named_with_its_first_hour(own: Path) -> None:
    (own / "rota.toml").write_text(WITH_A_GAP)
    (found,) = files.rota(own, date(2026, 1, 5))
    assert "23:00" in found
    assert files.pagers(own) == []


def test_a_rota_whose_holidays_have_all_passed_is_named(own: Path) -> None:
    written = ROTA.replace("[program.demo.person", "[program.demo]\nholidays = [2025-12-25]\n[program.demo.person")
    (own / "rota.toml").write_text(written)
    (found,) = files.rota(own, date(2026, 1, 5))
    assert "2025-12-25" in found
    assert files.rota(own, date(2025, 12, 25)) == []


@pytest.fixture
def expired(tmp_path: Path) -> Iterator[tuple[Path, ssl.SSLContext]]:
    """A certificate that ended yesterday, trusted by whoever reads this file, and a server's context with it."""
    key, yesterday = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC) - timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = built.serial_number(1).not_valid_before(yesterday - timedelta(days=90)).not_valid_after(yesterday)
    named = dated.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    file, private = tmp_path / "expired.pem", tmp_path / "expired.key"
    file.write_bytes(named.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    public_authorities.cache_clear()  # which a process reads once
    yield file, context
    public_authorities.cache_clear()


def test_of_two_certificates_of_a_laboratory_the_newer_counts_and_a_broken_file_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.make("authority")
    old, new = (in_pem(authority.sign("lab", days).certificate)[0] for days in (3, 40))
    assert files.laboratories(tmp_path, SETTINGS) == {}
    laboratory_certificates.store(tmp_path, "lab", [new, old])
    (days,) = files.laboratories(tmp_path, SETTINGS).values()
    assert isinstance(days, float) and 39 < days <= 40
    broken = laboratory_certificates.file_of(tmp_path, "lab")
    broken.write_text("none")
    assert files.laboratories(tmp_path, SETTINGS) == {
        "laboratory lab": NoAnswer(f"{broken} must be a certificate in PEM")
    }


async def test_a_partner_whose_certificate_has_expired_is_named_as_its_lane_would_meet_it(
    own: Path, expired: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = expired
    server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0, ssl=context)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("IOP_PARTNER_URL_RIVERBEND_HOUSE", f"https://localhost:{server.sockets[0].getsockname()[1]}/")
    async with server:
        found = await network.certificates(own, 3.0)
    assert found == {"partner riverbend-house": NoAnswer("its certificate is refused: certificate has expired")}


async def test_a_laboratory_that_orders_go_to_is_asked_for_its_certificate_too(
    own: Path, expired: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, context = expired
    server = await asyncio.start_server(lambda _, writer: writer.close(), "localhost", 0, ssl=context)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with_the_laboratory(own, f"mllps://localhost:{server.sockets[0].getsockname()[1]}")
    async with server:
        found = await network.certificates(own, 3.0)
    assert found == {"partner riverbend-laboratory": NoAnswer("its certificate is refused: certificate has expired")}


def with_the_laboratory(own: Path, url: str = SIMULATOR) -> None:
    """The lines that stand commented out in partners.toml count."""
    commented = (own / "partners.toml").read_text().partition("# [partner.riverbend-laboratory]\n")
    laboratory = "".join(each.removeprefix("# ") for each in commented[1:] for each in each.splitlines(keepends=True))
    (own / "partners.toml").write_text(commented[0] + laboratory.replace(SIMULATOR, url))


def test_testings_gate_counts_where_a_laboratory_is_listed_or_the_list_cannot_be_read(own: Path) -> None:
    gates = {service for service in SERVICES if files.discloses(service, own)}
    assert gates == {"aftercare"}, "without a laboratory testing discloses nothing"
    with_the_laboratory(own)
    assert {service for service in SERVICES if files.discloses(service, own)} == {"aftercare", "testing"}
    (own / "partners.toml").write_text("[partner")
    assert files.discloses("testing", own)
    (own / "partners.toml").unlink()
    assert files.discloses("testing", own)


async def test_the_gate_of_a_service_that_discloses_nothing_is_not_judged(database: str) -> None:
    await db.migrate(database)
    now = datetime.now(UTC)
    with_one, without = [await databases.ask("testing", database, now, discloses=each) for each in (True, False)]
    assert isinstance(with_one.rows, Rows) and isinstance(without.rows, Rows)
    assert with_one.rows.gate.startswith("the gate is shut until") and without.rows.gate == ""


def test_the_commented_laboratory_reports_as_a_laboratory_that_is_registered(own: Path) -> None:
    with_the_laboratory(own)
    listed = partners(own)["riverbend-laboratory"]
    assert listed.url == SIMULATOR
    assert listed.facility in laboratories(own), "the simulator's report names it in MSH-4, and is AR 204 else"


async def test_of_a_silent_process_only_the_end_of_its_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "testing.log"
    silent = "does not answer (ConnectError)"
    ready = partial(network.ready, "testing", "http://127.0.0.1:1", tmp_path)
    assert await answered(ready(), 3.0) == NoAnswer(silent)
    log.parent.mkdir()
    log.write_text('{"event": "began"}\n' + "x" * 10_000)
    assert await answered(ready(), 3.0) == NoAnswer(f"{silent}; its log: see {log}")
    log.write_text("x" * 10_000 + '\n{"event": "the disk is full"}\n')
    assert await answered(ready(), 3.0) == NoAnswer(f"{silent}; its log: the disk is full")


async def test_the_kafka_of_the_environment_is_asked_before_the_hubs_as_other_commands_do(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "IOP_KEYS", "IOP_KAFKA_SECURITY"):
        monkeypatch.delenv(name, raising=False)
    hubfile.write(tmp_path, Hub("127.0.0.1:2", "http://127.0.0.1:1", {}, {}))
    for environment, asked in (("127.0.0.1:1", "127.0.0.1:1"), ("", "127.0.0.1:2")):
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", environment)
        found = (await ask(Place(tmp_path, own))).kafka
        assert isinstance(found, NoAnswer)
        assert asked in found.reason


async def test_a_file_of_settings_that_hangs_hangs_nobody_else(own: Path) -> None:
    for name in ("partners.toml", "topics.toml"):
        (own / name).unlink()
        os.mkfifo(own / name)
    hung = await asyncio.gather(
        answered(network.certificates(own, 0.2), 0.2), answered(network.kafka(Cluster("127.0.0.1:1"), own), 0.2)
    )
    assert set(hung) == {NoAnswer("did not answer in 0.2 s")}


async def test_why_kafka_can_not_be_used_is_named_as_the_other_commands_name_it(own: Path) -> None:
    found = await answered(network.kafka(Cluster("127.0.0.1:1"), own), 3.0)
    refused = "Kafka at 127.0.0.1:1 does not answer (ConnectionRefusedError): start it, or correct"
    assert found == NoAnswer(f"{refused} KAFKA_BOOTSTRAP_SERVERS")


async def test_who_may_see_topics_and_no_groups_still_learns_what_is_wrong_with_the_topics(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "admin", lambda _: AsyncMock())
    monkeypatch.setattr(comparing, "present_topics", AsyncMock(return_value=({}, 1)))
    monkeypatch.setattr(network, "_groups", AsyncMock(side_effect=GroupAuthorizationFailedError()))
    found = await network.kafka(Cluster("127.0.0.1:1"), own)
    assert {each.stands for each in found.differences} == {"absent"}
    assert isinstance(found.groups, NoAnswer)
    assert "has no right to do this (GroupAuthorizationFailedError)" in found.groups.reason


def test_a_group_whose_coordinator_answers_with_an_error_is_not_called_empty() -> None:
    assert network.group_of((16, "iop.testing", "", "", "", ()), 0) == Group(0, 0, "NotCoordinatorForGroupError")
    assert network.group_of((0, "iop.testing", "Stable", "consumer", "range", ("a", "b")), 7) == Group(2, 7)
    assert network.group_of(None, 7) == Group(0, 7)


async def test_what_the_role_lacks_that_reads_a_journal_is_named(database: str) -> None:
    owner: Any = await asyncpg.connect(database)
    await db.migrate(database)
    assert await queries.reader_lacks(owner) == []
    await owner.execute("REVOKE SELECT ON journal FROM iop_reader")
    assert await queries.reader_lacks(owner) == ["SELECT on journal for iop_reader"]
    await owner.close()


async def test_rights_that_were_taken_away_are_named_and_nothing_else_is_claimed(database: str) -> None:
    owner: Any = await asyncpg.connect(database)
    await db.migrate(database)
    parts = urlsplit(database)
    await owner.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    try:
        await owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk")
        as_clerk = urlunsplit(parts._replace(netloc=f"clerk:clerk@{parts.hostname}:{parts.port}"))
        found = await databases.ask("testing", as_clerk, datetime.now(UTC), discloses=True)
        assert "INSERT on outbox" in found.lacking
        assert "SELECT on outbox" not in found.lacking
        assert isinstance(found.rows, NoAnswer)
        assert found.agreement == Agreement()
        await owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC, clerk")
        hidden = await databases.ask("testing", as_clerk, datetime.now(UTC), discloses=True)
        assert hidden.lacking == ["USAGE on schema public"]
    finally:
        await owner.execute("DROP OWNED BY clerk; DROP ROLE clerk")
        await owner.close()


async def test_a_schema_of_another_release_is_named_as_such_whatever_its_tables_are(database: str) -> None:
    now = datetime.now(UTC)
    await db.migrate(database)
    connection: Any = await asyncpg.connect(database)
    await connection.execute("ALTER TABLE waiting RENAME TO renamed")
    by_hand = await databases.ask("testing", database, now, discloses=True)
    assert by_hand.rows == NoAnswer("its rows can't be read (UndefinedTableError)")
    await connection.execute("INSERT INTO migrations (name) VALUES ('9999_next.sql')")
    newer = await databases.ask("testing", database, now, discloses=True)
    assert newer.agreement == Agreement(unknown=("9999_next.sql",))
    assert newer.rows == NoAnswer("its schema is another release's", asked=False)
    await connection.execute("DROP TABLE migrations")
    await connection.close()
    assert (await databases.ask("testing", database, now, discloses=True)).agreement == Agreement(
        absent=tuple(sorted(STEPS))
    )


async def test_what_waits_in_a_database_is_counted_without_naming_anybody(database: str) -> None:
    await db.migrate(database)
    now = datetime.now(UTC)
    connection: Any = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO outbox (lane, headers, body, stored_at) VALUES ('partner:x', '{}', '{}', now() - interval '1 h')"
    )
    await connection.execute("INSERT INTO outbox (lane, headers, body, parked) VALUES ('internal', '', '', 'bug: x')")
    await connection.execute("INSERT INTO settings (program, digest, body) VALUES ('demo', 'another', '{}')")
    await connection.execute(
        "INSERT INTO strays VALUES ('t', 0, 1, 1, 'd', $1), ('t', 0, 2, 1, 'd', $2)", now, now - timedelta(days=2)
    )
    await connection.execute(
        """INSERT INTO waiting (id, program, digest, producer, content, at)
        VALUES (gen_random_uuid(), 'demo', 'd', 'lab', '{}', $1)""",
        now - timedelta(days=3),
    )
    await connection.close()
    found = await databases.ask("testing", database, now, discloses=True)
    rows = found.rows
    assert isinstance(rows, Rows)
    assert (rows.lanes["partner:x"] > 3_500, rows.parked, rows.strays, rows.unreadable_settings) == (
        True,
        {"row": 1},
        1,
        1,
    )
    assert (rows.waiting, round(rows.waiting_seconds)) == (1, 259_200)
    assert (found.lacking, found.agreement) == ((), Agreement())


def test_without_a_hub_it_says_so_with_what_to_do_and_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path / "none"), "--json", "--free-mb", "999000000"])
    assert done.exit_code == 1
    found = {each["name"]: each for each in json.loads(done.stdout)}
    wrong = {name for name, each in found.items() if each["status"] == "wrong"}
    assert wrong - {"jars"} == {"hub", "disk", "keys"}  # no Kafka was started here yet in a fresh clone
    assert "iop up" in found["hub"]["remedy"]
    assert found["database"] == {
        "name": "database",
        "status": "not asked",
        "text": "no hub is running, and DATABASE_URL names no database",
    }


SECONDS_PROMISED = 10.0
A_RESOLVER_THAT_HANGS = """
import socket, sys, time
socket.getaddrinfo = socket.gethostbyname = lambda *_, **__: time.sleep(60)
from deploy.cli import main
sys.argv = ["iop", *sys.argv[1:]]
print(time.monotonic(), file=sys.stderr)
main()
"""


async def test_a_resolver_that_hangs_holds_it_no_longer_than_it_promises(own: Path, tmp_path: Path) -> None:
    environment = {
        "IOP_KAFKA_SECURITY": "SSL",
        "IOP_PARTNER_URL_RIVERBEND_HOUSE": "https://house.clinic.example/fhir",
        "KAFKA_BOOTSTRAP_SERVERS": "broker.clinic.example:9092",
        "DATABASE_URL": "postgresql://hub:hub@database.clinic.example/hub",
    }
    options = ("--url", "http://testing.clinic.example", "--settings", str(own), "--data", str(tmp_path), "--json")
    stalled = asyncio.create_task(stalls())
    done = await asyncio.to_thread(
        subprocess.run,
        (sys.executable, "-c", A_RESOLVER_THAT_HANGS, "doctor", *options),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    taken = time.monotonic() - float(done.stderr.splitlines()[0])
    stalled.cancel()
    found = {each["name"]: each.get("text", "") for each in json.loads(done.stdout)}
    for name in ("services", "certificates", "database", "kafka"):
        assert "did not answer in 3 s" in found[name], (name, found[name])
    assert taken - await stalled < SECONDS_PROMISED


async def test_each_issuer_of_the_settings_is_asked_for_its_keys(tmp_path: Path) -> None:
    clients, settings = (SETTINGS / "clients.toml").read_text(), tmp_path / "settings"
    settings.mkdir()
    copy(SETTINGS / "partners.toml", settings)
    published = KeySet([ECKey.generate_key("P-256", {"kid": "a"})])
    (settings / "keys.json").write_text(json.dumps(published.as_dict(private=False)))
    with (settings / "clients.toml").open("w") as file:
        file.write(clients)
        for name, jwks in (("filed", "keys.json"), ("away", "http://127.0.0.1:1/keys")):
            file.write(f'[issuer.{name}]\nurl = "https://{name}.example"\njwks = "{jwks}"\n')
            file.write('audience = "hub"\nclients = ["ehr"]\n')
    found = await network.issuers(settings, 3.0)
    assert found == {"filed": ["a"], "away": NoAnswer("does not answer (ConnectError)")}
    (settings / "clients.toml").write_text("[client")
    assert isinstance(await network.issuers(settings, 3.0), NoAnswer)
