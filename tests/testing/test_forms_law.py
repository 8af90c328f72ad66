"""The law of forms: one message, however it is ended, framed, escaped, versioned or adorned, means the same."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7 import VERSIONS, decode, parse
from services.testing.interpretation import interpret
from services.testing.messages import ReportResult
from tests.laws import examples
from tests.testing.given import SETTINGS
from tests.testing.test_hl7 import LATER, OBR, PID
from tests.testing.test_hl7_specimens import SCREEN
from tests.testing.test_rows_of_any_form import ROWS

MSH = r"MSH|^~\&|LIS|TOXLAB|HUB|IOPDEMO|20250310120000-0400||ORU^R01|M1|P|2.5.1"
SPECIMENS = st.sampled_from(("", "SPM|1|^S7||UR^Urine^HL70487", "SPM|1|^S7||SAL^Saliva^HL70487"))
ADORNMENTS = ("NTE|1||called to nobody", "ZDR|1|x^y~z", "ZZZ", "FT1|1", "CTI|1", "TQ1|1", "DG1|1||F11.20")
FORM = Callable[[str], bytes]


def commands(content: bytes) -> list[ReportResult]:
    message = parse(decode(content), LATER)
    read = [interpret(report, "demo", "lab", SETTINGS) for group in message.groups for report in group.reports]
    return [each for each in read if each is not None]


def named(text: str, charset: str) -> str:
    """MSH-18."""
    first, others = text.split("\r", 1)
    return f"{first}||||||{charset}\r{others}"


def with_separators(text: str) -> bytes:
    """The same in other encoding characters."""
    return text.translate(str.maketrans("|^~&", "!*%@")).encode()


FORMS: dict[str, FORM] = {
    "line feeds": lambda text: text.replace("\r", "\n").encode(),
    "both line ends": lambda text: text.replace("\r", "\r\n").encode(),
    "a last line end": lambda text: f"{text}\r".encode(),
    "a byte order mark": lambda text: f"\ufeff{text}".encode(),
    "a frame": lambda text: b"\x0b" + text.encode() + b"\x1c\r",
    "a batch of one": lambda text: f"FHS|^~\\&\rBHS|^~\\&\r{text}\rBTS|1\rFTS|1".encode(),
    "a named character set": lambda text: named(text, "UNICODE UTF-8").encode(),
    "Latin-1": lambda text: named(text, "8859/1").encode("latin-1"),
    "other separators": with_separators,
    "trailing separators": lambda text: text.replace("\rSPM", "||\rSPM").encode(),
    "spaces around segments": lambda text: text.replace("\r", " \r  ").encode(),
}


@settings(max_examples=examples(150))
@given(
    st.lists(ROWS, min_size=1, max_size=4),
    SPECIMENS,
    st.sampled_from(tuple(FORMS)),
    st.sampled_from(VERSIONS),
    st.lists(st.tuples(st.sampled_from(ADORNMENTS), st.integers(2, 9)), max_size=3),
)
def test_a_message_means_the_same_in_whatever_form_it_comes(
    rows: list[str], specimen: str, form: str, version: str, adornments: list[tuple[str, int]]
) -> None:
    plain = [SCREEN, *(row for row in rows if row.isascii() and row.isprintable() and not set(row) & set("!*%@\\&"))]
    segments = [MSH, PID, OBR, *plain, *([specimen] if specimen else [])]
    expected = commands("\r".join(segments).encode())
    for adornment, place in adornments:
        segments.insert(place, adornment)
    text = "\r".join(segments).replace("|2.5.1\r", f"|{version}\r", 1)
    assert commands(FORMS[form](text)) == expected
