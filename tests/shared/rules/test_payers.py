"""Payers as data: where a week of theirs begins, and what stops the start."""

import shutil
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.attendance.settings import Settings
from services.intake.settings import Settings as OfIntake
from shared.platform.settings import ConfigurationError, load, sourced
from tests.house.test_rooms import ROOT

DEPLOY = ROOT / "deploy"
DEFAULT = load(DEPLOY, "attendance", Settings)["demo"].payers["default"]
zones = some.sampled_from(["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu"])
instants = some.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=some.just(UTC))


@given(zones, instants, some.integers(0, 6), some.integers(4, 23))
def test_a_boundary_is_the_first_local_hour_of_its_weekday_from_then_on(
    timezone: str, moment: datetime, weekday: int, hour: int
) -> None:
    payer, zone = (
        msgspec.structs.replace(DEFAULT, week_begins_weekday=weekday, week_begins_hour=hour),
        ZoneInfo(timezone),
    )
    found = payer.boundary_from(moment, zone)
    local = found.astimezone(zone)
    assert (local.weekday(), local.time()) == (weekday, time(hour))
    assert moment <= found <= moment + timedelta(days=7, hours=1)
    assert payer.boundary_from(found, zone) == found
    following = payer.boundary_from(found + timedelta(days=1), zone)
    assert abs(following - found - timedelta(days=7)) <= timedelta(hours=1)


def test_an_hour_that_a_clock_change_leaves_out_begins_at_the_one_after_it() -> None:
    """In New York there is no 2:30 on 8 March 2026, and 1:30 comes twice on 1 November."""
    zone, sunday = ZoneInfo("America/New_York"), msgspec.structs.replace(DEFAULT, week_begins_weekday=6)
    at_two = msgspec.structs.replace(sunday, week_begins_hour=2)
    at_one = msgspec.structs.replace(sunday, week_begins_hour=1)
    assert at_two.boundary_from(datetime(2026, 3, 8, tzinfo=UTC), zone) == datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert at_one.boundary_from(datetime(2026, 11, 1, tzinfo=UTC), zone) == datetime(2026, 11, 1, 5, tzinfo=UTC)
    second = datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert at_one.boundary_from(second, zone) == datetime(2026, 11, 8, 6, tzinfo=UTC)


LINE = "[program.demo.payers.medicaid]"
WRONG = [
    ("week_begins_weekday = { value = 7", "payers.medicaid.week_begins_weekday"),
    ("week_begins_weekday = { value = 'sunday'", "payers.medicaid.week_begins_weekday"),
    ("week_begins_hour = { value = 24", "payers.medicaid.week_begins_hour"),
    ("least_minutes = { value = 10081", "payers.medicaid.least_minutes"),
    ("least_minutes = { value = -1", "payers.medicaid.least_minutes"),
    ("least_days = { value = 8", "payers.medicaid.least_days"),
    ("least_days = { value = 7.5", "payers.medicaid.least_days"),
    ("day_minutes = { value = 1441", "payers.medicaid.day_minutes"),
    ("session_percent = { value = 101", "payers.medicaid.session_percent"),
    ("recertification_days = { value = -60", "payers.medicaid.recertification_days"),
    ("recertification_ask_days = { value = 61", "recertification_ask_days: must not be more than recertification_days"),
    ("codes = { value = ['Medicaid']", "codes: must be system|code"),
    (
        "codes = { value = ['https://nahdo.org/sopt|1']",
        "payers.medicare.codes: payers.medicaid has one of them already",
    ),
]


def with_lines(folder: Path, *changed: tuple[str, str]) -> Path:
    deploy = Path(shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("*.py", "__pycache__")))
    file = deploy / "program.toml"
    text = file.read_text()
    for before, after in changed:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)
    return deploy


def with_line(folder: Path, line: str) -> Path:
    """Of the payer medicaid another line of this setting."""
    text = (DEPLOY / "program.toml").read_text()
    its = text[text.index(LINE) : text.index("[program.demo.payers.medicare]")]
    setting = line.split(" = ")[0]
    lines = [
        f"{line}, unit = 'u', source = 's' }}" if one.startswith(f"{setting} =") else one for one in its.splitlines()
    ]
    return with_lines(folder, (its, "\n".join(lines) + "\n"))


@pytest.mark.parametrize(("line", "remedy"), WRONG)
@pytest.mark.parametrize("service", ["attendance", "intake"])
def test_a_payer_that_cannot_be_stops_the_start_with_its_line(
    tmp_path: Path, service: str, line: str, remedy: str
) -> None:
    deploy, kind = with_line(tmp_path, line), Settings if service == "attendance" else OfIntake
    with pytest.raises(ConfigurationError, match=rf"program\.toml: program\.demo \({service}\): .*") as wrong:
        load(deploy, service, kind)
    assert remedy in str(wrong.value) and "payers" in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("Default", "payers.default: is missing"), ("default-", "payers.default: is missing")],
)
def test_without_a_default_payer_nothing_starts(tmp_path: Path, name: str, remedy: str) -> None:
    deploy = with_lines(tmp_path, ("[program.demo.payers.default]", f"[program.demo.payers.{name}]"))
    with pytest.raises(ConfigurationError, match=remedy):
        load(deploy, "attendance", Settings)


@pytest.mark.parametrize("name", ["Medicaid", "-medicaid", "medicaid-", "m" * 33, '"medi caid"'])
def test_a_payer_has_a_name_that_may_stand_on_a_topic(tmp_path: Path, name: str) -> None:
    deploy = with_lines(tmp_path, (LINE, f"[program.demo.payers.{name}]"))
    with pytest.raises(ConfigurationError, match="must be a name of at most 32 small letters"):
        load(deploy, "intake", OfIntake)


def test_the_setting_that_moved_to_the_payers_is_named_where_it_still_stands(tmp_path: Path) -> None:
    moved = 'weekly_minimum_minutes = { value = 540, unit = "min", source = "former" }\nweek_closes_hours ='
    deploy = with_lines(tmp_path, ("week_closes_hours =", moved))
    with pytest.raises(ConfigurationError, match="weekly_minimum_minutes"):
        load(deploy, "attendance", Settings)


def test_the_numbers_of_a_payer_have_their_sources() -> None:
    assert sourced(DEPLOY, "attendance")["demo"]["payers.medicaid.least_days"].value == 3
    assert "payers.medicaid.least_days" not in sourced(DEPLOY, "testing")["demo"]
