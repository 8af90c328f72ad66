"""Feeds over real HTTP into a real PostgreSQL: the last good copy counts, sealed, and whoever runs the hub hears of
trouble once."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from services.aftercare.feeds.reading import SMALL_BYTES
from shared.path.outbound import fetching
from shared.path.outbound.fetching import Limits
from shared.path.transaction import feeds as stored_feeds
from shared.platform.clock import machine_now
from tests.aftercare.bmlt import RootServer, row
from tests.aftercare.feeds import LINK, Feeds, entry, of, publishing, registered
from tests.aftercare.running import Aftercare, admission, discharge, identified
from tests.publisher import Document, Publisher

ETAG = '"1"'


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    async with publishing() as opened:
        yield opened


@pytest.fixture
def west(aftercare_alone: Aftercare, publisher: Publisher) -> Feeds:
    """One feed of ten meetings."""
    return Feeds(aftercare_alone, {"west": registered(publisher.publish("/west.json", of(10)))})


async def test_a_feed_is_fetched_and_its_meetings_are_the_snapshot_and_readable(west: Feeds) -> None:
    stored = await west.look()
    assert (stored.meetings, stored.trouble, len(west.slugs)) == (10, "", 10)
    assert set((await west.active()).values()) == {True} and len(await west.active()) == 10
    assert stored.next_at is not None and timedelta(hours=24) <= stored.next_at - machine_now() + timedelta(minutes=1)
    assert await west.operations() == []


async def test_how_a_group_is_joined_stands_sealed_in_the_database(west: Feeds) -> None:
    await west.look()
    ((sealed,),) = await west.aftercare.select("SELECT sealed FROM feeds WHERE name = 'west'")
    everything = await west.aftercare.select("SELECT body FROM resources WHERE type = 'HealthcareService'")
    assert b"SEEDED" not in sealed and b"slug" not in sealed
    assert not any("SEEDED" in body for (body,) in everything)
    assert LINK in {each.link for each in west.snapshots.current("demo")} | {None, LINK}


async def test_what_has_not_changed_is_asked_for_on_a_condition_and_stays(west: Feeds, publisher: Publisher) -> None:
    publisher.publish("/west.json", of(10), etag=ETAG)
    first, second = await west.look(), await west.look()
    assert [each.headers.get("if-none-match") for each in publisher.requests] == [None, ETAG]
    assert first.stored_at is not None and second.stored_at is not None and second.stored_at > first.stored_at
    assert (second.digest, second.trouble, len(west.slugs)) == (first.digest, "", 10)


async def test_other_settings_ask_for_the_whole_feed_again(west: Feeds, publisher: Publisher) -> None:
    publisher.publish("/west.json", of(10), etag=ETAG)
    await west.look()
    west.feeds["west"] = msgspec.structs.replace(west.feeds["west"], zone="Europe/London")
    await west.look()
    assert [each.headers.get("if-none-match") for each in publisher.requests] == [None, None]
    assert {each.timezone for each in west.snapshots.current("demo")} == {"Europe/London"}


async def test_a_restart_with_the_feed_down_works_from_the_copy(west: Feeds, publisher: Publisher) -> None:
    await west.look()
    publisher.documents.clear()
    restarted = Feeds(west.aftercare, west.feeds)
    await restarted.loading.look()
    assert restarted.slugs == west.slugs
    assert restarted.snapshots.digest("demo") == west.snapshots.digest("demo") != ""


TROUBLES = [
    (Document(status=500), "http-500"),
    (Document(status=404), "http-404"),
    (Document(b"<html>We are moving</html>"), "no-feed"),
    (Document(b"<html>" + b" " * SMALL_BYTES), "no-feed"),
    (Document(b'{"message": "nothing"}'), "no-feed"),
    (Document(of(10)[:-5]), "no-feed"),
    (Document(of(10), conduct="cut"), "cut-off"),
    (Document(b"[]"), "empty"),
    (Document(b'[{"name": "no slug"}]'), "empty"),
    (Document(of(4)), "shrunk"),
    (Document(of(10), conduct="slow"), "slow"),
    (Document(status=301, headers={"location": "https://elsewhere.example/"}), "redirected-elsewhere"),
    (Document(b"\0" * 40_000_000, conduct="gzip"), "too-large"),
]


@pytest.mark.parametrize(("document", "code"), TROUBLES, ids=[f"{code}-{at}" for at, (_, code) in enumerate(TROUBLES)])
async def test_a_feed_in_trouble_leaves_its_copy_and_operations_hear_of_it_once_and_when_it_ends(
    west: Feeds, publisher: Publisher, document: Document, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await west.look()
    if code == "slow":
        monkeypatch.setattr(fetching, "LIMITS", Limits(seconds=2.0))
        monkeypatch.setattr(fetching.get, "__defaults__", (fetching.NO_VALIDATORS, Limits(seconds=2.0)))
    publisher.documents["/west.json"] = document
    for _ in range(2):
        stored = await west.look()
        assert (stored.trouble, stored.meetings, len(west.slugs)) == (code, 10, 10)
        assert stored.next_at is not None and stored.next_at < machine_now() + timedelta(hours=1.2)
    assert await west.operations() == ["FeedTroubled"]
    publisher.publish("/west.json", of(9))
    assert (await west.look()).trouble == "" and len(west.slugs) == 9
    assert await west.operations() == ["FeedTroubled", "FeedRecovered"]


async def test_a_feed_that_never_was_there_is_in_trouble_without_a_copy(west: Feeds, publisher: Publisher) -> None:
    publisher.documents.clear()
    stored = await west.look()
    assert (stored.trouble, stored.meetings, stored.stored_at, west.slugs) == ("http-404", 0, None, [])
    assert await west.operations() == ["FeedTroubled"]


async def test_one_feed_in_trouble_leaves_the_others(west: Feeds, publisher: Publisher) -> None:
    west.feeds["east"] = registered(publisher.publish("/east.json", of(3, name="East")), "east")
    await west.look(), await west.look("east")
    publisher.publish("/west.json", status=500)
    await west.look()
    publisher.publish("/east.json", of(5, name="East"))
    await west.look("east")
    assert (len(west.slugs), (await west.stored()).trouble, (await west.stored("east")).trouble) == (15, "http-500", "")


async def test_a_copy_that_is_too_old_is_another_trouble(west: Feeds, publisher: Publisher) -> None:
    await west.look()
    publisher.publish("/west.json", status=500)
    await west.look()
    await west.aftercare.pool.execute("UPDATE feeds SET stored_at = stored_at - interval '14 days'")
    assert [(await west.look()).trouble for _ in range(2)] == ["stale", "stale"]
    assert await west.operations() == ["FeedTroubled", "FeedTroubled"] and len(west.slugs) == 10


async def test_a_meeting_that_left_its_feed_is_inactive_until_it_is_back(west: Feeds, publisher: Publisher) -> None:
    await west.look()
    publisher.publish("/west.json", of(9))
    await west.look()
    active = await west.active()
    assert (active.pop("Meeting m9"), set(active.values()), len(active)) == (False, {True}, 9)
    publisher.publish("/west.json", of(10))
    await west.look()
    assert set((await west.active()).values()) == {True}


async def test_a_feed_that_is_listed_no_more_goes_with_its_meetings(west: Feeds, publisher: Publisher) -> None:
    await west.look()
    west.feeds["east"] = registered(publisher.publish("/east.json", json.dumps([entry("other")]).encode()), "east")
    del west.feeds["west"]
    await west.look("east")
    rows = await stored_feeds.known(west.aftercare.pool)
    await west.refreshing._withdraw(next(row for row in rows if row.name == "west"))
    await west.loading.look()
    assert west.slugs == ["other"]
    active = await west.active()
    assert active.pop("Meeting other") is True and set(active.values()) == {False}
    assert {row.name for row in await stored_feeds.known(west.aftercare.pool)} & {"west", "east"} == {"east"}


async def test_a_person_who_has_looked_has_a_shrunken_feed_trusted_this_once(west: Feeds, publisher: Publisher) -> None:
    await west.look()
    publisher.publish("/west.json", of(2))
    assert (await west.look()).trouble == "shrunk"
    await west.aftercare.pool.execute("UPDATE feeds SET asked = 'trust'")
    stored = await west.look()
    assert (stored.trouble, stored.asked, len(west.slugs)) == ("", "", 2)


async def test_the_same_from_a_publisher_without_validators_is_written_once(west: Feeds) -> None:
    await west.look()
    versions = await west.aftercare.select("SELECT id, version FROM resources WHERE type = 'HealthcareService'")
    await west.look()
    assert await west.aftercare.select("SELECT id, version FROM resources WHERE type = 'HealthcareService'") == versions


async def test_a_crash_before_the_copy_is_stored_repeats_the_whole(
    west: Feeds, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await west.look()
    publisher.publish("/west.json", of(9))

    async def crashes(*_: object) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="away"):
        patch.setattr(stored_feeds, "store", crashes)
        await west.look()
    await west.loading.look()
    assert len(west.slugs) == 10
    await west.look()
    assert (len(west.slugs), (await west.active())["Meeting m9"]) == (9, False)


async def test_the_copy_of_an_earlier_release_counts_until_a_new_one_is_there(
    west: Feeds, publisher: Publisher
) -> None:
    publisher.documents.clear()
    plain = json.dumps([{"feed": "west", "slug": "old", "name": "Meeting old"}])
    await west.aftercare.pool.execute(
        "INSERT INTO feeds (program, name, content, digest, meetings, stored_at)"
        " VALUES ('demo', 'west', $1, md5($1), 1, now())",
        plain,
    )
    await west.look()
    assert west.slugs == ["old"]
    publisher.publish("/west.json", of(10))
    await west.look()
    ((content, sealed),) = await west.aftercare.select("SELECT content, sealed FROM feeds WHERE name = 'west'")
    assert (len(west.slugs), content, sealed is None, (await west.active())["Meeting old"]) == (10, None, False, False)


async def test_a_copy_that_other_keys_sealed_is_fetched_anew(west: Feeds, publisher: Publisher) -> None:
    publisher.publish("/west.json", of(10), etag=ETAG)
    await west.look()
    rotated = Feeds(west.aftercare, west.feeds)
    keys = replace(west.aftercare.keys, documents=bytes(32))
    rotated.loading = replace(rotated.loading, keys=keys)
    await rotated.loading.look()
    assert rotated.slugs == [] and (await west.stored()).next_at is None
    rotated.refreshing = replace(rotated.refreshing, keys=keys)
    await rotated.look()
    assert len(rotated.slugs) == 10 and publisher.requests[-1].headers.get("if-none-match") is None


async def test_a_file_of_the_settings_is_a_feed_too(aftercare_alone: Aftercare, tmp_path: Path) -> None:
    here = Feeds(aftercare_alone, {"west": registered("meetings/west.json")}, tmp_path)
    assert (await here.look()).trouble == "file-unreadable"
    (tmp_path / "meetings").mkdir()
    (tmp_path / "meetings" / "west.json").write_bytes(of(3))
    first, second = await here.look(), await here.look()
    assert (first.trouble, len(here.slugs), second.digest) == ("", 3, first.digest)
    (tmp_path / "meetings" / "west.json").write_bytes(of(4))
    await here.look()
    assert len(here.slugs) == 4


async def test_more_meetings_than_a_program_may_have_are_not_taken(
    west: Feeds, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_riverbend = (await west.stored("riverbend")).meetings
    monkeypatch.setattr("services.aftercare.feeds.judging.PROGRAM_MEETINGS_MOST", of_riverbend + 12)
    west.feeds["east"] = registered(publisher.publish("/east.json", of(3)), "east")
    await west.look()
    assert ((await west.look("east")).trouble, len(west.slugs)) == ("program-full", 10)


async def test_what_cannot_be_used_is_counted_by_reason(west: Feeds, publisher: Publisher) -> None:
    entries = [*json.loads(of(9)), entry("late", time="25:61"), {"name": "no slug"}]
    publisher.publish("/west.json", json.dumps(entries).encode())
    counts = json.loads((await west.look()).counts)
    assert (counts["entries"], counts["meetings"], sum(counts["left_out"].values())) == (11, 9, 2)


async def test_a_bmlt_and_a_table_are_feeds_like_any_other(
    aftercare_alone: Aftercare, publisher: Publisher, tmp_path: Path
) -> None:
    server = RootServer(publisher, [row(number) for number in range(3)]).open()
    lines = "id,name,day,time,address,city,state,colour\nt1,Table 1,Monday,7:00 PM,1 Main St,Riverbend,NY,\nt2,Table 2,"
    (tmp_path / "table.csv").write_text(lines)
    here = Feeds(
        aftercare_alone,
        {
            "na": registered(server.root, "na", kind="bmlt"),
            "table": registered("table.csv", "table", kind="table", fellowship="smart"),
        },
        tmp_path,
    )
    na, table = await here.look("na"), await here.look("table")
    assert (na.trouble, na.meetings, table.trouble, table.meetings) == ("", 3, "", 1)
    assert {(each.feed, each.fellowship) for each in here.snapshots.current("demo")} == {
        ("na", "na"),
        ("table", "smart"),
    }
    assert table.read_as is not None and (1, "colour", "column-unknown") in table.read_as.faults


async def test_of_two_processes_one_fetches_and_both_have_the_meetings(west: Feeds, publisher: Publisher) -> None:
    other = Feeds(west.aftercare, west.feeds)
    await stored_feeds.add(west.aftercare.pool, [("demo", "west")])
    tasks = [asyncio.create_task(each.refreshing.run(west.aftercare.dsn)) for each in (west, other)]

    async def both_have_them() -> bool:
        await west.loading.look()
        await other.loading.look()
        return len(west.slugs) == len(other.slugs) == 10

    await west.aftercare.until(both_have_them)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(publisher.requests) == 1


async def test_no_byte_of_a_patient_is_in_any_request(aftercare_alone: Aftercare, publisher: Publisher) -> None:
    """Whoever lives here, and whatever they wish: the same requests are made as with nobody."""
    here = Feeds(aftercare_alone, {"west": registered(publisher.publish("/west.json", of(10)))})
    await here.look()
    with_nobody = list(publisher.requests)
    await identified(aftercare_alone)
    await aftercare_alone.learn(admission(aftercare_alone))
    await discharge(aftercare_alone)
    await here.look()
    with_a_patient = publisher.requests[len(with_nobody) :]
    assert [each.whole for each in with_a_patient] == [each.whole for each in with_nobody]
    assert {each.target for each in with_a_patient} == {"/west.json"} and not any(each.body for each in with_a_patient)
    for seeded in ("SEEDED", "Seeded", "Bogus", "5550123", "1980", aftercare_alone.patient):
        assert not any(seeded.encode() in each.whole for each in publisher.requests)
