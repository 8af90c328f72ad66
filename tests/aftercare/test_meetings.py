"""Choosing from the meetings there are what fits one patient."""

import random
from collections.abc import Iterable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.meetings.matching import Index
from services.aftercare.meetings.meeting import Meeting
from services.aftercare.meetings.type_codes import LANGUAGES
from services.aftercare.meetings.wishes import Wishes
from tests.aftercare.given import ADMITTED, meeting
from tests.laws import examples

LESS = settings(max_examples=examples(60))


def match(meetings: Iterable[Meeting], wishes: Wishes, most: int) -> tuple[str, ...]:
    found = Index.of(meetings).match(wishes, most, ADMITTED, (5, 10, 25))
    return tuple(each.meeting for each in found.offers)


def test_a_newcomer_is_offered_newcomer_meetings_first() -> None:
    found = match(
        [meeting("plain", 1, "08:00", "C"), meeting("welcome", 1, "20:00", "O", "BE")], Wishes(newcomer=True), 1
    )
    assert found == ("riverbend|welcome",)


def test_a_patient_with_two_diagnoses_is_offered_dual_diagnosis_first() -> None:
    choice = [meeting("plain", 1, "08:00", "O", "BE"), meeting("dual", 1, "20:00", "C", "DD")]
    assert match(choice, Wishes(newcomer=True, dual_diagnosis=True), 2)[0] == "riverbend|dual"


def test_who_must_prove_attendance_is_offered_proof_first() -> None:
    choice = [meeting("plain", 1, "08:00", "O"), meeting("proof", 1, "20:00", "C", "POA")]
    assert match(choice, Wishes(attendance_proof=True), 1) == ("riverbend|proof",)


def test_a_wheelchair_needs_an_accessible_place_or_none_at_all() -> None:
    choice = [
        meeting("stairs", 1, "18:00"),
        meeting("ramp", 2, "18:00", "X"),
        meeting("online", 3, "18:00", venues=("online",)),
        meeting("both", 4, "18:00", venues=("in-person", "online")),
    ]
    assert set(match(choice, Wishes(wheelchair=True), 12)) == {"riverbend|ramp", "riverbend|online", "riverbend|both"}


def test_a_closed_place_is_left_out_unless_it_meets_online_too() -> None:
    choice = [
        meeting("closed", 1, "18:00", "TC"),
        meeting("online-meanwhile", 2, "18:00", "TC", venues=("in-person", "online")),
    ]
    assert match(choice, Wishes(), 12) == ("riverbend|online-meanwhile",)


def test_a_place_elsewhere_is_left_out_an_online_meeting_never_is() -> None:
    choice = [
        meeting("near", 1, "18:00", places=("Oak Hollow", "Riverbend County")),
        meeting("far", 2, "18:00", places=("Quarry Town",)),
        meeting("online", 3, "18:00", venues=("online",), places=()),
    ]
    assert match(choice, Wishes(area="riverbend county"), 12) == ("riverbend|near", "riverbend|online")
    assert len(match(choice, Wishes(area=None), 12)) == 3


def test_the_patients_language_comes_first_english_after_it_and_no_third_one() -> None:
    choice = [meeting("english", 1, "08:00"), meeting("spanish", 1, "20:00", "S"), meeting("french", 1, "09:00", "FR")]
    assert match(choice, Wishes(language="es-MX"), 12) == ("riverbend|spanish", "riverbend|english")
    assert match(choice, Wishes(language="tlh"), 12) == ("riverbend|english",)


def test_meetings_for_some_are_offered_last() -> None:
    choice = [meeting("men", 1, "08:00", "O", "BE", "M"), meeting("everyone", 1, "20:00")]
    assert match(choice, Wishes(newcomer=True), 12)[0] == "riverbend|everyone"


def test_who_comes_in_the_evening_is_offered_evenings_and_who_comes_online_online() -> None:
    choice = [
        meeting("morning", 1, "08:00"),
        meeting("late", 1, "19:00"),
        meeting("room", 1, "07:00", venues=("online",)),
    ]
    assert match(choice, Wishes(evening=True), 1) == ("riverbend|late",)
    assert match(choice, Wishes(telehealth=True), 1) == ("riverbend|room",)


def test_the_list_is_spread_over_the_week() -> None:
    choice = [meeting(f"{day}-{hour}", day, f"{hour}:00") for day in range(7) for hour in (10, 12, 18)]
    days = [each.partition("|")[2][0] for each in match(choice, Wishes(), 14)]
    assert all(days.count(str(day)) == 2 for day in range(7))


def test_two_that_are_worth_the_same_at_the_same_hour_stand_in_the_order_of_their_names() -> None:
    first, second = meeting("a", 1, "18:00"), meeting("b", 1, "18:00")
    assert (
        match([second, first], Wishes(), 12) == match([first, second], Wishes(), 12) == ("riverbend|a", "riverbend|b")
    )


def test_a_meeting_by_appointment_is_on_no_list() -> None:
    regular = meeting("regular", 1, "18:00")
    irregular = [msgspec.structs.replace(regular, weekdays=()), msgspec.structs.replace(regular, start=None)]
    assert match(irregular, Wishes(), 12) == ()


meetings = some.lists(
    some.builds(
        Meeting,
        feed=some.just("riverbend"),
        slug=some.integers(0, 40).map(str),
        name=some.just("a meeting"),
        weekdays=some.sets(some.integers(0, 6)).map(lambda days: tuple(sorted(days))),
        start=some.none() | some.sampled_from(["07:00", "12:00", "19:30"]),
        venues=some.sets(some.sampled_from(["in-person", "online", "phone"])).map(lambda ways: tuple(sorted(ways))),
        types=some.sets(some.sampled_from(["O", "C", "BE", "DD", "X", "TC", "W", "M", "S", "EN", "FR", "POA"])).map(
            tuple
        ),
        places=some.sampled_from([(), ("Riverbend",), ("Oak Hollow",)]),
    ),
    unique_by=lambda each: each.slug,
    max_size=25,
)
wishes = some.builds(
    Wishes,
    newcomer=some.booleans(),
    dual_diagnosis=some.booleans(),
    attendance_proof=some.booleans(),
    wheelchair=some.booleans(),
    telehealth=some.booleans(),
    evening=some.booleans(),
    language=some.sampled_from([*LANGUAGES, "tlh"]),
    area=some.sampled_from([None, "Riverbend", "Nowhere"]),
)


@LESS
@given(meetings, wishes, some.integers(0, 14), some.randoms(use_true_random=False))
def test_the_order_of_a_feed_decides_nothing(
    choice: list[Meeting], wish: Wishes, most: int, dice: random.Random
) -> None:
    shuffled = sorted(choice, key=lambda _: dice.random())
    assert match(choice, wish, most) == match(shuffled, wish, most)


@LESS
@given(meetings, wishes, some.integers(0, 14))
def test_every_meeting_on_a_list_can_be_taken_part_in(choice: list[Meeting], wish: Wishes, most: int) -> None:
    by_id, found = {each.id: each for each in choice}, match(choice, wish, most)
    assert len(found) == len(set(found)) <= most
    assert all(can_be_gone_to(by_id[identity], wish, wish.area) for identity in found)


def can_be_gone_to(one: Meeting, wish: Wishes, area: str | None) -> bool:
    here = "in-person" in one.venues and "TC" not in one.types and ("X" in one.types or not wish.wheelchair)
    return bool({"online", "phone"} & set(one.venues)) or (here and area in {None, *one.places})


@LESS
@given(meetings, wishes)
def test_a_longer_list_begins_with_the_shorter_one(choice: list[Meeting], wish: Wishes) -> None:
    assert match(choice, wish, 12)[:5] == match(choice, wish, 5)
