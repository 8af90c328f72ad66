"""Meetings as a directory that clients read: each a HealthcareService of its program, and of no patient."""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain, islice

import msgspec

from services.aftercare.meetings.meeting import Meeting
from shared.events import codes, fhir
from shared.events.aftercare import meeting_id
from shared.events.envelope import Resource
from shared.path.transaction import resources
from shared.platform.db import Pool
from shared.platform.feeds import RegisteredFeed

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


AT_ONCE = 200
"""Rows of a statement: others have their turn in between."""


async def publish(
    pool: Pool, feed: RegisteredFeed, meetings: Iterable[Meeting], gone: Iterable[Meeting], now: datetime
) -> None:
    """Write a feed's meetings into the read model, so that a patient's list can be read in full; those that are `gone`
    from it stay readable, for older lists name them, and are inactive. The same again changes nothing."""
    every = chain(((each, True) for each in meetings), ((each, False) for each in gone))
    while portion := list(islice(every, AT_ONCE)):
        rows = [_row(feed, meeting, active) for meeting, active in portion]
        async with pool.acquire() as connection:
            await resources.publish(connection, "HealthcareService", rows, now)


def _row(feed: RegisteredFeed, meeting: Meeting, active: bool) -> tuple[str, str, str]:
    body = msgspec.json.encode(written(meeting, feed.attribution, active=active))
    return meeting_id(meeting.id), feed.program, body.decode()


def written(meeting: Meeting, attribution: str, *, active: bool = True) -> Resource:
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
        f"source: {attribution}, {meeting.updated or 'undated'}; confirm with the group",
    ]
    place = _place(meeting)
    return fhir.without_nothing(
        {
            "resourceType": "HealthcareService",
            "id": meeting_id(meeting.id),
            "identifier": [{"system": codes.MEETING, "value": meeting.id}],
            "active": active,
            "providedBy": {"display": attribution},
            "name": meeting.name,
            "location": [{"display": place}] if place else None,
            "characteristic": [fhir.concept(TYPE, each) for each in meeting.types],
            "telecom": [{"system": "url", "value": meeting.url}] if meeting.url else None,
            "availableTime": [hours] if meeting.weekdays and (hours := fhir.without_nothing(hours)) else None,
            "comment": "; ".join(each for each in remarks if each),
            "extraDetails": remarks[-1],
        }
    )


def _where(meeting: Meeting) -> str:
    """The door, or how to join; the secrets of an online room stand on the meeting's own page alone."""
    remote = [each for each in meeting.venues if each != "in-person"]
    how = meeting.url or "ask the group"
    return "; ".join(each for each in (_place(meeting), f"to join: {how}" if remote else "") if each)


def _place(meeting: Meeting) -> str:
    """The street where one can go there; else the city and regions, as far as they are known."""
    return (meeting.address if "in-person" in meeting.venues else None) or ", ".join(meeting.places)


TYPE = f"{codes.HUB}/CodeSystem/meeting-type"
"""Type codes of the Meeting Guide format."""
