"""Fields, taken apart as the HL7 package does it, which goes on to subcomponents that nobody reads: a law."""

from typing import Any

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7.acknowledgement import acknowledge
from services.testing.hl7.fields import Fields
from services.testing.hl7.header import Fault, decode
from tests.laws import examples
from tests.testing.test_hl7 import MSH, NOON, OBR, OBX, PID, only_report, refused

ENCODINGS = (r"^~\&", r"^~\&#", "^~\\", "^~", "^", "", "$%!*")
WRITTEN = st.text('A1 "^~&$%*|', max_size=12)
"""What may stand in fields: separators of every encoding and little else, without an escape in it."""


def as_the_package_reads(field: Any) -> list[list[str]]:
    """Repetitions of components; what holds no separator at all is a text to the package, not a list."""
    if str(field) in ("", '""'):
        return []
    return [[each] if isinstance(each, str) else [str(component) for component in each] for each in field]


@given(st.sampled_from(ENCODINGS), WRITTEN)
@settings(max_examples=examples(100))
def test_a_field_is_read_as_the_package_reads_it(encoding: str, written: str) -> None:
    text, header = decode(f"MSH|{encoding}|LIS|LAB\rOBX|{written}|".encode())
    fields, ours, theirs = Fields(header), text.split("\r")[1].split("|"), hl7.parse(text)[1]
    assert len(ours) == len(theirs)
    for number in range(1, len(ours)):
        repetitions = fields.repetitions(ours, number)
        assert repetitions == as_the_package_reads(theirs[number])
        assert fields.text(ours, number) == (repetitions[0][0].strip() if repetitions else "")


@pytest.mark.parametrize("encoding", ["^^\\&", "^~\\^", "^~\\~", "|~\\&", "e~\\&", "1^~&"])
def test_separators_that_cannot_be_told_apart_are_refused_in_the_standards_own(encoding: str) -> None:
    sent = MSH.replace(r"^~\&", encoding)
    assert refused(sent, PID, OBR, OBX)[:1] == ("AR",)
    answer = acknowledge(decode(sent.encode()).header, "AR", [Fault("MSH^1^2", 100)], NOON).decode()
    assert answer.startswith("MSH|^~\\&|")
    assert "ERR||MSH^1^2|100^Segment sequence error^HL70357|" in answer


def test_separators_of_a_senders_own_are_read() -> None:
    own = [each.replace("^", "$") for each in (MSH, PID, OBR, OBX)]
    theirs, usual = (only_report(*each) for each in (own, (MSH, PID, OBR, OBX)))
    assert theirs == usual
