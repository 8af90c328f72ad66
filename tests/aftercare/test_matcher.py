"""The lane's answer to which meetings fit: of the snapshot that counts now, and nobody else is asked."""

import socket
from typing import Any

import pytest

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.matcher import Matcher
from services.aftercare.meeting_lists import MeetingsAsked
from services.aftercare.meetings.wishes import Wishes
from tests.aftercare.given import ADMITTED, MEETINGS, PLAN, meeting

LIST = "6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c31"
LISTS = 200


def asks(wishes: Wishes) -> MeetingsAsked:
    return MeetingsAsked(list_id=LIST, plan_id=PLAN, wishes=wishes, most=12, asked_at=ADMITTED)


@pytest.fixture
def snapshots() -> Snapshots:
    found = Snapshots()
    found.replace("demo", MEETINGS, "first")
    return found


async def test_200_lists_are_made_and_no_byte_leaves(snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves(*_: Any, **__: Any) -> None:
        raise AssertionError("a list asks nobody")

    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, leaves)
    monkeypatch.setattr(socket, "getaddrinfo", leaves)
    matcher = Matcher(snapshots)
    for number in range(LISTS):
        wishes = Wishes(place=(25 + number * 0.1, -73.65), area="Riverbend", zone="America/New_York")
        assert (await matcher.answer("demo", asks(wishes))).offers


async def test_the_snapshot_that_counts_is_indexed_once_and_anew_when_it_changes(snapshots: Snapshots) -> None:
    matcher = Matcher(snapshots)
    before = await matcher.answer("demo", asks(Wishes()))
    assert (await matcher._index("demo")) is (await matcher._index("demo"))
    snapshots.replace("demo", [meeting("only", 1, "08:00")], "second")
    after = await matcher.answer("demo", asks(Wishes()))
    assert (before.snapshot, after.snapshot) == ("first", "second")
    assert [each.meeting for each in after.offers] == ["riverbend|only"]


async def test_of_another_program_there_is_nothing(snapshots: Snapshots) -> None:
    assert (await Matcher(snapshots).answer("elsewhere", asks(Wishes()))).offers == ()
