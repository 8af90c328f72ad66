"""The law of forms: one message, however it is ended, framed, escaped, versioned or adorned, means the same."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7 import VERSIONS, decode, parse
from services.testing.messages import ReportResult
from services.testing.reading.interpretation import interpret
from shared.edge.fhir import BundleEntry
from tests.laws import examples
from tests.testing.given import SETTINGS, day
from tests.testing.story import in_treatment
from tests.testing.test_hl7 import LATER, OBR, PID
from tests.testing.test_hl7_specimens import SCREEN
from tests.testing.test_interpret import diagnostic_report, entry, interpreted, observation
from tests.testing.test_rows_of_any_form import OBSERVATIONS, ROWS, SHOWN

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


@settings(max_examples=examples(150))
@given(st.lists(ROWS, min_size=1, max_size=5), SPECIMENS)
def test_every_order_of_a_specimen_says_of_it_what_all_of_them_say(rows: list[str], specimen: str) -> None:
    final = [SCREEN, *("|".join([*row.split("|")[:11], "F"]) for row in rows)]
    own = [specimen] if specimen else []
    (whole,) = commands("\r".join([MSH, PID, OBR, *final, *own]).encode())
    apart = commands("\r".join([MSH, PID, *(each for row in final for each in (OBR, row, *own))]).encode())
    ends = []
    for reports in ([whole], apart):
        story = in_treatment()
        story.then(*reports, at=day(8))
        ends.append(story.state.specimens[-1].condition)
    assert ends[0] == ends[1]


Found = tuple[str, str]


def found(*entries: BundleEntry) -> list[Found]:
    (command,), _ = interpreted(*entries)
    return [(each.code, each.finding) for each in command.results]


def flat(rows: list[dict[str, Any]]) -> list[Found]:
    names = [f"o{place}" for place, _ in enumerate(rows)]
    entries = [entry(row, name) for row, name in zip(rows, names, strict=True)]
    return found(*entries, entry(diagnostic_report(*(f"Observation/{each}" for each in names)), "r1"))


def contained(rows: list[dict[str, Any]]) -> list[Found]:
    inside = [{**row, "id": f"c{place}"} for place, row in enumerate(rows)]
    return found(entry(diagnostic_report(*(f"#{each['id']}" for each in inside), contained=inside), "r1"))


def members(rows: list[dict[str, Any]]) -> list[Found]:
    entries = [entry(row, f"o{place}") for place, row in enumerate(rows)]
    head = observation(PANEL, hasMember=[{"reference": f"Observation/{each.id}"} for each in entries])
    return found(*entries, entry(head, "head"), entry(diagnostic_report("Observation/head"), "r1"))


def contained_members(rows: list[dict[str, Any]]) -> list[Found]:
    inside = [{**row, "id": f"c{place}"} for place, row in enumerate(rows)]
    head = {**observation(PANEL, hasMember=[{"reference": f"#{each['id']}"} for each in inside]), "id": "head"}
    return found(entry(diagnostic_report("#head", contained=[*inside, head]), "r1"))


def members_contained_in_their_head(rows: list[dict[str, Any]]) -> list[Found]:
    inside = [{**row, "id": f"c{place}"} for place, row in enumerate(rows)]
    head = observation(PANEL, hasMember=[{"reference": f"#{each['id']}"} for each in inside], contained=inside)
    return found(entry(head, "head"), entry(diagnostic_report("Observation/head"), "r1"))


def components(rows: list[dict[str, Any]]) -> list[Found]:
    parts = [{name: value for name, value in row.items() if name in PART} for row in rows]
    return found(entry(observation(PANEL, component=parts), "o1"), entry(diagnostic_report("Observation/o1"), "r1"))


PANEL = "53747-2"
PART = ("code", "interpretation", "referenceRange", "dataAbsentReason", *SHOWN)


@settings(max_examples=examples(100))
@given(st.lists(OBSERVATIONS.map(lambda row: {**row, "status": "final"}), min_size=1, max_size=4))
def test_the_rows_of_a_report_are_the_same_however_they_are_nested(rows: list[dict[str, Any]]) -> None:
    expected = flat(rows)
    for nested in (contained, members, contained_members, members_contained_in_their_head, components):
        assert nested(rows) == expected, nested.__name__
