"""The laboratory's orders: what an OML^O21 changes in them, and how it is answered. It does no I/O."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, get_args

from deploy.laboratory.messages import FAULTS, VERSION, Fault, Segment, header, read, segment, written

Answering = Literal["accept", "unable", "refuse", "busy", "commit", "silent"]
"""How orders are answered: done, and accepted · AA, and ORC-1 says that it can't be done · AE · AR, for now · CA alone,
though it is done · not at all, though it is done."""
ANSWERING: tuple[Answering, ...] = get_args(Answering)
Status = Literal["ordered", "cancelled", "reported"]
UNABLE = {"NW": "UA", "XO": "UX", "CA": "UC"}
DONE = {"NW": "OK", "XO": "XR", "CA": "CR"}
"""By ORC-1 of the order, that of its answer (table 0119)."""
CONTROL_CHARACTERS = 20
"""That MSH-10 may have."""


@dataclass(frozen=True)
class Order:
    """`number` (the placer's) and `panel` as they came, with their components. `opens` and `closes` are TQ1-7 and
    TQ1-8; `actions` each ORC-1 that was done of it."""

    number: str
    panel: str
    head: Segment
    patient: Segment
    opens: str = ""
    closes: str = ""
    status: Status = "ordered"
    actions: tuple[str, ...] = ()
    reports: int = 0

    @property
    def filler(self) -> str:
        """The laboratory's own number of it."""
        return f"L{digest(self.number)}"


@dataclass
class Laboratory:
    """Asked from several threads. `received` are the control ids of all that came, each time that it came;
    `answer_seconds` how long it takes to answer."""

    answering: Answering = "accept"
    answer_seconds: float = 0.0
    orders: dict[str, Order] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    _answers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self, content: bytes, now: datetime) -> list[bytes]:
        """The answers to one message: none, one, or the commit's and the application's. What comes again under its
        control id is done once, and answered as the first time."""
        with self._lock:
            try:
                segments = read(content)
            except Fault as fault:
                return [_fault(segment("MSH", f12=VERSION), fault, now)]
            head = segments[0]
            self.received.append(head.field(10))
            sender = (head.field(3), head.field(10))
            if sender not in self._answers:
                try:
                    self._answers[sender] = self._decide(segments, now)
                except Fault as fault:
                    return [_fault(head, fault, now)]
            return self._wanted(head, self._answers[sender], now)

    def _wanted(self, head: Segment, answer: bytes, now: datetime) -> list[bytes]:
        commit = written([_head(head, "ACK^O21^ACK", "C", now), segment("MSA", f1="CA", f2=head.field(10))])
        match self.answering:
            case "silent":
                return []
            case "commit":
                return [commit]
            case _:
                return [commit, answer] if head.field(15) in ("AL", "SU") else [answer]

    def order(self, number: str) -> Order | None:
        """By the placer's number, with its authority or without."""
        with self._lock:
            return next((each for each in self.orders.values() if number in (each.number, bare(each.number))), None)

    def reported(self, order: Order) -> Order:
        with self._lock:
            standing = self.orders[order.number]
            done = replace(standing, status="reported", reports=standing.reports + 1)
            self.orders[order.number] = done
            return done

    def _decide(self, segments: Sequence[Segment], now: datetime) -> bytes:
        """The application's answer, which stands for good. Raises Fault: nothing was done, the sender may try again."""
        head, orders = segments[0], list(_ordered(segments))
        if self.answering == "busy":
            raise Fault("AR", 207)
        if self.answering == "refuse":
            raise Fault("AE", 204, "PID^1^3")
        answered = [_head(head, "ORL^O22^ORL_O22", "A", now), segment("MSA", f1="AA", f2=head.field(10))]
        for action, order in orders:
            state = self._do(action, order)
            answered.append(segment("ORC", f1=state, f2=order.number, f3=order.filler))
            answered.append(segment("OBR", f1="1", f2=order.number, f3=order.filler, f4=order.panel))
        return written(answered)

    def _do(self, action: str, order: Order) -> str:
        """What ORC-1 of the answer says: done, or unable to."""
        standing = self.orders.get(order.number)
        status = standing.status if standing else None
        if self.answering == "unable" or (action != "NW" and status != "ordered"):
            return UNABLE[action]
        if action == "NW" and status in ("ordered", "reported"):
            return DONE[action]
        done = (*(standing.actions if standing else ()), action)
        becomes: Status = "cancelled" if action == "CA" else "ordered"
        reports = standing.reports if standing else 0
        self.orders[order.number] = replace(order, status=becomes, actions=done, reports=reports)
        return DONE[action]


def bare(number: str) -> str:
    """Without who assigned it."""
    return number.partition("^")[0]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12].upper()


def _ordered(segments: Sequence[Segment]) -> Iterator[tuple[str, Order]]:
    """Each action (ORC-1) with its order. Raises Fault."""
    head = segments[0]
    if (head.part(9), head.part(9, 2)) != ("OML", "O21"):
        raise Fault("AR", 200, "MSH^1^9")
    if not head.field(10):
        raise Fault("AR", 101, "MSH^1^10")
    patient = _only(segments, "PID")
    starts = [place for place, each in enumerate(segments) if each.name == "ORC"]
    if not starts:
        raise Fault("AE", 100, "ORC^1")
    for start, end in zip(starts, [*starts[1:], len(segments)], strict=True):
        yield _one(head, patient, segments[start:end])


def _one(head: Segment, patient: Segment, segments: Sequence[Segment]) -> tuple[str, Order]:
    control, request = segments[0], _only(segments, "OBR")
    action, number = control.field(1), control.field(2) or request.field(2)
    if action not in DONE:
        raise Fault("AE", 101 if not action else 102, "ORC^1^1")
    if not bare(number):
        raise Fault("AE", 101, "ORC^1^2")
    if not request.field(4):
        raise Fault("AE", 101, "OBR^1^4")
    timing = next((each for each in segments if each.name == "TQ1"), segment("TQ1", f1="1"))
    return action, Order(number, request.field(4), head, patient, timing.field(7), timing.field(8))


def _only(segments: Sequence[Segment], name: str) -> Segment:
    found = next((each for each in segments if each.name == name), None)
    if found is None:
        raise Fault("AE", 100, f"{name}^1")
    return found


def _fault(head: Segment, fault: Fault, now: datetime) -> bytes:
    coded = f"{fault.code}^{FAULTS[fault.code]}^HL70357"
    error = segment("ERR", f2=fault.place, f3=coded, f4="E")
    acknowledged = segment("MSA", f1=fault.answer, f2=head.field(10))
    return written([_head(head, "ORL^O22^ORL_O22", "A", now), acknowledged, error])


def _head(head: Segment, kind: str, mark: str, now: datetime) -> Segment:
    return header(head, kind, f"{mark}{digest(head.field(10))}"[:CONTROL_CHARACTERS], now)
