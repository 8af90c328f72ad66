"""A group and the patients who have seats in it, each decided by itself; what one tells another comes in its order.

group = GroupWithMembers(ANNA, BEN)               # admitted, in the group, their sessions booked
group.call_off(MONDAY)                            # by a PUT of the Slot
assert group.story(ANNA).outcome(MONDAY) == "cancelled"
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.attendance.groups import groups
from services.attendance.groups import sessions as group_sessions
from services.attendance.groups.plan import GROUP, GroupPlan, group_key
from services.attendance.groups.timetable import minute
from services.attendance.messages import ChangeMeeting, CheckIn
from shared.events.envelope import Command, Event, name_id
from shared.events.internal import To
from shared.events.listed import GroupSlot, SlotsListed, schedule_id, slot_id
from shared.path.service import PATIENT
from tests.attendance.given import ADMISSION, LONG_AGO, SETTINGS, TIME_PASSED, admitted, discharged
from tests.attendance.story import UNHURRIED, Story
from tests.story import Decisions, PatientStory

EVENING = "evening-a"
PLAN = msgspec.convert(
    {"seats": 14, "meetings": [[0, "18:00", 180], [2, "18:00", 180], [4, "18:00", 180]], "time": "evening"}, GroupPlan
)
ANNA, BEN, CARA = (str(uuid5(NAMESPACE_URL, name)) for name in ("anna", "ben", "cara"))
LENGTH = timedelta(minutes=180)


def with_groups(**changed: Any) -> Any:
    """The program's numbers, with one group of so many seats, or other meetings."""
    return msgspec.structs.replace(SETTINGS, groups={EVENING: msgspec.structs.replace(PLAN, **changed)}, **UNHURRIED)


def episode_of(patient: str) -> str:
    return str(uuid5(NAMESPACE_URL, patient))


def identity(start: datetime) -> str:
    """Of the Slot of the session that was planned to start then."""
    return slot_id(schedule_id("demo", EVENING), minute(start))


class GroupStory(PatientStory[groups.Group, Any]):
    decisions = Decisions(group_sessions.react, group_sessions.decide, groups.evolve, groups.due, TIME_PASSED)
    patient = group_key("demo", EVENING)
    client = "ehr"

    def __init__(self, settings: Any) -> None:
        super().__init__(state=groups.Group(), settings=settings, now=ADMISSION, listening_since=LONG_AGO)
        self.slots: dict[str, GroupSlot] = {}

    def _step(self, happened: Event | Command, at: datetime | None) -> list[Event]:
        emitted = super()._step(happened, at)
        listed = [each for each in emitted if isinstance(each, SlotsListed)]
        self.slots |= {slot.id: slot for each in listed for slot in each.slots}
        return emitted


class GroupWithMembers:
    def __init__(self, *patients: str, **changed: Any) -> None:
        self.settings = with_groups(**changed)
        self.group = GroupStory(self.settings)
        self.stories: dict[str, Story] = {}
        self.notified: list[To] = []
        for each in patients:
            self.admit(each)

    @property
    def now(self) -> datetime:
        return self.group.now

    @property
    def everybody(self) -> list[PatientStory[Any, Any]]:
        return [self.group, *self.stories.values()]

    def story(self, patient: str) -> Story:
        return self.stories[patient]

    def admit(self, patient: str, *flags: str) -> Story:
        """A stay of their own from now on; they ask for the seat by themselves."""
        story: Story = type("OfOne", (Story,), {"patient": patient})()
        story.settings, story.now = self.settings, self.now
        self.stories[patient] = story
        self.happens(patient, admitted("evening", *flags, at=self.now, episode=episode_of(patient)))
        return story

    def leave(self, patient: str) -> None:
        self.happens(patient, discharged(self.now, episode_of(patient)))

    def session(self, patient: str, start: datetime) -> str:
        """The id of the patient's own session that starts then."""
        state = self.stories[patient].state
        assert state.episode is not None
        return next(state.episode.session_id(each) for each in state.sessions if each.start == start)

    def attend(self, patient: str, start: datetime) -> None:
        """The patient is there, from its start to its end."""
        name = name_id(episode_of(patient), f"encounter {start}")
        own, period = self.session(patient, start), (start, start + LENGTH)
        self.happens(patient, CheckIn(session_ids=(own,), encounter_id=name, periods=(period,)))

    def happens(self, patient: str, *happened: Event | Command) -> None:
        """Of one patient; what follows for the others comes at once."""
        self.stories[patient].then(*happened)
        self.settle()

    def until(self, now: datetime) -> None:
        """Everybody's deadlines, in steps of an hour."""
        while self.now < now:
            step = min(self.now + timedelta(hours=1), now)
            for each in self.everybody:
                each.until(step)
            self.settle()

    def settle(self) -> None:
        """What waits in lane `internal`, in its order."""
        while waiting := [each for story in self.everybody for each in _taken(story)]:
            for each in waiting:
                self.notified.append(each)
                to = self.group if each.kind == GROUP else self.stories[each.key]
                assert each.kind == PATIENT or each.key == self.group.patient
                to.then(each.event)

    def put(self, start: datetime, *, at: datetime | None = None, takes_place: bool = True) -> list[str]:
        """The Slot of the session that was planned for `start`; who was told."""
        before = len(self.notified)
        held = at or start
        self.group.then(
            ChangeMeeting(slot_id=identity(start), start=held, end=held + LENGTH, takes_place=takes_place), at=self.now
        )
        self.settle()
        return [each.key for each in self.notified[before:]]

    def call_off(self, start: datetime) -> list[str]:
        return self.put(start, at=self.slot(start).start, takes_place=False)

    def slot(self, start: datetime) -> GroupSlot:
        return self.group.slots[identity(start)]

    def outcomes(self, start: datetime) -> list[str]:
        return [each.outcome(start) for each in self.stories.values()]


def _taken(story: PatientStory[Any, Any]) -> Sequence[To]:
    taken, story.to_others = story.to_others, []
    return taken
