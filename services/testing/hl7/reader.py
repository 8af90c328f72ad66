"""Segments to a report: fields in the sender's own encoding characters, values by their type, times in their zone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from services.testing.hl7.header import DATA_ERROR, REQUIRED_MISSING, Fault, Header, Refusal
from services.testing.interpretation import SNOMED, cutoff_in, number_in
from services.testing.laboratory import Code, Component, LaboratoryReport, Status
from shared.words.codes import INTERPRETATION, LOINC

SYSTEMS = {
    "LN": LOINC,
    "LOINC": LOINC,
    "SCT": SNOMED,
    "SNM": SNOMED,
    "SNOMED-CT": SNOMED,
    "HL70078": INTERPRETATION,
    "HL70078-2": INTERPRETATION,
}
"""Table 0396 to FHIR systems; any other is the laboratory's own."""

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


class Named(msgspec.Struct, frozen=True):
    """An identifier of PID-3: who assigned it (namespace, universal id) and its value."""

    namespace: str
    universal: str
    value: str


@dataclass(frozen=True)
class Group:
    """One PATIENT_RESULT: whom it is about, and the reports."""

    named: tuple[Named, ...]
    reports: tuple[LaboratoryReport, ...]


@dataclass
class Order:
    """An OBR with what follows it, while the message is read."""

    segment: Any
    observations: list[Any] = field(default_factory=list)
    specimen: Any = None


@dataclass
class Patient:
    segment: Any
    ordinal: int
    orders: list[Order] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """Fields in the sender's own encoding characters."""

    header: Header
    zone: tzinfo

    def repetitions(self, segment: Any, number: int) -> list[list[str]]:
        """A field's repetitions as components, unescaped at `text`."""
        if segment is None or len(segment) <= number:
            return []
        component, repetition = self.header.encoding[:1] or "^", self.header.encoding[1:2] or "~"
        raw = str(segment[number])
        return [each.split(component) for each in raw.split(repetition)] if raw and raw != '""' else []

    def text(self, segment: Any, number: int, component: int = 1) -> str:
        return next((self._part(each, component) for each in self.repetitions(segment, number)), "")

    def _part(self, components: Sequence[str], number: int) -> str:
        return self._unescaped(components[number - 1]).strip() if number <= len(components) else ""

    def _unescaped(self, text: str) -> str:
        """Sequences like \\T\\ stand for separators; formatting sequences become a space."""
        escape = self.header.encoding[2:3] or "\\"
        if escape not in text:
            return text
        separators = dict(zip("SRET", self.header.encoding, strict=False))
        separators["F"] = self.header.separator
        mark = re.escape(escape)
        return re.sub(rf"{mark}([^{mark}]*){mark}", lambda found: separators.get(found[1], " "), text)

    def group(self, patient: Patient) -> Group:
        numbers = {number for each in patient.orders if (number := self.specimen_number(each))}
        only = next(iter(numbers)) if len(numbers) == 1 else ""
        reports = tuple(self._report(each, place, only) for place, each in enumerate(patient.orders, 1))
        return Group(tuple(self._named(patient.segment)), reports)

    def _named(self, segment: Any) -> Iterator[Named]:
        """PID-3, every repetition; PID-2 where an old sender left PID-3 empty."""
        for components in self.repetitions(segment, 3) or self.repetitions(segment, 2):
            subcomponent = self.header.encoding[3:4] or "&"
            authority = (components[3] if len(components) > 3 else "").split(subcomponent)
            value = self._part(components, 1)
            if value:
                namespace, universal = authority[0], authority[1] if len(authority) > 1 else ""
                yield Named(self._unescaped(namespace).strip(), universal.strip(), value)

    def specimen_number(self, order: Order) -> str:
        """SPM-2: the filler's part, else the placer's."""
        for components in self.repetitions(order.specimen, 2):
            subcomponent = self.header.encoding[3:4] or "&"
            numbers = [each.split(subcomponent)[0] for each in components]
            return next((each for each in reversed(numbers) if each), "")
        return ""

    def _report(self, order: Order, place: int, only_specimen: str) -> LaboratoryReport:
        status = _status([self._observation_status(each) for each in order.observations], self.text(order.segment, 25))
        said_at = self.moment(self.header.text(7), "MSH^1^7")
        issued_at = self.moment(self.text(order.segment, 22), f"OBR^{place}^22") or said_at
        collected_at = self._collected_at(order, place) or issued_at
        if collected_at is None:
            raise Refusal("AE", Fault(f"OBR^{place}^7", REQUIRED_MISSING), self.header)
        return LaboratoryReport(
            filler=self._filler(order.segment, place),
            specimen=self.specimen_number(order) or only_specimen,
            panel=self._codes(order.segment, 4),
            collected_at=collected_at,
            issued_at=issued_at or collected_at,
            status=status,
            rejected=bool(self.text(order.specimen, 21)) or self.text(order.specimen, 24) == "SNR",
            components=tuple(self._component(each, status) for each in order.observations),
        )

    def _filler(self, order: Any, place: int) -> str:
        """OBR-3 (else OBR-2) with the panel's code: many laboratories give one number to all panels of a specimen."""
        number = "^".join(self.text(order, 3, each) for each in (1, 2, 3)) if self.text(order, 3) else ""
        placer = "^".join(self.text(order, 2, each) for each in (1, 2, 3)) if self.text(order, 2) else ""
        own = number or placer or f"message {self.header.control_id} {place}"
        return f"{own}|{self.text(order, 4)}"

    def _collected_at(self, order: Order, place: int) -> datetime | None:
        """SPM-17, else OBR-7, else the first OBX-14."""
        return (
            self.moment(self.text(order.specimen, 17), f"SPM^{place}^17")
            or self.moment(self.text(order.segment, 7), f"OBR^{place}^7")
            or next((self.moment(self.text(each, 14), "OBX^1^14") for each in order.observations), None)
        )

    def _observation_status(self, observation: Any) -> Status | None:
        """None where OBX-11 is empty: then the report's status counts."""
        code = self.text(observation, 11)
        return OBSERVATION_STATUS.get(code, "unknown") if code else None

    def _component(self, observation: Any, of_report: Status) -> Component:
        status = self._observation_status(observation) or of_report
        kind = self.text(observation, 2)
        bare = Component(
            codes=self._codes(observation, 3),
            status=status,
            cutoff=cutoff_in(self.text(observation, 7)),
            flags=tuple(self._part(each, 1) for each in self.repetitions(observation, 8)),
        )
        replace = msgspec.structs.replace
        match kind:
            case "CWE" | "CE" | "CNE" | "CF" | "IS" | "ID":
                values = self._codes(observation, 5)
                return replace(bare, values=values, text=self.text(observation, 5, 9))
            case "SN":
                return replace(bare, **self._structured(observation))
            case "NM" | "ST" | "TX" | "FT" | "":
                text = " ".join(self._part(each, 1) for each in self.repetitions(observation, 5))
                return replace(bare, number=_number(text) if kind == "NM" else None, text=text)
            case _:
                return bare

    def _structured(self, observation: Any) -> dict[str, Any]:
        """SN: comparator, number; a ratio or range is kept as text that no rule reads."""
        comparator, number, separator = (self.text(observation, 5, each) for each in (1, 2, 3))
        if separator:
            return {"text": f"{number}{separator}{self.text(observation, 5, 4)}"}
        return {"comparator": comparator, "number": _number(number)}

    def _codes(self, segment: Any, number: int) -> tuple[Code, ...]:
        """The code and its alternates (components 1, 4 and, from 2.7 on, 10); display only where there is no code."""
        codes = []
        for components in self.repetitions(segment, number):
            for first in (1, 4, 10):
                code, display = self._part(components, first), self._part(components, first + 1)
                system = SYSTEMS.get(self._part(components, first + 2), "")
                if code or (display and first != 10):
                    codes.append(Code(code or display, system, display))
        return tuple(codes)

    def moment(self, text: str, location: str) -> datetime | None:
        """An HL7 time as an instant: with its own offset, else in the program's zone; a day is that day's midnight."""
        if not text:
            return None
        found = _TIME.match(text)
        if found is None:
            raise Refusal("AE", Fault(location, DATA_ERROR), self.header)
        year, month, day, hour, minute, second, offset = found.groups()
        try:
            return datetime(
                int(year),
                int(month or 1),
                int(day or 1),
                int(hour or 0),
                int(minute or 0),
                int(second or 0),
                tzinfo=_offset(offset) if offset else self.zone,
            )
        except ValueError as error:
            raise Refusal("AE", Fault(location, DATA_ERROR), self.header) from error


_TIME = re.compile(r"^(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?$")


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        figure = number_in(text)
        return figure[1] if figure and not figure[0] else None
    return number if number.is_finite() else None


def _status(observations: Sequence[Status | None], code: str) -> Status:
    """The report's status from its components and OBR-25. What every component says goes before what the order says."""
    said = {each for each in observations if each is not None}
    if said and said <= {"cancelled", "entered-in-error"}:
        return "entered-in-error" if "entered-in-error" in said else "cancelled"
    if said == {"promoted"}:
        return "promoted"
    if "corrected" in said:
        return "corrected"
    if code:
        return REPORT_STATUS.get(code, "unknown")
    if "preliminary" in said:
        return "preliminary"
    return "registered" if said == {"registered"} else "final"
