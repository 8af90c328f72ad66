"""MSH: charset, encoding characters, what kind of message it is; and how a message is refused."""

import re
from dataclasses import dataclass

import msgspec

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
REQUIRED_MISSING, WRONG_TYPE, WRONG_EVENT, WRONG_VERSION = 101, 200, 201, 203
SEQUENCE_ERROR, DATA_ERROR, UNKNOWN_KEY, INTERNAL_ERROR = 100, 102, 204, 207


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


def decoded(content: bytes) -> tuple[str, str]:
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


def header_in(text: str, charset: str) -> Header:
    first = text.split("\r", 1)[0]
    if len(first) < 8 or first[3].isalnum():
        raise Refusal("AR", Fault("MSH^1^1", SEQUENCE_ERROR))
    separator = first[3]
    _, encoding, *rest = first.split(separator)
    return Header(separator, encoding, ("MSH", separator, encoding, *rest), charset)


def require_kind(header: Header) -> None:
    if not header.control_id:
        raise Refusal("AR", Fault("MSH^1^10", REQUIRED_MISSING), header)
    if header.text(9) != "ORU":
        raise Refusal("AR", Fault("MSH^1^9", WRONG_TYPE), header)
    if header.text(9, 2) != "R01":
        raise Refusal("AR", Fault("MSH^1^9", WRONG_EVENT), header)
    if header.version not in VERSIONS:
        raise Refusal("AR", Fault("MSH^1^12", WRONG_VERSION), header)
