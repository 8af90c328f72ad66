"""HL7 v2 as it should not be sent, and still is: character sets, line ends, batches, escapes, times without a day."""

from datetime import UTC, datetime

import pytest

from services.testing.hl7 import Fault, Nak, decode
from services.testing.hl7.acknowledgement import acknowledge
from services.testing.reading.interpretation import interpret
from services.testing.reading.laboratory import specimen_names
from tests.testing.given import SETTINGS
from tests.testing.story import in_treatment
from tests.testing.test_hl7 import MSH, NOON, OBR, OBX, PID, message, only_report, parsed, read, refused


def refusal_of(content: bytes) -> Nak:
    with pytest.raises(Nak) as refusal:
        parsed(content)
    return refusal.value


def test_a_character_set_of_the_table_is_read() -> None:
    named = "\r".join((MSH + "||||||8859/2", PID, OBR, "OBX|1|ST|14314-9^Łódź^LN||NEG||||||F"))
    assert parsed(named.encode("iso-8859-2")).groups[0].reports[0].components[0].codes[0].display == "Łódź"


def test_an_unknown_character_set_is_read_where_it_makes_no_difference_and_refused_where_it_does() -> None:
    unknown = MSH + "||||||ISO IR87"
    assert read(unknown, PID, OBR, OBX).groups
    refusal = refusal_of(message(unknown, PID.replace("A123", "Ä123"), OBR, OBX))
    assert (refusal.code, refusal.fault) == ("AR", Fault("MSH^1^18", 103))


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parsed(b"\xef\xbb\xbf" + message(MSH, PID, OBR, OBX)).groups


def test_a_refused_message_is_answered_by_its_control_id_whatever_is_wrong_with_it() -> None:
    for content in (
        message(MSH, PID, OBR, OBX).replace(b"Positive", b"Pos\x00"),
        message(MSH, PID, OBR, OBX, MSH, PID),
        message(MSH.replace("ORU^R01^ORU_R01", "ADT^A01"), PID),
    ):
        answer = acknowledge(decode(content).header, "AR", (refusal_of(content).fault,), NOON)
        assert b"\rMSA|AR|M1\r" in answer


def test_two_messages_in_one_frame_are_refused_because_one_answer_cannot_tell_them_apart() -> None:
    assert refused("FHS|^~\\&", "BHS|^~\\&", MSH, PID, OBR, OBX, MSH, PID, "BTS|2", "FTS|1") == ("AR", "MSH^2", 100)


def test_a_batch_of_one_is_that_message() -> None:
    assert len(read("FHS|^~\\&", "BHS|^~\\&", MSH, PID, OBR, OBX, "BTS|1", "FTS|1").groups) == 1


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_left_inside_a_field_takes_nothing_from_what_follows(end: str) -> None:
    report = only_report(MSH, PID, OBR, f"OBX|1|TX|14314-9^x^LN||NEGATIVE{end}by immunoassay||||||C")
    assert (report.components[0].text, report.components[0].status) == ("NEGATIVE by immunoassay", "corrected")


def test_characters_in_hexadecimal_are_meant_and_control_characters_are_spaces() -> None:
    report = only_report(MSH, PID, OBR, r"OBX|1|ST|X1^\X41\\X0D\\X42\^L||NEG\X0D0A\\F\\R\\S\||||||F")
    assert report.components[0].codes[0].display == "A B"
    assert report.components[0].text == "NEG  |~^"


def test_the_fifth_encoding_character_has_an_escape_too() -> None:
    report = only_report(MSH.replace("^~\\&", "^~\\&#").replace("2.5.1", "2.7"), PID, OBR, r"OBX|1|ST|X1^\P\||1||||||F")
    assert report.components[0].codes[0].display == "#"


@pytest.mark.parametrize("written", ["2025", "202503"])
def test_a_month_is_not_known_to_be_its_first_day(written: str) -> None:
    assert only_report(MSH, PID, OBR.replace("20250309083000-0400", written), OBX).collected_at == datetime(
        2025, 3, 10, 15, 0, tzinfo=UTC
    )


def test_an_hour_without_minutes_is_a_time() -> None:
    report = only_report(MSH, PID, OBR.replace("20250309083000-0400", "2025030908-0400"), OBX)
    assert report.collected_at == datetime(2025, 3, 9, 12, 0, tzinfo=UTC)


def test_the_number_of_an_account_or_a_visit_names_no_patient() -> None:
    parsed_report = read(MSH, "PID|1||55^^^IOPDEMO^AN~A123^^^IOPDEMO^MR~9^^^IOPDEMO^VN", OBR, OBX)
    assert [each.value for each in parsed_report.groups[0].named] == ["A123"]


def test_observations_of_the_patient_have_no_order_since_2_7() -> None:
    body_height = "OBX|1|NM|8302-2^Height^LN||170|cm|||||F"
    assert len(read(MSH.replace("2.5.1", "2.8"), PID, body_height, OBR, OBX).groups[0].reports[0].components) == 1
    assert refused(MSH, PID, body_height, OBR, OBX) == ("AE", "OBR", 100)


@pytest.mark.parametrize(
    ("version", "kind", "event"),
    [
        ("2.3", "ADT^A01", "ACK^A01"),
        ("2.3.1", "ADT^A01", "ACK^A01^ACK"),
        ("2.5.1", "ORM^O01^ORM_O01", "ACK^O01^ACK"),
        ("2.5.1", "ORU", "ACK"),
    ],
)
def test_an_acknowledgement_names_the_event_that_was_sent(version: str, kind: str, event: str) -> None:
    header = decode(message(MSH.replace("ORU^R01^ORU_R01", kind).replace("2.5.1", version))).header
    assert acknowledge(header, "AR", (), NOON).decode().split("\r")[0].split("|")[8] == event


def test_a_version_older_than_all_we_read_is_refused_in_its_own_form() -> None:
    header = decode(message(MSH.replace("2.5.1", "2.2"))).header
    answer = acknowledge(header, "AR", [Fault("MSH^1^12", 203)], NOON).decode().split("\r")
    assert answer[2] == "ERR|MSH^1^12^203&Unsupported version id&HL70357"


def test_specimen_validity_reported_as_an_order_of_its_own_judges_the_drug_screen() -> None:
    validity = OBR.replace("94307-6^Drug screen^LN", "VAL^Specimen validity^L")
    figures = ("OBX|1|NM|2161-8^Creatinine^LN||12|mg/dL|||||F", "OBX|2|NM|2965-2^Gravity^LN||1.002||||||F")
    reports = read(MSH, PID, OBR, OBX, validity, *figures).groups[0].reports
    story = in_treatment()
    story.then(*(each for report in reports if (each := interpret(report, "demo", "lab", SETTINGS))))
    assert story.state.specimens[-1].condition == "dilute"


def test_a_panel_of_another_field_beside_a_drug_test_says_only_how_their_specimen_is() -> None:
    urinalysis = OBR.replace("94307-6^Drug screen^LN", "UA^Urinalysis^L")
    rows = ("OBX|1|NM|5803-2^pH^LN||2.5||||||F", "OBX|2|ST|KET^Ketones^L||POSITIVE||||||F")
    _, urine_strip = reports = read(MSH, PID, OBR, OBX, urinalysis, *rows).groups[0].reports
    assert interpret(urine_strip, "demo", "lab", SETTINGS) is None
    command = interpret(urine_strip, "demo", "lab", SETTINGS, reports)
    assert command is not None
    assert [(each.analyte, each.check) for each in command.results] == [("ph", "adulterated")]


def test_without_a_specimen_number_what_was_collected_at_one_time_is_one_specimen() -> None:
    later = OBR.replace("F7", "F9").replace("20250309083000", "20250310083000")
    check = OBX.replace("14314-9^Benzoylecgonine", "2161-8^Creatinine")
    orders = OBR, check, OBR.replace("F7", "F8"), check, later, check
    reports = read(MSH.replace("2.5.1", "2.3"), PID, *orders).groups[0].reports
    one, same, other = reports
    names = [set(specimen_names(each, "lab")) for each in (one, same, other)]
    assert names[0] & names[1]
    assert not names[2] & (names[0] | names[1])
