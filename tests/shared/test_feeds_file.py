"""feeds.toml: what can't be right is refused at start, with its place and what would be right."""

from pathlib import Path

import pytest

from shared.platform.feeds import FEEDS_MOST, registered_feeds
from shared.platform.settings import ConfigurationError
from tests.service import DEPLOY

WEST = {
    "program": '"demo"',
    "kind": '"meeting-guide"',
    "url": '"https://west.example/feed.json"',
    "zone": '"America/New_York"',
    "attribution": '"West Intergroup"',
}
BMLT = {**WEST, "kind": '"bmlt"', "root": '"https://bmlt.example/main_server/"'}
del BMLT["url"]


def written(folder: Path, *tables: tuple[str, dict[str, str]]) -> Path:
    (folder / "program.toml").write_text((DEPLOY / "program.toml").read_text())
    text = "".join(
        f"[feed.{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items()) for name, table in tables
    )
    (folder / "feeds.toml").write_text(text)
    return folder


def why_not(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        registered_feeds(folder)
    return str(refused.value).removeprefix(f"{folder}/feeds.toml: ")


def test_the_feeds_that_come_with_the_hub_can_be_read() -> None:
    assert list(registered_feeds(DEPLOY)) == ["riverbend"]


def test_a_program_need_not_have_any(tmp_path: Path) -> None:
    assert registered_feeds(written(tmp_path)) == {}


def test_each_kind_has_its_place(tmp_path: Path) -> None:
    here = {**WEST, "file": '"meetings/west.json"'}
    del here["url"]
    loopback = {**WEST, "url": '"http://127.0.0.1:8199/feed.json"'}
    bodies = {**BMLT, "service_bodies": "[3, 4]", "root_server_ids": "[1]"}
    known = registered_feeds(written(tmp_path, ("a", WEST), ("b", here), ("c", loopback), ("d", BMLT), ("e", bodies)))
    assert [each.address for each in known.values()] == [
        "https://west.example/feed.json",
        "",
        "http://127.0.0.1:8199/feed.json",
        *["https://bmlt.example/main_server/"] * 2,
    ]
    assert (known["a"].every_hours, known["a"].stale_days) == (24, 14)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"program": '"elsewhere"'}, "feed.west.program: must be a program of program.toml."),
        ({"kind": '"rss"'}, "feed.west: Invalid enum value 'rss' - at `$.kind`."),
        ({"zone": '"Mars/Olympus"'}, "feed.west: zone must be a zone of the IANA database, like America/New_York."),
        ({"url": '"http://west.example/"'}, "feed.west.url: must be https://host[:port]/path, or http:// on loopback."),
        ({"url": '"ftp://west.example/"'}, "feed.west.url: must be https://host[:port]/path, or http:// on loopback."),
        ({"every_hours": "0"}, "feed.west: Expected `int` >= 1 - at `$.every_hours`."),
        ({"stale_days": "1"}, "feed.west: stale_days must be longer than every_hours."),
        ({"fellowship": '"A A"'}, "feed.west: fellowship must be a code"),
        ({"attribution": '""'}, "feed.west: Expected `str` of length >= 1"),
        ({"uri": '""'}, "feed.west: Object contains unknown field `uri`."),
        ({"file": '"x.json"'}, "feed.west: either url or file must say where it is"),
        ({"service_bodies": "[1]"}, "feed.west: either url or file must say where it is"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path: Path, changed: dict[str, str], sentence: str) -> None:
    assert why_not(written(tmp_path, ("west", {**WEST, **changed}))).startswith(sentence)


@pytest.mark.parametrize("changed", [{"root": '"https://bmlt.example"'}, {"url": '"https://west.example/"'}])
def test_a_bmlt_has_its_root_and_no_other_address(tmp_path: Path, changed: dict[str, str]) -> None:
    assert why_not(written(tmp_path, ("west", {**BMLT, **changed}))).startswith("feed.west: root must be the address")


def test_a_name_stands_in_ids_and_labels(tmp_path: Path) -> None:
    assert why_not(written(tmp_path, ('"We st"', WEST))).startswith("feed.We st: its name must be of a-z")


def test_two_of_a_name_and_two_of_a_place_are_refused(tmp_path: Path) -> None:
    assert "Cannot declare" in why_not(written(tmp_path, ("west", WEST), ("west", WEST)))
    again = why_not(written(tmp_path, ("west", WEST), ("east", WEST)))
    assert again == "feed.west: another feed of its program has the same address."


def test_more_feeds_than_the_hub_reads_are_refused(tmp_path: Path) -> None:
    many = [(f"feed-{at}", {**WEST, "url": f'"https://west.example/{at}"'}) for at in range(FEEDS_MOST + 1)]
    assert len(registered_feeds(written(tmp_path, *many[:-1]))) == FEEDS_MOST
    assert why_not(written(tmp_path, *many)) == "must have at most 40 feeds; it has 41."
