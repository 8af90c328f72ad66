"""Fields in the sender's own encoding characters: text unescaped, codes with their systems."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from services.testing.hl7.header import Header
from services.testing.reading.laboratory import Code
from shared.events.codes import INTERPRETATION, LOINC, SNOMED

SYSTEMS = {
    "LN": LOINC,
    "LOINC": LOINC,
    "2.16.840.1.113883.6.1": LOINC,
    "SCT": SNOMED,
    "SNM": SNOMED,
    "SNOMED-CT": SNOMED,
    "HL70078": INTERPRETATION,
    "HL70078-2": INTERPRETATION,
}
"""Table 0396 to FHIR systems; any other is the laboratory's own."""
Segment = Sequence[str]
"""Its name, then its fields by their numbers, still escaped."""


@dataclass(frozen=True)
class Fields:
    """What stands in a segment, by the numbers of the standard; empty where it is absent or deleted (`""`)."""

    header: Header

    def repetitions(self, segment: Segment | None, number: int) -> list[list[str]]:
        """A field's repetitions as components, unescaped at `text`."""
        if not (raw := _field(segment, number)):
            return []
        component, repetition, _ = self._marks
        return [each.split(component) for each in raw.split(repetition)]

    def text(self, segment: Segment | None, number: int, component: int = 1) -> str:
        """A component of the first repetition."""
        if not (raw := _field(segment, number)):
            return ""
        mark, repetition, _ = self._marks
        return self.part(raw.partition(repetition)[0].split(mark), component)

    def part(self, components: Sequence[str], number: int) -> str:
        return self.unescaped(components[number - 1]).strip() if number <= len(components) else ""

    @cached_property
    def _marks(self) -> tuple[str, str, str]:
        """What separates components, and repetitions, and what escapes: asked for with each of a message's fields."""
        separators = self.header.separators
        return separators.component, separators.repetition, separators.escape

    def unescaped(self, text: str) -> str:
        """Sequences like \\T\\ stand for separators, \\X41\\ for characters; formatting sequences become a space."""
        escape = self._marks[2]
        if escape not in text:
            return text
        mark = re.escape(escape)
        return re.sub(rf"{mark}([^{mark}]*){mark}", lambda found: self._meant(found[1]), text)

    def _meant(self, sequence: str) -> str:
        if _HEXADECIMAL.fullmatch(sequence):
            characters = bytes.fromhex(sequence[1:]).decode(self.header.charset, "replace")
            return "".join(each if each.isprintable() else " " for each in characters)
        separators = dict(zip("SRETP", self.header.encoding, strict=False)) | {"F": self.header.separator}
        return separators.get(sequence, " ")

    def codes(self, segment: Segment, number: int) -> tuple[Code, ...]:
        """The code and its alternates (components 1, 4 and, from 2.7 on, 10); display only where there is no code."""
        codes = []
        for components in self.repetitions(segment, number):
            for first in (each for each in (1, 4, 10) if each <= len(components)):
                code, display = self.part(components, first), self.part(components, first + 1)
                system = SYSTEMS.get(self.part(components, first + 2), "")
                if code or (display and first != 10):
                    codes.append(Code(code or display, system, display))
        return tuple(codes)


def _field(segment: Segment | None, number: int) -> str:
    """A field as it came; empty where it is absent or deleted."""
    if segment is None or len(segment) <= number or segment[number] == '""':
        return ""
    return segment[number]


def urn_of(universal: str) -> str:
    """An object identifier as a FHIR system; any other form names none."""
    return f"urn:oid:{universal}" if universal.replace(".", "").isdigit() else ""


_HEXADECIMAL = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
