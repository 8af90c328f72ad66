"""The cached meeting feeds: files in the public Meeting Guide format, read at start, readable as HealthcareService.

A program lists its feeds by name; a feed belongs to one program, for its meetings are rows of that program. One that
can't be read, is empty or has shrunk is not trusted: the last good copy, in the database, counts until a person has
looked.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from services.aftercare.meetings.meeting import Meeting, Source
from services.aftercare.meetings.meeting_guide import read
from services.aftercare.settings import Settings
from shared.events import codes, fhir
from shared.events.aftercare import meeting_id
from shared.events.envelope import Resource
from shared.events.wire import Unreadable
from shared.path.transaction import feeds as copies
from shared.path.transaction import resources
from shared.platform import log, metrics
from shared.platform.db import Pool

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def load(deploy: Path, feeds: Iterable[str]) -> tuple[Meeting, ...]:
    """The meetings of these feeds. One that can't be read is logged and leaves the others as they are."""
    found: list[Meeting] = []
    for name in feeds:
        try:
            feed = read(Source(feed=name), (deploy / "meetings" / f"{name}.json").read_bytes())
        except (OSError, Unreadable) as wrong:
            log.get().error("meeting feed unreadable", id=name, error=type(wrong).__name__)
            continue
        for reason, count in sorted({**feed.left_out, **feed.lacking}.items()):
            log.get().warning("meetings lack", id=name, code=reason, count=count)
            metrics.MEETINGS_LACKING.labels(name, reason).set(count)
        found.extend(feed.meetings)
    return tuple(found)


async def trusted(pool: Pool, settings: Mapping[str, Settings], now: datetime) -> dict[str, Settings]:
    """Each program's settings with the meetings that count, which are written into the read model too."""
    found = {
        program: msgspec.structs.replace(each, meetings=await _of_feeds(pool, program, each, now))
        for program, each in settings.items()
    }
    await store(pool, {program: each.meetings for program, each in found.items()}, now)
    return found


async def _of_feeds(pool: Pool, program: str, settings: Settings, now: datetime) -> tuple[Meeting, ...]:
    found: list[Meeting] = []
    for feed in settings.feeds:
        read = tuple(each for each in settings.meetings if each.feed == feed)
        found.extend(await _trusted(pool, program, feed, read, settings.feed_percent_least, now))
    return tuple(found)


async def _trusted(
    pool: Pool, program: str, feed: str, read: tuple[Meeting, ...], percent_least: int, now: datetime
) -> tuple[Meeting, ...]:
    """What was read, which is the last good copy from now on; or that copy."""
    async with pool.acquire() as connection:
        stored = await copies.read(connection, program, feed)
        copy = msgspec.json.decode(stored, type=tuple[Meeting, ...]) if stored else ()
        doubt = why_not_trusted(read, copy, percent_least)
        metrics.MEETING_FEED_DOUBTED.labels(feed).set(doubt is not None)
        if doubt is None:
            await copies.store(connection, program, feed, msgspec.json.encode(read).decode(), now)
            return read
    log.get().error(
        "a person must look at this meeting feed: its last good copy counts", id=feed, code=doubt, count=len(copy)
    )
    return copy


def why_not_trusted(read: Sequence[Meeting], copy: Sequence[Meeting], percent_least: int) -> str | None:
    """A feed cut in half, of another format or with its ids repeated has fewer meetings that can be read, or none."""
    if not read:
        return "empty-or-unreadable"
    return "shrunk" if len(read) * 100 < len(copy) * percent_least else None


async def store(pool: Pool, meetings: Mapping[str, Iterable[Meeting]], now: datetime) -> None:
    """Write each program's meetings into the read model, so that a patient's list can be read in full."""
    rows = [
        (meeting_id(each.id), program, msgspec.json.encode(written(each)).decode())
        for program, those in meetings.items()
        for each in those
    ]
    async with pool.acquire() as connection:
        await resources.publish(connection, "HealthcareService", rows, now)


def written(meeting: Meeting) -> Resource:
    """The meeting as FHIR, with its source and the advice to confirm: a feed may be out of date."""
    hours = {
        "daysOfWeek": [_DAYS[each] for each in meeting.weekdays],
        "availableStartTime": f"{meeting.start}:00" if meeting.start else None,
        "availableEndTime": f"{meeting.end}:00" if meeting.end else None,
    }
    remarks = [
        _where(meeting),
        " and ".join(meeting.venues),
        f"times of {meeting.timezone}" if meeting.timezone else "",
        f"source: {meeting.feed}, {meeting.updated or 'undated'}; confirm with the group",
    ]
    return fhir.without_nothing(
        {
            "resourceType": "HealthcareService",
            "id": meeting_id(meeting.id),
            "identifier": [{"system": codes.MEETING, "value": meeting.id}],
            "active": True,
            "name": meeting.name,
            "characteristic": [fhir.concept(TYPE, each) for each in meeting.types],
            "telecom": [{"system": "url", "value": meeting.url}] if meeting.url else None,
            "availableTime": [hours] if meeting.weekdays and (hours := fhir.without_nothing(hours)) else None,
            "comment": "; ".join(each for each in remarks if each),
        }
    )


def _where(meeting: Meeting) -> str:
    """The door, or how to join; the secrets of an online room stand on the meeting's own page alone."""
    place = (meeting.address if "in-person" in meeting.venues else None) or ", ".join(meeting.places)
    remote = [each for each in meeting.venues if each != "in-person"]
    how = meeting.url or "ask the group"
    return "; ".join(each for each in (place, f"to join: {how}" if remote else "") if each)


TYPE = f"{codes.HUB}/CodeSystem/meeting-type"
"""Type codes of the Meeting Guide format."""
