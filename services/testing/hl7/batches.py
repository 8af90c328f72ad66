"""HL7 batches (FHS, BHS, messages, BTS, FTS): taken apart, their counts compared, answered by a batch. Pure.

A batch is no transaction: each message in it is taken by itself, and a count that is wrong undoes none of them. It says
that something may be missing, so the trailer is answered like a message, by the control id of its header.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from services.testing.hl7.acknowledgement import acknowledge, own_id
from services.testing.hl7.header import INTERNAL_ERROR, SEQUENCE_ERROR, Fault, Header

_SEGMENT = re.compile(rb"(?:\A|(?<=[\r\n]))[ \t]*(FHS|BHS|MSH|BTS|FTS)(?=[^A-Za-z0-9\s]|\s|\Z)")
_AROUND = b"\x0b\x1c\x0c\r\n\t "
_LINE_ENDS = re.compile(rb"[\r\n]+")
_WITHOUT = "BHS|^~\\&"
"""Where there is no header."""
_VERSION = "2.5.1"
"""In which a trailer is answered: it has none of its own."""


@dataclass
class Batch:
    """Its messages in their order, and what is wrong with the batch itself."""

    header: Header
    messages: list[bytes] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    is_closed: bool = False


@dataclass
class File:
    """`header` is FHS, where there is one."""

    header: Header | None = None
    batches: list[Batch] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    is_closed: bool = False

    @property
    def count(self) -> int:
        """How many messages it has."""
        return sum(len(each.messages) for each in self.batches)


def is_batch(content: bytes) -> bool:
    """Whether it begins with FHS or BHS, whatever white space is before."""
    return re.match(rb"(?:FHS|BHS)[^A-Za-z0-9\s]", content[:64].lstrip(_AROUND)) is not None


def take_apart(content: bytes) -> File:
    """What stands in it, whole or not: whatever is no message and no header or trailer is a fault of its batch."""
    file = File()
    content = content.strip(_AROUND)
    begins = [each.start(1) for each in _SEGMENT.finditer(content)]
    for start, end in pairwise((*begins, len(content))):
        _take(file, content[start:end])
    for batch in file.batches:
        if not batch.is_closed:
            batch.faults.append(Fault("BTS", INTERNAL_ERROR))
    if file.header is not None and not file.is_closed:
        file.faults.append(Fault("FTS", INTERNAL_ERROR))
    return file


def _take(file: File, part: bytes) -> None:
    name = part[:3]
    if name == b"MSH":
        _open(file).messages.append(part.rstrip())
        return
    first, *others = _LINE_ENDS.split(part)
    match name:
        case b"FHS":
            file.header = _header(first)
        case b"BHS":
            file.batches.append(Batch(_header(first)))
        case b"BTS":
            batch = _open(file)
            batch.is_closed = True
            batch.faults += _miscounted("BTS", first, len(batch.messages))
        case _:
            file.is_closed = True
            file.faults += _miscounted("FTS", first, len(file.batches))
    if any(each.strip() for each in others):
        _open(file).faults.append(Fault(name.decode(), SEQUENCE_ERROR))


def _open(file: File) -> Batch:
    """The batch that is being read; messages behind a trailer, or ahead of any BHS, are of one without a header of its
    own."""
    if not file.batches or file.batches[-1].is_closed:
        file.batches.append(Batch(file.header or _header(b""), is_closed=True))
    return file.batches[-1]


def _miscounted(name: str, trailer: bytes, count: int) -> Iterator[Fault]:
    """BTS-1 and FTS-1, which may be empty."""
    stated = trailer[4:].split(trailer[3:4])[0].strip() if trailer[3:4] else b""
    if stated and stated != str(count).encode():
        yield Fault(f"{name}^1^1", INTERNAL_ERROR)


def _header(segment: bytes) -> Header:
    """FHS or BHS as a header of HL7, with the control id of BHS-11 where MSH has it: so a trailer can be answered."""
    text = segment.decode("utf-8", "replace")
    if not text[3:4].strip():
        text = _WITHOUT
    separator, encoding, *rest = text[3], *text[4:].split(text[3])
    fields = ("BHS", separator, encoding, *rest, *[""] * 11)
    control = fields[11]
    return Header(separator, encoding, ("MSH", *fields[1:8], "", "", control, "P", _VERSION), "utf-8")


def answer(file: File, answers: Sequence[Sequence[bytes]], now: datetime) -> bytes:
    """A batch for each batch, with the answers of each message in it (in the order of `take_apart`) and one for each
    thing wrong with the batch itself; inside a file where it came as one."""
    remaining = iter(answers)
    batches = [_batch(each, [one for _ in each.messages for one in next(remaining)], now) for each in file.batches]
    if file.header is None:
        return b"".join(batches)
    if file.faults:
        batches.append(_batch(Batch(file.header, faults=file.faults), [], now))
    return _enclosed("FHS", "FTS", file.header, batches, len(batches), now)


def _batch(batch: Batch, answers: Sequence[bytes], now: datetime) -> bytes:
    if batch.faults:
        answers = [*answers, acknowledge(batch.header, "AE", batch.faults, now)]
    return _enclosed("BHS", "BTS", batch.header, answers, len(answers), now)


def _enclosed(begin: str, end: str, asked: Header, content: Sequence[bytes], count: int, now: datetime) -> bytes:
    """Sender and receiver change places, and field 12 refers to the control id that came."""
    of = asked.fields
    head = [begin, asked.encoding, of[5], of[6], of[3], of[4], now.strftime("%Y%m%d%H%M%S%z"), "", "", ""]
    opening = asked.separator.join([*head, own_id(begin, asked, now), asked.control_id])
    closing = asked.separator.join([end, str(count)])
    return b"".join([f"{opening}\r".encode(), *content, f"{closing}\r".encode()])


def refused(content: bytes, fault: Fault, now: datetime) -> bytes:
    """A batch of which nothing is taken."""
    first = _LINE_ENDS.split(content.strip(_AROUND), 1)[0]
    header = _header(first)
    return _enclosed("BHS", "BTS", header, [acknowledge(header, "AR", [fault], now)], 1, now)
