"""HL7 v2.3 to 2.8, ORU and OUL: bytes to reports and the identifiers of whom they are about, or why not. Pure.

No rule reads free text, for it may name a person: of NTE only what does nothing but state the specimen's condition
counts; the whole of it is stored encrypted (`as_fhir`). Fields are read in the sender's own encoding characters, four
or five of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.testing.hl7.fields import Segment
from services.testing.hl7.header import (
    DATA_ERROR,
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    REQUIRED_MISSING,
    SEQUENCE_ERROR,
    SPECIMEN_ORIENTED,
    UNKNOWN_KEY,
    VERSIONS,
    Decoded,
    Fault,
    Header,
    Nak,
    TooLarge,
    decode,
    require_kind,
    require_readable,
)
from services.testing.hl7.reader import Group, Hl7Reader, Named, Patient
from services.testing.hl7.specimen_oriented import beginning_with, by_order
from services.testing.hl7.times import MessageTimes
from shared.edge.moments import ProgramTime

__all__ = [
    "DATA_ERROR",
    "DUPLICATE_KEY",
    "INTERNAL_ERROR",
    "REQUIRED_MISSING",
    "SEQUENCE_ERROR",
    "UNKNOWN_KEY",
    "VERSIONS",
    "Decoded",
    "Fault",
    "Group",
    "Header",
    "Message",
    "Nak",
    "Named",
    "TooLarge",
    "decode",
    "parse",
]

ROWS_MOST = 2_000
"""Counted, as segments, before any is read: a message of 30,000 rows keeps everybody waiting for twenty seconds."""
PARTS_A_ROW_MOST = 60
"""Fields, repetitions and components, counted likewise: five million of them are read for a minute. A thousand segments
have thirty thousand."""
ORDERS_MOST = 100
"""Of one patient: they are decided at one go, and five hundred take two thirds of a second."""
_PATIENT_OBSERVATIONS_SINCE = "2.7"
"""Before this version an OBX ahead of every OBR is a result that lost its order."""


@dataclass(frozen=True)
class Message:
    header: Header
    groups: tuple[Group, ...]


def parse(decoded: Decoded, time: ProgramTime, rows_most: int = ROWS_MOST) -> Message:
    """The message, its times read as the program does. Raises Nak; TooLarge where it has more than so many rows."""
    text, header = decoded
    require_kind(header)
    require_readable(text, header)
    parts = sum(text.count(each) for each in header.separators[:3])
    if text.count("\r") > 2 * rows_most or text.count("\rOBX") > rows_most or parts > PARTS_A_ROW_MOST * rows_most:
        raise TooLarge
    written: list[Segment] = [each.split(header.separator) for each in text.split("\r") if each]
    reader = Hl7Reader(header, MessageTimes(time, header.text(7)))
    patients = _patients(by_order(written) if header.text(9) == SPECIMEN_ORIENTED else written, header)
    _require_results(patients, reader)
    heading, *of_patients = beginning_with(("PID",), written)
    groups = zip(patients, of_patients, strict=True)
    return Message(header, tuple(reader.group(each, [*heading, *own]) for each, own in groups))


def _require_results(patients: Sequence[Patient], reader: Hl7Reader) -> None:
    """What was cut off, or written with other separators, is never answered AA: nothing of it would be read. Nor is
    what would be too much at once."""
    if not any(each.orders for each in patients):
        raise Nak("AE", Fault("OBR", REQUIRED_MISSING))
    for patient in patients:
        if len(patient.orders) > ORDERS_MOST:
            raise TooLarge
        reported = any(each.observations or reader.is_without_result(each) for each in patient.orders)
        if patient.orders and not reported:
            raise Nak("AE", Fault("OBX", REQUIRED_MISSING))


def _patients(segments: Sequence[Segment], header: Header) -> list[Patient]:
    """The segments as groups. A result for nobody, or a value without an order, is refused."""
    patients: list[Patient] = []
    rows = accumulate(each[0] == "OBX" for each in segments)
    for segment, row in zip(segments, rows, strict=True):
        match segment[0]:
            case "PID":
                patients.append(Patient(segment, len(patients) + 1))
            case "OBR" | "OBX" | "SPM" if not patients:
                raise Nak("AE", Fault("PID", SEQUENCE_ERROR))
            case "OBR":
                patients[-1].order(segment, row)
            case "OBX" if patients[-1].orders:
                patients[-1].orders[-1].observations.append(segment)
            case "OBX" if header.version < _PATIENT_OBSERVATIONS_SINCE:
                raise Nak("AE", Fault("OBR", SEQUENCE_ERROR))
            case "SPM":
                patients[-1].specimen_of(segment)
            case "NTE" if patients and patients[-1].orders:
                patients[-1].orders[-1].note(segment, len(patients[-1].orders))
            case _:
                pass
    return patients
