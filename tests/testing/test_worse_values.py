"""The law of worse values: what speaks more for use, or against the specimen, never gets the milder answer."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.reading.findings import read
from services.testing.reading.interpretation import interpret
from services.testing.reading.laboratory import Code, Component
from services.testing.reading.validity import check_of
from services.testing.specimens.checks import condition_by
from shared.events.codes import LOINC, SNOMED
from tests.laws import examples
from tests.testing.given import COCAINE, SETTINGS, day
from tests.testing.story import in_treatment
from tests.testing.test_hl7 import MSH, OBR, PID
from tests.testing.test_hl7 import read as read_message
from tests.testing.test_rows_of_any_form import KNOWN

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
    condition = condition_by((analyte, check_of(analyte, each, SETTINGS.validity)) for analyte, each in rows)
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


def row(code: str, title: str, value: str, sub: int) -> str:
    return f"OBX|1|ST|{code}^{title}^LN|{sub}|{value}||||||F"


MEASURES = st.sampled_from((*KNOWN, "20521-1", "16251-1", "19295-5", "18282-4", "FEN"))
TITLES = st.sampled_from(("", "", "Opiates", "Fentanyl", "Benzodiazepines", "Cocaine", "THC"))
VALUES = st.sampled_from(("NEGATIVE", "POSITIVE", "Trace", "see note", "<0.5"))
OTHERS = st.lists(st.builds(row, MEASURES, TITLES, VALUES, st.integers(1, 3)), max_size=3)


def tier(*rows: str) -> int:
    """The highest that the rows ask for, of a patient without any medication; 0 where nothing is asked."""
    (group,) = read_message(MSH, PID, OBR, *rows).groups
    story = in_treatment()
    commands = [interpret(each, "demo", "lab", SETTINGS) for each in group.reports]
    story.then(*(each for each in commands if each is not None), at=day(9))
    return max(story.escalations.values(), default=0)


@settings(max_examples=examples(300))
@given(MEASURES, TITLES, OTHERS)
def test_a_drug_that_is_found_never_asks_for_less_than_one_that_is_not(
    code: str, title: str, others: list[str]
) -> None:
    absent, found = (row(code, title, value, 9) for value in ("NEGATIVE", "POSITIVE"))
    assert tier(found, *others) >= tier(absent, *others)
