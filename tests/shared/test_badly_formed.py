"""Whatever is badly formed, in whatever file or variable: the process ends with 78 and names the file or the key."""

import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from deploy import issuer
from shared.platform import settings
from shared.platform.ending import EXIT_CONFIGURATION, logged
from shared.platform.keys import Keys
from shared.platform.settings import AnyProcess, ConfigurationError, Process, environment
from shared.process import Configuration
from tests.service import DEPLOY

SERVICES = ("intake", "attendance", "testing", "aftercare")
TABLES = ("program.toml", "clients.toml", "partners.toml", "topics.toml")
HIDDEN = "hunter2"
RIGHT = {
    "DATABASE_URL": f"postgresql://iop:{HIDDEN}@127.0.0.1:5432/iop",
    "KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "ISSUER": "http://127.0.0.1:8100",
}
WRONG: dict[str, tuple[str, ...]] = {
    "host": ("",),
    "http_port": ("abc", "", "8101.5", "-1", "70000", "0x1f"),
    "http_socket": ("abc", "1.5", "-1"),
    "deploy": ("/nowhere", "/dev/null"),
    "keys": ("/nowhere", "/dev/null"),
    "issuer": ("", "abc", "ftp://issuer", "http://", "http://issuer:abc"),
    "audience": ("",),
    "database_url": ("", "abc", f"mysql://iop:{HIDDEN}@host/db", f"postgresql://iop:{HIDDEN}@host:abc/db"),
    "kafka_bootstrap": ("", "abc", "host:port", "host:1,", "PLAINTEXT://host:9092"),
    "kafka_security": ("", "SASL_PLAINTEXT", "ssl"),
    "kafka_mechanism": ("GSSAPI", "PLAIN"),
    "kafka_username": ("", HIDDEN),
    "kafka_password_file": ("/nowhere",),
    "kafka_ca_file": ("/nowhere",),
    "kafka_cert_file": ("/nowhere",),
    "kafka_key_file": ("/nowhere",),
    "kafka_token_url": ("abc", f"https://iop:{HIDDEN}@tokens.example"),
    "kafka_client_id": ("", HIDDEN),
    "kafka_scope": ("", HIDDEN),
    "public_url": ("abc", "http://hub.example", "https://"),
    "admin_host": ("",),
    "admin_port": ("abc", "70000"),
    "mllp_host": ("",),
    "mllp_port": ("abc", "-1"),
    "mllp_socket": ("abc", "1.5", "-1"),
    "mllp_tls_host": ("",),
    "mllp_tls_port": ("abc", "-1", "2576"),
    "mllp_tls_socket": ("abc", "1.5", "-1"),
    "mllp_tls_cert_file": ("/nowhere",),
    "mllp_tls_key_file": ("/nowhere",),
    "mllp_lines": ("abc", "0", "1.5"),
    "mllp_lines_a_client": ("abc", "0"),
    "mllp_first_seconds": ("abc", "0", "nan", "inf"),
    "mllp_idle_seconds": ("abc", "-1", "nan"),
    "hl7_message_bytes": ("abc", "0", "1.5"),
    "hl7_batch_bytes": ("abc", "-1"),
    "hl7_batch_messages": ("abc", "0"),
    "hl7_rows": ("abc", "0"),
    "hl7_answer_seconds": ("abc", "0", "inf"),
    "clock_file": ("/nowhere", "/dev/null", "/"),
    "replica": ("",),
    "log_level": ("", "loud", "INFO"),
    "catch_up_hours": ("abc", "25", "-1", "nan"),
}
"""Each variable, badly formed."""


def start_service(name: str) -> object:
    """All that a service reads before it opens anything."""
    keys = Keys.load(environment(Process).keys, name)
    return Configuration.of(environment(Process), import_module(f"services.{name}.app").assemble(keys))


def start_issuer(_: str = "issuer") -> object:
    process = environment(AnyProcess)
    return issuer.load(process.issuer, process.audience, process.deploy, process.keys)


def sentence(start: Callable[[str], object], name: str) -> str:
    """Why it does not start. Its end is 78, and what stands in a file of keys or in an address is not repeated."""
    with pytest.raises(ConfigurationError) as wrong:
        start(name)
    assert logged(wrong.value) == EXIT_CONFIGURATION
    assert HIDDEN not in str(wrong.value)
    return str(wrong.value)


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__", "jars*"))
    return folder


@pytest.fixture
def keys(tmp_path: Path, keys_folder: Path) -> Path:
    return shutil.copytree(keys_folder, tmp_path / "keys")


@pytest.fixture(autouse=True)
def right(monkeypatch: pytest.MonkeyPatch, deploy: Path, keys: Path) -> None:
    for name in [each for each in os.environ if each.startswith("IOP_")]:
        monkeypatch.delenv(name)
    for name, value in {**RIGHT, "DEPLOY": str(deploy), "KEYS": str(keys)}.items():
        monkeypatch.setenv(f"IOP_{name}", value)


def unreadable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where nobody gave us the right: root, who may run this, reads everything."""
    for method in ("read_text", "read_bytes"):
        monkeypatch.setattr(Path, method, _refusing(file, getattr(Path, method)))


def _refusing(file: Path, read: Callable[..., Any]) -> Callable[..., Any]:
    def attempt(self: Path, *arguments: Any) -> Any:
        if self == file:
            raise PermissionError(13, "Permission denied", str(file))
        return read(self, *arguments)

    return attempt


def replaced_by(content: bytes) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def replace(file: Path, _: pytest.MonkeyPatch) -> None:
        file.write_bytes(content)

    return replace


def missing(file: Path, _: pytest.MonkeyPatch) -> None:
    file.unlink()


def a_folder(file: Path, _: pytest.MonkeyPatch) -> None:
    file.unlink()
    file.mkdir()


FAULTS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "missing": missing,
    "unreadable": unreadable,
    "a folder": a_folder,
    "empty": replaced_by(b""),
    "no text": replaced_by(b"\xff\xfe\x00"),
    "garbage": replaced_by(f"[[[ {HIDDEN}".encode()),
}
SHAPES = ("{0} = 1", "{0} = []", "[{0}]\none = 1", "[[{0}]]", "[{0}.one]\nunknown = 1", "[other]")


def test_what_is_right_starts() -> None:
    for name in SERVICES:
        start_service(name)
    start_issuer()


def test_each_variable_stands_in_the_table_of_the_wrong_ones() -> None:
    assert set(WRONG) == set(Process.model_fields)


@pytest.mark.parametrize(("name", "value"), [(name, each) for name, values in WRONG.items() for each in values])
def test_a_badly_formed_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"IOP_{name.upper()}", value)
    named = sentence(start_service, "testing")
    assert f"IOP_{name.upper()}: " in named or (value.startswith("/") and named.startswith(value))
    if name in AnyProcess.model_fields:
        assert value in sentence(start_issuer, "issuer") or f"IOP_{name.upper()}: " in sentence(start_issuer, "issuer")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("service", ["intake", "aftercare"])
def test_a_table_that_cannot_be_read_is_named(
    service: str, table: str, fault: str, deploy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAULTS[fault](deploy / table, monkeypatch)
    assert sentence(start_service, service).startswith(f"{deploy / table}: ")


@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"empty"}))
def test_feeds_that_cannot_be_read_are_named_by_the_service_that_reads_them(
    fault: str, deploy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAULTS[fault](deploy / "feeds.toml", monkeypatch)
    assert sentence(start_service, "aftercare").startswith(f"{deploy / 'feeds.toml'}: ")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_another_shape_is_named(table: str, shape: str, deploy: Path) -> None:
    (deploy / table).write_text(shape.format(table.removesuffix(".toml").removesuffix("s")))
    assert sentence(start_service, "testing").startswith(f"{deploy / table}: ")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_key_that_cannot_be_read_is_named(
    service: str, fault: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("digest.key", f"documents.{service}.key", f"{service}.private.json", "testing.public.json"):
        if service != "intake" and fault == "missing" and name == "testing.public.json":
            continue  # only intake seals parts for another service
        content = (keys / name).read_bytes()
        with monkeypatch.context() as broken:
            FAULTS[fault](keys / name, broken)
            assert sentence(start_service, service).startswith(f"{keys / name}: ")
        shutil.rmtree(keys / name, ignore_errors=True)
        (keys / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("digest.key", f"{HIDDEN}:abcd"),
        ("digest.key", "ab" * 32),
        ("documents.intake.key", "ab" * 31),
        ("intake.private.json", '{"kty": "oct", "k": "hunter2"}'),
        ("intake.private.json", '{"kty": "EC", "crv": "hunter2", "x": "a", "y": "b"}'),
        ("intake.private.json", "[1]"),
    ],
)
def test_a_key_of_another_kind_is_named_and_never_repeated(name: str, content: str, keys: Path) -> None:
    (keys / name).write_text(content)
    assert sentence(start_service, "intake").startswith(f"{keys / name}: must be ")


def test_a_public_key_in_the_place_of_a_private_one_is_named(keys: Path) -> None:
    shutil.copy(keys / "intake.public.json", keys / "intake.private.json")
    assert "must be a private key" in sentence(start_service, "intake")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["issuer.private.json", "clients/ehr.public.json"])
def test_a_key_that_the_issuer_cannot_read_is_named(
    name: str, fault: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FAULTS[fault](keys / name, monkeypatch)
    assert sentence(start_issuer, "issuer").startswith(f"{keys / name}: ")


@pytest.mark.parametrize("service", SERVICES)
def test_a_setting_of_another_type_is_named(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = settings.programs(DEPLOY)
    for table in (service, "escalation"):
        for key in known["demo"].get(table, {}):
            wrong = deepcopy(known)
            wrong["demo"][table][key] = {"value": [[1]]}
            monkeypatch.setattr(settings, "programs", lambda _, found=wrong: found)
            assert f"$.{key}" in sentence(start_service, service) or f"$.escalation.{key}" in sentence(
                start_service, service
            )


def numbers_of(table: dict[str, Any], *place: str) -> Iterator[tuple[str, ...]]:
    """The places of all that is a number, or numbers."""
    for name, each in table.items():
        if isinstance(each, dict) and "value" not in each:
            yield from numbers_of(each, *place, name)
        elif isinstance(each, dict) and type(each["value"]) in (int, float):
            yield (*place, name)


NO_NUMBERS: tuple[Any, ...] = (-1, 10**9, float("nan"), float("inf"))
"""What no setting can mean; an instant reckoned with the second is in no calendar."""


@pytest.mark.parametrize("service", SERVICES)
def test_a_number_that_no_clinic_can_mean_is_named(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = settings.programs(DEPLOY)
    places = list(numbers_of(known["demo"][service]))
    assert len(places) >= 5
    taken = []
    for *tables, key in places:
        for number in NO_NUMBERS:
            wrong = deepcopy(known)
            table = reduce(lambda found, name: found[name], tables, wrong["demo"][service])
            table[key] = {"value": number}
            monkeypatch.setattr(settings, "programs", lambda _, found=wrong: found)
            try:
                settings.load(DEPLOY, service, import_module(f"services.{service}.settings").Settings)
                taken.append((key, number))
            except ConfigurationError as named:
                assert f"program.demo ({service}): " in str(named)
                assert ".".join([*tables, key]) in str(named)
    assert taken == []


@pytest.mark.parametrize(
    ("service", "place", "value", "named"),
    [
        ("intake", ("sessions", "day_start"), "9:00", "sessions.day_start"),
        ("intake", ("sessions", "evening_start"), "24:00", "sessions.evening_start"),
        ("intake", ("sessions", "family_every_weeks"), 0, "sessions.family_every_weeks"),
        ("intake", ("sessions", "individual_minutes"), 0, "sessions.individual_minutes"),
        ("intake", ("stages", "maintenance", "family_weekdays"), [7], "stages.maintenance.family_weekdays"),
        ("intake", ("stages", "engagement", "individual_weekdays"), [0], "each session needs a day of its own"),
        ("intake", ("stages", "engagement", "group_weekdays"), [0, 0, 2], "$.stages.engagement"),
        ("intake", ("stages", "maintenance", "group_blocks"), 1, "stages.maintenance: its week hasn't the hours"),
        ("intake", ("stages", "engagement", "group_blocks"), 0, "stages.engagement.group_blocks"),
        ("intake", ("stages", "early-recovery", "weeks"), 0, "stages.early-recovery.weeks"),
        ("intake", ("stages", "continuing-care", "level"), "1.0", "stages.continuing-care.level"),
        ("intake", ("stages", "continuing-care", "blocks"), 2, "stages.continuing-care"),
        ("intake", ("combine_tier",), 0, "combine_tier"),
        ("intake", ("attests",), ["cooccurring"], "attests"),
        ("attendance", ("misses_in_window",), 1, "misses_in_window"),
        ("attendance", ("long_window_days",), 36, "long_window_days"),
        ("attendance", ("outreach_hour",), 24, "outreach_hour"),
        ("testing", ("validity", "dilute_creatinin"), 20, "dilute_creatinin"),
        ("testing", ("residual_days", "fentanil"), 26, "residual_days: 'fentanil'"),
        ("aftercare", ("feed_percent_least",), 101, "feed_percent_least"),
    ],
)
def test_a_setting_that_cannot_be_right_is_named(
    service: str, place: tuple[str, ...], value: object, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = deepcopy(settings.programs(DEPLOY))
    *tables, key = place
    reduce(lambda found, name: found[name], tables, wrong["demo"][service])[key] = {"value": value}
    monkeypatch.setattr(settings, "programs", lambda _: wrong)
    assert named in sentence(start_service, service)


@pytest.mark.parametrize("value", ["maybe", 2, None, [True]])
def test_whether_a_person_is_needed_is_yes_or_no(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = deepcopy(settings.programs(DEPLOY))
    wrong["demo"]["escalation"]["acknowledge_needs_person"] = {"value": value}
    monkeypatch.setattr(settings, "programs", lambda _: wrong)
    assert "escalation.acknowledge_needs_person" in sentence(start_service, "testing")


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "America", 7])
def test_a_zone_that_is_none_is_named(zone: object, monkeypatch: pytest.MonkeyPatch) -> None:
    known = settings.programs(DEPLOY)
    monkeypatch.setattr(settings, "programs", lambda _: {"demo": {**known["demo"], "timezone": zone}})
    assert "program.demo (attendance): timezone must be a zone" in sentence(start_service, "attendance")


def test_what_no_organization_has_is_named(deploy: Path) -> None:
    text = (deploy / "program.toml").read_text()
    (deploy / "program.toml").write_text(text.replace('phone = "+1', 'timezone = "UTC"\nphone = "+1', 1))
    assert "program.demo: Object contains unknown field `timezone`" in sentence(start_service, "aftercare")
