"""Figures and a laboratory's own limits, in every form of data/ranges.csv and every unit that is known."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing import tables
from services.testing.reading.figures import IN_NG_ML, cutoff_in, figure_in, in_unit
from tests.laws import examples
from tests.testing.test_reading import row

FORMS = [
    each for each in csv.DictReader((Path(tables.__file__).parent / "data/ranges.csv").read_text("utf-8").splitlines())
]
SPELLED = {"neg": "Negative", "pos": "POSITIVE", "cutoff": "Cut-off"}


def spelled(form: str, number: str) -> str:
    """As a report has it, its terms written out."""
    return " ".join(SPELLED.get(each, each) for each in form.replace("#", number).split())


@pytest.mark.parametrize("form", FORMS, ids=lambda each: each["form"])
@pytest.mark.parametrize("number", ["50", "50 ng/mL", "0.05 mg/L", "(50 ng/mL)"])
def test_a_figure_is_judged_by_every_form_of_a_limit(form: dict[str, str], number: str) -> None:
    limits = spelled(form["form"], number)
    found = [row(f"NM||{figure}|ng/mL|{limits}") for figure in ("49.9", "50", "50.1")]
    assert found == ["negative", form["at_limit"], "positive"], limits


@pytest.mark.parametrize(
    "limits",
    [
        "20-300",
        "> 50",
        "<50 >100",
        "Neg <50, Pos >=100",
        "<50 ng/mL or 0.1 mg/L",
        "1:20",
        "<0,5",
        "see note 50",
        "0",
        "",
    ],
)
def test_a_form_that_no_table_has_states_no_limit(limits: str) -> None:
    assert cutoff_in(limits, "ng/mL") is None


FIGURES = st.decimals(1, 100_000, places=1)
UNITS = {
    "ng/mL": 1,
    "ug/L": 1,
    "NG/ML": 1,
    "mg/L": 1_000,
    "ug/mL": 1_000,
    "mcg/mL": 1_000,
    "µg/mL": 1_000,
    "mg/dL": 10_000,
}


@settings(max_examples=examples(200))
@given(FIGURES, FIGURES, st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)))
def test_a_figure_and_a_limit_are_compared_in_whatever_units_they_are_known(
    figure: Decimal, limit: Decimal, own: str, stated: str
) -> None:
    above = figure * UNITS[own] >= limit * UNITS[stated]
    assert row(f"NM||{figure}|{own}|<{limit} {stated}") == ("positive" if above else "negative")


@pytest.mark.parametrize(
    ("own", "stated"), [("ng/mL", "pg/mL"), ("ng/mL", "umol/L"), ("ng/mg", "ng/mL"), ("%", "ng/mL")]
)
def test_between_units_of_which_one_is_unknown_nothing_is_compared(own: str, stated: str) -> None:
    assert row(f"NM||700|{own}|<500 {stated}") == "indeterminate"
    assert in_unit(Decimal(7), own, stated) is None
    assert set(IN_NG_ML) == {"ng/ml", "ug/ml", "mg/dl"}


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("1,234.5 ng/mL", ("", "1234.5", "ng/ml")),
        ("1,234,567", ("", "1234567", "")),
        ("≥ 50 ng/mL", (">=", "50", "ng/ml")),
        ("=<50", ("<=", "50", "")),
        ("ng/mL < 50", ("<", "50", "ng/ml")),
        ("< ng/mL 50", ("<", "50", "ng/ml")),
        (".5", ("", "0.5", "")),
    ],
)
def test_a_comparator_stands_before_its_figure_and_a_unit_on_either_side(
    text: str, figure: tuple[str, str, str]
) -> None:
    assert figure_in(text) == (figure[0], Decimal(figure[1]), figure[2])


@pytest.mark.parametrize(
    "text",
    [
        "1,5",
        "0,500",
        "1.234,5",
        "12,34",
        "1,2345",
        "50 <",
        "50 ng/mL >",
        "ng/mL 50 mg/L",
        "1-2",
        "1:20",
        "1_000",
        "5e3",
        "<>5",
    ],
)
def test_what_can_be_read_two_ways_is_no_figure_and_is_listed(text: str) -> None:
    assert figure_in(text) is None
    assert row(f"NM||{text}|ng/mL|<0.1") == row(f"ST||{text}|ng/mL|<0.1") == "indeterminate"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (">^1,000", "positive"),
        ("<^10", "negative"),
        ("^50", "positive"),
        ("≥^50", "positive"),
        ("<>^50", "indeterminate"),
        ("^50^-^60", "indeterminate"),
        ("^1^:^20", "indeterminate"),
        ("^50^+", "indeterminate"),
        ("^50^^60", "indeterminate"),
        ("^1,5", "indeterminate"),
    ],
)
def test_a_structured_value_is_a_comparator_and_one_number(value: str, found: str) -> None:
    assert row(f"SN||{value}|ng/mL|<20") == found
