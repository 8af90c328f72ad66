"""`iop meetings`: a list of meetings is asked for, waited for, and printed as a patient reads it, over HTTP alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.commands.meetings import Meeting, MeetingList, asked, lines, standing
from deploy.failure import CannotContinueError
from deploy.work_list import Owners
from services.aftercare.meeting_lists import MeetingsAsked
from shared.path.inbound.internal import InternalLane
from shared.path.inbound.lookups import LookupLane
from tests.aftercare.running import ADMITTED, Aftercare, identified
from tests.deploy import in_process
from tests.deploy.aftercaring import Reachable, aftercare_alone, issuer, partner, reachable

__all__ = ["aftercare_alone", "issuer", "partner", "reachable"]
MADE = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)


@dataclass
class Matching:
    """Aftercare with the meetings of the demo's feed, and how it is asked over HTTP."""

    service: Aftercare
    owners: Owners


@pytest.fixture
async def matching(reachable: Reachable) -> AsyncIterator[Matching]:
    here = reachable.service
    lanes = [LookupLane(each, here.inbox, here.wake_up).run(here.dsn) for each in here.inbox.service.lookups]
    tasks = [asyncio.create_task(each) for each in (InternalLane(here.inbox, here.wake_up).run(here.dsn), *lanes)]
    headers = {"Authorization": f"Bearer {reachable.token_file.read_text()}"}
    async with httpx.AsyncClient(base_url=f"{reachable.url}/", headers=headers, trust_env=False) as client:
        yield Matching(here, {"aftercare": client})
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_list_is_asked_for_with_wishes_and_printed_to_be_handed_over(matching: Matching) -> None:
    here = matching.service
    await identified(here)
    found = await asked(matching.owners, here.patient, ["evening", "fellowship:aa", "language:es"])
    printed = "\n".join(lines(found, UTC))
    assert "    in person: 100 Sample Street, Riverbend" in printed
    assert "    source: Riverbend Intergroup (made up), 2025-01-02; confirm with the group" in printed
    assert "https://meetings.example.org/" in printed and "meet.example.org" not in printed
    assert here.patient not in printed
    assert all(each.name and each.active and each.publisher for each in found.meetings)
    (request,) = await here.read("CommunicationRequest")
    assert [each["coding"][0]["code"] for each in request["reasonCode"]] == ["evening", "aa", "es"]


async def test_the_last_list_is_printed_and_none_is_asked_for(matching: Matching) -> None:
    here = matching.service
    await identified(here)
    with pytest.raises(CannotContinueError, match="this patient has no list"):
        await standing(matching.owners, here.patient)
    for minutes, wish in enumerate(("online", "evening")):
        here.set_clock(ADMITTED + timedelta(minutes=minutes))
        made = await asked(matching.owners, here.patient, [wish])
    assert await standing(matching.owners, here.patient) == made
    assert len(await here.read("CommunicationRequest")) == 2


async def test_where_nothing_fits_it_says_so_and_whom_it_asks(matching: Matching) -> None:
    here = matching.service
    await identified(here)
    answer: Any = here.inbox.service.lookups[MeetingsAsked]
    answer.__self__._snapshots.replace("demo", [], "none")
    for _ in range(2):
        with pytest.raises(CannotContinueError, match="no meeting fits this patient; a case manager is asked"):
            await asked(matching.owners, here.patient, [])


@pytest.mark.parametrize(
    ("wishes", "text"),
    [
        (["near-the-river"], "Must be one of"),
        (["day:monday"], "a wish is a code, or one behind fellowship: or language:"),
        (["women", "no-preference"], "no-preference alone"),
    ],
)
async def test_a_wish_nobody_knows_is_refused(matching: Matching, wishes: list[str], text: str) -> None:
    here = matching.service
    await identified(here)
    with pytest.raises(CannotContinueError, match=text):
        await asked(matching.owners, here.patient, wishes)
    assert await here.read("CommunicationRequest") == []


async def test_a_patient_nobody_knows_has_no_list(matching: Matching) -> None:
    with pytest.raises(CannotContinueError, match="The patient is not known yet"):
        await asked(matching.owners, str(uuid4()), [])


async def test_without_meetings_nothing_is_asked_for(matching: Matching) -> None:
    here = matching.service
    await identified(here)
    await here.pool.execute("DELETE FROM resources WHERE type = 'HealthcareService'")
    with pytest.raises(CannotContinueError, match="iop feeds list"):
        await asked(matching.owners, here.patient, [])
    assert await here.read("CommunicationRequest") == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((str(uuid4()), "--wish", "women", "--last"), "--last asks for no list"),
        (("Sam Synthetic",), "must be the hub's id of a patient"),
    ],
)
def test_what_is_not_understood_is_refused_before_anybody_is_asked(arguments: tuple[str, ...], text: str) -> None:
    done = in_process.iop("meetings", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and text in done.stderr


def test_each_way_to_take_part_has_its_words() -> None:
    far = Meeting("a", ("mon", "wed"), "07:30", ("online", "phone"), name="Morning", active=True)
    near = Meeting("b", ("sat",), "19:00", ("in-person",), 5, "Evening", "12 Main St", source="source: it, undated")
    printed = list(
        lines(MeetingList("c", MADE, none_near=True, meetings=(far, near, Meeting("d", ("sun",), "08:00"))), UTC)
    )
    assert printed == [
        "Mutual-help meetings, as of 5 January 2026. Days and times are by the clock where you live.",
        "We know of none near you; you can join these from where you are.",
        "",
        "Monday and Wednesday, 07:30: Morning",
        "    online or by phone: ask the group how to join",
        "",
        "Saturday, 19:00: Evening",
        "    in person: 12 Main St (within 5 miles)",
        "    It is no longer published: it may have ended.",
        "    source: it, undated",
        "",
        "Sunday, 08:00: a meeting that is no longer published",
    ]
