"""The law of rows: any order, repetition, splitting and mixing of HL7 and FHIR ends the same."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.messages import Observed, ReportResult
from services.testing.specimens import VOID
from services.testing.tables import LOINC as TABLE
from shared.events.codes import LOINC
from shared.events.envelope import Command, name_id
from shared.events.testing import ResultFinding, ResultStatus
from tests.laws import examples
from tests.testing.given import (
    COCAINE,
    COCAINE_CONFIRMED,
    FENTANYL,
    FENTANYL_CONFIRMED,
    NAMES,
    PH,
    admitted,
    day,
)
from tests.testing.story import BASELINE, Story

FINDINGS = ["valid", "unsatisfactory", "indeterminate", "negative", "positive"]
NUMBER, MINUTE = name_id(NAMES, "number F7"), name_id(NAMES, "minute 08:30")


@dataclass(frozen=True)
class Row:
    """A row as its laboratory issued it, so many hours after the collection."""

    code: str
    status: ResultStatus
    finding: ResultFinding
    issued: int


STATUSES: st.SearchStrategy[ResultStatus] = st.sampled_from(
    ["registered", "preliminary", "final", "corrected", "cancelled", "entered-in-error"]
)
DRUGS = st.builds(
    Row,
    st.sampled_from([FENTANYL, FENTANYL_CONFIRMED, COCAINE, COCAINE_CONFIRMED]),
    STATUSES,
    st.sampled_from(["positive", "negative", "indeterminate"]),
    st.integers(24, 28),
)
CHECKS = st.builds(Row, st.just(PH), STATUSES, st.sampled_from(["valid", "unsatisfactory"]), st.integers(24, 28))
ROWS = DRUGS | CHECKS


def plain(row: Row) -> Row:
    """What a status lets stand of the finding."""
    if row.status in VOID:
        return Row(row.code, row.status, "unsatisfactory", row.issued)
    return Row(row.code, row.status, "pending", row.issued) if row.status == "registered" else row


def failed(row: Row) -> bool:
    return row.code == PH and row.finding == "unsatisfactory" and row.status in ("preliminary", "final", "corrected")


def message(rows: list[Row], form: str, *, everything_final: bool) -> ReportResult:
    """HL7 names the specimen by its minute and number, FHIR by its number and day."""
    return ReportResult(
        report_id=name_id(NAMES, form),
        specimen_id=NUMBER,
        same_as=(MINUTE,) if form == "HL7" else (),
        to_minute=form == "HL7",
        collected_at=day(7) if form == "HL7" else day(7).replace(hour=0, minute=0),
        issued_at=day(7 + rows[0].issued / 24),
        status="final" if everything_final else "preliminary",
        condition="adulterated" if any(map(failed, rows)) else "valid",
        results=tuple(
            Observed(
                row.code, LOINC, TABLE[row.code].analyte, row.finding, TABLE[row.code].definitive, status=row.status
            )
            for row in rows
        ),
        extent="message" if form == "HL7" else "report",
    )


def greatest(rows: list[Row], until: int) -> list[Row]:
    """Of each code what stands at that time, as a FHIR report repeats it whole."""
    order = ["registered", "preliminary", "final", "corrected", "cancelled", "entered-in-error"]
    standing: dict[str, tuple[tuple[bool, bool, int, int, str], Row]] = {}
    for row in (each for each in rows if each.issued <= until):
        content = str(FINDINGS.index(row.finding)) if row.status in order[1:4] else ""
        place = order.index(row.status)
        age = (place > 1, place > 0, row.issued, place, content)
        if row.code not in standing or age > standing[row.code][0]:
            standing[row.code] = age, row
    return [Row(row.code, row.status, row.finding, until) for _, row in standing.values()]


def ends(reports: list[ReportResult]) -> object:
    """What stands at the end: of the specimen, of its rows, and which reasons ask for a person (no tier ever falls)."""
    happened: list[Command] = list(reports)
    story = Story(admitted(), BASELINE)
    story.then(*happened, at=day(20))
    rows = {(each.measure, each.status) for each in story.state.specimens[-1].rows}
    (_, specimen) = story.state.specimens
    return rows, specimen.collected_at, specimen.condition, set(story.escalations)


@settings(max_examples=examples(200))
@given(st.lists(ROWS.map(plain), min_size=1, max_size=7), st.data())
def test_any_order_repetition_splitting_and_mixing_of_hl7_and_fhir_ends_the_same(
    rows: list[Row], data: st.DataObject
) -> None:
    times = sorted({each.issued for each in rows})

    def final(until: int) -> bool:
        return all(each.status not in ("registered", "preliminary") for each in greatest(rows, until))

    whole = [
        message(
            list({each.code: each for each in rows if each.issued == time}.values()),
            "HL7",
            everything_final=final(time),
        )
        for time in times
    ]
    split = [message([each], "HL7", everything_final=final(each.issued)) for each in rows]
    fhir = [message(greatest(rows, time), "FHIR", everything_final=final(time)) for time in times]
    expected = ends([split[0], *split])
    units = data.draw(st.permutations(split + data.draw(st.lists(st.sampled_from(whole + split + fhir), max_size=6))))
    assert ends(units) == expected


def under(report: ReportResult, analyte: str, *, again: bool = False) -> ReportResult:
    """The same with its rows under a laboratory's own code, which means this."""
    rows = tuple(
        replace(each, code="T17", code_system="", analyte=analyte, definitive=False) for each in report.results
    )
    return replace(report, results=rows, again=again, extent="component" if again else report.extent)


@settings(max_examples=examples(100))
@given(st.lists(DRUGS.map(plain), min_size=1, max_size=5), st.data())
def test_read_again_under_its_meaning_a_code_ends_as_if_it_had_always_been_known(
    rows: list[Row], data: st.DataObject
) -> None:
    reports = [
        message([each], "HL7", everything_final=each.status not in ("registered", "preliminary")) for each in rows
    ]
    expected = ends([under(each, "fentanyl") for each in reports])
    again = [under(each, "fentanyl", again=True) for each in reports]
    late = data.draw(st.permutations(again + data.draw(st.lists(st.sampled_from(again), max_size=3))))
    assert ends([*(under(each, "unmapped") for each in reports), *late]) == expected
