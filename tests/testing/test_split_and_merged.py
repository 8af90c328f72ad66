"""The law of splitting and merging: over however many messages a report comes, the same of it stands at the end."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple
from uuid import uuid4

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.testing.hl7 import decode, parse, reader
from services.testing.hl7.mllp import Frame
from services.testing.hl7.results import results as hl7_results
from services.testing.messages import ReportResult
from shared.events.testing import DrugTestEvent
from tests.laws import examples
from tests.testing.given import SETTINGS, day
from tests.testing.mutating import codes_in, merged, split
from tests.testing.receiving import ReceivingService, message
from tests.testing.story import in_treatment
from tests.testing.test_batches import batch
from tests.testing.test_hl7 import LATER, MSH, OBR, PID
from tests.testing.test_rows_of_any_form import LABORATORY, ROWS
from tests.testing.test_ways_in_law import SHOWN

SPECIMEN = "SPM|1|^S7||UR^Urine^HL70487"
ENDS = ("F", "P", "C", "")


def plain(rows: list[str]) -> list[str]:
    """What is taken back says nothing more: `quantity not sufficient` cancels a test beside others, and alone in its
    message the specimen. Where a condition is stated all rows are final: of two messages the later word, and at one
    time a correction, supersedes what the other one states of the specimen."""
    sent = [each.split("|") for each in rows]
    stated = any(fields[5] in ("ADULTERATED", "QNS") for fields in sent)
    for fields in sent:
        fields[11] = "F" if stated else fields[11]
        fields[5] = "" if fields[11] in ("X", "W", "D") else fields[5]
    return ["|".join(fields) for fields in sent]


def code_of(row: str) -> str:
    return row.split("|")[3].split("^")[0]


APART = st.lists(ROWS, min_size=1, max_size=5, unique_by=code_of).map(plain)
"""Rows of codes of their own: of several rows of one code, sent one by one, each is a later word about the same one."""
REPORTS = st.tuples(APART, st.sampled_from(ENDS), st.booleans())


def report(rows: Sequence[str], status: str = "F", *, specimen: bool = True) -> bytes:
    """Of the patient, with these rows; OBR-25 is the status of the whole."""
    order = OBR.removesuffix("F") + status
    return "\r".join([MSH, PID, order, *rows, *([SPECIMEN] if specimen else [])]).encode()


def commands(content: bytes) -> list[tuple[ReportResult, ...]]:
    """Of each patient of the message, whoever lists them and how."""
    found = hl7_results(parse(decode(content), LATER), LABORATORY, {"demo": SETTINGS})
    return [tuple(replace(each, listed_as="") for each in one.commands["demo"]) for one in found]


class Ends(NamedTuple):
    """Of each specimen what stands, of each of its rows what its last event says was found, and which reasons ask for
    a person: no tier ever falls."""

    specimens: frozenset[object]
    shown: frozenset[object]
    reasons: frozenset[str]


def ends(messages: Sequence[bytes]) -> Ends:
    story, last = in_treatment(), dict[str, DrugTestEvent]()
    for content in messages:
        for own in commands(content):
            emitted = story.then(*own, at=day(20))
            last |= {each.report_id: each for each in emitted if isinstance(each, DrugTestEvent)}
    standing = {
        (
            frozenset((row.measure, row.status, row.received) for row in each.rows),
            (each.collected_at, each.matrix, each.condition),
        )
        for each in story.state.specimens[1:]
    }
    shown = {
        (event.collected_at, each.code, each.finding, each.outcome, each.status)
        for event in last.values()
        for each in event.results
        if each.finding in SHOWN
    }
    return Ends(frozenset(standing), frozenset(shown), frozenset(story.escalations))


@settings(max_examples=examples(200))
@given(REPORTS, st.integers(1, 3), st.data())
def test_split_over_messages_a_report_ends_as_it_does_whole(
    sent: tuple[list[str], str, bool], rows_most: int, data: st.DataObject
) -> None:
    rows, status, specimen = sent
    assume(status or all(row.split("|")[11] for row in rows))
    whole = report(rows, status, specimen=specimen)
    parts = split(whole, rows_most)
    assert ends(data.draw(st.permutations(parts))) == ends([whole])


@pytest.mark.parametrize("status", ["X", "W", "U"])
def test_a_row_that_is_no_result_says_nothing_of_its_report(status: str) -> None:
    """A cut-off that is cancelled, or made final, in a message of its own."""
    whole = report(["OBX|1|ST|14314-9^Cocaine^LN||POSITIVE||||||P", f"OBX|2|ST|19357-3^Cutoff^LN||150||||||{status}"])
    parts = split(whole, 1)
    assert ends(parts) == ends([*reversed(parts)]) == ends([whole])
    assert ends([whole]).reasons == {"provisional-positive"}


def test_the_law_sees_what_a_message_of_its_own_takes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter-example: a row that is cancelled cancels its whole report."""
    rows = ["OBX|1|ST|14314-9^Cocaine^LN||POSITIVE||||||F", "OBX|2|ST|59673-4^Fentanyl^LN||||||||X"]
    monkeypatch.setattr(reader, "_extent", lambda _: "report")
    assert ends(split(report(rows), 1)) != ends([report(rows)])


OTHER_ORDER = OBR.replace("F7", "F8").replace("20250309083000", "20250309113000").replace("P7", "P8")


def another(rows: Sequence[str]) -> bytes:
    """Another report of the same day, of another specimen; the number of the message is its own."""
    return "\r".join([MSH.replace("|M1|", "|M2|"), PID, OTHER_ORDER, *rows, SPECIMEN.replace("S7", "S8")]).encode()


@settings(max_examples=examples(100))
@given(APART, APART, st.booleans())
def test_merged_into_one_message_two_reports_say_what_each_says(
    one: list[str], other: list[str], of_one_patient: bool
) -> None:
    first, second = report(one), another(other)
    together = commands(merged(first, second, of_one_patient=of_one_patient))
    apart = [*commands(first), *commands(second)]
    if of_one_patient:
        assert [tuple(chain.from_iterable(together))] == [tuple(chain.from_iterable(apart))]
    else:
        assert together == apart


@settings(max_examples=examples(100))
@given(APART, APART, st.data())
def test_two_reports_split_merged_and_mixed_end_as_each_does_whole(
    one: list[str], other: list[str], data: st.DataObject
) -> None:
    parts = [*split(report(one), 1), *split(another(other), 2)]
    mixed = data.draw(st.permutations(parts))
    messages = [merged(*mixed[:2], of_one_patient=True), *mixed[2:]]
    assert ends(messages) == ends([report(one), another(other)])


WHOLE = report(
    [
        "OBX|1|NM|58381-5^Fentanyl^LN||12|ng/mL|<1||||F",
        "OBX|2|ST|14314-9^Cocaine^LN||NEGATIVE||||||F",
        "OBX|3|ST|19357-3^Cutoff^LN||150||||||X",
        "OBX|4|ST|59673-4^Fentanyl screen^LN||see the note||||||F",
    ]
).replace(b"|202503", b"|202601")


async def test_whole_split_in_a_batch_or_beside_another_patient_the_same_is_read_of_it(
    testing: ReceivingService,
) -> None:
    of = {mrn: WHOLE.replace(b"A123", mrn.encode()).replace(b"|M1|", b"|%b|" % mrn.encode()) for mrn in "ABCDE"}
    patients = {mrn: dataclasses.replace(testing, patient=str(uuid4())) for mrn in of}
    for mrn, patient in patients.items():
        await patient.identified(mrn)
        await patient.admitted()
        baseline = message(f"baseline {mrn}", "NEGATIVE", filler="F1", mrn=mrn).replace(b"20260112", b"20260106")
        assert await testing.receives(baseline) == "AA"
    frames = (
        of["A"],
        *reversed(split(of["B"], 1)),
        batch(*split(of["C"], 2)),
        merged(of["D"], of["E"]),
    )
    for each in frames:
        (answer,) = await testing.receiver.receive(Frame(each))
        assert set(codes_in(answer)) == {"AA"}
    first, *others = [await read_of(testing, patients[mrn].patient) for mrn in of]
    assert first.total() == 2 + 4 + 3 + 1 and others == [first] * 4


async def read_of(testing: ReceivingService, patient: str) -> Counter[tuple[object, ...]]:
    """Its rows as they came and as they are meant, and what stands for a person: without ids and times."""
    query = """SELECT type, status, body FROM resources
        WHERE patient = $1 AND type IN ('Observation', 'DetectedIssue') AND status <> 'entered-in-error'"""
    found = Counter[tuple[object, ...]]()
    for kind, status, body in await testing.select(query, patient):
        resource = json.loads(body)
        found[kind, status, str(resource["code"]), str(resource.get("valueCodeableConcept"))] += 1
    return found
