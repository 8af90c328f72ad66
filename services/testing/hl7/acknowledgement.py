"""The answers to an HL7 message: ACK in the sender's version and encoding characters, with MSA and, if need be, ERR.

In the original mode (MSH-15 and MSH-16 empty) there is one: AA, AE or AR. In the enhanced mode MSH-15 asks for CA, CE
or CR and MSH-16 for the application's, as a message of its own after it; either may be asked of errors or of success
only, or not at all (HL7 2.9.2 and 2.9.3, table 0155). Each is given after the commit.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from services.testing.hl7.header import Fault, Header
from shared.events.codes import HUB

MEANINGS = {
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}
"""Table 0357."""
REMEDIES = {
    100: "Send one message a frame, MSH and its separators first, then PID, OBR and OBX in their order.",
    101: "Send what ERR-2 names.",
    102: "Correct what ERR-2 names: a time is YYYYMMDDHHMM+ZZZZ and not in the future; without a place: no NUL.",
    103: "Name in MSH-18 the character set of table 0211 that it is in.",
    200: "Send ORU, event R01, R30 or R32, or OUL, event R22.",
    201: "Send ORU, event R01, R30 or R32, or OUL, event R22.",
    203: "Send a version from 2.3 to 2.8.2.",
    204: "Have the sender registered in clients.toml, or correct what ERR-2 names.",
    205: "The number and time of this message belong to another one: send it under a new MSH-10.",
    206: "Send it again later.",
    207: "Send it again later; what is longer than it may be, in smaller messages.",
}
"""What the sender can do, by the same numbers: ERR-8."""
REMEDIES_AT = {
    "FHS": "Send messages between headers and trailers alone.",
    "BHS": "Send messages between headers and trailers alone, and fewer at once where none was taken.",
    "BTS": "Compare what was sent: each message is answered by itself, and stands.",
    "FTS": "Compare what was sent: each message is answered by itself, and stands.",
}
"""Of what is wrong with a batch, by its segment."""
UNREADABLE = Header("|", "^~\\&", ("MSH", "|", "^~\\&"), "utf-8")
_WHOLE_ERR_SINCE = "2.5"
"""Before this version ERR had one field, code and location together."""
_ANSWERS = UUID("6f1f4a56-2f57-5c0e-9a53-2d9e7a1f5f10")


def acknowledgements(header: Header | None, code: str, faults: Sequence[Fault], now: datetime) -> tuple[bytes, ...]:
    """What was asked for of a message whose answer is AA, AE or AR: none, one or two."""
    if header is None or not any(modes := (_asked(header, 15), _asked(header, 16))):
        return (acknowledge(header, code, faults, now),)
    codes = (f"{kind}{code[1]}" for kind in "CA")
    return tuple(
        acknowledge(header, each, faults, now) for each, mode in zip(codes, modes, strict=True) if _wants(mode, code)
    )


def _asked(header: Header, field: int) -> str:
    """MSH-15 or MSH-16; two quotation marks are a field without a value."""
    return header.text(field).strip('"').upper()


def _wants(mode: str, code: str) -> bool:
    """A mode that no table knows is answered: who asks for something must not wait for ever."""
    match mode:
        case "" | "NE":
            return False
        case "ER":
            return code != "AA"
        case "SU":
            return code == "AA"
        case _:
            return True


def acknowledge(header: Header | None, code: str, faults: Sequence[Fault], now: datetime) -> bytes:
    """One answer. Sender and receiver change places; of the message nothing else is said back but its control id."""
    asked = header or UNREADABLE
    if not (asked.encoding and asked.is_separable):
        asked = replace(asked, encoding=UNREADABLE.encoding)
    version = asked.version or "2.5.1"
    meanings = ["; ".join(_meaning(each) for each in faults)] if version < _WHOLE_ERR_SINCE else []
    segments = [
        _msh(asked, version, code, now),
        ["MSA", code, asked.control_id, *meanings],
        *(_err(each, asked, version) for each in faults),
    ]
    text = "".join(asked.separator.join(each).rstrip(asked.separator) + "\r" for each in segments)
    return text.encode(asked.charset, "replace")


def _msh(asked: Header, version: str, code: str, now: datetime) -> list[str]:
    component = asked.separators.component
    trigger = asked.text(9, 2)
    event = component.join(["ACK", trigger, "ACK"][: 3 if version > "2.3" else 2] if trigger else ["ACK"])
    whole = [*asked.fields, *[""] * 19]
    return [
        "MSH",
        asked.encoding,
        whole[5],
        whole[6],
        whole[3],
        whole[4],
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        event,
        own_id(code, asked, now),
        whole[11] or "P",
        version,
        *[""] * 5,
        whole[18],
    ]


def own_id(kind: str, asked: Header, now: datetime) -> str:
    """The control id of an answer of this kind."""
    return uuid5(_ANSWERS, f"{HUB}|{kind}|{asked.control_id}|{now.isoformat()}").hex[:20]


def _err(fault: Fault, asked: Header, version: str) -> list[str]:
    component, subcomponent = asked.separators.component, asked.separators.subcomponent
    place = fault.location.split("^")
    coded = [str(fault.number), _meaning(fault), "HL70357"]
    if version < _WHOLE_ERR_SINCE:
        return ["ERR", component.join([*(place + [""] * 3)[:3], subcomponent.join(coded)])]
    of_place = REMEDIES_AT.get(fault.location.split("^")[0])
    remedy = _escaped(of_place or REMEDIES.get(fault.number, REMEDIES[207]), asked)
    return ["ERR", "", component.join(place), component.join(coded), "E", "", "", "", remedy]


def _escaped(text: str, asked: Header) -> str:
    """Without the sender's separators, whatever they are."""
    return "".join(" " if each in asked.encoding + asked.separator else each for each in text)


def _meaning(fault: Fault) -> str:
    return MEANINGS.get(fault.number, MEANINGS[207])
