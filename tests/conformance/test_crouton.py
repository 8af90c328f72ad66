"""The official client of BMLT shows the meetings that our reader reads of the same root server."""

import calendar
import json
import re
from pathlib import Path

import pytest

from services.aftercare.feeds import publishers
from services.aftercare.meetings import bmlt
from services.aftercare.meetings.meeting import Meeting, Source
from shared.path.outbound.fetching import NO_VALIDATORS
from tests.aftercare.bmlt import RootServer, row
from tests.aftercare.feeds import publishing, registered
from tests.conformance import crouton
from tests.conformance.crouton import NotThereError, Shown

SUNDAY_FIRST = (*calendar.day_name[-1:], *calendar.day_name[:-1])
ROWS = [
    *(row(day, weekday_tinyint=str(day)) for day in range(1, 8)),
    row(8, meeting_name="Women's tea & talk", weekday_tinyint="4", start_time="07:05:00", duration_time="00:45:00"),
    row(9, meeting_name="Después del café", weekday_tinyint="7", start_time="23:30:00", duration_time="01:30:00"),
    row(10, meeting_name="Midnight", weekday_tinyint="1", start_time="00:00:00"),
    row(11, meeting_name="From afar", venue_type="2", virtual_meeting_link="https://zoom.example/j/5550123"),
    row(12, meeting_name="From here and afar", venue_type="3", start_time="12:15:00"),
]


@pytest.fixture(scope="module")
def modules() -> Path:
    try:
        return crouton.modules()
    except NotThereError as failure:
        pytest.skip(f"The official client of BMLT was not asked: {failure}.")


async def read(server: RootServer) -> list[Meeting]:
    published = await publishers.fetch(registered(server.root, kind="bmlt"), Path("/nowhere"), NO_VALIDATORS)
    assert published is not None
    return list(bmlt.read(Source(feed="west"), *map(json.loads, published.documents)).meetings)


def as_shown(meeting: Meeting) -> Shown:
    (weekday,) = meeting.weekdays
    return Shown(meeting.name, SUNDAY_FIRST[weekday], f"{meeting.start} - {meeting.end}")


async def test_the_official_client_shows_the_names_days_and_times_that_are_read_of_a_root_server(modules: Path) -> None:
    async with publishing() as publisher:
        server = RootServer(publisher, ROWS).open()
        shown, meetings = await crouton.shown(modules, server.root), await read(server)
    assert Shown("Después del café", "Saturday", "23:30 - 01:00") in shown
    assert sorted(shown) == sorted(map(as_shown, meetings))
    assert len(shown) == len(ROWS)


def test_a_machine_without_node_is_lacking_it_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotThereError, match="node and npm are not on the PATH"):
        crouton.modules()


@pytest.mark.skipif(not crouton.is_node_there(), reason="Node and npm are not on the PATH.")
def test_a_registry_that_cannot_be_reached_leaves_nothing_that_passes_for_the_modules(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IOP_CACHE", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    for _ in range(2):
        with pytest.raises(NotThereError, match="npm did not install the modules"):
            crouton.modules()


def test_a_module_that_is_not_what_the_lock_says_is_a_failure(
    modules: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for each in (modules / "package.json", modules / "package-lock.json"):
        (tmp_path / each.name).write_text(re.sub("sha512-.", "sha512-0", each.read_text()))
    monkeypatch.setattr(crouton, "NODE", tmp_path)
    monkeypatch.setenv("IOP_CACHE", str(tmp_path / "cache"))
    try:
        with pytest.raises(AssertionError, match="is not what package-lock"):
            crouton.modules()
    except NotThereError as failure:
        assert "EINTEGRITY" not in str(failure)
        pytest.skip(f"Only a registry can send the wrong module: {failure}.")
