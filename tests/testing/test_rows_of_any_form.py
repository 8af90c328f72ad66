"""The law of a laboratory's rows, whatever form they come in: graded, left out by a rule, or on a person's list."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing import tables
from services.testing.decide import decide
from services.testing.escalation_packing import REASONS
from services.testing.grading import grade
from services.testing.grading.triggers import NO_NEW_USE, UNEXPECTED
from services.testing.hl7.results import results, unmapped
from services.testing.hl7.senders import Sender
from services.testing.messages import ReportResult, SpecimenReported
from services.testing.specimens import UNFINISHED, VOID, groups_of
from services.testing.state import evolve
from shared.platform.clients import laboratories
from shared.rules.decision import Refused
from tests.laws import examples
from tests.testing.given import SETTINGS, admitted, day, medications, moment
from tests.testing.story import BASELINE, Story, in_treatment
from tests.testing.test_hl7 import MSH, OBR, PID, read
from tests.testing.test_interpret import LOINC, diagnostic_report, entry, interpreted, observation

LABORATORY = Sender("lab", laboratories(Path("deploy"))["lab"], ("demo",))
NO_RESULTS = ("19357-3", "53747-2")
KNOWN = (
    "59673-4", "58381-5", "14314-9", "14315-6", "49752-9", "49751-1", "19550-3", "93495-0", "19055-3", "2161-8",
    "2965-2", "5803-2", *NO_RESULTS,
)  # fmt: skip
DRUGS = ("59673-4", "58381-5", "14314-9", "49752-9", "49751-1", "19550-3", "93495-0", "19055-3")
SPECIMENS = ("", "SPM|1|^S7||UR", "SPM|1|^S7||SAL^Saliva", "SPM|1|^S7||HAR^Hair", "SPM|1|^S7||Q7^Vitreous")
OWN = ("FEN", "T17", "PDF", "NIT", "59673-5", "x" * 70, "two  words")
VALUES = (
    "POSITIVE", "Negative", "Non-Negative", "Trace", "see note", "", "1,240", "> 1,000 ng/mL", "0", "-1", "1e3", "NaN",
    "ADULTERATED", "QNS", "5.5", "10828004^Positive^SCT", "X^Y^L~NEG", "260385009^Negative^SCT~10828004^Positive^SCT",
    "<^2", ">^100", "^1^:^128", "^POSITIVE", "^application^pdf^Base64^JVBERi0=", "20250310", '""', "\\T\\", "~", "^^^",
)  # fmt: skip
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="|\r\n\x00\x0b\x1c"), max_size=12)
RANGES = ("", "<0.5", "NEG <0.5", "0-0.5", "Cutoff = 0.5", "0.5 - 9", "see note", "<= 300 ng/mL", "> 2")
STATUSES = (*"FCAPRXWDUISONVB", "", "Z", "F^x")
KINDS = ("NM", "ST", "SN", "CE", "CWE", "CNE", "TX", "FT", "ED", "DT", "TM", "TS", "RP", "IS", "XX", "")


def row(code: str, system: str, kind: str, value: str, unit: str, stated: str, flag: str, status: str, sub: str) -> str:
    return f"OBX|1|{kind}|{code}^Row^{system}|{sub}|{value}|{unit}|{stated}|{flag}|||{status}"


ROWS = st.builds(
    row,
    st.sampled_from(KNOWN + OWN),
    st.sampled_from(("LN", "L", "")),
    st.sampled_from(KINDS),
    st.sampled_from(VALUES) | PLAIN,
    st.sampled_from(("", "ng/mL", "mg/dL", "pg/mL", "furlongs")),
    st.sampled_from(RANGES) | PLAIN,
    st.sampled_from(("", "A", "N", "H", "POS", "NEG", "POS~NEG", "ND", "E", "?")),
    st.sampled_from(STATUSES),
    st.sampled_from(("", "1", "2", "a#/b")),
)
SHOWN: dict[str, Any] = {
    "valueString": "POSITIVE",
    "valueBoolean": False,
    "valueInteger": 0,
    "valueQuantity": {"value": 7, "unit": "ng/mL"},
    "valueCodeableConcept": {"coding": [{"code": "10828004", "system": "http://snomed.info/sct"}]},
    "valueRange": {"low": {"value": 1}},
    "valueRatio": {"numerator": {"value": 1}},
    "valueDateTime": "2025-03-09",
    "valueTime": "10:00:00",
    "valuePeriod": {"start": "2025-03-09"},
    "valueSampledData": {"origin": {"value": 1}, "period": 1, "dimensions": 1},
    "dataAbsentReason": {"text": "error"},
}


def observed(code: str, loinc: bool, status: str, shown: list[str], text: str, flag: str, limit: str) -> dict[str, Any]:
    coding = {"code": code, **({"system": LOINC} if loinc else {})}
    return {
        **observation(status=status),
        "code": {"coding": [coding]},
        **{name: text if name == "valueString" else SHOWN[name] for name in shown},
        **({"interpretation": [{"coding": [{"code": flag}]}]} if flag else {}),
        **({"referenceRange": [{"text": limit}]} if limit else {}),
    }


OBSERVATIONS = st.builds(
    observed,
    st.sampled_from(KNOWN + OWN),
    st.booleans(),
    st.sampled_from(
        ("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown")
    ),
    st.lists(st.sampled_from(tuple(SHOWN)), max_size=1),
    st.sampled_from(VALUES) | st.text(max_size=12),
    st.sampled_from(("", "POS", "NEG", "A", "IND")),
    st.sampled_from(RANGES),
)


def in_maintenance() -> Story:
    """In treatment with buprenorphine and methadone, so that an absence is somebody's question."""
    return Story(medications(day(-1), "1819", "6813"), admitted(), BASELINE)


def assert_nothing_is_missing(codes: Sequence[str], command: ReportResult) -> None:
    """A row for each, but for codes of no result: those are left out unless they show one."""
    graded = [each.code in NO_RESULTS for each in command.results]
    assert graded.count(False) == sum(each not in NO_RESULTS for each in codes)
    assert len(graded) <= len(codes)


def asks(command: ReportResult, asked: set[str], story: Story) -> None:
    """Of each row that stands, what is not clear is asked of a person, or waits for what its laboratory has to send."""
    decided = decide(story.state, command, moment(day(9)))
    if isinstance(decided, Refused):
        assert command.status == "promoted"
        return
    state = story.state
    for event in decided:
        state = evolve(state, event)
    (stored,) = [each for each in decided if isinstance(each, SpecimenReported)]
    graded = grade(state, SETTINGS)[stored.specimen.id]
    reasons = {REASONS[each.reason] for each in state.packed_escalations}
    assert {each.code for each in graded.results} == {each.code for each in command.results}
    confirmed = {each.analyte for each in graded.results if each.confirmed and each.finding in ("positive", "negative")}
    found = groups_of(each.analyte for each in graded.results if each.confirmed and each.finding == "positive")
    for result in graded.results:
        waits = result.status in UNFINISHED or result.finding == "pending"
        match result.outcome:
            case _ if result.status in VOID:
                pass
            case "pending":
                assert waits or result.code in asked, result
            case "indeterminate":
                upheld = not result.confirmed and bool(groups_of([result.analyte]) & found)
                assert waits or upheld or result.analyte in confirmed or "result-unclear" in reasons, result
            case "adulterated" | "substituted":
                assert "specimen-substituted-or-adulterated" in reasons
            case "dilute" | "invalid" | "temperature-out-of-range" | "rejected-unsatisfactory":
                assert waits or "recollection-needed" in reasons or reasons, result
            case "unexpected-negative-prescribed" | "metabolite-absent":
                assert waits or "prescribed-medication-absent" in reasons, result
            case outcome if outcome in UNEXPECTED:
                assert reasons, result
            case outcome:
                clear = ("expected-negative", "expected-positive", "not-confirmed", "cancelled", "valid", *NO_NEW_USE)
                assert outcome in clear, result


@settings(max_examples=examples(200))
@given(
    st.lists(ROWS, min_size=1, max_size=6), st.sampled_from(SPECIMENS), st.sampled_from((in_treatment, in_maintenance))
)
def test_every_row_of_hl7_is_graded_left_out_by_a_rule_or_on_a_persons_list(
    rows: list[str], specimen: str, story: Callable[[], Story]
) -> None:
    message = read(MSH, PID, OBR, *rows, *filter(None, [specimen]))
    asked = set(unmapped(message, LABORATORY, "demo", SETTINGS))
    (found,) = results(message, LABORATORY, {"demo": SETTINGS})
    (command,) = found.commands["demo"]
    codes = [each.split("|")[3].split("^")[0] for each in rows]
    assert_nothing_is_missing(codes, command)
    for result in command.results:
        assert result.analyte != tables.UNMAPPED or result.cancelled or result.code in asked
    asks(command, asked, story())


@settings(max_examples=examples(200))
@given(
    st.dictionaries(st.sampled_from(DRUGS), st.sampled_from(("POSITIVE", "NEGATIVE")), min_size=1, max_size=3),
    st.sampled_from(SPECIMENS),
    st.sampled_from((in_treatment, in_maintenance)),
)
def test_no_clear_row_goes_unheard_where_it_cannot_be_graded(
    found: dict[str, str], specimen: str, story: Callable[[], Story]
) -> None:
    rows = [row(code, "LN", "ST", value, "", "", "", "F", "") for code, value in found.items()]
    message = read(MSH, PID, OBR, *rows, *filter(None, [specimen]))
    ((command,),) = (each.commands["demo"] for each in results(message, LABORATORY, {"demo": SETTINGS}))
    asks(command, set(), story())


@settings(max_examples=examples(200))
@given(st.lists(OBSERVATIONS, min_size=1, max_size=6))
def test_every_row_of_fhir_is_graded_left_out_by_a_rule_or_on_a_persons_list(rows: list[dict[str, Any]]) -> None:
    names = [f"o{number}" for number in range(len(rows))]
    report = diagnostic_report(*(f"Observation/{name}" for name in names))
    entries = [entry(each, name) for each, name in zip(rows, names, strict=True)]
    (command,), interpretation = interpreted(*entries, entry(report, "r1"))
    codes = [each["code"]["coding"][0]["code"] for each in rows]
    assert_nothing_is_missing(codes, command)
    asked = str([each.body for each in interpretation.questions])
    for result in command.results:
        assert result.analyte != tables.UNMAPPED or result.cancelled or result.code in asked
    asks(command, {result.code for result in command.results if result.code in asked}, in_treatment())
