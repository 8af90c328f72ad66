"""The law of rows over both ways in: HL7 and FHIR as laboratories send them, in any order, split or repeated."""

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.edge import interpret
from services.testing.hl7.results import results
from services.testing.messages import ReportResult
from shared.events.envelope import Event
from shared.events.escalation import EscalationEvent
from shared.events.testing import DrugTestCorrected, DrugTestEvent, DrugTestResulted
from tests.laws import examples
from tests.story import only
from tests.testing.given import SETTINGS, day
from tests.testing.story import in_treatment, raised
from tests.testing.test_hl7 import MSH, OBR, PID, read
from tests.testing.test_interpret import LOINC, context, diagnostic_report, entry, observation
from tests.testing.test_rows_of_any_form import LABORATORY

COLLECTED = "2025-03-09T08:30:00-04:00"
DRUGS = ("59673-4", "58381-5", "14314-9", "14315-6")
STATUSES = {
    "I": "registered",
    "P": "preliminary",
    "F": "final",
    "C": "corrected",
    "X": "cancelled",
    "W": "entered-in-error",
}
SHOWN = ("positive", "negative")
"""What is no finding stands in no event that anybody acts on: a row that was taken back, or has no result yet."""
SETTLED = ("F", "C", "X", "W")


@dataclass(frozen=True)
class Sent:
    """A row as its laboratory issued it at this hour of 10 March; `U` makes final what was preliminary."""

    code: str
    status: str
    value: str
    hour: int


ROWS = st.builds(
    Sent,
    st.sampled_from(DRUGS),
    st.sampled_from("IPPFCXWUU"),
    st.sampled_from(("POSITIVE", "NEGATIVE")),
    st.integers(11, 15),
)


def hl7(*rows: Sent) -> ReportResult:
    """Rows of one time, in one message."""
    obr = OBR.replace("20250310110000-0400", f"20250310{rows[0].hour}0000-0400").removesuffix("F")
    observations = [
        f"OBX|1|ST|{row.code}^^LN||{'' if row.status in 'UIXW' else row.value}||||||{row.status}" for row in rows
    ]
    message = read(MSH, PID, obr, *observations)
    (found,) = results(message, LABORATORY, {"demo": SETTINGS})
    (command,) = found.commands["demo"]
    return command


def standing(rows: list[Sent], hour: int) -> list[Sent]:
    """What a laboratory knows of each code at that hour: the last it settled, else the last that it did not."""
    found = []
    for code in dict.fromkeys(row.code for row in rows):
        known = sorted((row for row in rows if row.code == code and row.hour <= hour), key=lambda row: row.hour)
        last = [row for row in known if row.status in SETTLED] or [row for row in known if row.status == "P"] or known
        found += last[-1:]
    return found


def fhir(rows: list[Sent], hour: int, **changed: Any) -> ReportResult:
    """All that its laboratory knows at that hour, as one report."""
    entries = []
    for row in rows:
        status = STATUSES[row.status]
        value = {"valueString": row.value} if row.status in "PFC" else {}
        entries.append(entry(observation(row.code, status=status, effectiveDateTime=COLLECTED, **value), row.code))
    unfinished = any(row.status in "IP" for row in rows)
    whole: dict[str, Any] = {
        "status": "partial" if unfinished else "final",
        "identifier": [{"system": "urn:lab", "value": "F7"}],
        "code": {"coding": [{"system": LOINC, "code": "94307-6", "display": "Drug screen"}]},
        "effectiveDateTime": COLLECTED,
        "issued": f"2025-03-10T{hour}:00:00-04:00",
        **changed,
    }
    report = diagnostic_report(*(f"Observation/{row.code}" for row in rows), **whole)
    (command,) = interpret([*entries, entry(report, "r1")], context()).commands
    assert isinstance(command, ReportResult)
    return command


def as_a_laboratory_issues(rows: list[Sent]) -> list[Sent]:
    """One row of a code at a time; U only of what it had sent as preliminary and not settled since, and nothing without
    a result after it."""
    issued: dict[str, list[Sent]] = {}
    for row in sorted(rows, key=lambda each: each.hour):
        before = issued.setdefault(row.code, [])
        if before and before[-1].hour == row.hour:
            continue
        if row.status == "U" and not (before and before[-1].status == "P"):
            continue
        if row.status in "IP" and any(each.status == "U" for each in before):
            continue
        before.append(row)
    return [row for each in issued.values() for row in each]


def as_it_is_known(rows: list[Sent]) -> list[Sent]:
    """With what was made final as the final row that it is."""
    known: list[Sent] = []
    for row in rows:
        known.append(replace(row, status="F", value=known[-1].value) if row.status == "U" else row)
    return known


def ends(reports: list[ReportResult]) -> tuple[object, object, str, set[str]]:
    """What stands at the end: the rows, what was emitted last of the specimen, which reasons ask for a person."""
    story, last = in_treatment(), None
    for each in reports:
        emitted = story.then(each, at=day(20))
        last = next((event for event in reversed(emitted) if isinstance(event, DrugTestEvent)), last)
    (_, specimen) = story.state.specimens
    rows = {(row.measure, row.status) for row in specimen.rows}
    results = last.results if last else ()
    shown = {(each.code, each.finding, each.outcome, each.status) for each in results if each.finding in SHOWN}
    return rows, shown, specimen.condition, set(story.escalations)


@settings(max_examples=examples(200))
@given(st.lists(ROWS, min_size=1, max_size=8).map(as_a_laboratory_issues).filter(bool), st.data())
def test_in_any_order_split_repeated_and_by_either_way_the_same_stands(rows: list[Sent], data: st.DataObject) -> None:
    hours = sorted({row.hour for row in rows})
    split = [hl7(row) for row in rows]
    whole = [hl7(*(row for row in rows if row.hour == hour)) for hour in hours]
    known = as_it_is_known(rows)
    reports = [fhir(standing(known, hour), hour) for hour in hours]
    others = data.draw(st.lists(st.sampled_from(split + whole + reports), max_size=6))
    everything = data.draw(st.permutations(split + others))
    assert ends(everything) == ends(split)
    assert ends([fhir(standing(known, hours[-1]), hours[-1])]) == ends(split)


def test_a_positive_cancelled_while_another_row_has_no_result_is_taken_back_visibly() -> None:
    waiting, found = Sent(DRUGS[0], "I", "", 12), Sent(DRUGS[1], "P", "POSITIVE", 12)
    story = in_treatment()
    assert only(story.then(hl7(waiting), hl7(found), at=day(20)), DrugTestResulted)
    (corrected,) = only(story.then(hl7(replace(found, status="X", hour=13)), at=day(20)), DrugTestCorrected)
    assert {each.outcome for each in corrected.results} == {"cancelled", "pending"}
    assert story.escalations == {}


UNDATED = {"issued": None}
FALSE_ALARM = Sent(DRUGS[0], "F", "POSITIVE", 12)


@pytest.mark.parametrize("by_hl7", [True, False])
def test_a_correction_that_nobody_dated_stands_after_what_is_dated_in_either_order(by_hl7: bool) -> None:
    found = hl7(FALSE_ALARM) if by_hl7 else fhir([FALSE_ALARM], 12)
    corrected = fhir([replace(FALSE_ALARM, status="C", value="NEGATIVE")], 12, status="corrected", **UNDATED)
    for reports in permutations([found, corrected]):
        assert ends([*reports]) == ends([corrected])
    late = fhir([replace(FALSE_ALARM, value="NEGATIVE")], 12, **UNDATED)
    for reports in permutations([found, late]):
        assert ends([*reports]) == ends([found])


def test_when_it_was_last_updated_counts_where_it_was_not_said_to_be_issued() -> None:
    updated = {"issued": None, "meta": {"lastUpdated": "2025-03-10T13:00:00-04:00"}}
    later = fhir([replace(FALSE_ALARM, value="NEGATIVE")], 12, **updated)
    for reports in permutations([hl7(FALSE_ALARM), later]):
        assert ends([*reports])[3] == set()


@settings(max_examples=examples(100))
@given(st.lists(ROWS, min_size=1, max_size=8).map(as_a_laboratory_issues).filter(bool), st.data())
def test_a_correction_back_to_negative_leaves_nothing_open(rows: list[Sent], data: st.DataObject) -> None:
    codes = dict.fromkeys(row.code for row in rows)
    corrected = [Sent(code, "C", "NEGATIVE", 16) for code in codes]
    by_hl7 = data.draw(st.booleans())
    last = [hl7(row) for row in corrected] if by_hl7 else [fhir(corrected, 16, status="corrected")]
    reports = data.draw(st.permutations([*(hl7(row) for row in rows), *last]))
    assert ends(reports)[3] == set()


@settings(max_examples=examples(100))
@given(st.lists(ROWS, min_size=1, max_size=8).map(as_a_laboratory_issues).filter(bool), st.data())
def test_what_is_never_positive_raises_no_positive(rows: list[Sent], data: st.DataObject) -> None:
    never = [replace(row, value="NEGATIVE") for row in rows]
    hours = sorted({row.hour for row in never})
    reports = [hl7(row) for row in never] + [fhir(standing(as_it_is_known(never), hour), hour) for hour in hours]
    story = in_treatment()
    for each in data.draw(st.permutations(reports)):
        assert not any("positive" in reason for reason in raised(story.then(each, at=day(20))).get("Raised", []))


@settings(max_examples=examples(100))
@given(st.lists(ROWS, min_size=1, max_size=6).map(as_a_laboratory_issues).filter(bool))
def test_the_same_content_emits_the_same_by_either_way(rows: list[Sent]) -> None:
    known = as_it_is_known(rows)
    hours = sorted({row.hour for row in rows})
    by_fhir, by_hl7 = in_treatment(), in_treatment()
    for hour in hours:
        standing_now = standing(known, hour)
        one = by_fhir.then(fhir(standing_now, hour), at=day(20))
        other = by_hl7.then(hl7(*(replace(row, hour=hour) for row in standing_now)), at=day(20))
        assert [shown(each) for each in one] == [shown(each) for each in other]


def shown(event: Event) -> object:
    """Without the ids, which are made of the report's own name."""
    if isinstance(event, DrugTestEvent):
        results = {(each.code, each.finding, each.outcome, each.status) for each in event.results}
        return type(event), event.status, event.condition, event.issued_at, event.baseline, results
    if isinstance(event, EscalationEvent):
        return type(event), event.escalation.reason, event.escalation.tier
    return type(event)
