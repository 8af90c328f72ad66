"""What attendance lists of a group, and of a silent feed, for whoever may read it: of no patient, and on no topic."""

from datetime import datetime
from typing import Final, Literal
from uuid import NAMESPACE_URL

import msgspec

from shared.events import codes, fhir
from shared.events.envelope import Resource, name_id
from shared.events.internal import Listed
from shared.events.technical import OPERATOR

SlotStatus = Literal["free", "busy", "busy-unavailable"]
"""A seat is free, none is, or it does not take place."""
FEED_SILENT: Final = "feed-silent"
"""The code of the Task about it."""


def schedule_id(program: str, group: str) -> str:
    """Of the Schedule of a group's sessions."""
    return name_id(NAMESPACE_URL, f"{codes.HUB}/Schedule/{program}/{group}")


def slot_id(schedule: str, minute: int) -> str:
    """Of the Slot of the session that was planned for this minute (since 1970), wherever it is held."""
    return name_id(schedule, f"slot:{minute}")


class GroupSlot(msgspec.Struct, frozen=True):
    """A session of a group, from `start` to `end` (instants)."""

    id: str
    status: SlotStatus
    start: datetime
    end: datetime


class SlotsListed(Listed, frozen=True, kw_only=True):
    """These sessions of a group, as they stand: each a Slot of its Schedule."""

    group: str
    schedule_id: str
    kind: str
    slots: tuple[GroupSlot, ...]

    def write(self, patient: str) -> list[Resource]:
        schedule = {**fhir.reference("Schedule", self.schedule_id), **fhir.logical(codes.GROUP, self.group)}
        return [
            {
                "resourceType": "Slot",
                "id": each.id,
                "serviceType": [fhir.concept(codes.SESSION, self.kind)],
                "schedule": schedule,
                "status": each.status,
                "start": each.start,
                "end": each.end,
            }
            for each in self.slots
        ]


class FeedQuestioned(Listed, frozen=True, kw_only=True):
    """The Task that asks an operator about a silent feed, as it stands. It is about the interface, and names nobody."""

    task_id: str
    status: Literal["requested", "accepted", "completed"]
    reason: str = ""
    raised_at: datetime
    changed_at: datetime
    silent_since: datetime
    sessions: int

    def write(self, patient: str) -> list[Resource]:
        task = {
            "resourceType": "Task",
            "id": self.task_id,
            "status": self.status,
            "statusReason": fhir.concept(codes.REASON, self.reason) if self.reason else None,
            "intent": "order",
            "priority": "urgent",
            "code": fhir.concept(codes.TASK, FEED_SILENT),
            "authoredOn": self.raised_at,
            "lastModified": self.changed_at,
            **fhir.asked_of(OPERATOR),
            "reasonCode": fhir.concept(codes.REASON, "nothing-reported"),
            "input": [
                {"type": fhir.concept(codes.INPUT, "silent-since"), "valueInstant": self.silent_since},
                {"type": fhir.concept(codes.INPUT, "sessions"), "valueInteger": self.sessions},
            ],
        }
        return [fhir.without_nothing(task)]
