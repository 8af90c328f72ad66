"""Whatever becomes of a message on its way: one well-formed answer in its mode, a line that lives, no row nowhere."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7 import Decoded, Nak, decode, parse
from services.testing.hl7.acknowledgement import acknowledgements
from services.testing.mllp import Frame
from tests.laws import examples
from tests.testing import fates as whereabouts
from tests.testing.fates import NONE, Fates, fates
from tests.testing.receiving import ReceivingService, message
from tests.testing.test_hl7 import LATER, SAMPLES

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ROWS = (
    "OBX|2|NM|16226-3^Cocaine^LN||120|ng/mL|<150||||F",
    "OBX|3|ST|59673-4^Fentanyl^LN||see the note||||||F",
    "OBX|4|ST|T17^Novel^L||POSITIVE||||||F",
    "OBX|5|NM|2161-8^Creatinine^LN||1.2|mg/dL|||||F",
    "OBX|6|ST|19357-3^Cutoff^LN||150||||||F",
    "OBX|7|ST|14316-4^Benzodiazepines^LN||NEGATIVE||||||X",
)
OURS = (message(), "\r".join((message().decode(), *ROWS)).encode())
PUBLIC = tuple(each.read_bytes() for each in sorted(SAMPLES.glob("*.hl7"))) if SAMPLES.exists() else ()
CODES = {"AA", "AE", "AR", "CA", "CE", "CR"}
"""Of a mutated header another mode may be asked for."""
Mutation = Callable[[bytes, int], bytes]


def cut(content: bytes, place: int) -> bytes:
    return content[: place % (len(content) + 1)]


def reordered(content: bytes, place: int) -> bytes:
    segments = content.splitlines() or [b""]
    moved = segments.pop(place % len(segments))
    return b"\r".join(
        [*segments[: place // 7 % (len(segments) + 1)], moved, *segments[place // 7 % (len(segments) + 1) :]]
    )


def repeated(content: bytes, place: int) -> bytes:
    segments = content.splitlines() or [b""]
    return b"\r".join([*segments, segments[place % len(segments)]])


def other_delimiters(content: bytes, place: int) -> bytes:
    return content.translate(bytes.maketrans(b"|^~&", (b"*!?%", b"|~^&", b"^|~&", b"||||")[place % 4]))


def in_another_charset(content: bytes, place: int) -> bytes:
    at = place % (len(content) + 1)
    return content[:at] + (b"\xff\xfe", b"\x00", b"\xc3\x28", b"\xe9", b"\\X")[place % 5] + content[at:]


def with_a_huge_field(content: bytes, place: int) -> bytes:
    at = place % (len(content) + 1)
    return content[:at] + b"X" * 70_000 + content[at:]


def merged(content: bytes, place: int) -> bytes:
    other = OURS[place % len(OURS)]
    return content + (b"\r", b"\n", b"", b"\x1c\r\x0b")[place % 4] + other


MUTATIONS = (cut, reordered, repeated, other_delimiters, in_another_charset, with_a_huge_field, merged)


def taken(content: bytes) -> tuple[str, Fates, tuple[bytes, ...]]:
    """What the message is answered, and where its rows went; of one that is refused none is taken."""
    decoded: Decoded | None = None
    try:
        decoded = decode(content)
        found = parse(decoded, LATER)
    except Nak as refused:
        header = decoded.header if decoded else None
        return refused.code, NONE, acknowledgements(header, refused.code, (refused.fault,), NOW)
    rows = fates(report for group in found.groups for report in group.reports)
    return "AA", rows, acknowledgements(found.header, "AA", (), NOW)


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from((*OURS, *PUBLIC)), st.sampled_from(MUTATIONS), st.sampled_from(MUTATIONS), st.integers(0, 9_999))
def test_a_mutated_message_is_answered_once_and_no_row_of_it_is_nowhere(
    content: bytes, first: Mutation, second: Mutation, place: int
) -> None:
    code, rows, answers = taken(second(first(content, place), place // 3))
    assert rows.nowhere == 0 and len(answers) <= 2
    assert {code_in(each)[1:] for each in answers} <= {code[1:]}


def code_in(answer: bytes) -> str:
    """MSA-1 of a well-formed answer, in its own separators."""
    header, acknowledged, *_ = answer.split(b"\r")
    assert header.startswith(b"MSH") and acknowledged.startswith(b"MSA" + header[3:4])
    return acknowledged.split(header[3:4])[1].decode()


def test_the_law_sees_a_row_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter-example: a code that no table knows, and that nobody is asked about."""
    monkeypatch.setattr(whereabouts, "questioned", lambda *_: iter(()))
    assert taken(OURS[1])[1].nowhere == 1


def test_the_rows_of_a_whole_message_are_told_apart() -> None:
    assert taken(OURS[1])[1] == Fates(rows=7, graded=5, excluded=2, listed=2, nowhere=0)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.__name__)
async def test_the_line_lives_and_the_next_message_is_taken(testing: ReceivingService, mutation: Mutation) -> None:
    await testing.identified()
    for place in (3, 40, 211, 395):
        answers = await testing.receiver.receive(Frame(mutation(OURS[1], place)))
        assert {code_in(each) for each in answers} <= CODES
    assert await testing.receives(message("M99", filler="F99")) == "AA"
