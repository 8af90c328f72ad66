"""HL7 v2.3 to 2.8 ORU^R01: bytes to reports and the identifiers of whom they are about, or why not. Pure.

NTE and every other free-text segment is passed over: it may name a person. What a laboratory sends is believed field by
field, in the sender's own encoding characters, four or five of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

import hl7
import msgspec

from services.testing.interpretation import SNOMED, cutoff_in, number_in
from services.testing.laboratory import Code, Component, LaboratoryReport, Status
from shared.words.codes import INTERPRETATION, LOINC

VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2")
CHARSETS = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "8859/1": "iso-8859-1",
    "8859/15": "iso-8859-15",
}
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

REQUIRED_MISSING, WRONG_TYPE, WRONG_EVENT, WRONG_VERSION = 101, 200, 201, 203
SEQUENCE_ERROR, DATA_ERROR, INTERNAL_ERROR = 100, 102, 207


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong, by place (`PID^1^3`) and code of table 0357. The value found there is never said."""

    location: str
    number: int


class Refusal(Exception):
    """The message cannot be taken: AR for its kind or form, AE for what it says. `header` is what could be read."""

    def __init__(self, code: str, fault: Fault, header: "Header | None" = None) -> None:
        super().__init__(code, fault.location, fault.number)
        self.code = code
        self.fault = fault
        self.header = header


@dataclass(frozen=True)
class Header:
    """MSH, its fields as they came (still escaped), so that an answer can mirror them."""

    separator: str
    encoding: str
    fields: tuple[str, ...]
    charset: str

    def text(self, number: int, component: int = 1) -> str:
        """A component of MSH, escaped as it came; empty where it is absent."""
        if number >= len(self.fields):
            return ""
        parts = self.fields[number].split(self.encoding[:1] or "^")
        return parts[component - 1].strip() if component <= len(parts) else ""

    @property
    def control_id(self) -> str:
        return self.fields[10] if len(self.fields) > 10 else ""

    @property
    def version(self) -> str:
        return self.text(12)


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


@dataclass(frozen=True)
class Message:
    header: Header
    groups: tuple[Group, ...]


@dataclass
class _Order:
    """An OBR with what follows it, while the message is read."""

    segment: Any
    observations: list[Any] = field(default_factory=list)
    specimen: Any = None


@dataclass
class _Patient:
    segment: Any
    ordinal: int
    orders: list[_Order] = field(default_factory=list)


def parse(content: bytes, zone: tzinfo) -> Message:
    """The message; `zone` is where times without an offset were written. Raises Refusal."""
    text, charset = _decoded(content)
    header = _header(text, charset)
    _require_kind(header)
    try:
        segments = [each for each in hl7.parse(text) if len(each) > 0]
    except Exception as error:  # whatever the parser stumbles over is the sender's form
        raise Refusal("AR", Fault("MSH^1", SEQUENCE_ERROR), header) from error
    reader = _Reader(header, zone)
    return Message(header, tuple(reader.group(each) for each in _patients(segments, header)))


def header_of(content: bytes) -> Header | None:
    """MSH alone, for an answer to what is otherwise unreadable."""
    try:
        return _header(*_decoded(content))
    except Refusal:
        return None


def _decoded(content: bytes) -> tuple[str, str]:
    """Text with carriage returns between segments, and the charset that MSH-18 names (UTF-8 where it names none)."""
    start = content.find(b"MSH")
    if start < 0 or b"\x00" in content:
        raise Refusal("AR", Fault("", SEQUENCE_ERROR))
    body = content[start:].split(b"\x1c", 1)[0]
    first = body.splitlines()[0] if body.splitlines() else b""
    separator = first[3:4]
    fields = first.split(separator) if separator else []
    named = fields[17].split(b"~")[0].decode("ascii", "replace").strip().upper() if len(fields) > 17 else ""
    charset = CHARSETS.get(named, "utf-8")
    try:
        text = body.decode(charset)
    except UnicodeDecodeError:
        charset = "iso-8859-1"
        text = body.decode(charset)
    lines = (line.strip() for line in re.split(r"[\r\n]+", text))
    return "\r".join(line for line in lines if line), charset


def _header(text: str, charset: str) -> Header:
    first = text.split("\r", 1)[0]
    if len(first) < 8 or first[3].isalnum():
        raise Refusal("AR", Fault("MSH^1^1", SEQUENCE_ERROR))
    separator = first[3]
    _, encoding, *rest = first.split(separator)
    return Header(separator, encoding, ("MSH", separator, encoding, *rest), charset)


def _require_kind(header: Header) -> None:
    if not header.control_id:
        raise Refusal("AR", Fault("MSH^1^10", REQUIRED_MISSING), header)
    if header.text(9) != "ORU":
        raise Refusal("AR", Fault("MSH^1^9", WRONG_TYPE), header)
    if header.text(9, 2) != "R01":
        raise Refusal("AR", Fault("MSH^1^9", WRONG_EVENT), header)
    if header.version not in VERSIONS:
        raise Refusal("AR", Fault("MSH^1^12", WRONG_VERSION), header)


def _patients(segments: Sequence[Any], header: Header) -> list[_Patient]:
    """The segments as groups. A result for nobody, or a value without an order, is refused."""
    patients: list[_Patient] = []
    for segment in segments:
        match str(segment[0]):
            case "PID":
                patients.append(_Patient(segment, len(patients) + 1))
            case "OBR" | "OBX" | "SPM" if not patients:
                raise Refusal("AE", Fault("PID", REQUIRED_MISSING), header)
            case "OBR":
                patients[-1].orders.append(_Order(segment))
            case "OBX" if not patients[-1].orders:
                raise Refusal("AE", Fault("OBR", REQUIRED_MISSING), header)
            case "OBX":
                patients[-1].orders[-1].observations.append(segment)
            case "SPM" if patients[-1].orders:
                patients[-1].orders[-1].specimen = segment
            case _:
                pass
    return patients


@dataclass(frozen=True)
class _Reader:
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

    def group(self, patient: _Patient) -> Group:
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

    def specimen_number(self, order: _Order) -> str:
        """SPM-2: the filler's part, else the placer's."""
        for components in self.repetitions(order.specimen, 2):
            subcomponent = self.header.encoding[3:4] or "&"
            numbers = [each.split(subcomponent)[0] for each in components]
            return next((each for each in reversed(numbers) if each), "")
        return ""

    def _report(self, order: _Order, place: int, only_specimen: str) -> LaboratoryReport:
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

    def _collected_at(self, order: _Order, place: int) -> datetime | None:
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
