"""Segments to reports: whom they are about, which specimen, what was found, and how far each of it stands."""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec

from services.testing.hl7.fields import Fields, Segment, urn_of
from services.testing.hl7.header import REQUIRED_MISSING, Fault, Nak
from services.testing.hl7.times import MessageTimes, names_a_minute
from services.testing.reading.figures import cutoff_in, figure_in, number_in, unit_of
from services.testing.reading.laboratory import (
    NO_NUMBER,
    Attachment,
    Code,
    Component,
    Extent,
    LaboratoryReport,
    SentRow,
    Status,
)
from services.testing.reading.validity import stating_a_condition
from shared.events.fhir import base64_text
from shared.events.testing import Number
from shared.platform.traits import Person

OBSERVATION_STATUS: Mapping[str, Status] = {
    "F": "final",
    "V": "final",
    "B": "final",
    "C": "corrected",
    "A": "corrected",
    "P": "preliminary",
    "R": "preliminary",
    "X": "cancelled",
    "W": "entered-in-error",
    "D": "entered-in-error",
    "U": "promoted",
    "I": "registered",
    "S": "registered",
    "O": "registered",
    "N": "registered",
}
"""Table 0085 (domain 4.7)."""
REPORT_STATUS: Mapping[str, Status] = {
    "F": "final",
    "C": "corrected",
    "P": "preliminary",
    "A": "preliminary",
    "R": "preliminary",
    "X": "cancelled",
    "I": "registered",
    "S": "registered",
    "O": "registered",
}
"""Table 0123."""

WITHOUT_RESULT = ("X", "I", "S", "O")
"""Of these an order that has none yet, or never will."""

OF_A_VISIT = ("AN", "ANC", "AND", "ANT", "VN")
"""Identifier types (table 0203) of accounts and visits: another patient's record number may look the same."""


NOT_THEIR_OWN = ("S", "U")
"""Name types (table 0200) of a pseudonym and of none."""

_SUBTYPES = {"pdf": "application/pdf", "text": "text/plain", "plain": "text/plain", "html": "text/html"}
"""Of ED-3 (table 0291), whatever stands before it."""
_MEDIA_TYPE = re.compile(r"(application|audio|image|text)/[a-z0-9.+-]{1,64}")
_COMPARATORS = ("", "=", "<", "<=", ">", ">=")
"""Of SN-1; `<>` says only what a figure is not."""


class Named(msgspec.Struct, frozen=True):
    """An identifier of PID-3: who assigned it (namespace, universal id) and its value."""

    namespace: str
    universal: str
    value: str


@dataclass(frozen=True)
class Group:
    """One PATIENT_RESULT: whom it is about, the reports, and the message as far as it is about them."""

    named: tuple[Named, ...]
    reports: tuple[LaboratoryReport, ...]
    content: bytes
    person: Person


@dataclass
class Order:
    """An OBR with what follows it, while the message is read."""

    segment: Segment
    rows_before: int = 0
    """OBX segments of the message ahead of it: a place in a message counts from its start."""
    observations: list[Segment] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)
    notes: list[tuple[str, Segment]] = field(default_factory=list)
    """Each with its place: that of the row before it, else of the order."""

    def note(self, segment: Segment, order: int) -> None:
        rows = self.rows_before + len(self.observations)
        self.notes.append((f"OBX^{rows}" if self.observations else f"OBR^{order}", segment))

    @property
    def specimen(self) -> Segment | None:
        """The last one, where there are several."""
        return self.specimens[-1] if self.specimens else None

    def rows(self) -> Iterator[tuple[int, Segment]]:
        """Its OBX segments, each with its number in the message."""
        return enumerate(self.observations, self.rows_before + 1)


@dataclass
class Patient:
    segment: Segment
    ordinal: int
    orders: list[Order] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)
    """Written before any order: of the first one."""

    def order(self, segment: Segment, rows_before: int) -> None:
        self.orders.append(Order(segment, rows_before, specimens=[] if self.orders else self.specimens))

    def specimen_of(self, segment: Segment) -> None:
        """It follows the results of its order."""
        (self.orders[-1].specimens if self.orders else self.specimens).append(segment)


@dataclass(frozen=True)
class Hl7Reader(Fields):
    times: MessageTimes

    def group(self, patient: Patient, written: Sequence[Segment]) -> Group:
        """With what was `written` of this patient, in the order in which it came."""
        numbers = {number for each in patient.orders if (number := self.specimen_number(each)).value}
        only = next(iter(numbers)) if len(numbers) == 1 else NO_NUMBER
        reports = [self._report(each, place, only) for place, each in enumerate(patient.orders, 1)]
        content = "\r".join(self.header.separator.join(each) for each in written)
        return Group(
            tuple(self._named(patient.segment)),
            tuple(reports),
            content.encode(self.header.charset, "replace"),
            self._person(patient.segment),
        )

    def _person(self, segment: Segment) -> Person:
        """PID-5, every repetition that may be the patient's own name, the surname of each; PID-7."""
        names = (each for each in self.repetitions(segment, 5) if self.part(each, 7) not in NOT_THEIR_OWN)
        families = (self.unescaped(self._subcomponents(each[0])[0]).strip() for each in names)
        return Person(tuple(each for each in families if each), self.text(segment, 7))

    def _named(self, segment: Segment) -> Iterator[Named]:
        """PID-3, every repetition that names the patient; PID-2 where an old sender left PID-3 empty."""
        for components in self.repetitions(segment, 3) or self.repetitions(segment, 2):
            authority = (components[3] if len(components) > 3 else "").split(self.header.separators.subcomponent)
            value = self.part(components, 1)
            if value and self.part(components, 5) not in OF_A_VISIT:
                namespace, universal = authority[0], authority[1] if len(authority) > 1 else ""
                yield Named(self.unescaped(namespace).strip(), universal.strip(), value)

    def specimen_number(self, order: Order) -> Number:
        """SPM-2: the filler's part, else the placer's."""
        for components in self.repetitions(order.specimen, 2):
            numbers = (self._entity(each) for each in reversed(components))
            return next((each for each in numbers if each.value), NO_NUMBER)
        return NO_NUMBER

    def _entity(self, text: str) -> Number:
        """An identifier as subcomponents: its value, and who assigned it."""
        value, namespace, universal = (*self._subcomponents(text), "", "", "")[:3]
        return Number("FILL", value, universal, namespace) if value else NO_NUMBER

    def is_without_result(self, order: Order) -> bool:
        """Whether an order without observations says something: cancelled, not done yet, or its specimen refused."""
        return self.text(order.segment, 25) in WITHOUT_RESULT or self._is_rejected(order)

    def _is_rejected(self, order: Order) -> bool:
        """Where there are several specimens, any of them: nobody knows which one a row is of."""
        return any(bool(self.text(each, 21)) or self.text(each, 24) == "SNR" for each in order.specimens)

    def _report(self, order: Order, place: int, only_specimen: Number) -> LaboratoryReport:
        code = self.text(order.segment, 25)
        status = _status([self._observation_status(each) for each in order.observations], code)
        of_order = REPORT_STATUS.get(code, "unknown") if code else status
        sent_at = self.times.happened(self.header.text(7), "MSH^1^7")
        issued_at = self.times.happened(self.text(order.segment, 22), f"OBR^{place}^22") or sent_at
        stated, to_minute = self._collected_at(order, place)
        collected_at = stated or issued_at
        if collected_at is None:
            raise Nak("AE", Fault(f"OBR^{place}^7", REQUIRED_MISSING))
        return LaboratoryReport(
            filler=self._filler(order.segment, place),
            number=self._number(order.segment, 3, "FILL"),
            numbers=tuple(self._numbers(order.segment)),
            specimen=own if (own := self.specimen_number(order)).value else only_specimen,
            specimen_type=self._specimen_type(order),
            parent=self._parent(order.segment),
            remarks=stating_a_condition(self._remarks(order)),
            notes=tuple(self._notes(order, place)),
            specimen_condition=tuple(chain.from_iterable(self._conditions(each) for each in order.specimens)),
            panel=self.codes(order.segment, 4),
            collected_at=collected_at,
            to_minute=to_minute,
            issued_at=issued_at or collected_at,
            status=status,
            rejected=self._is_rejected(order),
            extent=_extent(self.text(order.segment, 25)),
            components=tuple(self._component(each, f"OBX^{row}^5", of_order) for row, each in order.rows()),
        )

    def _specimen_type(self, order: Order) -> tuple[Code, ...]:
        """SPM-4; before version 2.5 OBR-15, whose first component is a code with its text in subcomponents."""
        stated = tuple(chain.from_iterable(self.codes(each, 4) for each in order.specimens))
        source = self._subcomponents(self.text(order.segment, 15))
        return stated or (Code(source[0], "", " ".join(source[1:2])),) * any(source)

    def _parent(self, order: Segment) -> Number:
        """OBR-29: the filler's number of the report whose result (OBR-26) asked for this one.

        Without OBR-26 it may be the standing order of every week.
        """
        return self._entity(self.text(order, 29, 2)) if self.text(order, 26) else NO_NUMBER

    def _subcomponents(self, text: str) -> list[str]:
        return [each.strip() for each in text.split(self.header.separators.subcomponent)]

    def _remarks(self, order: Order) -> Iterator[str]:
        """NTE-3, the description of the specimen (SPM-14) and its condition (SPM-24)."""
        for segment, number in (*((each, 3) for _, each in order.notes), *((each, 14) for each in order.specimens)):
            yield from (self.part(each, 1) for each in self.repetitions(segment, number))
        for specimen in order.specimens:
            yield from (each.display or each.code for each in self.codes(specimen, 24))

    def _notes(self, order: Order, place: int) -> Iterator[tuple[str, str]]:
        """NTE-3 and SPM-14, whole, each with its place."""
        written = [
            *((f"{at} NTE", each, 3) for at, each in order.notes),
            *((f"SPM^{place}", each, 14) for each in order.specimens),
        ]
        for at, segment, number in written:
            for components in self.repetitions(segment, number):
                if text := " ".join(filter(None, map(self.unescaped, components))).strip():
                    yield at, text

    def _conditions(self, specimen: Segment) -> tuple[Code, ...]:
        return *self.codes(specimen, 21), *self.codes(specimen, 24)

    def _filler(self, order: Segment, place: int) -> str:
        """Of an order without OBR-3: its OBR-2, else its place in the message, with the panel's code."""
        placer = "^".join(self.text(order, 2, each) for each in (1, 2, 3)) if self.text(order, 2) else ""
        own = placer or f"message {self.header.control_id} {place}"
        return f"{own}|{self.text(order, 4)}"

    def _number(self, order: Segment, number: int, kind: str) -> Number:
        value, namespace, universal = (self.text(order, number, each) for each in (1, 2, 3))
        return Number(kind, value, universal, namespace) if value else NO_NUMBER

    def _numbers(self, order: Segment) -> Iterator[Number]:
        """OBR-3 of the filler, OBR-2 of the placer, with who assigned them."""
        for number in (self._number(order, 3, "FILL"), self._number(order, 2, "PLAC")):
            if number.value:
                yield msgspec.structs.replace(number, system=urn_of(number.system))

    def _collected_at(self, order: Order, place: int) -> tuple[datetime | None, bool]:
        """SPM-17, else OBR-7, else the first OBX-14 that names a day; and whether it names a minute."""
        observed = ((self.text(each, 14), f"OBX^{row}^14") for row, each in order.rows())
        stated = (
            (self.text(order.specimen, 17), f"SPM^{place}^17"),
            (self.text(order.segment, 7), f"OBR^{place}^7"),
            *observed,
        )
        for text, location in stated:
            if (at := self.times.happened(text, location)) is not None:
                return at, names_a_minute(text)
        return None, False

    def _observation_status(self, observation: Segment) -> Status | None:
        """None where OBX-11 is empty: then the report's status counts."""
        code = self.text(observation, 11)
        return OBSERVATION_STATUS.get(code, "unknown") if code else None

    def _component(self, observation: Segment, place: str, of_order: Status) -> Component:
        status = self._observation_status(observation) or of_order
        kind = self.text(observation, 2).upper()
        figure = figure_in(self.text(observation, 5))
        unit = unit_of(self.text(observation, 6), figure.unit if figure else "")
        cutoff = cutoff_in(self.text(observation, 7), unit)
        baseline = Component(
            codes=self.codes(observation, 3),
            status=status,
            cutoff=cutoff and cutoff.number,
            at_cutoff=cutoff.at_limit if cutoff else "positive",
            sub=self.text(observation, 4),
            flags=tuple(self.part(each, 1) for each in self.repetitions(observation, 8)),
            unit=unit,
            place=place,
            sent=self._sent(observation, kind, place.removesuffix("^5")),
        )
        replace = msgspec.structs.replace
        match kind:
            case "CWE" | "CE" | "CNE" | "CF" | "IS" | "ID":
                values = self.codes(observation, 5)
                return replace(baseline, values=values, text=self.text(observation, 5, 9))
            case "SN":
                return replace(baseline, **self._structured(observation))
            case "NM" | "ST" | "TX" | "FT" | "":
                text = " ".join(self.part(each, 1) for each in self.repetitions(observation, 5))
                return replace(baseline, number=number_in(text) if kind == "NM" else None, text=text)
            case _:
                return baseline

    def _sent(self, observation: Segment, kind: str, place: str) -> SentRow:
        return SentRow(
            unit=self.text(observation, 6),
            reference_range=self.text(observation, 7),
            method=self.codes(observation, 17),
            observed_at=self._observed_at(observation, place),
            is_prose=kind in ("TX", "FT"),
            attachment=self._attachment(observation) if kind == "ED" else None,
        )

    def _observed_at(self, observation: Segment, place: str) -> datetime | None:
        """OBX-14, where it is a time: nothing is decided by it, so that a wrong one refuses nothing."""
        try:
            return self.times.happened(self.text(observation, 14), f"{place}^14")
        except Nak:
            return None

    def _attachment(self, observation: Segment) -> Attachment | None:
        """OBX-5 as ED: type, subtype, encoding, data. What is no such document stays in the message."""
        kind, subtype, encoding, written = (self.text(observation, 5, each) for each in (2, 3, 4, 5))
        data = written.replace(" ", "")
        if not data:
            return None
        if encoding.casefold() != "base64":
            return Attachment(content_type="text/plain", data=base64_text(written))
        return Attachment(content_type=_media_type(kind, subtype), data=data) if _is_base64(data) else None

    def _structured(self, observation: Segment) -> dict[str, Any]:
        """SN: comparator, number. A ratio, a range or an unknown comparator becomes text that no rule reads; words are
        words."""
        comparator, number, separator, second = (self.text(observation, 5, each) for each in (1, 2, 3, 4))
        figure = None if separator or second or comparator not in _COMPARATORS else number_in(number)
        if figure is None:
            return {"text": f"{comparator} {number}{separator or ' '}{second}".strip()}
        return {"comparator": comparator, "number": figure}


def _media_type(kind: str, subtype: str) -> str:
    """Of ED-2 and ED-3 (`AP^PDF`, `application^pdf`, `^TEXT`); anything that is none is bytes."""
    subtype = subtype.casefold()
    if subtype in _SUBTYPES:
        return _SUBTYPES[subtype]
    named = f"{kind.casefold()}/{subtype}"
    return named if _MEDIA_TYPE.fullmatch(named) else "application/octet-stream"


def _is_base64(data: str) -> bool:
    try:
        return bool(b64decode(data, validate=True))
    except ValueError:
        return False


def _extent(code: str) -> Extent:
    """Where OBR-25 says nothing, a final row says nothing of the others: they may come in messages of their own."""
    return "report" if code == "X" else "message" if code else "rows"


def _status(observations: Sequence[Status | None], code: str) -> Status:
    """The report's status from its components and OBR-25. What every component says goes before what the order says;
    one that says nothing has the order's."""
    statuses = {each for each in observations if each is not None}
    if None not in observations and statuses and statuses <= {"cancelled", "entered-in-error"}:
        return "entered-in-error" if "entered-in-error" in statuses else "cancelled"
    if None not in observations and statuses == {"promoted"}:
        return "promoted"
    if "corrected" in statuses:
        return "corrected"
    if code:
        return REPORT_STATUS.get(code, "unknown")
    if "preliminary" in statuses:
        return "preliminary"
    return "registered" if statuses == {"registered"} else "final"
