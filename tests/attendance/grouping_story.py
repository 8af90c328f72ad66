"""Patients and the groups of their program, with the internal lane between them: what one asks the other takes up."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

import msgspec

from services.attendance.groups import groups
from services.attendance.groups import sessions as group_sessions
from services.attendance.groups.groups import Group
from services.attendance.groups.plan import GROUP, GroupPlan, group_key
from services.attendance.groups.seat import GroupSeat
from services.attendance.record import Session, SessionSlot
from shared.events.envelope import Command, Event
from shared.events.intake import TemplateSlot
from shared.events.internal import TimePassed, To
from shared.rules.decision import Moment
from tests.attendance.given import ADMISSION, EVENINGS, NAMES, SETTINGS, admitted
from tests.attendance.story import UNHURRIED, Story

THREE_EVENINGS = [[0, "18:00", 180], [2, "18:00", 180], [4, "18:00", 180]]
HOUR = timedelta(hours=1)
EVENING_A, EVENING_B = "evening-a", "evening-b"


def plan(seats: int = 12, **changed: Any) -> GroupPlan:
    """A group on three evenings a week, as the template of `admitted` has them."""
    return msgspec.convert({"seats": seats, "meetings": THREE_EVENINGS, "time": "evening", **changed}, GroupPlan)


class Patient(Story):
    def __init__(self, patient: str, now: datetime, **changed: Any) -> None:
        self.patient = patient  # type: ignore[misc]
        super().__init__(**changed)
        self.now = now

    @property
    def seat(self) -> GroupSeat:
        assert self.state.seat is not None
        return self.state.seat

    @property
    def group(self) -> str:
        """In which the patient has a seat."""
        return "" if self.state.seat is None else self.state.seat.group

    @property
    def asked(self) -> dict[str, str]:
        return {each.group: each.answer for each in self.seat.asks}

    @property
    def week(self) -> list[SessionSlot]:
        stay = self.state.episode
        assert stay is not None
        return [stay.template[each] for each in stay.slots]

    @property
    def booked(self) -> list[Session]:
        return [each for each in self.state.sessions if each.outcome == "planned" and each.start > self.now]

    def groups_of(self, sessions: Sequence[Session]) -> set[str]:
        stay = self.state.episode
        assert stay is not None
        return {stay.template[each.slot].group for each in sessions}


class ProgramStory:
    """Everything asked is answered before the next thing happens, unless `holds` the lane."""

    def __init__(self, plans: Mapping[str, GroupPlan], **changed: Any) -> None:
        self.now, self.changed = ADMISSION, {**UNHURRIED, **changed}
        self.patients: dict[str, Patient] = {}
        self.groups: dict[str, Group] = {}
        self.lane: deque[To] = deque()
        self.holds = False
        self._decisions = 0
        self.lists(plans)

    def lists(self, plans: Mapping[str, GroupPlan]) -> None:
        """As program.toml has them from now on."""
        self.plans = plans
        self.settings = msgspec.structs.replace(SETTINGS, **self.changed, groups=dict(plans))
        for each in self.patients.values():
            each.settings = self.settings

    def admits(self, name: str, *flags: str, template: Sequence[TemplateSlot] = EVENINGS) -> Patient:
        """On an evening week, unless this says otherwise."""
        patient = str(uuid5(NAMES, name))
        self.patients[patient] = Patient(patient, self.now, **self.changed, groups=dict(self.plans))
        self.then(patient, admitted("evening", *flags, at=self.now, template=template, episode=stay_of(patient)))
        return self.patients[patient]

    def then(self, patient: str, *happened: Event | Command) -> list[Event]:
        """What is emitted to these, and to all that follows."""
        here = self.patients[patient]
        before = len(here.all_emitted)
        for each in happened:
            here.then(each, at=self.now)
            self._takes_from(here)
        if not self.holds:
            self.drains()
        return here.all_emitted[before:]

    def drains(self) -> None:
        while self.lane:
            self.takes()

    def takes(self) -> None:
        """The next one of the lane."""
        to = self.lane.popleft()
        if to.kind == GROUP:
            self._group_reacts(to.key, to.event)
        else:
            here = self.patients[to.key]
            here.then(to.event, at=self.now)
            self._takes_from(here)

    def until(self, now: datetime) -> None:
        """Hour by hour, so that what one asks is answered before the other goes on."""
        while self.now < now:
            self.now = min(now, self.now + HOUR)
            for each in self.patients.values():
                each.until(self.now)
                self._takes_from(each)
            for key, group in list(self.groups.items()):
                if (at := groups.due(group)) is not None and at <= self.now:
                    self._group_reacts(key, TimePassed())
            self.drains()

    def members(self, group: str) -> set[str]:
        found = self.groups.get(group_key("demo", group), Group())
        return {each.patient_id for each in found.members}

    def line(self, group: str) -> list[str]:
        found = self.groups.get(group_key("demo", group), Group())
        return [each.patient_id for each in found.line]

    def _takes_from(self, here: Patient) -> None:
        self.lane.extend(here.to_others)
        here.to_others.clear()

    def _group_reacts(self, key: str, event: Event) -> None:
        self._decisions += 1
        cause = uuid5(NAMES, f"group decision {self._decisions}")
        moment = Moment(self.now, self.now, self.settings, cause, key, "demo")
        state = self.groups.get(key, Group())
        emitted = group_sessions.react(state, event, moment)  # type: ignore[arg-type]
        state = groups.evolve(state, event)
        for each in emitted:
            if isinstance(each, To):
                self.lane.append(each)
            else:
                state = groups.evolve(state, each)
        self.groups[key] = state


def stay_of(patient: str) -> str:
    return str(uuid5(NAMES, f"stay of {patient}"))
