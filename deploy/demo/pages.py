"""The pages that a person prints for one patient of the demo: the meetings to choose from, with their streets, and the
accounting of disclosures. As `iop meetings --last` and `iop disclosures --print` do, over HTTP."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from deploy.commands import disclosures, meetings
from deploy.commands.asking import Where
from deploy.commands.disclosures import Disclosed
from deploy.commands.meetings import MeetingList
from deploy.demo.agenda import Promises
from deploy.demo.stay import ZONE
from deploy.work_list import Owners

_SCOPE = "system/AuditEvent.s system/Consent.s system/Communication.s system/HealthcareService.s"

_SHOWN_MOST = 3
"""Meetings: the list is a page."""


@dataclass(frozen=True)
class Pages:
    """Of this patient; `since` then what was disclosed is listed."""

    patient: str
    listed: MeetingList
    disclosed: list[Disclosed]
    since: datetime
    until: datetime

    def verify(self, promises: Promises) -> None:
        """Raises Broken."""
        streets = [each.place for each in self.listed.meetings if "in-person" in each.ways]
        promises.expect(
            bool(streets) and all("Street" in each for each in streets),
            f"the list says where each meeting is ({streets})",
        )
        results = {each.result for each in self.disclosed}
        promises.expect({"made", "withheld"} <= results, f"the accounting holds yes and no ({sorted(results)})")

    def lines(self) -> Iterator[str]:
        first = self.listed.meetings[:_SHOWN_MOST]
        yield from meetings.lines(msgspec.structs.replace(self.listed, meetings=first), ZONE)
        yield f"\n... and {len(self.listed.meetings) - len(first)} more: iop meetings {self.patient} --last\n"
        yield from disclosures.page(self.disclosed, self.since, self.until, ZONE)


async def of(data: Path, patient: str, since: datetime) -> Pages:
    """Of the hub in this folder. Raises CannotContinueError."""
    where = Where(data, (), None, "ehr", None, _SCOPE)

    async def asked(owners: Owners) -> Pages:
        listed = await meetings.standing(owners, patient)
        disclosed, _ = await disclosures.accounting(owners, patient, since)
        return Pages(patient, listed, disclosed, since, where.now)

    return await asyncio.to_thread(where.ask, asked)
