"""What letters of tests are made of: a plan with everything in it, and lists of meetings with the groups' secrets."""

import re
from base64 import a85decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import decompress
from zoneinfo import ZoneInfo

import msgspec

from services.aftercare.activities import TABLE
from services.aftercare.letter.composing import Gathered
from services.aftercare.meeting_lists import MeetingListDetailed
from services.aftercare.meetings.matching import Offer
from services.aftercare.meetings.meeting import Meeting
from shared.events.aftercare import AftercarePlanned, MeetingListPrepared
from shared.events.aftercare_plan import PlanActivity
from shared.rules.organization import Organization

PLANNED = datetime(2026, 3, 30, 17, 0, tzinfo=UTC)
PLAN = "0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a03"
LINK, PHONE, NOTES = "https://zoom.example/j/5550123?pwd=SEEDED", "+1 555 555 0123", "Passcode SEEDED-1234"
MARGIN_POINTS = 36
PROGRAM = Organization(
    name="Riverbend Intensive Outpatient Program", phone="+1 555 555 0100", crisis_phone="+1 555 555 0199"
)


def meeting(number: int = 0, **more: Any) -> Meeting:
    """One that can be gone to, joined and called."""
    plain = {
        "feed": "riverbend",
        "slug": f"m{number}",
        "name": f"Meeting {number}",
        "weekdays": (1, 3),
        "start": "18:30",
        "venues": ("in-person", "online", "phone"),
        "location": "St. Anne's",
        "address": "100 Sample Street, Riverbend",
        "link": LINK,
        "phone": PHONE,
        "notes": NOTES,
    }
    return Meeting(**{**plain, **more})


def known(
    *meetings: Meeting,
    activities: Sequence[PlanActivity] = tuple(map(PlanActivity, TABLE)),
    days: Sequence[int] = (3, 7, 14),
    gone: int = 0,
    none_near: bool = False,
    program: Organization = PROGRAM,
    appointments: Mapping[str, datetime] = {},
) -> Gathered:
    """Of a plan with these activities and days of contact, and a list of these meetings, and so many that are gone."""
    plan = AftercarePlanned(
        plan_id=PLAN,
        episode_id="episode",
        planned_at=PLANNED,
        follow_ups=tuple(PLANNED + timedelta(days=each) for each in days),
        activities=tuple(activities),
    )
    listed = (*meetings, *(meeting(1000 + each) for each in range(gone)))
    prepared = MeetingListPrepared(
        list_id="list",
        plan_id=PLAN,
        meetings=tuple(each.id for each in listed),
        prepared_at=PLANNED,
        none_near=none_near,
    )
    offers = tuple(Offer(each.id, (1, 3), "18:30", each.venues, 5) for each in listed)
    return Gathered(
        plan=_read(plan.write("patient")),
        appointments=appointments,
        listed=_read(MeetingListDetailed(prepared=prepared, offers=offers).write("patient")) if listed else None,
        meetings={each.id: each for each in meetings},
        publishers={"riverbend": "Riverbend Intergroup"},
        program=program,
        zone=ZoneInfo("America/New_York"),
    )


def _read(written: list[Any]) -> dict[str, Any]:
    """As the read model has it."""
    (resource,) = written
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(resource))
    return found


def printed(pdf: bytes) -> str:
    """The rows of its page, one below the other, as far as their letters are ASCII. None is below the page's end."""
    (page,) = re.findall(rb"/ASCII85Decode /FlateDecode \] /Length \d+\n>>\nstream\n(.*?)~>endstream", pdf, re.DOTALL)
    rows = re.findall(rb" (\S+) Tm [^(]*\(((?:[^\\()]|\\.)*)\) Tj", decompress(a85decode(page)))
    assert min(float(height) for height, _ in rows) >= MARGIN_POINTS
    return "\n".join(re.sub(rb"\\(.)", rb"\1", text).decode("latin-1") for _, text in rows)


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))
