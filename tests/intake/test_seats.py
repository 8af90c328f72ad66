"""Seats of a place: nobody is admitted beyond them, and who waits is offered the next one in the order of the law."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_law
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.seats import capacity, seats
from services.intake.seats.seats import Seats
from services.intake.settings import Settings
from shared.events.envelope import Event, name_id
from shared.events.internal import StateEvent, To
from shared.path.service import STATE_BYTES_MOST, Decider
from shared.rules.decision import Moment
from shared.rules.packing import pack_id, unpack_id
from tests.intake.given import MONDAY, settings
from tests.laws import examples

PLACE = "2.1"
ANNA, BEN, CARA, DORA = (str(uuid5(NAMESPACE_URL, name)) for name in ("anna", "ben", "cara", "dora"))
PATIENTS = (ANNA, BEN, CARA, DORA, *(str(uuid5(NAMESPACE_URL, f"patient-{each}")) for each in range(6)))


def stay_of(patient: str, number: int = 1) -> str:
    return name_id(patient, f"stay:{number}")


def asked(patient: str, rank: int = capacity.LONGEST, hours: int = 0, stay: int = 1) -> w.SeatAsked:
    since = MONDAY + timedelta(hours=hours)
    return w.SeatAsked(patient=patient, episode_id=stay_of(patient, stay), place=PLACE, rank=rank, since=since)


def occupied(patient: str, stay: int = 1) -> w.SeatOccupied:
    return w.SeatOccupied(patient=patient, episode_id=stay_of(patient, stay), place=PLACE)


def left(patient: str, stay: int = 1) -> w.SeatLeft:
    return w.SeatLeft(patient=patient, episode_id=stay_of(patient, stay))


class Place:
    """A place with so many seats (None: they are not counted), and all that it has answered."""

    def __init__(self, capacity: int | None) -> None:
        self.state, self.now = Seats(), MONDAY
        self.answers: list[To] = []
        self.warnings: list[w.CapacityNearlyReached] = []
        self.settings = self._with(capacity)

    @property
    def taken(self) -> list[str]:
        return [unpack_id(each.patient) for each in self.state.taken]

    @property
    def line(self) -> list[str]:
        return [unpack_id(each.patient) for each in self.state.line]

    def lists(self, capacity: int | None) -> "Place":
        self.settings = self._with(capacity)
        return self

    def then(self, *events: w.ConsumesOfSeats) -> "Place":
        for number, event in enumerate(events):
            emitted = seats.react(self.state, event, self._moment(number))
            self.state = seats.evolve(self.state, event)
            for each in emitted:
                self._follow(each)
        return self

    def hour_later(self) -> "Place":
        """It hears that time has passed, where it asked for that."""
        self.now += timedelta(hours=seats.LOOK_HOURS)
        look_at = seats.due(self.state)
        return self if look_at is None or look_at > self.now else self.then(w.TimePassed())

    def answered(self, patient: str) -> list[str]:
        return [type(each.event).__name__ for each in self.answers if each.key == patient]

    def _follow(self, each: Event | To) -> None:
        if isinstance(each, To):
            self.answers.append(each)
        elif isinstance(each, w.CapacityNearlyReached):
            self.warnings.append(each)
        else:
            assert isinstance(each, StateEvent), "nothing that names a patient is published here"
            self.state = seats.evolve(self.state, each)

    def _moment(self, number: int) -> Moment[Settings]:
        cause = uuid5(NAMESPACE_URL, f"{self.now} {number} {len(self.answers)}")
        key = capacity.place_key("demo", PLACE)
        return Moment(self.now, self.now, self.settings, cause, patient=key, program="demo")

    def _with(self, capacity: int | None) -> Settings:
        return settings(capacity={} if capacity is None else {PLACE: capacity})


def test_of_two_who_ask_for_the_last_seat_the_first_has_it_and_the_other_waits() -> None:
    place = Place(1).then(asked(ANNA), asked(BEN))
    assert (place.taken, place.line) == ([ANNA], [BEN])
    assert (place.answered(ANNA), place.answered(BEN)) == (["SeatGiven"], ["SeatsFull"])


def test_where_seats_are_not_counted_everybody_has_one() -> None:
    place = Place(None).then(asked(ANNA), asked(BEN))
    assert (place.taken, place.line) == ([ANNA, BEN], [])


def test_freed_seats_are_offered_by_the_law_then_to_step_downs_then_to_who_waits_longest() -> None:
    place = Place(1).then(
        asked(PATIENTS[9]),
        asked(PATIENTS[8], capacity.LONGEST, hours=2),
        asked(PATIENTS[7], capacity.LONGEST, hours=1),
        asked(PATIENTS[6], capacity.STEP_DOWN, hours=3),
        asked(CARA, capacity.INJECTING, hours=4),
        asked(BEN, capacity.PREGNANT, hours=5),
        asked(ANNA, capacity.PREGNANT_AND_INJECTING, hours=6),
    )
    in_turn = [ANNA, BEN, CARA, PATIENTS[6], PATIENTS[7], PATIENTS[8]]
    assert place.line == in_turn
    for before, after in zip([PATIENTS[9], *in_turn], in_turn, strict=False):
        place.then(left(before))
        assert place.taken == [after]


def test_a_rank_that_changes_while_somebody_waits_gives_another_turn() -> None:
    place = Place(1).then(asked(ANNA), asked(BEN, hours=1), asked(CARA, hours=2))
    place.then(asked(CARA, capacity.PREGNANT, hours=2))
    assert place.line == [CARA, BEN]
    assert place.answered(CARA) == ["SeatsFull"]


def test_who_asked_at_one_time_is_served_by_their_id_whoever_is_read_first() -> None:
    one, other = (Place(0).then(*(asked(each) for each in order)) for order in ((BEN, CARA), (CARA, BEN)))
    assert one.line == other.line


def test_asked_again_or_left_without_a_seat_nothing_is_emitted() -> None:
    place = Place(1).then(asked(ANNA), asked(BEN))
    before, answers = place.state, len(place.answers)
    place.then(asked(ANNA), asked(BEN), left(CARA), left(ANNA, stay=2), occupied(ANNA))
    assert (place.state, len(place.answers)) == (before, answers)


def test_another_stay_of_the_same_patient_takes_no_second_seat() -> None:
    place = Place(2).then(asked(ANNA), asked(ANNA, stay=2), left(ANNA, stay=1))
    assert place.taken == [ANNA]
    assert place.state.taken == (seats.Holder(pack_id(ANNA), pack_id(stay_of(ANNA, 2))),)


def test_a_stay_that_goes_on_has_its_seat_whatever_the_count_and_nobody_is_put_out() -> None:
    place = Place(1).then(asked(ANNA), asked(CARA), left(ANNA), occupied(ANNA))
    assert place.taken == [CARA, ANNA]
    place.then(asked(BEN), left(CARA))
    assert (place.taken, place.line) == ([ANNA], [BEN])


def test_with_fewer_seats_nobody_is_put_out_and_nobody_comes_in_until_there_is_one() -> None:
    place = Place(2).then(asked(ANNA), asked(BEN)).lists(1).then(asked(CARA), left(ANNA))
    assert (place.taken, place.line) == ([BEN], [CARA])
    assert place.then(left(BEN)).taken == [CARA]


def test_with_more_seats_those_who_wait_have_them_within_the_hour() -> None:
    place = Place(1).then(asked(ANNA), asked(BEN, hours=1), asked(CARA, hours=2)).lists(3)
    assert place.hour_later().taken == [ANNA, BEN, CARA]
    assert seats.due(place.hour_later().state) is None


def test_while_nobody_waits_no_clock_runs() -> None:
    assert seats.due(Place(2).then(asked(ANNA)).state) is None


def test_operations_are_warned_once_for_each_time_that_the_percentage_is_reached() -> None:
    place = Place(10).then(*(asked(each) for each in PATIENTS[:8]))
    assert place.warnings == []
    place.then(asked(PATIENTS[8]), asked(PATIENTS[9]))
    assert [each.details for each in place.warnings] == [
        "Of program demo, level 2.1, 9 of 10 seats are taken. A block-grant program tells its State by 2026-01-12 "
        "(45 CFR 96.126(a))."
    ]
    place.then(left(PATIENTS[9]), left(PATIENTS[8]), asked(PATIENTS[8]))
    assert len(place.warnings) == 2


def test_what_operations_hear_names_nobody() -> None:
    (warned,) = Place(1).then(asked(ANNA)).warnings
    assert not any(each in str(warned) for each in (ANNA, stay_of(ANNA)))


def test_when_the_line_is_full_whoever_is_least_in_turn_asks_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "WAITING_MOST", 2)
    place = Place(0).then(
        asked(ANNA), asked(BEN, hours=1), asked(CARA, capacity.PREGNANT, hours=2), asked(DORA, hours=3)
    )
    assert place.line == [CARA, ANNA]
    last = {each.key: each.event for each in place.answers}
    assert [getattr(last[each], "waits", None) for each in (ANNA, BEN, CARA, DORA)] == [True, False, True, False]


def test_a_place_that_is_as_full_as_can_be_is_stored() -> None:
    everybody = [str(uuid5(NAMESPACE_URL, f"full-{each}")) for each in range(400)]
    place = Place(0).then(*map(occupied, everybody), *(asked(each) for each in everybody[200:]))
    assert (len(place.taken), len(place.line)) == (seats.TAKEN_MOST, seats.WAITING_MOST)
    assert len(decider().write(place.state)) <= STATE_BYTES_MOST


def decider() -> Decider[Seats]:
    return Decider(Seats, seats.VERSION, seats.react, seats.decide, seats.evolve, seats.due)


def test_a_seat_is_asked_for_among_those_of_a_track_before_those_of_the_level() -> None:
    counted = {"2.1": 24, "2.1|dual-diagnosis": 8}
    assert capacity.place_of("2.1", ("alcohol", "dual-diagnosis"), counted) == "2.1|dual-diagnosis"
    assert capacity.place_of("2.1", ("alcohol",), counted) == "2.1"
    assert capacity.place_of("2.5", ("alcohol",), counted) is None


@pytest.mark.parametrize(
    ("counted", "remedy"),
    [
        ({"2.5": 8}, "must be one of offers"),
        ({"2.1|no-such-track": 8}, "must be one of alcohol"),
        ({"2.1|": 8}, "must be one of alcohol"),
    ],
)
def test_seats_that_nobody_could_ask_for_stop_the_start(counted: dict[str, int], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        replace(settings(), capacity=counted).__post_init__()


patients = some.sampled_from(PATIENTS)
stays = some.integers(1, 2)
asks = some.builds(asked, patients, some.integers(0, 4), some.integers(0, 9), stays)
leaves = some.builds(left, patients, stays)
histories = some.lists(some.one_of(asks, asks, leaves), max_size=60)
anything = some.lists(some.one_of(asks, leaves, some.builds(occupied, patients, stays)), max_size=60)


@settings_of_law(max_examples=examples(200))
@given(histories, some.lists(some.integers(0, 6), min_size=1, max_size=4))
def test_law_no_seat_is_given_beyond_the_capacity(
    history: Sequence[w.ConsumesOfSeats], capacities: Sequence[int]
) -> None:
    place = Place(capacities[0])
    for number, event in enumerate(history):
        place.lists(capacities[number % len(capacities)])
        before = set(place.taken)
        place.then(event)
        given_now = set(place.taken) - before
        assert not given_now or len(place.taken) <= place.settings.capacity[PLACE]


@settings_of_law(max_examples=examples(200))
@given(anything, some.integers(0, 6))
def test_law_a_patient_is_in_the_place_once_and_the_line_stands_in_its_order(
    history: Sequence[w.ConsumesOfSeats], number: int
) -> None:
    place = Place(number).then(*history)
    everybody = [*place.taken, *place.line]
    assert len(everybody) == len(set(everybody))
    assert list(place.state.line) == sorted(place.state.line, key=lambda each: each.turn)


@settings_of_law(max_examples=examples(200))
@given(anything, some.integers(0, 6))
def test_law_nobody_waits_beside_a_free_seat(history: Sequence[w.ConsumesOfSeats], number: int) -> None:
    place = Place(number)
    for event in history:
        place.then(event)
        assert not place.line or len(place.taken) >= number
        assert (seats.due(place.state) is not None) == bool(place.line)


@settings_of_law(max_examples=examples(100))
@given(anything, some.integers(0, 6))
def test_law_the_same_again_is_deaf(history: Sequence[w.ConsumesOfSeats], number: int) -> None:
    place = Place(number)
    for event in history:
        place.then(event)
        before, answers = place.state, len(place.answers)
        place.then(event)
        assert (place.state, len(place.answers)) == (before, answers)
