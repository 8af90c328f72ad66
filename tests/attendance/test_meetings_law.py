"""Laws of a group's sessions, whoever joins, leaves, comes and stays away while they are called off and moved."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import settings as settings_of_law
from hypothesis import strategies as some

from services.attendance.groups.timetable import GroupSession, minute
from services.attendance.messages import CallOffSession, CancelSession, SessionMissed
from services.attendance.record import Session
from shared.path.service import Decider
from tests.attendance.given import evening
from tests.attendance.groups import ANNA, BEN, CARA, GroupWithMembers
from tests.attendance.story import starts
from tests.laws import examples

PATIENTS = (ANNA, BEN, CARA)
STARTS = [evening(week, weekday) for week in (0, 1) for weekday in (0, 2, 4)]
ELSEWHERE = [evening(0, 1), evening(0, 3), evening(0, 5, 9), evening(1, 1), evening(1, 3)]
STATE_BYTES_OF_GROUP = 4096
who, when = some.sampled_from(PATIENTS), some.sampled_from(STARTS)
Steps = Sequence[tuple[Any, ...]]
steps = some.one_of(
    some.tuples(some.just("put"), when, some.sampled_from([None, None, *ELSEWHERE]), some.booleans()),
    some.tuples(some.just("join"), who),
    some.tuples(some.just("leave"), who),
    some.tuples(some.just("attend"), who, when),
    some.tuples(some.just("excuse"), who, when),
    some.tuples(some.just("later"), some.integers(1, 60)),
)
histories = some.lists(steps, max_size=25)


class World(GroupWithMembers):
    """Lives such a history; what can't be (nobody attends what is not there) does not happen."""

    def lives(self, history: Steps) -> "World":
        for name, *rest in history:
            getattr(self, f"_{name}")(*rest)
        return self

    def _put(self, start: datetime, at: datetime | None, takes_place: bool) -> None:
        self.put(start, at=at, takes_place=takes_place)

    def _join(self, patient: str) -> None:
        if patient not in self.stories:
            self.admit(patient)

    def _leave(self, patient: str) -> None:
        if patient in self.stories:
            self.leave(patient)

    def _attend(self, patient: str, start: datetime) -> None:
        if start <= self.now and self.own(patient, start) is not None:
            self.attend(patient, start)

    def _excuse(self, patient: str, start: datetime) -> None:
        if self.own(patient, start) is not None:
            self.happens(patient, CancelSession(session_id=self.session(patient, start), reason="pat"))

    def _later(self, hours: int) -> None:
        self.until(self.now + timedelta(hours=hours))

    def own(self, patient: str, start: datetime) -> Session | None:
        sessions = self.stories[patient].state.sessions if patient in self.stories else ()
        return next((each for each in sessions if each.start == start), None)

    @property
    def ahead(self) -> list[GroupSession]:
        return [each for each in self.group.state.timetable.sessions if each.start > self.now]

    @property
    def members(self) -> list[str]:
        return [each.patient_id for each in self.group.state.members]


@settings_of_law(max_examples=examples(40))
@given(histories)
def test_law_each_member_s_sessions_are_the_group_s(history: Steps) -> None:
    """Booked where they are held, and nowhere where they are off; whoever is excused is not moved with the others."""
    group = World(ANNA).lives(history)
    for patient in group.members:
        story = group.story(patient)
        assert story.state.episode is not None
        for each in (each for each in group.ahead if each.last < minute(story.state.episode.booked_until)):
            own = {one.minute: one.outcome for one in story.state.sessions if one.minute in (each.minute, each.held)}
            held = {at for at, outcome in own.items() if outcome == "planned"}
            assert held == (set() if each.mark == "off" or "excused" in own.values() else {each.held})


@settings_of_law(max_examples=examples(40))
@given(histories)
def test_law_nobody_misses_what_is_called_off(history: Steps) -> None:
    group = World(ANNA, BEN).lives(history)
    off = {each.start for each in group.group.state.timetable.sessions if each.mark == "off"}
    for story in group.stories.values():
        missed = {each.start for each in story.state.sessions if each.counts_as_missed}
        assert not missed & off


@settings_of_law(max_examples=examples(40))
@given(histories)
def test_law_told_again_nobody_changes(history: Steps) -> None:
    group = World(ANNA, BEN).lives(history)
    last = {each.key: each for each in group.notified if type(each.event).__name__ == "MeetingsChanged"}
    for patient, notice in last.items():
        before = group.story(patient).state
        assert group.story(patient).then(notice.event) == []
        assert group.story(patient).state == before


@settings_of_law(max_examples=examples(40))
@given(histories, some.permutations(range(3)))
def test_law_whatever_came_first_who_came_was_there(history: Steps, order: Sequence[int]) -> None:
    """Called off, attended, and called off for this patient alone: in any order the same minutes."""
    group = World(ANNA).lives([each for each in history if each[0] not in ("later", "leave", "put")])
    group.until(STARTS[0] + timedelta(hours=4))
    acts = (
        lambda: group.put(STARTS[0], takes_place=False),
        lambda: group.attend(ANNA, STARTS[0]),
        lambda: group.happens(ANNA, CallOffSession(session_id=group.session(ANNA, STARTS[0]))),
    )
    for number in order:
        acts[number]()
    story = group.story(ANNA)
    assert (story.outcome(STARTS[0]), story.minutes(STARTS[0])) == ("attended", 180)
    assert not story.escalations


@settings_of_law(max_examples=examples(40))
@given(histories)
def test_law_a_group_is_small_and_its_state_is_read_back(history: Steps) -> None:
    group = World(ANNA, BEN).lives(history)
    decisions = group.group.decisions
    decider = Decider(type(group.group.state), 1, decisions.react, decisions.decide, decisions.evolve, decisions.due)
    text = decider.write(group.group.state)
    assert len(text) <= STATE_BYTES_OF_GROUP
    assert decider.read(1, text) == group.group.state


def test_a_member_hears_of_one_change_with_one_cancellation() -> None:
    group = World(ANNA, BEN)
    group.lives([("put", STARTS[1], None, False), ("put", STARTS[1], None, False), ("later", 60)])
    for story in group.stories.values():
        assert STARTS[1] not in starts(story.all_emitted, SessionMissed)
        cancelled = [each for each in story.all_emitted if type(each).__name__ == "SessionCancelled"]
        assert len(cancelled) == 1
