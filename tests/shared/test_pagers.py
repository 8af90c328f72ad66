"""oncall.toml as its page prints it, and what is refused of it: never with what a secret's file holds."""

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.intake import app
from shared.platform.keys import Keys
from shared.platform.pagers import pagers
from shared.platform.settings import ConfigurationError, Process
from shared.process import Configuration, report_who_is_on_call
from tests.service import DEPLOY
from tests.shared.test_rota_file import printed

WHOLE = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    folder = tmp_path / "deploy"
    folder.mkdir()
    for file in DEPLOY.glob("*.toml"):
        shutil.copy(file, folder)
    (folder / "rota.toml").write_text(printed("The rota"))
    (folder / "oncall.toml").write_text(printed("How people are told"))
    (folder / "pager.secret").write_text(f"{WHOLE}\n")
    (folder / "slack.url").write_text("https://hooks.example.org/hidden\n")
    return folder


def test_the_printed_channels_are_read(deploy: Path) -> None:
    demo = pagers(deploy)["demo"]
    assert demo.tiers == {3, 4}
    assert demo.channel_of("prescriber-1").url == "https://hooks.example.org/hidden"
    assert demo.channel_of("clinician-1").secrets and demo.limits.tries_most == 10
    assert "hidden" not in repr(demo) and "secrets" not in repr(demo)


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ("https://pager", "http://pager", r"channel.pager.url: must be https://"),
        ("https://pager", "ftp://pager", r"channel.pager.url: must be https://"),
        ('form = "cloudevent"', 'form = "fax"', "Invalid enum value 'fax'"),
        ('secret_files = ["pager.secret"]', "", "channel.pager.secret_files is missing"),
        ('["pager.secret"]', '["a", "b", "c"]', "length <= 2"),
        ('["pager.secret"]', '["absent.secret"]', r"absent.secret: can't be read \(FileNotFoundError\)"),
        ('["T3", "T4"]', '["T5"]', "Invalid enum value 'T5'"),
        ("channel.deputies", "channel.others", "channel.deputies is missing, by which prescriber-1 is reached"),
        ('url_file = "slack.url"', "", "either url or url_file is required"),
        ('form = "slack"', 'form = "pagerduty-v2"', "routing_key_file is required for pagerduty-v2"),
        ("program.demo", "program.other", r"rota.toml must say who is on call, \[program.other\]"),
    ],
)
def test_what_is_wrong_in_it_is_named(deploy: Path, before: str, after: str, wrong: str) -> None:
    text = printed("How people are told")
    assert before in text
    (deploy / "oncall.toml").write_text(text.replace(before, after))
    with pytest.raises(ConfigurationError, match=wrong) as refused:
        pagers(deploy)
    assert "oncall.toml" in str(refused.value) or "absent.secret" in str(refused.value)


@pytest.mark.parametrize("content", ["", "whsec_", "whsec_hidden!", "whsec_aGlkZGVu", "hidden " * 40])
def test_a_secret_that_is_none_is_refused_and_not_repeated(deploy: Path, content: str) -> None:
    (deploy / "pager.secret").write_text(content)
    with pytest.raises(ConfigurationError, match=r"pager.secret: (must hold whsec_|is empty)") as refused:
        pagers(deploy)
    assert "hidden" not in str(refused.value)


def test_an_address_in_a_file_is_refused_and_not_repeated(deploy: Path) -> None:
    (deploy / "slack.url").write_text("http://hooks.example.org/hidden")
    with pytest.raises(ConfigurationError, match=r"deputies.url_file: must be https") as refused:
        pagers(deploy)
    assert "hidden" not in str(refused.value)


def configured(deploy: Path, keys_folder: Path) -> Configuration:
    process = Process(
        database_url="postgresql://nobody@127.0.0.1:1/none",
        kafka_bootstrap="127.0.0.1:1",
        deploy=deploy,
        keys=keys_folder,
        issuer="http://127.0.0.1:8100",
    )
    return Configuration.of(process, app.assemble(Keys.load(keys_folder, "intake")))


def test_without_the_file_nothing_rings_and_the_start_says_so(deploy: Path, keys_folder: Path) -> None:
    (deploy / "oncall.toml").unlink()
    without = configured(deploy, keys_folder)
    with capture_logs() as lines:
        report_who_is_on_call(without)
    assert [each.name for each in without.routes.destinations if each.kind == "partner"] == []
    assert [each["event"] for each in lines] == ["escalations ring nobody: there is no oncall.toml"]


def test_with_the_file_each_service_has_both_lanes(deploy: Path, keys_folder: Path) -> None:
    found = configured(deploy, keys_folder)
    with capture_logs() as lines:
        report_who_is_on_call(found)
    lanes = [each.lane for each in found.routes.destinations if each.kind == "partner"]
    assert lanes == ["partner:on-call", "partner:on-call-deputy"]
    assert [each["event"] for each in lines] == [
        "pages link to loopback, which no telephone reaches: IOP_PUBLIC_URL is missing"
    ]


def test_a_rota_with_a_gap_starts_no_service(deploy: Path, keys_folder: Path) -> None:
    (deploy / "oncall.toml").unlink()
    (deploy / "rota.toml").write_text(printed("The rota").replace('["sat", "sun"]', '["sat"]'))
    with pytest.raises(ConfigurationError, match="nobody from sun 08:00 on"):
        configured(deploy, keys_folder)
