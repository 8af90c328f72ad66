"""What becomes of a message on its way: bytes that are broken, and messages that are split or put together.

A mutation makes other bytes of a message by a number, the same ones for the same number."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import NamedTuple

from services.testing.hl7 import Decoded, Nak, TooLarge, batches, decode, parse
from services.testing.hl7.acknowledgement import acknowledgements
from tests.testing.fates import NONE, Fates, fates
from tests.testing.receiving import message
from tests.testing.test_batches import batch
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


def run_together(content: bytes, place: int) -> bytes:
    """With another one behind it in the same frame."""
    other = OURS[place % len(OURS)]
    return content + (b"\r", b"\n", b"", b"\x1c\r\x0b")[place % 4] + other


def with_the_orders_of_another(content: bytes, place: int) -> bytes:
    """As if both were about the patient of the first."""
    return merged(content, OURS[place % len(OURS)], of_one_patient=True)


def with_the_patient_of_another(content: bytes, place: int) -> bytes:
    return merged(content, OURS[place % len(OURS)])


def a_part_of_it(content: bytes, place: int) -> bytes:
    """One of the messages over which it may be split."""
    parts = split(content, 1 + place % 3)
    return parts[place // 3 % len(parts)]


def in_a_batch(content: bytes, place: int) -> bytes:
    return batch(content, OURS[place % len(OURS)], bts=(None, "", "BTS|7")[place % 3])


MUTATIONS = (
    cut,
    reordered,
    repeated,
    other_delimiters,
    in_another_charset,
    with_a_huge_field,
    run_together,
    with_the_orders_of_another,
    with_the_patient_of_another,
    a_part_of_it,
    in_a_batch,
)


def merged(one: bytes, another: bytes, *, of_one_patient: bool = False) -> bytes:
    """The orders of both in one message, each with its own patient or all with the first one's."""
    begins_with = (b"OBR", b"ORC") if of_one_patient else (b"PID",)
    behind = another.splitlines()
    first = next((place for place, each in enumerate(behind) if each.startswith(begins_with)), len(behind))
    return b"\r".join([*one.splitlines(), *behind[first:]])


def split(content: bytes, rows_most: int) -> list[bytes]:
    """A report as several messages of one patient, each with so many rows, its order, and all that is said of the
    specimen; the control id (MSH-10) is each one's own. What has no rows is one message."""
    segments = content.splitlines()
    patients = [place for place, each in enumerate(segments) if each.startswith(b"PID")]
    header = segments[: patients[0]] if patients else []
    found: list[list[bytes]] = []
    for start, end in pairwise((*patients, len(segments))):
        found += _split_patient(segments[start:end], rows_most)
    if len(found) < 2:
        return [content]
    return [b"\r".join([*_numbered(header, number), *each]) for number, each in enumerate(found)]


def _split_patient(segments: Sequence[bytes], rows_most: int) -> Iterator[list[bytes]]:
    orders = [place for place, each in enumerate(segments) if each.startswith(b"OBR")]
    patient = [*segments[: orders[0]]] if orders else [*segments]
    if not orders:
        yield patient
    for start, end in pairwise((*orders, len(segments))):
        yield from ([*patient, *each] for each in _split_order(segments[start:end], rows_most))


def _split_order(segments: Sequence[bytes], rows_most: int) -> Iterator[list[bytes]]:
    """A remark goes with the row ahead of it, the order's own remarks and its specimen with every row."""
    rows: list[list[bytes]] = []
    around: list[bytes] = []
    for each in segments:
        if each.startswith(b"OBX"):
            rows.append([each])
        elif each.startswith(b"NTE") and rows:
            rows[-1].append(each)
        else:
            around.append(each)
    before = [each for each in around if not each.startswith(b"SPM")]
    behind = [each for each in around if each.startswith(b"SPM")]
    for start in range(0, max(len(rows), 1), rows_most):
        own = (segment for row in rows[start : start + rows_most] for segment in row)
        yield [*before, *own, *behind]


def _numbered(header: Sequence[bytes], number: int) -> list[bytes]:
    """MSH-10 with a number behind it, in the sender's own separator."""
    first, *others = header or [b""]
    separator = first[3:4] or b"|"
    fields = first.split(separator)
    if len(fields) > 9:
        fields[9] += b"-%d" % number
    return [separator.join(fields), *others]


class TakenMessages(NamedTuple):
    """What became of what was sent: MSA-1 of each message in it and of each fault of a batch itself; how many rows were
    counted in before they were read, and where each of those went that were read; and what was answered."""

    codes: tuple[str, ...]
    rows: int
    fates: Fates
    answers: tuple[bytes, ...]

    def require_law(self) -> None:
        """One well-formed answer, at most two where they are asked for; none of the rows is nowhere."""
        assert self.fates.rows == self.rows
        assert self.fates.nowhere == 0
        assert len(self.answers) <= 2
        assert {code[1:] for each in self.answers for code in codes_in(each)} <= {each[1:] for each in self.codes}


def taken(content: bytes) -> TakenMessages:
    """A message, or a batch of them, as they are received."""
    if not batches.is_batch(content):
        return _taken(content)
    file = batches.take_apart(content)
    found = [_taken(each) for part in file.batches for each in part.messages]
    answer = batches.answer(file, [each.answers for each in found], NOW)
    faults = (*file.faults, *chain.from_iterable(each.faults for each in file.batches))
    codes = *chain.from_iterable(each.codes for each in found), *("AE" for _ in faults)
    return TakenMessages(codes, sum(each.rows for each in found), sum((each.fates for each in found), NONE), (answer,))


def _taken(content: bytes) -> TakenMessages:
    """Of one that is refused, or too large to be read, nothing is taken."""
    decoded: Decoded | None = None
    try:
        decoded = decode(content)
        found = parse(decoded, LATER)
    except TooLarge:
        return TakenMessages(("AA",), 0, NONE, acknowledgements(decoded.header if decoded else None, "AA", (), NOW))
    except Nak as refused:
        header = decoded.header if decoded else None
        return TakenMessages((refused.code,), 0, NONE, acknowledgements(header, refused.code, (refused.fault,), NOW))
    went = fates(report for group in found.groups for report in group.reports)
    return TakenMessages(("AA",), _counted(decoded), went, acknowledgements(found.header, "AA", (), NOW))


def _counted(decoded: Decoded) -> int:
    """Rows behind an order, as they are written; from version 2.7 on one ahead of every order is no result."""
    ordered, count = False, 0
    for segment in decoded.text.split("\r"):
        match segment[:3]:
            case "PID":
                ordered = False
            case "OBR":
                ordered = True
            case "OBX" if ordered:
                count += 1
            case _:
                pass
    return count


def codes_in(answer: bytes) -> list[str]:
    """MSA-1 of each answer in it, where it is a batch of them."""
    if not batches.is_batch(answer):
        return [code_in(answer)]
    file = batches.take_apart(answer)
    assert file.batches and not file.faults and not any(each.faults for each in file.batches)
    return [code_in(each) for part in file.batches for each in part.messages]


def code_in(answer: bytes) -> str:
    """MSA-1 of a well-formed answer, in its own separators."""
    header, acknowledged, *_ = re.split(rb"\r", answer)
    assert header.startswith(b"MSH") and acknowledged.startswith(b"MSA" + header[3:4])
    return acknowledged.split(header[3:4])[1].decode()
