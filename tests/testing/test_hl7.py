"""HL7 v2 as laboratories really send it, and what is answered."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.testing.hl7 import VERSIONS, Fault, Message, Nak, Named, TooLarge, decode, parse
from services.testing.hl7.acknowledgement import acknowledge
from services.testing.reading.findings import read as found_by
from services.testing.reading.interpretation import interpret
from services.testing.reading.laboratory import report_name
from shared.edge.moments import ProgramTime
from tests.testing.given import SETTINGS

TIME = ProgramTime(ZoneInfo("America/New_York"), datetime(2025, 8, 1, tzinfo=UTC), timedelta(hours=1))
LATER = ProgramTime(TIME.zone, datetime(2050, 1, 1, tzinfo=UTC), timedelta(hours=1))
NOON = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "hl7v2" / "reportstream"

MSH = r"MSH|^~\&|LIS|TOXLAB|HUB|IOPDEMO|20250310120000-0400||ORU^R01^ORU_R01|M1|P|2.5.1"
PID = "PID|1||A123^^^IOPDEMO&2.16.840.1.1&ISO^MR~77^^^OTHER^PI||Doe^Jane"
OBR = "OBR|1|P7^EHR|F7^TOXLAB|94307-6^Drug screen^LN|||20250309083000-0400|||||||||||||||20250310110000-0400|||F"
OBX = "OBX|1|CWE|14314-9^Benzoylecgonine^LN||10828004^Positive^SCT|||A|||F"


def message(*segments: str, end: str = "\r") -> bytes:
    return end.join(segments).encode()


def parsed(content: bytes) -> Message:
    return parse(decode(content), TIME)


def read(*segments: str) -> Message:
    return parsed(message(*segments))


def only_report(*segments: str):  # type: ignore[no-untyped-def]
    (group,) = read(*segments).groups
    (report,) = group.reports
    return report


def refused(*segments: str) -> tuple[str, str, int]:
    with pytest.raises(Nak) as refusal:
        read(*segments)
    return refusal.value.code, refusal.value.fault.location, refusal.value.fault.number


def test_a_whole_message() -> None:
    (group,) = read(MSH, PID, OBR, OBX).groups
    assert group.named == (Named("IOPDEMO", "2.16.840.1.1", "A123"), Named("OTHER", "", "77"))
    (report,) = group.reports
    assert report_name(report) == "F7|94307-6"
    assert report.collected_at == datetime(2025, 3, 9, 12, 30, tzinfo=UTC)
    assert report.issued_at == datetime(2025, 3, 10, 15, 0, tzinfo=UTC)
    assert report.status == "final"
    assert found_by(report.components[0]) == "positive"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_from_2_3_to_2_8(version: str) -> None:
    message = read(MSH.replace("2.5.1", version), PID, OBR, OBX)
    assert message.header.version == version
    assert acknowledge(message.header, "AA", (), NOON).split(b"\r")[0].endswith(b"|P|" + version.encode())


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_every_segment_ending(end: str) -> None:
    assert len(parsed(message(MSH, PID, OBR, OBX, end=end)).groups[0].reports) == 1


def test_five_encoding_characters_and_others_than_usual() -> None:
    assert only_report(MSH.replace("^~\\&", "^~\\&#"), PID, OBR, OBX)
    strange = [each.translate(str.maketrans("|^~&", "*!?%")) for each in (MSH, PID, OBR, OBX)]
    message = read(*strange)
    assert message.groups[0].named[0].value == "A123"
    assert acknowledge(message.header, "AA", (), NOON).startswith(b"MSH*!?\\%*")


def test_garbage_around_the_message_is_tolerated() -> None:
    assert parsed(b"\x0b\r\n" + message(MSH, PID, OBR, OBX) + b"\x1c\r").groups


def test_latin_1_where_msh_18_says_so_and_where_it_is_not_utf_8() -> None:
    named = (MSH + "||||||8859/1", PID, OBR, "OBX|1|ST|14314-9^Ø^LN||NEG||||||F")
    assert parsed("\r".join(named).encode("iso-8859-1")).groups[0].reports[0].components[0].codes[0].display
    unnamed = (MSH, PID, OBR, "OBX|1|ST|14314-9^Ø^LN||NEG||||||F")
    assert parsed("\r".join(unnamed).encode("iso-8859-1")).header.charset == "iso-8859-1"


def test_escapes_in_values_are_undone() -> None:
    report = only_report(MSH, PID, OBR, r"OBX|1|ST|X1^A\T\B^L||NEG\.br\x||||||F")
    assert report.components[0].codes[0].display == "A&B"
    assert report.components[0].text == "NEG x"


def test_several_patients_and_several_orders() -> None:
    second = PID.replace("A123", "B456")
    message = read(MSH, PID, OBR, OBX, OBR.replace("F7", "F8"), OBX, second, OBR.replace("F7", "F9"), OBX)
    assert [[report_name(each) for each in group.reports] for group in message.groups] == [
        ["F7|94307-6", "F8|94307-6"],
        ["F9|94307-6"],
    ]


def test_one_number_for_two_panels_makes_two_reports() -> None:
    message = read(MSH, PID, OBR, OBX, OBR.replace("94307-6", "90890-5"), OBX)
    assert len({report_name(each) for each in message.groups[0].reports}) == 2


def test_without_any_number_the_message_names_its_report() -> None:
    assert report_name(only_report(MSH, PID, OBR.replace("P7^EHR|F7^TOXLAB", "|"), OBX)) == "message M1 1|94307-6"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("CE|14314-9^x^LN||260385009^Negative^SCT", "negative"),
        ("CWE|14314-9^x^LN||POS^Positive^L", "positive"),
        ("CWE|14314-9^x^LN||^^^^^^^^None Detected", "negative"),
        ("ST|14314-9^x^LN||Not Detected", "negative"),
        ("TX|14314-9^x^LN||POSITIVE", "positive"),
        ("NM|16226-3^x^LN||250|ng/mL|<100", "positive"),
        ("NM|16226-3^x^LN||20|ng/mL|<100", "negative"),
        ("NM|16226-3^x^LN||250|ng/mL", "indeterminate"),
        ("NM|8220-6^x^LN||NEG", "negative"),
        ("SN|16226-3^x^LN||<^50", "negative"),
        ("SN|16226-3^x^LN||^1^:^128", None),
        ("DT|14314-9^x^LN||20250310", None),
        ("|14314-9^x^LN||NEGATIVE", "negative"),
    ],
)
def test_every_type_of_value(value: str, found: str | None) -> None:
    assert found_by(only_report(MSH, PID, OBR, f"OBX|1|{value}").components[0]) == found


def test_the_flag_in_a_2_7_message_is_coded() -> None:
    coded = "OBX|1|NM|16226-3^x^LN||250|||POS^Positive^HL70078|||F"
    assert found_by(only_report(MSH, PID, OBR, coded).components[0]) == "positive"


@pytest.mark.parametrize(
    ("codes", "of_report", "status"),
    [
        ("F", "F", "final"),
        ("C", "F", "corrected"),
        ("A", "", "corrected"),
        ("P", "P", "preliminary"),
        ("P", "", "preliminary"),
        ("R", "", "preliminary"),
        ("U", "F", "promoted"),
        ("X", "F", "cancelled"),
        ("W", "F", "entered-in-error"),
        ("D", "", "entered-in-error"),
        ("XF", "F", "final"),
        ("X ", "F", "final"),
        ("U ", "F", "final"),
        ("FP", "F", "final"),
        ("I", "", "registered"),
        ("S", "", "registered"),
        ("O", "", "registered"),
        ("N", "", "registered"),
        ("", "C", "corrected"),
        ("", "", "final"),
        ("F", "?", "unknown"),
    ],
)
def test_statuses_of_components_and_report(codes: str, of_report: str, status: str) -> None:
    observations = [OBX.removesuffix("F") + code for code in codes] or [OBX.removesuffix("F")]
    assert only_report(MSH, PID, OBR.removesuffix("F") + of_report, *observations).status == status


def test_a_row_without_a_status_has_its_orders_whatever_stands_beside_it() -> None:
    without = OBX.removesuffix("F")
    for status in "XCPU":
        assert only_report(MSH, PID, OBR, without, without + status).components[0].status == "final"
    preliminary = only_report(MSH, PID, OBR.removesuffix("F"), without, without + "P")
    assert preliminary.components[0].status == "preliminary"


def test_a_cancelled_order_is_cancelled_whole_and_a_cancelled_component_alone() -> None:
    cancelled = OBX.removesuffix("F") + "X"
    assert only_report(MSH, PID, OBR.removesuffix("F") + "X", cancelled).extent == "report"
    assert only_report(MSH, PID, OBR.removesuffix("F") + "C", cancelled).extent == "message"


def test_an_unknown_status_of_a_component_goes_to_a_person() -> None:
    report = only_report(MSH, PID, OBR, OBX.removesuffix("F") + "Q")
    message = interpret(report, "demo", "lab", SETTINGS)
    assert message is not None
    assert [(each.analyte, each.finding) for each in message.results] == [("benzoylecgonine", "indeterminate")]


def test_the_specimens_own_collection_time_goes_first() -> None:
    specimen = "SPM|1|S9&TOXLAB^S9F&TOXLAB||UR|||||||||||||202503090800-0400^202503090805-0400"
    report = only_report(MSH, PID, OBR, OBX, specimen)
    assert report.collected_at == datetime(2025, 3, 9, 12, 0, tzinfo=UTC)
    assert (report.specimen.value, report.specimen.assigner) == ("S9F", "TOXLAB")


def test_a_rejected_specimen() -> None:
    specimen = "SPM|1|S9|||||||||||||||||||RB^Broken container^HL70490"
    assert only_report(MSH, PID, OBR, OBX, specimen).rejected


def test_nothing_of_a_note_is_decided_by_but_the_condition_it_states() -> None:
    report = only_report(MSH, PID, OBR, OBX, "NTE|1||Called to Dr Smith")
    assert report.remarks == ()
    assert report.notes == (("OBX^1 NTE", "Called to Dr Smith"),)
    assert "Smith" not in repr(interpret(report, "demo", "lab", SETTINGS))


def test_a_figure_is_exact() -> None:
    report = only_report(MSH, PID, OBR, "OBX|1|NM|2161-8^Creatinine^LN||1.90|mg/dL")
    assert report.components[0].number == Decimal("1.90")


# --- what is refused, and how


def test_what_is_refused() -> None:
    assert refused("hello") == ("AR", "", 100)
    assert refused(MSH.replace("ORU^R01^ORU_R01", "ADT^A01"), PID) == ("AR", "MSH^1^9", 200)
    assert refused(MSH.replace("ORU^R01^ORU_R01", "ORU^R31"), PID) == ("AR", "MSH^1^9", 201)
    assert refused(MSH.replace("ORU^R01^ORU_R01", "OUL^R21"), PID) == ("AR", "MSH^1^9", 201)
    assert refused(MSH.replace("2.5.1", "2.2"), PID) == ("AR", "MSH^1^12", 203)
    assert refused(MSH.replace("|M1|", "||"), PID) == ("AR", "MSH^1^10", 101)
    assert refused(MSH, OBR, OBX) == ("AE", "PID", 100)
    assert refused(MSH, PID, OBX) == ("AE", "OBR", 100)
    assert refused(MSH, PID, OBR.replace("20250309083000-0400", "yesterday"), OBX) == ("AE", "OBR^1^7", 102)
    assert refused(MSH, PID, OBR.replace("20250309083000", "20251399083000"), OBX) == ("AE", "OBR^1^7", 102)


@pytest.mark.parametrize("cut", range(80, 330, 10))
def test_a_message_cut_off_before_its_results_is_never_accepted(cut: int) -> None:
    content = message(MSH, PID, OBR, OBX)[:cut]
    if b"OBX|" not in content:
        with pytest.raises(Nak):
            parsed(content)


def test_results_in_other_separators_or_under_other_names_are_never_accepted_as_none() -> None:
    assert refused(MSH) == ("AE", "OBR", 101)
    assert refused(MSH, PID, OBR, OBX.replace("|", ";")) == ("AE", "OBX", 101)
    assert refused(MSH, PID, OBR, OBX.lower()) == ("AE", "OBX", 101)


def test_an_order_without_results_is_accepted_where_it_says_why() -> None:
    for status in ("X", "I", "S", "O"):
        assert read(MSH, PID, OBR.removesuffix("F") + status).groups[0].reports[0].components == ()
    assert read(MSH, PID, OBR, "SPM|1|S9|||||||||||||||||||RB^Broken container^HL70490").groups[0].reports[0].rejected


def test_a_message_is_weighed_before_it_is_read() -> None:
    assert len(read(MSH, PID, OBR, *[OBX] * 2_000).groups[0].reports[0].components) == 2_000
    for more in ([OBX] * 2_001, ["NTE|1||x"] * 4_001, [OBX + "~" * 120_001], [OBR, OBX] * 100):
        with pytest.raises(TooLarge):
            read(MSH, PID, OBR, OBX, *more)


def test_a_nul_is_refused_because_nothing_can_keep_it() -> None:
    with pytest.raises(Nak):
        parsed(message(MSH, PID, OBR, OBX).replace(b"Positive", b"Pos\x00"))


def test_an_acknowledgement_mirrors_the_sender() -> None:
    answer = acknowledge(read(MSH, PID, OBR, OBX).header, "AA", (), NOON).decode().split("\r")
    assert answer[0].startswith(r"MSH|^~\&|HUB|IOPDEMO|LIS|TOXLAB|20250310120000+0000||ACK^R01^ACK|")
    assert answer[0].endswith("|P|2.5.1")
    assert answer[1] == "MSA|AA|M1"
    assert answer[2:] == [""]


def test_an_error_names_place_and_code_and_never_the_value() -> None:
    header = read(MSH, PID, OBR, OBX).header
    answer = acknowledge(header, "AE", [Fault("PID^1^3", 101)], NOON).decode().split("\r")
    assert answer[1:3] == ["MSA|AE|M1", "ERR||PID^1^3|101^Required field missing^HL70357|E||||Send what ERR-2 names."]


def test_an_error_in_an_old_version_has_one_field() -> None:
    header = read(MSH.replace("2.5.1", "2.3"), PID, OBR, OBX).header
    answer = acknowledge(header, "AE", [Fault("OBR^1^7", 102)], NOON).decode().split("\r")
    assert answer[0].split("|")[8] == "ACK^R01"
    assert answer[1:3] == ["MSA|AE|M1|Data type error", "ERR|OBR^1^7^102&Data type error&HL70357"]


def test_what_is_no_hl7_at_all_still_gets_an_answer() -> None:
    with pytest.raises(Nak):
        decode(b"hello")
    assert acknowledge(None, "AR", [Fault("", 100)], NOON).startswith(b"MSH|^~\\&|")


@pytest.mark.skipif(not SAMPLES.exists(), reason="public sample messages are not on this machine")
def test_public_messages_are_all_taken_and_none_is_a_drug_test() -> None:
    messages = sorted(SAMPLES.glob("*.hl7"))
    contents = [each.read_bytes() for each in messages]
    assert len(contents) == 40
    with_results = [each for each in contents if b"OBX|" in each]
    for each in contents:
        if each not in with_results:
            with pytest.raises(Nak):
                parse(decode(each), LATER)
    groups = [group for each in with_results for group in parse(decode(each), LATER).groups]
    reports = [report for group in groups for report in group.reports]
    assert reports and all(interpret(report, "demo", "lab", SETTINGS) is None for report in reports)
