"""Reports about one specimen: repeated, confirmed, corrected under another order, in any order; and other specimens."""

from itertools import permutations

import pytest
from msgspec.structs import replace

from services.testing.messages import Observed, ReportResult, ResolveEscalation
from shared.events.codes import LOINC
from shared.events.envelope import name_id
from shared.events.escalation import EscalationUpdated
from shared.events.testing import DrugTestCorrected, DrugTestResulted, ResultFinding
from tests.story import only
from tests.testing.given import COCAINE, FENTANYL, NAMES, admitted, day, evidence, report
from tests.testing.story import BASELINE, Story, in_treatment, outcomes, raised


def found_at(minute: str, result: ReportResult) -> ReportResult:
    """The report with the name that its minute of collection gives its specimen."""
    return replace(result, same_as=(name_id(NAMES, f"minute {minute}"),), to_minute=True)


def issued(status: str, hour: int, *rows: tuple[str, ResultFinding]) -> ReportResult:
    """One HL7 message, all rows with this status."""
    results = tuple(Observed(code, LOINC, _analyte(code), finding, False, status=status) for code, finding in rows)  # type: ignore[arg-type]
    return ReportResult(
        report_id=name_id(NAMES, "weekly"),
        specimen_id=name_id(NAMES, "specimen weekly"),
        collected_at=day(7),
        issued_at=day(8 + hour / 24),
        status="preliminary" if status == "preliminary" else "corrected" if status == "corrected" else "final",
        condition="valid",
        results=results,
        extent="message",
    )


def _analyte(code: str) -> str:
    return {FENTANYL: "fentanyl", COCAINE: "benzoylecgonine"}[code]


def test_one_report_as_hl7_and_again_as_fhir_is_a_repeat() -> None:
    story = in_treatment()
    story.then(
        found_at("08:30", report("as HL7", 7, FENTANYL="positive", COCAINE_CONFIRMED="positive", extent="message"))
    )
    again = found_at("08:30", report("as FHIR", 7, FENTANYL="positive", COCAINE_CONFIRMED="positive"))
    assert story.then(again) == []
    assert "repeated-unexpected-positive" not in story.escalations


def test_two_minutes_are_two_specimens() -> None:
    story = in_treatment()
    story.then(found_at("08:30", report("first", 7, COCAINE_CONFIRMED="positive")))
    story.then(found_at("09:45", report("second", 20, COCAINE_CONFIRMED="positive")))
    assert story.escalations["repeated-unexpected-positive"] == 3


def test_a_negative_confirmation_without_the_specimens_number_refutes_the_screen_of_its_minute() -> None:
    story = in_treatment()
    story.then(found_at("08:30", report("screen", 7, COCAINE="positive")))
    emitted = story.then(found_at("08:30", report("other", 7, issued=9, COCAINE_CONFIRMED="negative")))
    assert outcomes(emitted) == ["not-confirmed", "expected-negative"]
    assert story.escalations == {}


def test_a_correction_under_another_order_corrects_the_row_and_retracts() -> None:
    story = in_treatment()
    story.then(report("panel", 7, specimen="s7", FENTANYL="positive", extent="message"))
    corrected = report("single", 7, specimen="s7", issued=9, status="corrected", FENTANYL="negative", extent="message")
    emitted = story.then(corrected)
    assert [each.status for each in only(emitted, DrugTestCorrected)] == ["corrected"]
    assert raised(emitted) == {"Retracted": ["unexpected-positive-opioid"]}


@pytest.mark.parametrize("order", list(permutations(("preliminary", "corrected", "final"))))
def test_preliminary_corrected_and_a_late_final_of_one_issue_end_the_same_in_all_orders(order: tuple[str, ...]) -> None:
    story = in_treatment()
    for status in order:
        finding: ResultFinding = "negative" if status == "corrected" else "positive"
        story.then(issued(status, 0, (FENTANYL, finding)))
    (row,) = story.state.specimens[-1].rows
    assert (row.measure, row.status) == (f"{FENTANYL}n", "corrected")
    assert story.escalations == {}


@pytest.mark.parametrize("settled", ["final", "corrected"])
def test_what_was_once_final_is_never_replaced_by_what_is_not(settled: str) -> None:
    story = in_treatment()
    story.then(issued(settled, 0, (FENTANYL, "negative")))
    assert story.then(issued("preliminary", 5, (FENTANYL, "positive"))) == []
    assert story.then(issued("registered", 6, (FENTANYL, "pending"))) == []


def test_a_later_preliminary_row_made_final_is_the_laboratorys_last_word() -> None:
    story = in_treatment()
    story.then(issued("final", 0, (FENTANYL, "negative")))
    story.then(issued("preliminary", 5, (FENTANYL, "positive")))
    story.then(report("weekly", 7, issued=9, status="promoted", extent="message"))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_final_opioid_row_in_a_partial_report_is_tier_three_and_the_rest_is_pending() -> None:
    story = in_treatment()
    partial = issued("final", 0, (FENTANYL, "positive"))
    waiting = issued("registered", 0, (COCAINE, "pending"))
    emitted = story.then(replace(partial, status="preliminary", results=partial.results + waiting.results))
    (resulted,) = only(emitted, DrugTestResulted)
    assert resulted.status == "partial"
    assert [(each.outcome, each.status) for each in resulted.results] == [
        ("pending", "registered"),
        ("unexpected-positive-presumptive", "final"),
    ]
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_screen_and_its_confirmation_are_one_escalation_updated() -> None:
    story = in_treatment()
    story.then(report("screen", 7, specimen="s7", COCAINE="positive"))
    (before,) = story.state.escalations
    emitted = story.then(report("confirmation", 7, specimen="s7", issued=9, COCAINE_CONFIRMED="positive"))
    (updated,) = only(emitted, EscalationUpdated)
    assert (updated.escalation.id, updated.escalation.reason) == (before.escalation.id, "unexpected-positive-confirmed")
    assert story.escalations == {"unexpected-positive-confirmed": 2}


def test_an_opioid_and_its_confirmation_are_one_escalation_updated() -> None:
    story = in_treatment()
    story.then(report("screen", 7, specimen="s7", FENTANYL="positive"))
    emitted = story.then(report("confirmation", 7, specimen="s7", issued=9, FENTANYL_CONFIRMED="positive"))
    assert raised(emitted) == {"Updated": ["unexpected-positive-opioid"]}
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_confirmation_of_what_was_resolved_asks_again() -> None:
    story = in_treatment()
    story.then(report("screen", 7, specimen="s7", COCAINE="positive"))
    (known,) = story.state.escalations
    story.then(ResolveEscalation(escalation_id=known.escalation.id, reason="talked-to-patient"), at=day(8))
    story.then(report("confirmation", 7, specimen="s7", issued=9, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2}


def test_two_reports_that_turn_out_to_be_of_one_specimen_become_one() -> None:
    story = in_treatment()
    story.then(report("by number", 7, specimen="s7", COCAINE_CONFIRMED="positive"))
    story.then(found_at("08:30", report("by minute", 7, COCAINE_CONFIRMED="positive")))
    assert story.escalations["repeated-unexpected-positive"] == 3
    emitted = story.then(found_at("08:30", report("both", 7, specimen="s7", COCAINE_CONFIRMED="positive")))
    assert "entered-in-error" in [each.status for each in only(emitted, DrugTestCorrected)]
    assert story.escalations == {"unexpected-positive-confirmed": 2}
    assert len(story.state.specimens) == 2


def test_two_rows_of_one_code_are_told_apart_by_their_place() -> None:
    def row(sub: str, finding: ResultFinding, status: str = "final") -> Observed:
        return Observed(FENTANYL, LOINC, "fentanyl", finding, False, status=status, sub=sub)  # type: ignore[arg-type]

    story = in_treatment()
    story.then(replace(issued("final", 0), results=(row("1", "negative"), row("2", "positive"))))
    assert story.escalations == {"unexpected-positive-opioid": 3}
    story.then(replace(issued("corrected", 3), results=(row("2", "negative", "corrected"),)))
    assert [(each.measure, each.status) for each in story.state.specimens[-1].rows] == [
        (f"{FENTANYL}#1n", "final"),
        (f"{FENTANYL}#2n", "corrected"),
    ]
    assert story.escalations == {}


def test_the_window_counts_from_the_last_positive_that_could_show_use() -> None:
    story = Story(admitted(), report("baseline", 0, COCAINE="positive"))
    shown = [outcomes(story.then(report(f"on day {count}", count, COCAINE="positive"))) for count in (3, 6, 9, 12)]
    assert shown == [
        ["cannot-show-new-use"],
        ["unexpected-positive-presumptive"],
        ["cannot-show-new-use"],
        ["unexpected-positive-presumptive"],
    ]


def test_the_evidence_of_an_open_escalation_is_never_shed() -> None:
    story = Story(admitted(), BASELINE, report("accused", 7, COCAINE="positive"))
    panel = {"OPIATES": "negative", "BENZODIAZEPINES": "negative", "AMPHETAMINES": "negative"}
    for count in range(60):
        story.then(report(f"later {count}", 8 + count, **panel, OXYCODONE="positive"))  # type: ignore[arg-type]
    assert evidence("accused") in str(story.state.escalations)
    emitted = story.then(report("accused", 7, issued=70, status="corrected", COCAINE="negative"))
    assert raised(emitted) == {"Retracted": ["unexpected-positive-presumptive"]}
