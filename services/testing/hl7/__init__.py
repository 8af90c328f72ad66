"""HL7 v2.3 to 2.8 ORU^R01: bytes to reports and the identifiers of whom they are about, or why not. Pure.

NTE and every other free-text segment is passed over: it may name a person. Fields are read in the sender's own encoding
characters, four or five of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hl7

from services.testing.hl7.header import (
    DATA_ERROR,
    DUPLICATE_KEY,
    INTERNAL_ERROR,
    REQUIRED_MISSING,
    SEQUENCE_ERROR,
    UNKNOWN_KEY,
    VERSIONS,
    Decoded,
    Fault,
    Header,
    Nak,
    decode,
    require_kind,
    require_readable,
)
from services.testing.hl7.reader import Group, Hl7Reader, Named, Order, Patient
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
    "decode",
    "parse",
]

_PATIENT_OBSERVATIONS_SINCE = "2.7"
"""Before this version an OBX ahead of every OBR is a result that lost its order."""


@dataclass(frozen=True)
class Message:
    header: Header
    groups: tuple[Group, ...]


def parse(decoded: Decoded, time: ProgramTime) -> Message:
    """The message, its times read as the program does. Raises Nak."""
    text, header = decoded
    require_kind(header)
    require_readable(text, header)
    try:
        segments = [each for each in hl7.parse(text) if len(each) > 0]
    except Exception as error:  # whatever the parser stumbles over is the sender's form
        raise Nak("AR", Fault("MSH^1", SEQUENCE_ERROR)) from error
    reader = Hl7Reader(header, MessageTimes(time, header.text(7)))
    return Message(header, tuple(reader.group(each) for each in _patients(segments, header)))


def _patients(segments: Sequence[Any], header: Header) -> list[Patient]:
    """The segments as groups. A result for nobody, or a value without an order, is refused."""
    patients: list[Patient] = []
    for segment in segments:
        match str(segment[0]):
            case "PID":
                patients.append(Patient(segment, len(patients) + 1))
            case "OBR" | "OBX" | "SPM" if not patients:
                raise Nak("AE", Fault("PID", REQUIRED_MISSING))
            case "OBR":
                patients[-1].orders.append(Order(segment))
            case "OBX" if patients[-1].orders:
                patients[-1].orders[-1].observations.append(segment)
            case "OBX" if header.version < _PATIENT_OBSERVATIONS_SINCE:
                raise Nak("AE", Fault("OBR", REQUIRED_MISSING))
            case "SPM" if patients[-1].orders:
                patients[-1].orders[-1].specimen = segment
            case _:
                pass
    return patients
