"""MSH: charset, encoding characters, what kind of message it is; and how a message is refused."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import msgspec

VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2")
CHARSETS = {
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    **{f"8859/{part}": f"iso-8859-{part}" for part in (*range(1, 10), 15)},
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc_kr",
}
"""Table 0211. Where none or ASCII is named, UTF-8 is read, and what is no UTF-8 as Latin-1."""
SPECIMEN_ORIENTED = "OUL"
EVENTS = {"ORU": ("R01", "R30", "R32"), SPECIMEN_ORIENTED: ("R22",)}
"""By type: results, those of a point of care whose order is to be placed or was placed before, results by specimen."""
_CONTROLS = re.compile("[\x80-\x9f]")
REQUIRED_MISSING, WRONG_TYPE, WRONG_EVENT, WRONG_VERSION = 101, 200, 201, 203
SEQUENCE_ERROR, DATA_ERROR, NOT_IN_TABLE = 100, 102, 103
UNKNOWN_KEY, DUPLICATE_KEY, INTERNAL_ERROR = 204, 205, 207


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong, by place (`PID^1^3`) and code of table 0357, never by the value found there."""

    location: str
    number: int


class Nak(Exception):
    """The message can't be accepted: AR for its kind or form, AE for what it says."""

    def __init__(self, code: str, fault: Fault) -> None:
        super().__init__(code, fault.location, fault.number)
        self.code = code
        self.fault = fault


class TooLarge(Nak):
    """More than is read at one go: a person's, with its bytes. Nothing of it is decided."""

    def __init__(self) -> None:
        super().__init__("AE", Fault("", DATA_ERROR))


class Separators(NamedTuple):
    """Those of MSH-1 and MSH-2; the standard's own where a sender names fewer."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


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
        parts = self.fields[number].split(self.separators.component)
        return parts[component - 1].strip() if component <= len(parts) else ""

    @cached_property
    def separators(self) -> Separators:
        own = self.encoding[:4]
        return Separators(self.separator, *own, *"^~\\&"[len(own) :])

    @property
    def is_separable(self) -> bool:
        """Whether its separators can be told apart, from each other and from what they separate."""
        separating = [each for name, each in self.separators._asdict().items() if name != "escape"]
        return len(set(separating)) == len(separating) and not any(map(str.isalnum, self.separators))

    @property
    def control_id(self) -> str:
        return self.fields[10] if len(self.fields) > 10 else ""

    @property
    def is_trial(self) -> bool:
        """Whether it was sent to try something, by MSH-11: in training or debugging, about nobody's care."""
        return self.text(11).upper() in ("T", "D")

    @property
    def version(self) -> str:
        return self.text(12)


class Decoded(NamedTuple):
    """Segments with one carriage return between them, and their MSH."""

    text: str
    header: Header


def decode(content: bytes) -> Decoded:
    """The message as text, whatever stands around it. Raises Nak where there is no MSH."""
    start = content.find(b"MSH")
    if start < 0:
        raise Nak("AR", Fault("", SEQUENCE_ERROR))
    body = content[start:].split(b"\x1c", 1)[0]
    text, charset = _text(body, _named_charset(body))
    segments = _segments(text)
    return Decoded(segments, _header(segments, charset))


def _named_charset(body: bytes) -> str:
    """MSH-18, its first repetition."""
    first = (body.splitlines() or [b""])[0]
    fields = first.split(first[3:4]) if first[3:4] else []
    return fields[17].split(b"~")[0].decode("ascii", "replace").strip().upper() if len(fields) > 17 else ""


def _text(body: bytes, named: str) -> tuple[str, str]:
    charset = CHARSETS.get(named, "utf-8")
    try:
        return body.decode(charset), charset
    except UnicodeDecodeError:
        return body.decode("iso-8859-1"), "iso-8859-1"


def _segments(text: str) -> str:
    """What doesn't begin like a segment belongs to the text before it: some senders leave line ends inside a field."""
    begins = re.compile(rf"[ \t]*[A-Z][A-Z0-9]{{2}}(?:{re.escape(text[3:4])}|[ \t]*$)")
    first, *others = text.replace("\n", "\r").split("\r")
    segments = [[first]]
    for line in filter(None, others):
        if begins.match(line):
            segments.append([line])
        else:
            segments[-1].append(line)
    return "\r".join(" ".join(lines).strip() for lines in segments)


def _header(text: str, charset: str) -> Header:
    first = text.split("\r", 1)[0]
    if len(first) < 8 or first[3].isalnum() or first[3].isspace():
        raise Nak("AR", Fault("MSH^1^1", SEQUENCE_ERROR))
    separator = first[3]
    _, encoding, *rest = first.split(separator)
    return Header(separator, encoding, ("MSH", separator, encoding, *rest), charset)


def require_kind(header: Header) -> None:
    """Results of a kind and version read here. Raises Nak with AR."""
    for wrong, field, number in (
        (not header.control_id, 10, REQUIRED_MISSING),
        (header.text(9) not in EVENTS, 9, WRONG_TYPE),
        (header.text(9, 2) not in EVENTS.get(header.text(9), ()), 9, WRONG_EVENT),
        (header.version not in VERSIONS, 12, WRONG_VERSION),
    ):
        if wrong:
            raise Nak("AR", Fault(f"MSH^1^{field}", number))


def require_readable(text: str, header: Header) -> None:
    """One message, without NUL (nothing here can store it), in a character set that is read here and is the one it is
    in, and of separators that can be told apart. Raises Nak with AR."""
    if not header.is_separable:
        raise Nak("AR", Fault("MSH^1^2", SEQUENCE_ERROR))
    if "\x00" in text:
        raise Nak("AR", Fault("", DATA_ERROR))
    if not text.isascii() and not _is_in_its_charset(text, header):
        raise Nak("AR", Fault("MSH^1^18", NOT_IN_TABLE))
    if f"\rMSH{header.separator}" in text:
        raise Nak("AR", Fault("MSH^2", SEQUENCE_ERROR))


def _is_in_its_charset(text: str, header: Header) -> bool:
    """The one it names; where that is none or ASCII UTF-8, or Latin-1, whose text has no control characters."""
    named = header.text(18).split(header.separators.repetition)[0].upper()
    if named in ("", "ASCII"):
        return header.charset == "utf-8" or _CONTROLS.search(text) is None
    return CHARSETS.get(named) == header.charset
