"""HL7 v2 as the laboratory writes and reads it: segments of fields by their numbers, still escaped. Pure."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

ENCODING = r"^~\&"
CHARSET = "UNICODE UTF-8"
VERSION = "2.5.1"
FAULTS = {
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    200: "Unsupported message type",
    204: "Unknown key identifier",
    207: "Application internal error",
}
"""Table 0357, as far as it is used here."""


class Fault(Exception):
    """What is wrong with a message: MSA-1 (`AE` or `AR`), the code of table 0357, and the place (ERR-2)."""

    def __init__(self, answer: str, code: int, place: str = "") -> None:
        super().__init__(FAULTS[code])
        self.answer, self.code, self.place = answer, code, place


class Segment(msgspec.Struct, frozen=True):
    """`fields` by their numbers, the name in front; of MSH the separator is its first."""

    fields: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.fields[0]

    def field(self, number: int) -> str:
        """As it came; empty where it is absent or deleted."""
        found = self.fields[number] if number < len(self.fields) else ""
        return "" if found == '""' else found

    def part(self, number: int, component: int = 1) -> str:
        """A component of the first repetition."""
        parts = self.field(number).partition("~")[0].split("^")
        return parts[component - 1] if component <= len(parts) else ""

    def write(self) -> str:
        if self.name == "MSH":
            return "|".join(("MSH", *self.fields[2:]))
        return "|".join(self.fields).rstrip("|")


def segment(name: str, **fields: str) -> Segment:
    """One of these fields by their numbers: `segment("MSA", f1="AA")`."""
    by_number = {int(number.removeprefix("f")): value for number, value in fields.items()}
    return Segment((name, *(by_number.get(each, "") for each in range(1, max(by_number) + 1))))


def read(content: bytes) -> list[Segment]:
    """The segments of a message, MSH first. Raises Fault: it is none."""
    try:
        lines = [each for each in content.decode().replace("\n", "\r").split("\r") if each.strip()]
    except UnicodeDecodeError:
        raise Fault("AR", 102) from None
    if not lines or not lines[0].startswith(f"MSH|{ENCODING}|"):
        raise Fault("AR", 100, "MSH^1")
    first, *others = (tuple(each.split("|")) for each in lines)
    return [Segment(("MSH", "|", *first[1:])), *map(Segment, others)]


def header(of: Segment, kind: str, control: str, at: datetime) -> Segment:
    """MSH of what is sent back to whoever sent `of`."""
    return segment(
        "MSH",
        f1="|",
        f2=ENCODING,
        f3=of.field(5),
        f4=of.field(6),
        f5=of.field(3),
        f6=of.field(4),
        f7=stamp(at),
        f9=kind,
        f10=control,
        f11=of.field(11) or "P",
        f12=of.field(12) or VERSION,
        f18=CHARSET,
    )


def written(segments: Sequence[Segment]) -> bytes:
    return "".join(f"{each.write()}\r" for each in segments).encode()


def stamp(at: datetime) -> str:
    return at.strftime("%Y%m%d%H%M%S%z")
