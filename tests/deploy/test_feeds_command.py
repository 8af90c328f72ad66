"""`iop feeds`: what a person is shown of a feed, and what they may ask of it."""

import asyncio
import json
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from deploy import hubfile
from deploy.cli import app
from deploy.commands import feeds
from deploy.hubfile import Hub
from tests.service import DEPLOY

COUNTS = '{"meetings": 4, "entries": 7, "left_out": {"time-unreadable": 3}, "lacking": {"place-and-link": 1}}'


@pytest.fixture
def data(database: str, tmp_path: Path) -> Path:
    """A hub whose one feed has shrunk."""

    async def fill() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(
            "INSERT INTO feeds (program, name, meetings, counts, trouble, troubled_at, stored_at, tried_at)"
            " VALUES ('demo', 'riverbend', 41, $1, 'shrunk', '2026-01-05 12:00Z', '2026-01-04 12:00Z',"
            " '2026-01-05 13:00Z')",
            COUNTS,
        )
        await connection.close()

    asyncio.run(fill())
    hubfile.write(
        tmp_path, Hub(kafka="", issuer="", services={}, postgres={"aftercare": database}, settings=str(DEPLOY))
    )
    return tmp_path


def printed(data: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["feeds", *arguments, "--data", str(data)])
    assert done.exit_code == code or (code and done.exception is not None), done.output
    return done.output + str(done.exception or "")


def test_each_feed_is_listed_with_what_is_wrong(data: Path) -> None:
    line = next(line for line in printed(data, "list").splitlines() if "riverbend" in line)
    assert "41" in line and "2026-01-04 12:00Z" in line and "shrunk" in line


def test_one_feed_is_shown_with_what_cannot_be_used_and_what_to_do(data: Path) -> None:
    assert printed(data, "show", "riverbend").splitlines() == [
        "riverbend: meeting-guide of Riverbend Intergroup (made up), for program demo",
        "at meetings/riverbend.json, every 24 h",
        "looked at 2026-01-05 13:00Z, next never; as published 2026-01-04 12:00Z",
        "41 meetings in the copy that counts",
        "read last: 7 entries, 4 meetings",
        "    3 left out: time-unreadable",
        "    1 lack: place-and-link",
        "in trouble since 2026-01-05 12:00Z (shrunk): look at it: where it is right, `iop feeds refresh NAME --trust`",
    ]


def test_a_name_that_is_none_is_answered_with_those_that_are(data: Path) -> None:
    assert "it has: riverbend" in printed(data, "show", "west", code=1)


def test_who_asks_for_a_look_is_told_where_nobody_looks(
    data: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "REFRESH_SECONDS_MOST", 0.5)
    assert "does aftercare run?" in printed(data, "refresh", "riverbend", "--trust", code=1)

    async def asked() -> str:
        connection = await asyncpg.connect(database)
        found: str = await connection.fetchval("SELECT asked FROM feeds WHERE name = 'riverbend'")
        await connection.close()
        return found

    assert asyncio.run(asked()) == "trust"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [("http-404", "correct its address"), ("http-429", "may pass"), ("http-503", "may pass"), ("slow", "may pass")],
)
def test_a_trouble_of_the_publishers_is_waited_out_or_mended(trouble: str, words: str) -> None:
    assert words in feeds.remedy(trouble)


def test_a_file_is_tried_without_a_hub(tmp_path: Path) -> None:
    file = tmp_path / "meetings.json"
    file.write_text(json.dumps([{"name": "First Step", "slug": "a", "day": 1, "time": "19:00"}, {"name": "no slug"}]))
    shown = printed(tmp_path, "try", str(file), "--settings", str(DEPLOY))
    assert "read last: 2 entries, 1 meetings" in shown and "First Step" in shown and "1 left out: name-or-slug" in shown
    file.write_text("<html>")
    assert "no-feed" in printed(tmp_path, "try", str(file), "--settings", str(DEPLOY), code=1)
