"""Where a patient lives, as far as the hub decides by it: about where the ZIP code is, and no street."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare import whereabouts
from services.aftercare.messages import ContactKnown
from services.aftercare.record import Home
from services.aftercare.zip_codes import STEPS, ZipCode, zip_code
from tests.aftercare.given import IDENTIFIED, admitted
from tests.aftercare.story import Story
from tests.laws import examples

LESS = settings(max_examples=examples(60))
TROY = ZipCode((42.75, -73.65), "NY", "America/New_York")


def known(*addresses: dict[str, Any], **part: Any) -> ContactKnown:
    return whereabouts.known({"patient": {"address": list(addresses)}, **part})


@pytest.mark.parametrize("text", ["12180", "12180-1234", "121801234", " 12180 "])
def test_a_zip_code_has_its_centre_rounded_its_state_and_its_zone(text: str) -> None:
    assert zip_code(text) == TROY


@pytest.mark.parametrize(
    "text",
    [
        "00000",
        "99999",
        "",
        "1218",
        "121800",
        "K1A 0B1",
        "34002",
        "12180-",
        "\u0661\u0662\u0661\u0668\u0660",
        "12180\n12180",
    ],
)
def test_what_is_no_zip_code_or_a_military_one_has_no_place(text: str) -> None:
    assert zip_code(text) is None


@pytest.mark.parametrize(
    ("text", "zone"), [("96813", "Pacific/Honolulu"), ("00601", "America/Puerto_Rico"), ("85001", "America/Phoenix")]
)
def test_a_zip_code_far_away_has_its_own_clock(text: str, zone: str) -> None:
    found = zip_code(text)
    assert found is not None and found.zone == zone


def test_the_table_is_what_the_package_says() -> None:
    pytest.importorskip("zipcodes")
    from tests.aftercare.zip_codes import TABLE, rows

    assert TABLE.read_text("utf-8") == rows()


def test_of_several_addresses_the_one_where_they_live_counts() -> None:
    old, work = {"use": "old", "postalCode": "02108"}, {"use": "work", "postalCode": "96813"}
    assert known(old, work, {"use": "home", "postalCode": "12180"}).place == TROY.place


@pytest.mark.parametrize(
    "address",
    [
        {},
        {"postalCode": "00000"},
        {"postalCode": "12180", "country": "DE"},
        {"postalCode": 12180},
        {"postalCode": "K1A 0B1", "country": "CA"},
    ],
)
def test_without_a_zip_code_of_the_united_states_no_place_is_known(address: dict[str, Any]) -> None:
    assert known(address, area="Troy") == ContactKnown(area="Troy", language=None)


@pytest.mark.parametrize(("gender", "counts"), [("female", "female"), ("other", None), ("unknown", None), (None, None)])
def test_of_the_gender_only_female_and_male_count(gender: str | None, counts: str | None) -> None:
    assert known(gender=gender).gender == counts


def test_no_street_city_or_zip_code_enters_the_state() -> None:
    address = {"line": ["1 Seeded Street"], "city": "Seededville", "postalCode": "12180-4321", "state": "NY"}
    patient = Story(IDENTIFIED, known(address, area="Troy", gender="female"), admitted())
    stored = msgspec.json.encode(patient.state).decode()
    assert "855,-1473" in stored and not any(each in stored for each in ("Seeded", "12180", "4321", "42.7287"))


@LESS
@given(some.floats(-90, 90), some.floats(-180, 180))
def test_a_place_in_the_state_is_never_more_exact_than_0_05_degrees(latitude: float, longitude: float) -> None:
    home = Home.of(ContactKnown(place=(latitude, longitude)))
    assert home.degrees is not None
    assert all(round(each * STEPS) / STEPS == each for each in home.degrees)
