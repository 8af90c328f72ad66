"""What comes in as JSON stays as it came, or does not come in."""

from decimal import Decimal

import pytest

from shared.edge.fhir import Limits, encode, parse
from shared.edge.outcome import HttpRefusal

AS_SENT = (
    b'{"a":0.40,"b":100000000000000000000.5,"c":12345678901234567890123,"d":-0.0,"e":1,'
    b'"f":"2025-03-03T09:30:00.000-05:00","g":"not base64"}'
)


def refused(body: bytes, limits: Limits | None = None) -> HttpRefusal:
    with pytest.raises(HttpRefusal) as caught:
        parse(body, limits)
    return caught.value


def test_digits_instants_and_strings_survive_to_the_letter() -> None:
    assert encode(parse(AS_SENT)) == AS_SENT


def test_an_exponent_keeps_its_value_and_its_precision() -> None:
    read = parse(b'{"a":1E2,"b":1.50e-3}')

    assert read == {"a": Decimal("1E2"), "b": Decimal("0.00150")}
    assert encode(read) == b'{"a":1E+2,"b":0.00150}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"Patient"',
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":NaN}',
        b'{"a":1e999999999999999999999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"{} {}",
    ],
)
def test_what_is_no_json_object_in_utf8_is_refused(body: bytes) -> None:
    assert refused(body).issues[0].code == "structure"


@pytest.mark.parametrize("body", [b'{"a":"x\\u0000"}', b'{"a\\u0000":1}', b'{"a":"\\\\\\u0000"}'])
def test_a_nul_character_is_refused_wherever_it_stands(body: bytes) -> None:
    assert refused(body).issues[0].code == "invalid"


def test_a_backslash_before_u0000_is_only_text() -> None:
    assert parse(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}


def test_a_body_over_the_limit_is_refused_unread() -> None:
    refusal = refused(b"{" * 11, Limits(body_bytes_max=10))

    assert (refusal.status, refusal.issues[0].code) == (413, "too-long")


@pytest.mark.parametrize("depth", [65, 900, 70_000])
def test_a_body_nested_too_deep_is_refused(depth: int) -> None:
    body = b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert refused(body).issues[0].code == "too-long"


def test_a_body_at_the_limit_of_depth_passes() -> None:
    assert parse(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b'{"b":[{"a":"\\":","a":"\\\\"}]}'])
def test_a_property_written_twice_is_refused(body: bytes) -> None:
    assert "twice" in refused(body).issues[0].diagnostics


def test_colons_inside_strings_are_no_properties() -> None:
    assert parse(b'{"a:":"b:\\"c\\":\\\\","d":"\\\\\\":"}') == {"a:": 'b:"c":\\', "d": '\\":'}
