"""What a laboratory's words, codes and figures mean, and what may never be read into them."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from services.testing import tables
from services.testing.messages import ReportResult
from services.testing.reading.contradictions import drugs_named
from services.testing.reading.figures import CONTRADICTED, cutoff_in, figure_in, unit_of
from services.testing.reading.findings import read
from services.testing.reading.interpretation import COMPONENTS_MOST, TooManyComponents, interpret
from services.testing.reading.laboratory import Code, Component, LaboratoryReport, report_id
from services.testing.reading.measures import topic_of
from services.testing.reading.phrases import sense_of
from services.testing.reading.validity import check_of
from services.testing.specimens.checks import condition_by
from shared.events.codes import INTERPRETATION, LOINC, SNOMED
from tests.testing.given import SETTINGS

NOON = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
DATA = Path(tables.__file__).parent / "data"


def component(code: str = "14314-9", **value: object) -> Component:
    return Component(codes=(Code(code, LOINC),), **value)  # type: ignore[arg-type]


def laboratory_report(*components: Component, panel: tuple[Code, ...] = (), **more: object) -> LaboratoryReport:
    return LaboratoryReport(
        filler="F1",
        collected_at=NOON,
        issued_at=NOON,
        panel=panel,
        components=components,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("text", "sense"),
    [
        ("POS", "positive"),
        ("POSITIVE", "positive"),
        ("Presumptive Positive", "positive"),
        ("Detected", "positive"),
        ("PRESENT", "positive"),
        ("+", "positive"),
        ("NEG", "negative"),
        ("negative", "negative"),
        ("Neg.", "negative"),
        ("None Detected", "negative"),
        ("Not Detected", "negative"),
        ("NOT PRESENT", "negative"),
        ("NDET", "negative"),
        ("N.D.", "negative"),
        ("None Det", "negative"),
        ("Undetectable", "negative"),
        ("DET", "positive"),
        ("Not-detected", "negative"),
        ("NotDetected", "negative"),
        ("No Drugs Detected", "negative"),
        ("Non-Reactive", "negative"),
        ("below cutoff", "negative"),
        ("Negative (<50 ng/mL)", "negative"),
        ("Inconclusive", "indeterminate"),
        ("Equivocal", "indeterminate"),
        ("positive and negative", "indeterminate"),
        ("not confirmed positive", "indeterminate"),
        ("False positive", "indeterminate"),
        ("Positive control only", "indeterminate"),
        ("Positive ruled out", "indeterminate"),
        ("Unconfirmed positive", "positive"),
        ("Positive, unable to confirm", "positive"),
        ("QNS", "unsatisfactory"),
        ("Specimen rejected", "unsatisfactory"),
        ("No longer negative", "indeterminate"),
        ("Cannot be reported as negative", "indeterminate"),
        ("Isn't negative", "indeterminate"),
        ("Negative?", "indeterminate"),
        ("False negative suspected", "indeterminate"),
        ("Negative, but the control failed", "indeterminate"),
        ("Not detected; confirmation to follow", "indeterminate"),
        ("Negative for amphetamines, fentanyl: 12 ng/mL", "indeterminate"),
        ("Negative. Cutoff: 50 ng/mL", "negative"),
        ("Negative (cutoff value: 50 ng/mL)", "negative"),
        ("NEGATIVE, read at 10:30", "negative"),
        ("NEGATIVE at 50 ng/mL", "negative"),
        ("Confirmed negative", "negative"),
        ("Presumptive negative by immunoassay", "negative"),
        ("see comment", None),
        ("", None),
    ],
)
def test_events_of_a_laboratory(text: str, sense: str | None) -> None:
    assert sense_of(text) == sense


def test_an_abnormal_flag_alone_is_never_positive() -> None:
    for flag in ("A", "AA", "H", "HH", "L", "N", "ABN"):
        assert read(component(flags=(flag,))) is None


def test_the_value_is_believed_before_the_flag() -> None:
    assert read(component(text="NEGATIVE", flags=("A",))) == "negative"
    assert read(component(text="POSITIVE", flags=("N",))) == "positive"


def test_a_coded_value_is_believed_before_interpretation_and_text() -> None:
    assert read(component(values=(Code("10828004", SNOMED),), flags=("NEG",), text="negative")) == "positive"
    assert read(component(values=(Code("260385009", SNOMED),), flags=("IND",), text="trace")) == "negative"


def test_an_absence_beside_a_presence_is_indeterminate() -> None:
    absent = Code("260385009", SNOMED)
    for evidence in (
        component(values=(absent,), flags=("POS",)),
        component(values=(absent,), text="positive"),
        component(text="POSITIVE", flags=("ND",)),
        component(number=Decimal(12), cutoff=Decimal(10), flags=("NEG",)),
    ):
        assert read(evidence) == "indeterminate"


def test_a_flag_is_read_in_whatever_form_it_is_written() -> None:
    for flag in ("pos", "POSITIVE", "Detected", "10828004"):
        assert read(component(flags=(flag,))) == "positive"
    assert [read(component(flags=(flag,))) for flag in ("neg", "Not Detected", "260385009")] == ["negative"] * 3
    assert read(component(flags=("Abnormal",))) is None


def test_two_units_for_one_figure_leave_it_unread() -> None:
    assert unit_of("ng/mL", "mg/l") == CONTRADICTED
    assert [unit_of("ng/mL", ""), unit_of("", "ng/ml"), unit_of("ug/L", "ng/ml")] == ["ng/mL", "ng/ml", "ug/L"]
    assert cutoff_in("<500", CONTRADICTED) is None


def test_an_interpretation_code_is_believed_before_the_figure() -> None:
    assert read(component(number=Decimal(12), flags=("NEG",))) == "negative"
    assert read(component(values=(Code("POS", INTERPRETATION),))) == "positive"


def test_a_figure_is_judged_by_the_laboratorys_own_cutoff_only() -> None:
    assert read(component("16226-3", number=Decimal(200))) == "indeterminate"
    assert read(component("16226-3", number=Decimal(200), cutoff=Decimal(100))) == "positive"
    assert read(component("16226-3", number=Decimal(99), cutoff=Decimal(100))) == "negative"


def test_an_absence_beside_a_figure_above_the_cutoff_shows_nothing() -> None:
    for text in (
        "NEGATIVE 5.2 ng/mL",
        "Negative: 5.2",
        "Not Detected (5.2 ng/mL)",
        "NEG >5",
        "None Detected 0.005 mg/L",
    ):
        assert read(component("58381-5", text=text, unit="ng/mL", cutoff=Decimal(1))) == "indeterminate"
    for text in ("NEGATIVE 1 ng/mL", "Negative (<5 ng/mL)", "NEGATIVE 0.2 ng/mL", "NEGATIVE at 50 ng/mL"):
        assert read(component("58381-5", text=text, unit="ng/mL", cutoff=Decimal(1))) == "negative"
    assert read(component("58381-5", text="NEGATIVE 50 ng/mL")) == "negative"


def test_less_than_something_above_the_cutoff_shows_nothing() -> None:
    less = component(number=Decimal(500), comparator="<", cutoff=Decimal(100))
    more = component(number=Decimal(50), comparator=">", cutoff=Decimal(100))
    assert [read(less), read(more)] == ["indeterminate", "indeterminate"]


def test_below_what_the_laboratory_reports_is_negative() -> None:
    assert read(component("16226-3", number=Decimal(50), comparator="<")) == "negative"
    assert read(component("16226-3", text="<50 ng/mL")) == "negative"


def test_a_quantitative_code_may_carry_an_event() -> None:
    assert read(component("8220-6", text="POS")) == "positive"
    assert read(component("3394-4", text="negative")) == "negative"


def test_a_local_code_says_it_in_its_display() -> None:
    assert read(component(values=(Code("9", "", "Not detected"),))) == "negative"


def test_numbers_in_text() -> None:
    assert figure_in("<50 ng/ml") == ("<", Decimal(50), "ng/ml")
    assert figure_in("12.5") == ("", Decimal("12.5"), "")
    assert figure_in("1-2") is None


def test_a_code_for_absence_cannot_be_positive() -> None:
    (observed,) = interpreted(component("3372-0", text="positive")).results
    assert observed.finding == "indeterminate"


def interpreted(*components: Component, panel: tuple[Code, ...] = ()) -> ReportResult:
    interpretation = interpret(laboratory_report(*components, panel=panel), "demo", "lab", SETTINGS)
    assert interpretation is not None
    return interpretation


def test_presumptive_and_definitive_methods_are_told_apart_by_the_code() -> None:
    interpretation = interpreted(component("14314-9", text="POS"), component("14315-6", text="POS"))
    assert [each.definitive for each in interpretation.results] == [False, True]


def test_cutoffs_and_panel_headings_are_no_results() -> None:
    interpretation = interpreted(
        component("14314-9", text="NEG"), component("19357-3", text="150"), component("53747-2")
    )
    assert [each.code for each in interpretation.results] == ["14314-9"]


def test_an_unmapped_code_in_a_drug_test_is_kept_as_it_is() -> None:
    interpretation = interpreted(component("14314-9", text="NEG"), Component(codes=(Code("XYZ"),), text="POS"))
    assert [(each.code, each.analyte, each.finding) for each in interpretation.results][1] == (
        "XYZ",
        "unmapped",
        "positive",
    )


def test_a_laboratorys_own_code_is_made_plain() -> None:
    interpretation = interpreted(component("14314-9", text="NEG"), Component(codes=(Code("  A   B  " + "x" * 99),)))
    assert interpretation.results[1].code.startswith("A B x") and len(interpretation.results[1].code) == 64


def test_a_panel_in_local_codes_only_is_still_a_drug_test() -> None:
    panel = (Code("UDS10", "", "Urine Drug Screen 10 panel"),)
    interpretation = interpreted(Component(codes=(Code("COC"),), text="POS"), panel=panel)
    assert [each.analyte for each in interpretation.results] == ["unmapped"]


def test_an_infection_test_is_no_drug_test_though_it_says_detected() -> None:
    covid = laboratory_report(
        component("94500-6", values=(Code("260373001", SNOMED),)), panel=(Code("94531-1", LOINC),)
    )
    assert topic_of(covid, "lab", SETTINGS) == "other"
    assert interpret(covid, "demo", "lab", SETTINGS) is None


def test_a_report_larger_than_any_is_refused_before_its_record_stops_a_topic() -> None:
    drugs = (component(),) * (COMPONENTS_MOST + 1)
    with pytest.raises(TooManyComponents):
        interpret(laboratory_report(*drugs), "demo", "lab", SETTINGS)
    assert interpret(laboratory_report(*drugs[1:]), "demo", "lab", SETTINGS) is not None


def test_creatinine_alone_is_no_drug_test() -> None:
    assert interpret(laboratory_report(component("2161-8", number=Decimal(1))), "demo", "lab", SETTINGS) is None


def test_a_component_taken_back_is_marked() -> None:
    (observed,) = interpreted(component("14314-9", text="POS", status="cancelled")).results
    assert observed.cancelled and observed.finding == "unsatisfactory"


def test_no_free_text_of_the_laboratory_leaves_the_interpretation() -> None:
    interpretation = interpreted(component("14314-9", text="POS called to Dr. Smith at 5551234"))
    assert "Smith" not in repr(interpretation) and interpretation.results[0].finding == "positive"


def by_figures(figures: Mapping[str, Decimal]) -> str:
    """What these show of a specimen together, in the units of the limits."""
    checks = ((name, Component(codes=(), number=number)) for name, number in figures.items())
    return condition_by((name, check_of(name, each, SETTINGS.validity)) for name, each in checks)


@pytest.mark.parametrize(
    ("creatinine", "gravity", "ph", "condition"),
    [
        (100.0, 1.015, 6.0, "valid"),
        (10.0, 1.002, 6.0, "dilute"),
        (20.0, 1.002, 6.0, "valid"),
        (1.9, 1.0010, 6.0, "substituted"),
        (1.9, 1.0200, 6.0, "substituted"),
        (1.9, 1.0100, 6.0, "invalid"),
        (10.0, 1.0010, 6.0, "invalid"),
        (100.0, 1.015, 2.9, "adulterated"),
        (100.0, 1.015, 11.0, "adulterated"),
        (100.0, 1.015, 4.0, "invalid"),
        (100.0, 1.015, 9.0, "invalid"),
    ],
)
def test_specimen_validity_by_figures(creatinine: float, gravity: float, ph: float, condition: str) -> None:
    figures = {"creatinine": creatinine, "specific-gravity": gravity, "ph": ph}
    assert by_figures({name: Decimal(str(each)) for name, each in figures.items()}) == condition


def test_a_graver_condition_is_not_hidden_by_a_lesser_one() -> None:
    substituted = {"creatinine": Decimal("1.5"), "specific-gravity": Decimal("1.0005")}
    for lesser in ({"ph": Decimal("4.2")}, {"temperature": Decimal(80)}):
        assert by_figures({**substituted, **lesser}) == "substituted"
    assert by_figures({**substituted, "ph": Decimal(2)}) == "adulterated"


@pytest.mark.parametrize(
    ("figure", "unit", "condition"),
    [
        ("89", "degF", "temperature-out-of-range"),
        ("32.2", "Cel", "temperature-out-of-range"),
        ("96", "[degF]", "valid"),
        ("37.7", "Cel", "valid"),
    ],
)
def test_a_temperature_out_of_its_range_is_a_condition_of_its_own(figure: str, unit: str, condition: str) -> None:
    drug = component("14314-9", text="NEG")
    temperature = Component(codes=(Code("T1", "", "Temperature"),), number=Decimal(figure), unit=unit)
    assert interpreted(drug, temperature).condition == condition


def test_a_gravity_that_no_urine_has_is_not_read() -> None:
    drug, creatinine = component("14314-9", text="NEG"), component("2161-8", number=Decimal(10))
    for gravity in (Decimal(1002), Decimal(0), Decimal("1.2")):
        command = interpreted(drug, creatinine, component("2965-2", number=gravity))
        assert command.condition == "unclear"


def test_of_a_check_taken_twice_the_worse_figure_counts() -> None:
    drug, gravity = component("14314-9", text="NEG"), component("2965-2", number=Decimal("1.0005"))
    low, usual = component("2161-8", number=Decimal(1)), component("2161-8", number=Decimal(150))
    assert interpreted(drug, low, usual, gravity).condition == "substituted"
    assert interpreted(drug, usual, low, gravity).condition == "substituted"


def test_what_was_not_measured_is_not_judged_where_the_rest_is_as_usual() -> None:
    for figures in ({}, {"creatinine": Decimal(80)}, {"specific-gravity": Decimal("1.015")}):
        assert by_figures(figures) == "valid"


def test_one_low_figure_alone_leaves_the_specimen_unclear() -> None:
    for figures in ({"creatinine": Decimal(1)}, {"specific-gravity": Decimal("1.002")}):
        assert by_figures(figures) == "unclear"


def test_the_laboratorys_own_event_on_the_specimen_stands() -> None:
    drug, emitted = component("14314-9", text="NEG"), component("2161-8", number=Decimal(100), text="Specimen diluted")
    assert interpreted(drug, emitted).condition == "dilute"
    assert interpreted(drug, component("2161-8", text="Normal")).condition == "valid"
    rejected = interpret(laboratory_report(drug, rejected=True), "demo", "lab", SETTINGS)
    assert rejected is not None and rejected.condition == "rejected-unsatisfactory"


def test_what_a_laboratory_denies_of_the_specimen_is_judged_by_the_figures() -> None:
    drug = component("14314-9", text="NEG")
    for events in ("Not diluted", "No dilution", "Unadulterated", "not substituted"):
        assert interpreted(drug, component("2161-8", text=events)).condition == "valid"


def test_a_figure_below_what_can_be_read_is_below_it() -> None:
    drug, gravity = component("14314-9", text="NEG"), component("2965-2", number=Decimal("1.0005"))
    below = component("2161-8", number=Decimal(2), comparator="<")
    assert interpreted(drug, below, gravity).condition == "substituted"
    assert interpreted(drug, component("2161-8", text="<2 mg/dL"), gravity).condition == "substituted"


def test_a_figure_that_was_taken_back_measures_nothing() -> None:
    drug, gravity = component("14314-9", text="NEG"), component("2965-2", number=Decimal("1.002"))
    assert interpreted(drug, component("2161-8", text="12", status="cancelled"), gravity).condition == "unclear"


def test_validity_figures_of_a_report_decide_its_condition() -> None:
    drug, gravity = component("14314-9", text="NEG"), component("2965-2", number=Decimal("1.002"))
    assert interpreted(drug, component("2161-8", text="12 mg/dL"), gravity).condition == "dilute"


def test_one_report_has_one_id_for_its_laboratory() -> None:
    assert report_id("demo", "lab", "F1") == report_id("demo", "lab", "F1")
    assert len({report_id(*each) for each in (("demo", "lab", "F1"), ("other", "lab", "F1"), ("demo", "x", "F1"))}) == 3


# --- the tables

CLINICS_TABLE = """
19261-7 16369-1 20410-7 3349-8 16234-7 16235-4 19321-9 19322-7 19593-3 16251-1 16250-3 14314-9 43984-4 43985-1
14315-6 16226-3 3393-6 53747-2 19359-9 19360-7 20519-5 3397-7 18282-4 70145-8 70144-1 19289-8 20413-1 3427-2
19415-9 19381-3 19416-7 19382-1 14313-1 20521-1 3426-4 3435-5 19295-5 70151-6 21431-2 18390-5 17384-9 3879-4
19642-8 58430-0 19643-6 61197-0 16249-5 10998-3 94304-3 59673-4 58379-9 40839-3 66129-8 58381-5 11235-9
67822-7 95797-7 43200-5 58383-1 43199-9 14316-4 70141-7 70142-5 16195-0 20412-3 3390-2 53745-6 90890-5 94117-9
93494-3 58359-1 16208-1 49752-9 3414-0 69033-9 82371-6 58362-5 49751-1 19550-3 70149-0 16199-2 16246-1 3773-9
93495-0 58428-4 58429-2 41858-2 58375-7 58377-3 58378-1 55349-5 58425-0 19055-3 42242-8 34180-0 46983-3 5644-0
2161-8 2965-2 5811-5 5803-2 2756-5 19291-4 79239-0 79260-6 19065-2 45324-1
"""


def test_every_code_of_the_clinics_table_is_known() -> None:
    assert [code for code in CLINICS_TABLE.split() if code not in tables.LOINC] == []


def test_the_codes_that_are_often_taken_for_another() -> None:
    assert tables.LOINC["58359-1"].analyte == "buprenorphine"
    assert tables.LOINC["45324-1"].kind == "quantitative"
    assert tables.LOINC["19065-2"].kind == "cutoff"


def test_every_loinc_code_has_a_right_check_digit() -> None:
    def check(code: str) -> bool:
        body, _, digit = code.partition("-")
        doubled = [int(each) * (2 - place % 2) for place, each in enumerate(reversed(body))]
        return (10 - sum(each - 9 if each > 9 else each for each in doubled) % 10) % 10 == int(digit)

    assert [code for code in tables.LOINC if not check(code)] == []


TABLES = [
    "loinc.csv",
    "analytes.csv",
    "ingredients.csv",
    "products.csv",
    "ordinary.csv",
    "cross_reactive.csv",
    "origins.csv",
    "leaves.csv",
    "foods.csv",
    "validity.csv",
    "matrices.csv",
    "depots.csv",
    "covers.csv",
    "phrases.csv",
    "conditions.csv",
    "values.csv",
    "ranges.csv",
    "no_drug_tests.csv",
    "spoken.csv",
]


@pytest.mark.parametrize("name", TABLES)
def test_every_line_of_every_table_names_its_source_and_stands_once(name: str) -> None:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["source"].strip() for row in rows)
    keys = [next(iter(row.values())) for row in rows]
    assert len(keys) == len(set(keys))


def test_the_most_prescribed_medicines_ask_for_nothing_and_those_that_look_alike_are_none_of_them() -> None:
    assert len(tables.ORDINARY) >= 150
    looks_alike = ("42347", "6185", "10737", "51272", "3289")  # bupropion, labetalol, trazodone, quetiapine, ...
    assert set(looks_alike) <= set(tables.CROSS_REACTIVE) and not set(looks_alike) & tables.ORDINARY
    assert tables.ingredients_of("10831") == ("10831",)


def test_the_tables_know_one_another() -> None:
    assert {each.analyte for each in tables.LOINC.values()} <= set(tables.ANALYTES)
    assert {each for ingredient in tables.INGREDIENTS.values() for each in ingredient.explains} <= set(tables.ANALYTES)
    assert {each for ingredients in tables.PRODUCTS.values() for each in ingredients} <= {
        *tables.INGREDIENTS,
        *tables.ORDINARY,
        *tables.CROSS_REACTIVE,
        *tables.ORIGINS,
    }
    groups = {each.metabolite_group for each in tables.ANALYTES.values()}
    covered = {each for cover in tables.COVERS.values() for each in cover.analytes | cover.upheld_by}
    assert covered <= set(tables.ANALYTES)
    assert set(tables.SPOKEN.values()) <= tables.drugs()
    assert set(tables.COVERS) <= {*tables.ANALYTES, *tables.LOINC}
    assert {each for named in tables.CROSS_REACTIVE.values() for each in named} <= groups
    assert not tables.ORDINARY & {*tables.CROSS_REACTIVE, *tables.INGREDIENTS}
    assert not set(tables.ORIGINS) & tables.ORDINARY
    explained = {each.rxnorm: each.explains for each in tables.INGREDIENTS.values()}
    assert all(not leaves & explained.get(each, frozenset()) for each, leaves in tables.ORIGINS.items())
    assert {each for named in tables.ORIGINS.values() for each in named} <= tables.drugs()
    assert {each for drug, leaves in tables.LEAVES.items() for each in (drug, *leaves)} <= tables.drugs()
    assert set(tables.VALIDITY_TITLES.values()) <= set(tables.ANALYTES)
    assert set(SETTINGS.residual_days) <= {each.metabolite_group for each in tables.ANALYTES.values()}


@pytest.mark.parametrize(
    "name",
    ["gabapentin", "pregabalin", "xylazine", "mitragynine", "zolpidem", "carisoprodol", "ketamine", "nitazene"],
)
def test_what_panels_hold_without_a_verified_code_is_mapped_by_name_and_known_in_titles(name: str) -> None:
    assert tables.meant(f"{name} definitive") == tables.Measure(name, "presence", definitive=True)
    assert drugs_named(f"{name.title()}s, Urine, LC-MS/MS") == {name}


def test_a_drug_is_known_by_what_else_laboratories_call_it() -> None:
    assert drugs_named("Isotonitazene (Confirm)") == {"nitazene"}
    assert drugs_named("Kratom") == {"mitragynine"}


def test_cotinine_is_no_drug_test_and_accuses_no_smoker() -> None:
    drug, cotinine = component("14314-9", text="NEG"), component("10366-3", text="POSITIVE")
    assert [each.code for each in interpreted(drug, cotinine).results] == ["14314-9"]


def test_products_lead_to_their_ingredients() -> None:
    assert tables.ingredients_of("351267") == ("1819", "7242")
    assert tables.ingredients_of("1819") == ("1819",)
    assert tables.ingredients_of("999999999") == ()
