"""What a laboratory's answer to an order means, as tables; and that no value of it ever becomes a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.path.outbound.hl7_answer import NOT_UNDERSTOOD, UNABLE, UNREADABLE, control_id, meaning
from shared.path.outbound.sender import Delivered, RefusedForGood, Reply, Trouble

MRN = "SEEDED-MRN"


def order(action: str = "NW", control: str = "M1") -> str:
    return (
        rf"MSH|^~\&|IOPHUB|demo|LIS|LAB|20260105120000-0500||OML^O21^OML_O21|{control}|P|2.5.1"
        f"\rPID|1||{MRN}\rORC|{action}|N1^IOPHUB\rOBR|1|N1^IOPHUB||12PAN\r"
    )


def answer(code: str, *segments: str, control: str = "M1", version: str = "2.5.1") -> str:
    head = rf"MSH|^~\&|LIS|LAB|IOPHUB|demo|20260105120001-0500||ORL^O22^ORL_O22|A1|P|{version}"
    return "\r".join((head, f"MSA|{code}|{control}", *segments)) + "\r"


@pytest.mark.parametrize(
    ("action", "segments", "expected"),
    [
        ("NW", (), Delivered()),
        ("NW", ("ORC|OK|N1^IOPHUB|F1^LAB",), Delivered()),
        ("NW", ("ORC|NA|N1^IOPHUB",), Delivered()),
        ("NW", ("PID|1||X", "ORC|NW|N1^IOPHUB", "OBR|1"), Delivered()),
        ("NW", ("ORC|UA|N1^IOPHUB",), RefusedForGood(UNABLE)),
        ("NW", ("ORC|OK|N1^IOPHUB", "ORC|UA|N1^IOPHUB"), RefusedForGood(UNABLE)),
        ("NW", ("ORC|DE|N1^IOPHUB",), RefusedForGood(UNABLE)),
        ("NW", ("ORC|OC|N1^IOPHUB",), RefusedForGood(NOT_UNDERSTOOD)),
        ("NW", ("ORC|CR|N1^IOPHUB",), RefusedForGood(NOT_UNDERSTOOD)),
        ("NW", ("ORC|OH|N1^IOPHUB",), RefusedForGood(NOT_UNDERSTOOD)),
        ("NW", (f"ORC|{MRN}|N1^IOPHUB",), RefusedForGood(NOT_UNDERSTOOD)),
        ("XO", ("ORC|XR|N1^IOPHUB",), Delivered()),
        ("XO", ("ORC|UX|N1^IOPHUB",), RefusedForGood(UNABLE)),
        ("XO", ("ORC|CR|N1^IOPHUB",), RefusedForGood(NOT_UNDERSTOOD)),
        ("CA", ("ORC|CR|N1^IOPHUB",), Delivered()),
        ("CA", ("ORC|OC|N1^IOPHUB",), Delivered()),
        ("CA", ("ORC|UC|N1^IOPHUB",), RefusedForGood(UNABLE)),
    ],
)
def test_accepted_is_what_the_order_control_says(action: str, segments: tuple[str, ...], expected: Reply) -> None:
    assert meaning(answer("AA", *segments), order(action)) == expected


@pytest.mark.parametrize(
    ("code", "segments", "expected"),
    [
        ("AE", ("ERR||PID^1^3|204^Unknown key identifier^HL70357|E",), RefusedForGood("hl7-204")),
        ("AE", ("ERR|||101^Required field missing^HL70357",), RefusedForGood("hl7-101")),
        ("AE", ("ERR|||207^Application internal error^HL70357|E",), Trouble("hl7-207")),
        ("AR", ("ERR|||206^Application record locked|E",), Trouble("hl7-206")),
        ("AR", ("ERR|||207|E", "ERR|||103|E"), RefusedForGood("hl7-103")),
        ("CE", ("ERR|||200|E",), RefusedForGood("hl7-200")),
        ("CR", ("ERR|||207|E",), Trouble("hl7-207")),
        ("AE", (), RefusedForGood("hl7-ae")),
        ("CE", (), RefusedForGood("hl7-ce")),
        ("AR", (), Trouble("hl7-ar")),
        ("CR", (), Trouble("hl7-cr")),
        ("AE", (f"ERR|||{MRN}|E",), RefusedForGood("hl7-ae")),
        ("AE", ("ERR|||999|E",), RefusedForGood("hl7-ae")),
        ("AE", ("ERR|||0^Message accepted|E",), RefusedForGood("hl7-ae")),
        ("AR", ("ERR|||101|W",), Trouble("hl7-ar")),
        ("AR", ("ERR|||101|I", "ERR|||207|E"), Trouble("hl7-207")),
    ],
)
def test_a_no_is_for_good_unless_its_error_may_pass(code: str, segments: tuple[str, ...], expected: Reply) -> None:
    assert meaning(answer(code, *segments), order()) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ERR|PID^1^3^204&Unknown key identifier&HL70357", RefusedForGood("hl7-204")),
        ("ERR|PID^1^3^207&Application internal error&HL70357", Trouble("hl7-207")),
        ("ERR|PID^1^3", RefusedForGood("hl7-ae")),
    ],
)
def test_before_version_2_5_the_code_stands_with_its_location(error: str, expected: Reply) -> None:
    assert meaning(answer("AE", error, version="2.3.1"), order()) == expected


def test_an_answer_to_another_message_is_none_and_received_is_not_yet_done() -> None:
    assert meaning(answer("AA", control="M2"), order()) is None
    assert meaning(answer("AE", control=""), order()) is None
    assert meaning(answer("CA"), order()) is None


@pytest.mark.parametrize(
    "garbled",
    ["", "MSH", "MSA|AA|M1", answer("AA").replace("MSA", "MSB"), answer("XX"), answer(""), "MSH|^~\\&|\r\x00", "hello"],
)
def test_what_cannot_be_read_is_trouble(garbled: str) -> None:
    assert meaning(garbled, order()) == Trouble(UNREADABLE)


@pytest.mark.parametrize("second", ["MSA|AE|M1", "MSA|AR|M1", "MSA|CA|M1", "MSA|??|M1"])
def test_of_two_acknowledgements_that_contradict_neither_counts(second: str) -> None:
    assert meaning(answer("AA", second), order()) == Trouble(UNREADABLE)
    code = second.split("|")[1]
    assert meaning(answer(code, "MSA|AA|M1"), order()) == Trouble(UNREADABLE)
    assert meaning(answer("AA", "MSA|AA|M1", "MSA|AE|M2"), order()) == Delivered()


def test_a_mark_of_byte_order_is_no_part_of_the_answer() -> None:
    assert meaning("\ufeff" + answer("AA"), order()) == Delivered()


def test_other_delimiters_and_line_ends_are_read() -> None:
    other = answer("AE", "ERR|||204^Unknown^HL70357|E").replace("^", "$").replace("|", "#").replace("\r", "\r\n")
    assert meaning(other, order()) == RefusedForGood("hl7-204")


def test_an_order_without_a_number_of_its_own_is_never_sent() -> None:
    assert control_id(order(control="M7")) == "M7"
    for wrong in (order(control=""), "PID|1", ""):
        with pytest.raises(ValueError, match="MSH-10"):
            control_id(wrong)


pieces = some.sampled_from(
    [
        "MSH|^~\\&|",
        "\r",
        "MSA|AA|M1",
        "MSA|AE|M1",
        "MSA|AR|M1",
        "ORC|",
        "ERR|||",
        "204",
        "207",
        MRN,
        "|",
        "^",
        "&",
        "OK",
    ]
)


@given(some.lists(pieces | some.text(max_size=6), max_size=14).map("".join))
def test_whatever_is_answered_no_value_of_it_becomes_a_reason(text: str) -> None:
    found = meaning(text, order())
    if found is None or isinstance(found, Delivered):
        return
    known = {UNREADABLE, UNABLE, NOT_UNDERSTOOD, "hl7-ae", "hl7-ar", "hl7-ce", "hl7-cr"}
    assert found.reason in known or found.reason[:4] + found.reason[4:].replace("-", "") in {
        f"hl7-{number}" for number in (*range(100, 105), *range(200, 208))
    }


@given(some.lists(pieces, max_size=14).map("".join))
def test_accepted_is_never_read_where_nobody_said_so(text: str) -> None:
    if "MSA|AA|M1" not in text:
        assert not isinstance(meaning(text, order()), Delivered)
