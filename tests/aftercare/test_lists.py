"""A meeting list on a real PostgreSQL: asked for, matched in its lane, prepared, and made again the same."""

from typing import Any

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meeting_lists import MeetingsAsked
from shared.path.transaction.replaying import Asked, Replayed, replay
from tests.aftercare.given import meeting
from tests.aftercare.running import Aftercare, admission, identified


async def listed(here: Aftercare) -> list[str]:
    found = await here.read("Communication")
    return [each["contentReference"]["identifier"]["value"] for one in found for each in one["payload"]]


async def replayed(here: Aftercare) -> Replayed:
    async with here.pool.acquire() as connection, connection.transaction():
        return await replay(connection, here.inbox.service, here.inbox.settings, Asked())


def snapshots_of(here: Aftercare) -> Snapshots:
    answer: Any = here.inbox.service.lookups[MeetingsAsked]
    found: Snapshots = answer.__self__._snapshots
    return found


async def test_a_list_is_made_again_the_same_after_the_feed_changed(aftercare: Aftercare) -> None:
    await identified(aftercare)
    await aftercare.learn(admission(aftercare))

    async def is_listed() -> bool:
        return bool(await listed(aftercare))

    await aftercare.until(is_listed)
    before = await listed(aftercare)
    snapshots_of(aftercare).replace("demo", [meeting("the-only-one", 1, "08:00")], "another")
    assert (await replayed(aftercare)).differences == []
    assert await listed(aftercare) == before


async def test_no_meeting_stands_in_what_is_stored_of_a_decisions_settings(aftercare: Aftercare) -> None:
    await identified(aftercare)
    (settings,) = await aftercare.pool.fetch("SELECT body FROM settings WHERE program = 'demo'")
    assert snapshots_of(aftercare).current("demo") and "weekdays" not in settings["body"]
