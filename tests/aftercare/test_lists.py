"""A meeting list on a real PostgreSQL: asked for, matched in its lane, prepared, and made again the same."""

from typing import Any

import pytest

from services.aftercare.feeds.snapshot import Snapshots
from services.aftercare.meeting_lists import MeetingsAsked
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.path.transaction.replaying import Asked, Replayed, replay
from tests.aftercare.given import meeting
from tests.aftercare.running import MRN, Aftercare, admission, identified


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


REQUEST = {
    "resourceType": "CommunicationRequest",
    "status": "active",
    "category": [fhir.concept(codes.TASK, "meeting-list")],
    "subject": {"type": "Patient", "identifier": {"system": MRN.system, "value": MRN.value}},
    "requester": fhir.logical(codes.STAFF, "case-manager-1"),
}


def wishing(*wishes: tuple[str, str]) -> dict[str, Any]:
    return {**REQUEST, "reasonCode": [fhir.concept(system, code) for system, code in wishes]}


async def test_a_person_asks_for_a_list_by_fhir_and_reads_it_with_its_times(aftercare: Aftercare) -> None:
    await identified(aftercare)
    wishes = (codes.MEETING_WISH, "evening"), (codes.FELLOWSHIP, "aa"), (codes.LANGUAGE, "es")
    identity = await aftercare.post(wishing(*wishes))
    (request,) = await aftercare.read("CommunicationRequest")
    assert (request["id"], request["status"]) == (identity, "completed")
    assert [each["coding"][0]["code"] for each in request["reasonCode"]] == ["evening", "aa", "es"]

    async def is_listed() -> bool:
        return bool(await listed(aftercare))

    await aftercare.until(is_listed)
    (communication,) = await aftercare.read("Communication")
    assert communication["basedOn"] == [{"reference": f"CommunicationRequest/{identity}"}]
    offers = [each["extension"][0]["extension"] for each in communication["payload"]]
    assert all({"weekday", "start", "way"} <= {part["url"] for part in offer} for offer in offers)
    (emitted,) = await aftercare.select("SELECT body FROM outbox WHERE lane = 'topic:iop.aftercare.events'")
    assert "HealthcareService" in emitted[0] and "valueTime" not in emitted[0]


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"status": "completed"}, "status"),
        ({"category": []}, "category"),
        ({"payload": [{"contentString": "near the river, please"}]}, "payload"),
        ({"reasonCode": [fhir.concept(codes.MEETING_WISH, "near-the-river")]}, "reasonCode[0]"),
        ({"reasonCode": [fhir.concept("urn:elsewhere", "women")]}, "reasonCode[0]"),
        ({"reasonCode": [fhir.concept(codes.LANGUAGE, "tlh")]}, "reasonCode[0]"),
        (wishing((codes.MEETING_WISH, "women"), (codes.MEETING_WISH, "no-preference")), "reasonCode"),
        (wishing(*[(codes.MEETING_WISH, "women")] * 13), "reasonCode"),
        ({"requester": fhir.logical(codes.STAFF, "nobody")}, "requester"),
    ],
)
async def test_what_no_list_is_made_by_is_refused_at_its_place(
    aftercare_alone: Aftercare, changed: dict[str, Any], place: str
) -> None:
    await identified(aftercare_alone)
    with pytest.raises(HttpRefusal) as refused:
        await aftercare_alone.post({each: value for each, value in {**REQUEST, **changed}.items() if value != []})
    assert refused.value.status == 422 and f"CommunicationRequest.{place}" in str(refused.value)
    assert await aftercare_alone.count("outbox WHERE lane LIKE 'lookup:%'") == 0
