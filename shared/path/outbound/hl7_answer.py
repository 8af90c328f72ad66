"""What a laboratory's answer to an order means: ORL^O22 or ACK, by MSA, ERR and ORC (HL7 v2.5.1, 2.9, 2.15 and 4.4.6).

No value of the answer becomes a reason: a code that HL7's own tables don't have is none. Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.path.outbound.sender import Delivered, RefusedForGood, Reply, Trouble

UNREADABLE, UNABLE, NOT_UNDERSTOOD = "answer-unreadable", "hl7-unable", "hl7-order-control"
_TAKEN: Mapping[str, frozenset[str]] = {
    "NW": frozenset({"OK", "NA", "SN", "RR", "OE", "OR", "SC"}),
    "XO": frozenset({"OK", "XR", "RR", "SC"}),
    "CA": frozenset({"OK", "CR", "DR", "OC", "RR", "SC"}),
}
"""By ORC-1 of the order the answers of table 0119 that say it was taken."""
_UNABLE = frozenset({"UA", "UC", "UD", "UF", "UH", "UM", "UR", "UX", "DE"})
"""Of table 0119: unable to do as asked, and an error in the data."""
_ERRORS = frozenset({*range(100, 105), *range(200, 208)})
"""Table 0357, without 0 (accepted)."""
_PASSING = frozenset({206, 207})
"""A record that is locked, and an error inside the application: what may be otherwise the next time."""
_NO_SEVERITY = frozenset({"W", "I"})
"""Of ERR-4: a warning and a remark are no reason."""


@dataclass(frozen=True)
class _Segment:
    name: str
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        """As it stands, from 1; of MSH the second is the first behind its delimiters."""
        return self.fields[number - 1].strip() if number <= len(self.fields) else ""


@dataclass(frozen=True)
class _Message:
    segments: tuple[_Segment, ...]
    component: str
    subcomponent: str

    def first(self, name: str) -> _Segment | None:
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[_Segment]:
        return (each for each in self.segments if each.name == name)


def control_id(order: str) -> str:
    """MSH-10 of a message of ours."""
    header = _parsed(order).first("MSH")
    found = header.field(9) if header else ""
    if not found:
        raise ValueError("the message has no MSH-10")
    return found


def meaning(answer: str, order: str) -> Reply | None:
    """What came of the order; None where this is no answer to it, or says only that it was received: another follows.

    Raises ValueError for an order without MSH-10.
    """
    message = _parsed(answer)
    if message.first("MSH") is None or message.first("MSA") is None:
        return Trouble(UNREADABLE)
    ours = control_id(order)
    codes = {each.field(1) for each in message.all("MSA") if each.field(2) == ours}
    if not codes:
        return None
    match codes.pop() if len(codes) == 1 else "":
        case "CA":
            return None
        case "AA":
            return _of_order(message, _parsed(order))
        case "AE" | "CE" | "AR" | "CR" as code:
            return _of_error(message, code)
        case _:
            return Trouble(UNREADABLE)


def _of_order(answer: _Message, order: _Message) -> Reply:
    """AA says that it was read; whether it will be done, ORC says. Without ORC it will; one that gives our own back
    says nothing else."""
    ours = next((each.field(1) for each in order.all("ORC")), "")
    stated = {each.field(1) for each in answer.all("ORC")} - {"", ours}
    if stated & _UNABLE:
        return RefusedForGood(UNABLE)
    return Delivered() if stated <= _TAKEN.get(ours, frozenset()) else RefusedForGood(NOT_UNDERSTOOD)


def _of_error(answer: _Message, code: str) -> Reply:
    """By its errors: one that will be there again counts before one that may pass. Without any that is known, an error
    (AE) lies in the message, and a rejection (AR) in whoever rejects it."""
    found = {number for each in answer.all("ERR") if (number := _error(answer, each)) in _ERRORS}
    lasting = sorted(found - _PASSING)
    if lasting:
        return RefusedForGood(f"hl7-{lasting[0]}")
    if found:
        return Trouble(f"hl7-{min(found)}")
    return RefusedForGood(f"hl7-{code.lower()}") if code in ("AE", "CE") else Trouble(f"hl7-{code.lower()}")


def _error(message: _Message, segment: _Segment) -> int:
    """ERR-3.1, since version 2.5; before it the first component's code of ERR-1.4. 0 where there is none."""
    if segment.field(4) in _NO_SEVERITY:
        return 0
    code = segment.field(3).partition(message.component)[0].strip()
    if not code:
        location = segment.field(1).split(message.component)
        code = location[3].partition(message.subcomponent)[0].strip() if len(location) > 3 else ""
    return int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 0


def _parsed(text: str) -> _Message:
    """Its segments, by the delimiters of its own MSH; without any where it has none."""
    lines = [
        each
        for each in text.removeprefix("\ufeff").replace("\r\n", "\r").replace("\n", "\r").split("\r")
        if each.strip()
    ]
    if not lines or not lines[0].startswith("MSH") or len(lines[0]) < 8:
        return _Message((), "^", "&")
    field, component, subcomponent = lines[0][3], lines[0][4], lines[0][7]
    split = [each.split(field) for each in lines]
    return _Message(tuple(_Segment(name.strip(), tuple(rest)) for name, *rest in split), component, subcomponent)
