"""The law of worse values: what speaks more for use, or against the specimen, never gets the milder answer."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.findings import SNOMED, read
from services.testing.laboratory import Code, Component
from services.testing.validity import condition_of
from shared.events.codes import LOINC
from tests.laws import examples
from tests.testing.given import COCAINE, SETTINGS

NEGATIVE, UNCLEAR, POSITIVE = range(3)
GRAVE = ("substituted", "adulterated")

CODES = (Code("260385009", SNOMED), Code("419984006", SNOMED), Code("9", "", "see note"), Code("10828004", SNOMED))
FLAGS = ("NEG", "nd", "A", "N", "H", "IND", "POS", "det")
TEXTS = ("NEGATIVE", "None Detected", "Trace", "QNS", "see note", "<5 ng/mL", "POSITIVE", "Non-Negative")
FIGURES = st.decimals(0, 1000, places=1)
COMPONENTS = st.builds(
    lambda values, flags, text, number, comparator, cutoff: Component(
        codes=(Code(COCAINE, LOINC),),
        values=values,
        flags=flags,
        text=text,
        number=number,
        comparator=comparator,
        cutoff=cutoff,
    ),
    st.lists(st.sampled_from(CODES), max_size=2).map(tuple),
    st.lists(st.sampled_from(FLAGS), max_size=2).map(tuple),
    st.sampled_from(("", *TEXTS)),
    st.none() | FIGURES,
    st.sampled_from(("", "<", ">")),
    st.none() | FIGURES,
)


def severity(component: Component) -> int:
    match read(component):
        case "negative":
            return NEGATIVE
        case "positive":
            return POSITIVE
        case _:
            return UNCLEAR


def found(component: Component) -> list[Component]:
    """The same row where one piece of what it says is that the drug was found."""
    return [
        replace(component, values=(Code("10828004", SNOMED),)),
        replace(component, values=(*component.values, Code("10828004", SNOMED))) if component.values else component,
        replace(component, flags=("POS",)),
        replace(component, text="POSITIVE"),
    ]


def higher(component: Component) -> list[Component]:
    """The same row with a higher figure, or one that is known to be at least so high."""
    if component.number is None:
        return []
    rows = [replace(component, number=component.number + each) for each in (Decimal("0.1"), Decimal(1000))]
    return rows + [replace(component, comparator=each) for each in ("", ">") if component.comparator in ("<", each)]


@settings(max_examples=examples(400))
@given(COMPONENTS)
def test_what_speaks_more_for_the_drug_never_reads_milder(component: Component) -> None:
    for each in (*found(component), *higher(component)):
        assert severity(each) >= severity(component), (component, each)
    assert all(severity(each) > NEGATIVE for each in found(component) if each != component)


CHECKS = {"creatinine": "2161-8", "specific-gravity": "2965-2", "ph": "5803-2", "nitrite": "2657-5", "oxidant": "X"}


def check(analyte: str, number: Decimal | None = None, text: str = "") -> tuple[str, Component]:
    return analyte, Component(codes=(Code(CHECKS[analyte], LOINC),), number=number, text=text)


def gravity_of(rows: Sequence[tuple[str, Component]]) -> int:
    """None of the graver conditions asks for less than a lesser one: valid, then unclear and recollected, then T3."""
    condition = condition_of(rows, SETTINGS.validity, rejected=False)
    return 2 if condition in GRAVE else 0 if condition == "valid" else 1


SPECIMENS = st.fixed_dictionaries(
    {},
    optional={
        "creatinine": st.decimals(0, 300, places=1),
        "specific-gravity": st.decimals("1.0000", "1.0400", places=4),
        "ph": st.decimals(1, 13, places=1),
        "nitrite": st.decimals(0, 900, places=0),
    },
)


@settings(max_examples=examples(400))
@given(SPECIMENS, st.sampled_from(("creatinine", "ph", "nitrite", "oxidant")), st.decimals("0.1", 50, places=1))
def test_a_worse_check_never_makes_the_specimen_better(figures: dict[str, Decimal], which: str, by: Decimal) -> None:
    before = [check(name, number) for name, number in figures.items()]
    after = [row for row in before if row[0] != which]
    match which:
        case "oxidant":
            before, after = [*before, check("oxidant", text="Negative")], [*after, check("oxidant", text="Positive")]
        case name if name not in figures:
            return
        case "ph":
            away = by if figures["ph"] >= 7 else -by
            after.append(check("ph", figures["ph"] + away))
        case name:
            after.append(check(name, figures[name] + (by if name == "nitrite" else -by)))
    assert gravity_of(after) >= gravity_of(before)
    assert gravity_of([*after, *before]) == gravity_of([*before, *after]) >= gravity_of(after)
