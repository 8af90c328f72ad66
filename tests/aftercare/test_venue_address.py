"""What a door is: a house number and its street, a corner, a named place on a street, or coordinates said exact."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.meetings.venue_address import address
from services.aftercare.meetings.venue_address import is_attended_in_person as is_attended
from tests.laws import examples


def is_attended_in_person(entry: dict[str, Any]) -> bool:
    return is_attended(entry, address(entry))


LESS = settings(max_examples=examples(100))
AREA = {"city": "Springfield", "state": "IL", "region": "Springfield"}
ENTRY: dict[str, Any] = {**AREA, "address": "12 Main St", "types": ["O"], "approximate": "no"}
EXACT = [
    "12 Main St",
    "123 1/2 N. Elm St",
    "12-A Oak Ln",
    "100-12 Queens Blvd",
    "W180 N8085 Town Hall Rd",
    "N6W23001 Bluemound Rd",
    "1100 Broadway",
    "1234 Elm",
    "12345 Ventura Blvd",
    "7500 Telephone Rd",
    "4567 US Highway 50",
    "123 Springfield Ave",
    "2 Private Rd",
    "12 District Ave",
    "12 Main St Springfield IL 62701",
    "Rte. 9 & Main St",
    "5th & Main",
    "Corner of Main and Oak",
    "St Paul's Church, Main St & 3rd Ave",
    "Grace Church, Main St",
    "Calle 5 #12",
    "Km 3.2 Carr 112",
    "Av. Juárez 123",
    "12 Rue de la Ferme",
    "Hauptstraße 12",
    "One Main Street",
    "Two Penn Plaza",
    "12 Meeting St",
    "12 Meeting House Ln",
    "4 Lot Rd",
    "1 Place Ville Marie",
    "12 Isle of Hope Rd",
    "12 Main St behind the bank",
    "Carretera 2, Km 45.6",
    "Carr. 2 Km 45.6, Int.",
    "Hwy 50, Mile Marker 12",
]
NOWHERE = [
    "TBD",
    "N/A",
    "private",
    "Private home",
    "Call for address",
    "Temporarily closed",
    "12 Main St (temporarily closed)",
    "12 Main St (cl\u200bosed)",
    "12 Main St - cerrado",
    "Webex",
    "En línea, 12 Main St",
    "Springfield, IL",
    "Springfield IL",
    "Main St",
    "Main St Suite 4",
    "Main St, Springfield, IL 62701",
    "St Paul",
    "Hwy 50",
    "Calle 5",
    "12",
    "PO Box 12",
    "P.O. Box 12, Springfield",
    "62701, USA",
    "IL 62701",
    "Springfield IL 62701, USA",
    "10115 Berlin",
    "10th District, Springfield",
    "24/7 hotline",
    "20 minutes from town",
    "3 blocks from Main St",
    "2 Blocks North of Oak Ave",
    "1 block off Main St",
    "Two blocks from Main St",
    "2 doors down from Elm St",
    "200 yards past Oak Rd",
    "300 ft behind Mill Ln",
    "2 Locations",
    "3 Weekly Meetings",
    "4 Sites",
    "Two Rivers Rd",
    "Two Notch Rd",
    "One Mile Rd",
    "Km 45.6",
    "Carretera 2",
    "Springfield, Km 4",
    "555-555-0100",
    "12 Main St" + " " + "x" * 255,
]
NAMES: list[Any] = ["Temporarily Closed", "Google Meet", "En línea", "オンライン", ["Hall"]]
TYPES: list[Any] = ["O,TC", "TC,O", ["tc"], {"TC": 1}, {"a": "O"}, [["TC"]], [*["O"] * 60, "TC"], True, "?"]
OPTIONS: list[Any] = ["closed", "in-person-closed", "suspended", "virtual", ["online"], [], 0]
APPROXIMATE: list[Any] = ["y", "approximate", "nope", 1, True, [], {"a": 1}]
CLOSED: list[dict[str, Any]] = [
    *({"location": each} for each in NAMES),
    *({"types": each} for each in TYPES),
    *({"attendance_option": each} for each in OPTIONS),
    *({"approximate": each} for each in APPROXIMATE),
    {"name": "First Step (temporarily closed)"},
    {"name": "First Step (SUSPENDED)"},
    {"name": "[Cancelled until June] First Step"},
    {"notes": "Zoom only until spring"},
    {"notes": {"en": "?"}},
    {"city": {"en": "?"}},
]


@pytest.mark.parametrize("member", ["address", "formatted_address"])
@pytest.mark.parametrize("line", EXACT)
def test_a_real_address_is_a_door(member: str, line: str) -> None:
    assert is_attended_in_person({**AREA, member: line})


@pytest.mark.parametrize("member", ["address", "formatted_address"])
@pytest.mark.parametrize("line", NOWHERE)
def test_a_line_that_names_no_door_is_none(member: str, line: str) -> None:
    assert not is_attended_in_person({**AREA, member: line})


@pytest.mark.parametrize("words", CLOSED)
def test_what_is_closed_online_or_unreadable_in_any_member_closes_the_door(words: dict[str, Any]) -> None:
    assert is_attended_in_person(ENTRY)
    assert not is_attended_in_person({**ENTRY, **words})


@pytest.mark.parametrize(
    "words",
    [
        *({"attendance_option": each} for each in ["in_person", "In-Person", "hybrid", "", None]),
        *({"approximate": False}, {"approximate": "No"}, {"approximate": "false"}, {"approximate": 0}),
        {"types": "O,D"},
        {"types": ["O", "ONL", 11]},
        {"name": "Closed discussion", "notes": "Closed meeting. Ring the bell; also on Zoom."},
        {"regions": ["Springfield", "North"], "postal_code": 62701},
    ],
)
def test_the_known_words_leave_the_door_open(words: dict[str, Any]) -> None:
    assert is_attended_in_person({**ENTRY, **words})


def test_a_street_without_a_number_is_a_door_with_a_named_place_or_exact_coordinates() -> None:
    street = {**AREA, "address": "Main St"}
    assert is_attended_in_person({**street, "location": "St Paul's Church"})
    assert is_attended_in_person({**street, "approximate": "no", "latitude": 40.1, "longitude": "-73.9"})
    assert not is_attended_in_person({**street, "location": "Springfield"})


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(91, 10), (10, 181), (999, 999), (0, 0), (True, True), ("40,1", "-73,9"), ([40], [70])]
)
def test_coordinates_out_of_range_or_unreadable_are_no_door(latitude: Any, longitude: Any) -> None:
    assert not is_attended_in_person({"approximate": "no", "latitude": latitude, "longitude": longitude})


def test_an_address_holds_nothing_that_a_database_refuses() -> None:
    assert address({"address": "12\u0000 Main\u200b St", "city": "Riverbend"}) == "12 Main St, Riverbend"


REMARKS = ["types", "name", "notes"]
"""Free words: another readable one is no worse than the one before."""
PLACES = ["address", "formatted_address", "location", "city", "state", "region", "approximate", "attendance_option"]
UNREADABLE = some.sampled_from([True, [[]], {}, {"a": 1}, [["TC"]]])
WORSE = some.sampled_from(["TBD", "Online", "temporarily closed", "closed", "?", "x" * 300])
ROWS = some.fixed_dictionaries(
    {},
    optional={
        "address": some.sampled_from([*EXACT, *NOWHERE, "12 Springfield"]),
        "formatted_address": some.sampled_from([*EXACT, *NOWHERE]),
        "location": some.sampled_from(["Grace Church", "Webex", "Springfield"]),
        "types": some.sampled_from([["O"], ["TC"], "O,TC", ["ONL"]]),
        "approximate": some.sampled_from(["no", "yes", False, True]),
        "attendance_option": some.sampled_from(["hybrid", "online", "inactive"]),
        "notes": some.sampled_from(["Ring.", "Temporarily closed"]),
        "city": some.sampled_from(["Springfield", "Main"]),
        "latitude": some.sampled_from([40.1, 91]),
        "longitude": some.sampled_from([-73.9, 181]),
    },
)


@LESS
@given(
    ROWS,
    some.tuples(some.sampled_from([*PLACES, *REMARKS, "latitude"]), UNREADABLE)
    | some.tuples(some.sampled_from([*PLACES, "longitude"]), WORSE),
)
def test_a_worse_or_unreadable_word_never_opens_a_door(row: dict[str, Any], worse: tuple[str, Any]) -> None:
    assert is_attended_in_person(row) or not is_attended_in_person({**row, worse[0]: worse[1]})
