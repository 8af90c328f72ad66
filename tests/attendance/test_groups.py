"""Seats of a group: of two who ask for the last one gets it, and who waits has the next one in the order of waiting."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_law
from hypothesis import strategies as some

from services.attendance import messages as w
from services.attendance.groups import groups
from services.attendance.groups import sessions as group_sessions
from services.attendance.groups.groups import Group
from services.attendance.groups.plan import GroupPlan, group_key
from services.attendance.settings import Settings
from shared.events.envelope import Event, name_id
from shared.events.internal import StateEvent, To
from shared.path.service import Decider
from shared.rules.decision import Moment
from tests.attendance.given import ADMISSION, SETTINGS
from tests.laws import examples

OfSeats = w.OfGroups | w.TimePassed
EVENING = "evening-a"
ANNA, BEN, CARA, DORA = (str(uuid5(NAMESPACE_URL, name)) for name in ("anna", "ben", "cara", "dora"))
PATIENTS = (ANNA, BEN, CARA, DORA, *(str(uuid5(NAMESPACE_URL, f"patient-{each}")) for each in range(6)))
STATE_BYTES_OF_GROUP = 4096


def ask_of(patient: str, number: int = 1) -> str:
    return name_id(patient, f"ask:{number}")[:8]


def asked(patient: str, hours: int = 0, number: int = 1) -> w.SeatAsked:
    since = ADMISSION + timedelta(hours=hours)
    return w.SeatAsked(patient=patient, group=EVENING, ask=ask_of(patient, number), since=since)


def left(patient: str, number: int = 1) -> w.SeatLeft:
    return w.SeatLeft(patient=patient, group=EVENING, ask=ask_of(patient, number))


def evening_group(seats: int, **changed: Any) -> GroupPlan:
    return msgspec.convert({"seats": seats, "meetings": [[0, "18:00", 180]], "time": "evening", **changed}, GroupPlan)


class GroupStory:
    """A group with so many seats (None: program.toml does not name it any more), and all that it has answered."""

    def __init__(self, seats: int | None, **changed: Any) -> None:
        self.state, self.now = Group(), ADMISSION
        self.answers: list[To] = []
        self.lists(seats, **changed)

    @property
    def members(self) -> list[str]:
        return [each.patient_id for each in self.state.members]

    @property
    def line(self) -> list[str]:
        return [each.patient_id for each in self.state.line]

    def lists(self, seats: int | None, **changed: Any) -> "GroupStory":
        configured = {} if seats is None else {EVENING: evening_group(seats, **changed)}
        self.settings = msgspec.structs.replace(SETTINGS, groups=configured)
        return self

    def then(self, *events: OfSeats) -> "GroupStory":
        for event in events:
            emitted = groups.react(self.state, event, self._moment())
            self.state = groups.evolve(self.state, event)
            for each in emitted:
                self._follow(each)
        return self

    def later(self, **ahead: int) -> "GroupStory":
        """It hears that time has passed, where it asked for that."""
        self.now += timedelta(**ahead)
        look_at = groups.due(self.state)
        return self if look_at is None or look_at > self.now else self.then(w.TimePassed())

    def answered(self, patient: str) -> list[str]:
        found = (each.event for each in self.answers if each.key == patient)
        return ["given" if isinstance(each, w.SeatGiven) else _full(each) for each in found]

    def _follow(self, each: Event | To) -> None:
        if isinstance(each, To):
            self.answers.append(each)
        else:
            assert isinstance(each, StateEvent), "nothing that names a patient is published here"
            self.state = groups.evolve(self.state, each)

    def _moment(self) -> Moment[Settings]:
        cause = uuid5(NAMESPACE_URL, f"{self.now} {len(self.answers)}")
        return Moment(self.now, self.now, self.settings, cause, group_key("demo", EVENING), "demo")


def _full(event: Event) -> str:
    assert isinstance(event, w.GroupFull)
    return "waits" if event.waits else "refused"


def test_of_two_who_ask_for_the_last_seat_the_first_has_it_and_the_other_waits() -> None:
    group = GroupStory(1).then(asked(ANNA), asked(BEN))
    assert (group.members, group.line) == ([ANNA], [BEN])
    assert (group.answered(ANNA), group.answered(BEN)) == (["given"], ["waits"])


def test_a_seat_that_is_left_goes_to_whoever_waits_longest_whoever_asked_last() -> None:
    group = GroupStory(1).then(asked(ANNA), asked(BEN, hours=3), asked(CARA, hours=1), asked(DORA, hours=2))
    assert group.line == [CARA, DORA, BEN]
    assert group.then(left(ANNA)).members == [CARA]
    assert group.answered(CARA) == ["waits", "given"]


def test_who_asked_at_one_time_is_served_by_their_id_whoever_is_read_first() -> None:
    one, other = (GroupStory(1).then(asked(ANNA), *map(asked, order)) for order in ((BEN, CARA), (CARA, BEN)))
    assert one.line == other.line


def test_asked_again_or_left_by_somebody_else_nothing_is_emitted() -> None:
    group = GroupStory(1).then(asked(ANNA), asked(BEN))
    before, answers = group.state, len(group.answers)
    group.then(asked(ANNA), asked(BEN), left(CARA), left(ANNA, number=2))
    assert (group.state, len(group.answers)) == (before, answers)


def test_what_the_same_patient_asks_anew_takes_no_second_seat() -> None:
    group = GroupStory(2).then(asked(ANNA), asked(ANNA, number=2), left(ANNA, number=1))
    assert group.members == [ANNA]
    assert group.then(left(ANNA, number=2)).members == []


def test_with_fewer_seats_nobody_is_put_out_and_nobody_comes_in_until_there_is_one() -> None:
    group = GroupStory(2).then(asked(ANNA), asked(BEN)).lists(1).then(asked(CARA), left(ANNA))
    assert (group.members, group.line) == ([BEN], [CARA])
    assert group.then(left(BEN)).members == [CARA]


def test_with_more_seats_those_who_wait_have_them_within_the_hour() -> None:
    group = GroupStory(1).then(asked(ANNA), asked(BEN, hours=1), asked(CARA, hours=2)).lists(3)
    assert group.later(hours=1).members == [ANNA, BEN, CARA]
    assert groups.due(group.state) is None


def test_a_closed_group_is_joined_before_its_day_alone() -> None:
    group = GroupStory(3, closed_from="2026-01-06").then(asked(ANNA))
    assert group.members == [ANNA]
    assert group.later(days=1).then(asked(BEN)).members == [ANNA]
    assert group.answered(BEN) == ["refused"]


def test_whoever_waits_when_a_group_closes_is_answered_once_and_waits_no_more() -> None:
    group = GroupStory(1, closed_from="2026-01-06").then(asked(ANNA), asked(BEN))
    group.later(days=1)
    assert (group.line, group.answered(BEN)) == ([], ["waits", "refused"])
    assert groups.due(group.state) is None


def test_a_group_that_is_in_no_settings_any_more_gives_no_seat() -> None:
    group = GroupStory(1).then(asked(ANNA)).lists(None).then(asked(BEN))
    assert (group.members, group.answered(BEN)) == ([ANNA], ["refused"])


def test_when_the_line_is_full_whoever_is_last_in_turn_asks_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "WAITING_MOST", 1)
    group = GroupStory(1).then(asked(DORA), asked(BEN, hours=1), asked(ANNA), asked(CARA, hours=3))
    assert group.line == [ANNA]
    assert [group.answered(each) for each in (ANNA, BEN, CARA)] == [["waits"], ["waits", "refused"], ["refused"]]


def test_a_group_as_full_as_can_be_is_small() -> None:
    everybody = [str(uuid5(NAMESPACE_URL, f"full-{each}")) for each in range(100)]
    group = GroupStory(14).then(*(asked(each) for each in everybody))
    assert (len(group.members), len(group.line)) == (14, groups.WAITING_MOST)
    assert len(decider().write(group.state)) <= STATE_BYTES_OF_GROUP


def decider() -> Decider[Group]:
    return Decider(Group, groups.VERSION, groups.react, group_sessions.decide, groups.evolve, groups.due)


patients = some.sampled_from(PATIENTS)
numbers = some.integers(1, 2)
asks = some.builds(asked, patients, some.integers(0, 9), numbers)
leaves = some.builds(left, patients, numbers)
histories = some.lists(some.one_of(asks, asks, leaves), max_size=60)


@settings_of_law(max_examples=examples(200))
@given(histories, some.lists(some.integers(1, 6), min_size=1, max_size=4))
def test_law_no_seat_is_given_beyond_the_seats(history: Sequence[OfSeats], seats: Sequence[int]) -> None:
    group = GroupStory(seats[0])
    for number, event in enumerate(history):
        group.lists(seats[number % len(seats)])
        before = {each.patient for each in group.state.members}
        group.then(event)
        came = {each.patient for each in group.state.members} - before
        assert not came or len(group.members) <= group.settings.groups[EVENING].seats


@settings_of_law(max_examples=examples(200))
@given(histories, some.integers(1, 6))
def test_law_a_patient_is_in_the_group_once_and_the_line_stands_in_its_order(
    history: Sequence[OfSeats], seats: int
) -> None:
    group = GroupStory(seats).then(*history)
    everybody = [*group.members, *group.line]
    assert len(everybody) == len(set(everybody))
    assert list(group.state.line) == sorted(group.state.line, key=lambda each: each.turn)
    assert not group.line or len(group.members) >= seats


@settings_of_law(max_examples=examples(200))
@given(histories, some.integers(1, 6))
def test_law_a_repeat_changes_nothing_and_answers_nobody(history: Sequence[OfSeats], seats: int) -> None:
    group = GroupStory(seats)
    for event in history:
        group.then(event)
        before, answers = group.state, len(group.answers)
        assert (group.then(event).state, len(group.answers)) == (before, answers)


@settings_of_law(max_examples=examples(200))
@given(histories, some.integers(1, 6))
def test_law_the_last_answer_says_where_the_patient_is(history: Sequence[OfSeats], seats: int) -> None:
    """But for those who have left."""
    group = GroupStory(seats).then(*history)
    for where, answer in ((group.members, "given"), (group.line, "waits")):
        assert all(group.answered(each)[-1] == answer for each in where)
