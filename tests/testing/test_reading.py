"""No row is lost in reading: it is graded, left out by a rule, or on a person's list."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing import tables
from services.testing.messages import ReportResult
from services.testing.reading.interpretation import interpret
from services.testing.reading.laboratory import Code, Component
from services.testing.reading.measures import questions, topic_of
from services.testing.reading.phrases import sense_of
from shared.events.codes import LOINC
from tests.laws import examples
from tests.testing.given import SETTINGS, day
from tests.testing.story import in_treatment, outcomes
from tests.testing.test_hl7 import MSH, OBR, PID, only_report
from tests.testing.test_interpretation import component, interpreted, laboratory_report

SCREEN, QUANTITY = "59673-4", "58381-5"


def row(value: str, code: str = f"{QUANTITY}^Fentanyl^LN") -> str:
    """What an OBX with this type and value is read as: `NM||0.7|ng/mL|<0.5`."""
    kind, rest = value.split("|", 1)
    (found,) = graded(f"OBX|1|{kind}|{code}|{rest}")
    return found


def graded(*observations: str) -> list[str]:
    return [each.finding for each in reported(*observations).results]


def reported(*observations: str, order: str = OBR) -> ReportResult:
    command = interpret(only_report(MSH, PID, order, *observations), "demo", "lab", SETTINGS)
    assert command is not None
    return command


@pytest.mark.parametrize("text", ["Non-Negative", "non negative", "NONNEG", "NON_NEGATIVE", "Presumptive Non-Negative"])
def test_what_is_not_negative_is_presumptive_positive(text: str) -> None:
    assert sense_of(text) == "positive"


@pytest.mark.parametrize(
    "limits", ["NEG <0.5", "0-0.5", "<= 0.5", "≤0.5", "Cutoff = 0.5", "0.5", "< OR = 0.5", "Negative: <0.5 ng/mL"]
)
def test_a_laboratorys_own_limit_is_read_in_whatever_form_it_is_written(limits: str) -> None:
    assert row(f"NM||0.7|ng/mL|{limits}") == "positive"
    assert row(f"NM||0.3|ng/mL|{limits}") == "negative"


@pytest.mark.parametrize("limits", ["", "see report", "0,5", ">0.5", "20-300", "<500 pg/mL"])
def test_a_figure_without_a_limit_that_can_be_read_shows_nothing(limits: str) -> None:
    assert row(f"NM||0.7|ng/mL|{limits}") == "indeterminate"


def test_at_the_limit_itself_the_form_decides() -> None:
    forms = {"<0.5": "positive", "<=0.5": "negative", "0-0.5": "indeterminate"}
    assert {limits: row(f"NM||0.5|ng/mL|{limits}") for limits in forms} == forms


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ST||> 1,000 ng/mL", "positive"),
        ("NM||1,240|ng/mL|<0.5", "positive"),
        ("ST||None", "negative"),
        ("ST||Trace", "indeterminate"),
        ("ST||Below LOQ", "negative"),
        ("ST||BLQ", "negative"),
        ("ST||<LOQ", "negative"),
        ("SN||POSITIVE", "positive"),
        ("SN||^POSITIVE", "positive"),
        ("SN||>^1,000", "positive"),
        ("CWE||260385009^Negative^SCT~10828004^Positive^SCT", "indeterminate"),
        ("CWE||NEG^Negative^L~POS^Positive^L", "indeterminate"),
        ("CWE||260385009^Positive^SCT", "indeterminate"),
        ("ST||NEGATIVE~POSITIVE", "indeterminate"),
        ("ST||see note", "indeterminate"),
        ("ED||PDF^AP^^Base64^JVBERi0=", "indeterminate"),
        ("ST||", "indeterminate"),
    ],
)
def test_what_is_written_is_read_or_shows_nothing(value: str, found: str) -> None:
    assert row(value) == found


def test_a_value_said_twice_in_one_way_is_that_value() -> None:
    assert row("CWE||260385009^Negative^SCT~NEG^Negative^L") == "negative"


# --- validity


@pytest.mark.parametrize(
    ("observation", "condition"),
    [
        ("OBX|2|ST|SVT^Specimen check^L||ADULTERATED||||||F", "adulterated"),
        ("OBX|2|NM|NIT^Nitrite^L||712|ug/mL|||||F", "adulterated"),
        ("OBX|2|NM|NIT^Nitrite, Urine^L||12|ug/mL|||||F", "valid"),
        ("OBX|2|ST|OX^Oxidants^L||Detected||||||F", "adulterated"),
        ("OBX|2|ST|OX^Oxidants^L||Not detected||||||F", "valid"),
        ("OBX|2|ST|X1^Adulterants^L||None detected||||||F", "valid"),
        ("OBX|2|ST|VAL^Specimen validity^L||Not normal: adulterated||||||F", "adulterated"),
        ("OBX|2|ST|CMT^Comment^L||Dilute specimen||||||F", "dilute"),
        ("OBX|2|ST|CMT^Comment^L||Not dilute||||||F", "valid"),
        ("OBX|2|ST|CMT^Comment^L||No adulterated specimens were received||||||F", "valid"),
    ],
)
def test_what_a_laboratory_found_of_the_specimen_counts_under_a_code_of_its_own(
    observation: str, condition: str
) -> None:
    command = reported(f"OBX|1|ST|{SCREEN}^Fentanyl^LN||NEGATIVE||||||F", observation)
    assert (command.condition, command.results[0].finding) == (condition, "negative")


def test_a_drug_row_that_holds_the_state_of_the_specimen_is_no_finding() -> None:
    command = reported(f"OBX|1|ST|{SCREEN}^Fentanyl^LN||ADULTERATED||||||F")
    assert (command.condition, [each.finding for each in command.results]) == ("adulterated", ["unsatisfactory"])


@pytest.mark.parametrize(
    ("figure", "unit", "condition"),
    [
        ("0.5", "mmol/L", "dilute"),
        ("500", "umol/L", "dilute"),
        ("0.05", "g/L", "dilute"),
        ("50", "mg/L", "dilute"),
        ("5", "mmol/L", "valid"),
        ("80", "mg/dL", "valid"),
    ],
)
def test_creatinine_is_read_in_the_units_that_laboratories_use(figure: str, unit: str, condition: str) -> None:
    drug, gravity = component(SCREEN, text="NEG"), component("2965-2", number=Decimal("1.0025"))
    creatinine = component("2161-8", number=Decimal(figure), unit=unit)
    assert interpreted(drug, creatinine, gravity).condition == condition


@pytest.mark.parametrize(
    "unclear",
    [
        component("2161-8", number=Decimal(12), unit="furlong"),
        component("2161-8", text="see note"),
        component("2161-8", number=Decimal(4), unit="mg/dL"),
        Component(codes=(Code("NIT", "", "Nitrite"),), text="Positive"),
        Component(codes=(Code("VAL", "", "Specimen validity"),), text="Unusual"),
    ],
)
def test_a_specimen_whose_validity_is_unclear_shows_no_absence(unclear: Component) -> None:
    command = interpreted(component(SCREEN, text="NEG"), component("14314-9", text="POS"), unclear)
    story = in_treatment()
    emitted = story.then(command, at=day(9))
    assert outcomes(emitted) == ["indeterminate", "unexpected-positive-presumptive", "indeterminate"]
    assert story.escalations == {"result-unclear": 1, "unexpected-positive-presumptive": 2}


@pytest.mark.parametrize("text", ["Normal", "Valid", "Acceptable", "Within normal limits", "Not detected", "Passed"])
def test_a_specimen_that_is_as_it_should_be_shows_an_absence(text: str) -> None:
    checked = Component(codes=(Code("VAL", "", "Specimen validity"),), text=text)
    assert interpreted(component(SCREEN, text="NEG"), checked).results[0].finding == "negative"


# --- rejected specimens


def test_a_specimen_that_was_refused_is_collected_again_though_every_row_is_cancelled() -> None:
    cancelled = f"OBX|1|ST|{SCREEN}^Fentanyl^LN||||||||X"
    refused = "SPM|1|S9|||||||||||||||||||RB^Broken container^HL70490"
    report = interpret(only_report(MSH, PID, OBR, cancelled, refused), "demo", "lab", SETTINGS)
    assert report is not None
    assert (report.status, report.condition) == ("final", "rejected-unsatisfactory")
    assert [(each.finding, each.cancelled) for each in report.results] == [("unsatisfactory", False)]


def test_a_row_cancelled_for_want_of_urine_is_a_refused_specimen_and_any_other_is_cancelled() -> None:
    assert reported(f"OBX|1|ST|{SCREEN}^x^LN||QNS||||||X").condition == "rejected-unsatisfactory"
    assert reported(f"OBX|1|ST|{SCREEN}^x^LN||||||||X").status == "cancelled"
    assert reported(f"OBX|1|ST|{SCREEN}^x^LN||QNS||||||W").status == "entered-in-error"


# --- what is about drugs


def test_a_known_loinc_code_counts_without_its_system() -> None:
    found = reported(
        f"OBX|1|ST|{SCREEN}^Fentanyl||POSITIVE||||||F", order=OBR.replace("94307-6^Drug screen^LN", "P1^x^L")
    )
    assert [(each.code, each.code_system, each.analyte) for each in found.results] == [
        (SCREEN, "http://loinc.org", "fentanyl")
    ]


def test_a_drugs_name_makes_a_drug_test_under_any_title() -> None:
    own = laboratory_report(Component(codes=(Code("FEN", "", "Fentanyl, Urine"),), text="POS"), panel=(Code("T9"),))
    assert topic_of(own, "lab", SETTINGS) == "drug-test"
    assert list(questions(own, "lab", SETTINGS)) == ["FEN"]


def test_a_code_of_the_laboratorys_own_under_an_unknown_title_is_a_question_and_no_command() -> None:
    own = laboratory_report(Component(codes=(Code("T17", "", "Compound 17"),), text="POS"), panel=(Code("T9"),))
    assert interpret(own, "demo", "lab", SETTINGS) is None
    assert list(questions(own, "lab", SETTINGS)) == ["T17"]


@pytest.mark.parametrize("code", [Code("94500-6"), Code("94500-6", LOINC), Code("718-7", LOINC, "Hemoglobin")])
def test_a_public_code_of_another_field_asks_nobody(code: Code) -> None:
    other = laboratory_report(Component(codes=(code,), text="Detected"), panel=(Code("94531-1"),))
    assert topic_of(other, "lab", SETTINGS) == "other"
    assert list(questions(other, "lab", SETTINGS)) == []


@pytest.mark.parametrize("code", [Code("99999-9", LOINC), Code("1", "http://snomed.info/sct"), Code("94500-6", "x")])
def test_a_code_that_no_table_has_is_listed_though_it_is_public(code: Code) -> None:
    one = laboratory_report(component("94500-6", text="Detected"), Component(codes=(code,), text="Detected"))
    assert topic_of(one, "lab", SETTINGS) == "unknown"
    assert list(questions(one, "lab", SETTINGS)) == [code.code]


def test_a_code_of_another_field_whose_title_names_a_drug_is_no_code_of_another_field() -> None:
    row = Component(codes=(Code("718-7", LOINC, "Fentanyl, Urine"),), text="POSITIVE")
    report = laboratory_report(row)
    assert (topic_of(report, "lab", SETTINGS), [*questions(report, "lab", SETTINGS)]) == ("drug-test", ["718-7"])


def test_of_a_drug_test_a_row_of_another_field_is_left_out() -> None:
    found = interpreted(component("14314-9", text="NEG"), component("718-7", number=Decimal(14)))
    assert [each.code for each in found.results] == ["14314-9"]


def test_the_program_says_of_a_code_that_it_is_no_drug_test() -> None:
    mapped = replace(SETTINGS, local_codes={"lab|T17": "no-drug-test"})
    own = laboratory_report(Component(codes=(Code("T17", "", "Compound 17"),), text="POS"), panel=(Code("T9"),))
    assert (topic_of(own, "lab", SETTINGS), topic_of(own, "lab", mapped)) == ("unknown", "other")


def test_no_table_takes_a_drug_for_another_field() -> None:
    assert not tables.NO_DRUG_TESTS & tables.LOINC.keys()


# --- the law

TEXTS = (
    "POSITIVE",
    "Negative",
    "Non-Negative",
    "Trace",
    "see note",
    "",
    "1,240",
    "> 1,000 ng/mL",
    "ADULTERATED",
    "QNS",
)
CODES = (SCREEN, QUANTITY, "14314-9", "14315-6", "2161-8", "19357-3", "53747-2", "FEN", "PDF", "NIT")
ROWS = st.builds(
    Component,
    codes=st.sampled_from(CODES).map(lambda code: (Code(code, "", "Nitrite" if code == "NIT" else ""),)),
    text=st.sampled_from(TEXTS) | st.text(max_size=12),
    status=st.sampled_from(("final", "corrected", "unknown", "cancelled", "registered", "promoted")),
    flags=st.sampled_from(((), ("A",), ("POS",), ("NEG", "POS"))),
)


@settings(max_examples=examples(100))
@given(st.lists(ROWS, min_size=1, max_size=6), st.booleans())
def test_every_row_is_graded_left_out_by_a_rule_or_on_a_persons_list(rows: list[Component], rejected: bool) -> None:
    report = laboratory_report(*rows, panel=(Code("UDS", "", "Drug screen"),), rejected=rejected)
    command = interpret(report, "demo", "lab", SETTINGS)
    assert command is not None
    listed = set(questions(report, "lab", SETTINGS))
    without = [each for each in rows if each.codes[0].code in ("19357-3", "53747-2")]
    left_out = len(rows) - len(command.results)
    assert left_out <= sum(each.text != "POSITIVE" for each in without)
    for each in command.results:
        if each.analyte == "unmapped":
            assert each.cancelled or each.code in listed
        elif each.finding == "pending":
            assert {row.status for row in rows if row.codes[0].code == each.code} & {"registered", "promoted"}


def test_a_value_longer_than_any_is_not_read_and_a_person_looks_at_it() -> None:
    assert sense_of("negative " * 2_000) == "indeterminate"
    assert sense_of("negative") == "negative"
