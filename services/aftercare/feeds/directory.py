"""Meetings as a directory that clients read: each a HealthcareService of its program, and of no patient."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from services.aftercare.meetings.meeting import Meeting
from shared.events import codes, fhir
from shared.events.aftercare import meeting_id
from shared.events.envelope import Resource
from shared.path.transaction import resources
from shared.platform.db import Pool

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


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
