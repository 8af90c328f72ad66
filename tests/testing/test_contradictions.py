"""Rows whose code says one thing and whose title or value another, as laboratories' slips of a line make them."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from services.testing import tables
from services.testing.hl7.results import results, unmapped
from services.testing.hl7.senders import Sender
from services.testing.reading.contradictions import _drugs_in, drugs_named
from services.testing.settings import Settings
from shared.events.testing import ResultFinding
from shared.platform.clients import laboratories
from tests.testing.given import COCAINE, FENTANYL, OPIATES, SETTINGS
from tests.testing.story import in_treatment, outcomes
from tests.testing.test_hl7 import MSH, OBR, PID, read
from tests.testing.test_interpret import diagnostic_report, entry, interpreted, observation

LABORATORY = Sender("lab", laboratories(Path("deploy"))["lab"], ("demo",))
CUTOFF, METHOD, PANEL = "19292-2", "19288-0", "53747-2"
Reading = tuple[str, ResultFinding]


def row(code: str, title: str, value: str, *, system: str = "LN", kind: str = "ST", limit: str = "") -> str:
    return f"OBX|1|{kind}|{code}^{title}^{system}||{value}|ng/mL|{limit}||||F"


def reading(*rows: str, settings: Settings = SETTINGS) -> tuple[list[Reading], list[str]]:
    """What the rows are read as, and the codes that a person is asked about."""
    message = read(MSH, PID, OBR, *rows)
    (found,) = results(message, LABORATORY, {"demo": settings})
    (command,) = found.commands["demo"]
    return [(each.analyte, each.finding) for each in command.results], [
        *unmapped(message, LABORATORY, "demo", settings)
    ]


@pytest.mark.parametrize("system", ["LN", "LOINC", ""])
@pytest.mark.parametrize(
    "code, title, taken_for",
    [
        (OPIATES, "Benzodiazepines Screen", "opiates"),
        ("19659-2", "FENTANYL_SCREEN", "fentanyl"),
        (COCAINE, "Amphetamines", "amphetamines"),
        ("18282-4", "Benzodiazepines", "benzodiazepines"),
    ],
)
def test_a_code_that_its_title_contradicts_is_asked_about_and_a_positive_counts_as_the_graver(
    code: str, title: str, taken_for: str, system: str
) -> None:
    assert reading(row(code, title, "POSITIVE", system=system)) == ([(taken_for, "positive")], [code])
    assert reading(row(code, title, "NEGATIVE", system=system)) == ([(tables.UNMAPPED, "negative")], [code])


@pytest.mark.parametrize(
    "code, title",
    [
        (COCAINE, "Cocaine metabolite"),
        (OPIATES, "Opiates"),
        ("16251-1", "Opiates: Morphine, confirmation"),
        ("16235-4", "AMPHETAMINES BY GC/MS"),
        ("19321-9", "Heroin marker"),
        ("93495-0", "Methadone metabolite (EDDP)"),
        ("58375-7", "Ethyl glucuronide (ethanol)"),
        ("18282-4", "Marijuana"),
        ("74372-4", "Acetyl fentanyl [Mass/volume] in Urine"),
        ("18358-2", "Methylenedioxy-methamphetamine"),
        ("72468-2", "Cannabinoids synthetic"),
        ("10998-3", "Opiates"),
        (FENTANYL, ""),
        (FENTANYL, "Row 7"),
    ],
)
def test_a_title_of_the_same_drug_or_of_none_contradicts_nothing(code: str, title: str) -> None:
    assert reading(row(code, title, "NEGATIVE")) == ([(tables.LOINC[code].analyte, "negative")], [])


@pytest.mark.parametrize("code", [CUTOFF, METHOD, PANEL])
def test_a_result_under_a_code_that_has_none_is_never_left_out(code: str) -> None:
    assert reading(row(code, "Benzodiazepines screen", "Positive")) == ([("benzodiazepines", "positive")], [code])
    assert reading(row(code, "", "Positive"))[0] == [(tables.LOINC[code].analyte, "positive")]
    assert reading(row(code, "Screen", "380", kind="NM", limit="<200"))[1] == [code]
    assert reading(row(code, "Screen", "Trace"))[1] == [code]
    for plain in ("300", "Immunoassay", "see below", ""):
        assert reading(row(code, "Screen", plain)) == ([], [])


def test_of_a_title_longer_than_any_only_the_beginning_is_looked_at_and_remembered() -> None:
    _drugs_in.cache_clear()
    assert reading(row(OPIATES, "Opiates " + "x" * 100_000, "NEGATIVE")) == ([("opiates", "negative")], [])
    assert reading(row(OPIATES, "x " * 1_000 + "Cocaine", "NEGATIVE")) == ([("opiates", "negative")], [])
    assert drugs_named("Fentanyl" + " " * 10_000) is drugs_named("Fentanyl" + " " * 20_000)


def test_two_rows_of_one_code_stand_beside_each_other() -> None:
    """From a hospital's drug screen: the line above had taken the code of opiates too."""
    found, asked = reading(row(OPIATES, "Amphetamines Screen", "Negative"), row(OPIATES, "Opiates Screen", "Positive"))
    assert found == [(tables.UNMAPPED, "negative"), ("opiates", "positive")]
    assert asked == [OPIATES]


def test_what_the_program_says_of_a_contradicted_code_stands() -> None:
    settings = replace(SETTINGS, local_codes={f"lab|{OPIATES}": "19261-7", f"lab|{PANEL}": "ignored"})
    rows = row(OPIATES, "Amphetamines", "NEGATIVE"), row(PANEL, "Panel", "POSITIVE")
    assert reading(*rows, settings=settings) == ([("amphetamines", "negative")], [])
    assert reading(row(OPIATES, "Opiates", "NEGATIVE"), settings=settings) == ([("opiates", "negative")], [])


def test_in_fhir_the_text_of_a_code_without_a_title_is_its_title() -> None:
    coded = {"coding": [{"system": "http://loinc.org", "code": "19659-2"}], "text": "Fentanyl"}
    rows = [entry({**observation("19659-2"), "code": coded, "valueString": "POSITIVE"}, "o1")]
    (command,), interpretation = interpreted(*rows, entry(diagnostic_report("Observation/o1"), "r1"))
    assert [(each.analyte, each.finding) for each in command.results] == [("fentanyl", "positive")]
    assert "19659-2" in str([each.body for each in interpretation.questions])
    assert outcomes(in_treatment().then(command)) == ["unexpected-positive-presumptive"]
