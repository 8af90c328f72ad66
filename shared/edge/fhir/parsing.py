"""JSON in, decoded once, with every digit kept and everything that a later room must not meet refused."""

import re
from decimal import Decimal

import msgspec

from shared.edge.json import Json, MutableJson
from shared.edge.outcome import HttpRefusal, refuse

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_BETWEEN_VALUES = (b",", b"{", b"[")
"""One of them stands before each value; those inside texts count too, which only makes the limit narrower."""
_escaped_nul = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Limits(msgspec.Struct, frozen=True):
    """What a request may weigh: bytes of the body and of a search form, levels of nested JSON, entries of a Bundle, and
    values in all. Each is counted before anything is built of what it counts."""

    body_bytes_max: int = 5 * 1024 * 1024
    form_bytes_max: int = 64 * 1024
    depth_max: int = 64
    entries_max: int = 1_000
    values_max: int = 75_000


STORED = Limits(body_bytes_max=16 * 1024 * 1024, depth_max=128, values_max=200_000)
"""Of what was within the limits as it came, with what is written around it: 5 MB in base64, as a Binary."""


def parse(body: bytes, limits: Limits | None = None) -> MutableJson:
    """Decodes a JSON object or raises HttpRefusal 400 (413 when too long or too costly). Numbers keep their digits.

    Refused: not UTF-8, lone surrogates, NUL characters (PostgreSQL text holds none), a key twice in one object, nesting
    beyond the limit. The decoder itself stops at a few hundred levels, so a bomb costs nothing until the limit is read.
    """
    limits = limits or Limits()
    resource = _decoded(body, limits)
    if type(resource) is not dict:
        raise refuse(400, "structure", "", "The body must be a JSON object.")
    _require_few(resource.get("entry"), limits)
    _require_once(resource, body, limits)
    return resource


def parse_list(body: bytes, limits: Limits) -> list[object]:
    """The same of a JSON array."""
    found = _decoded(body, limits)
    if type(found) is not list:
        raise refuse(400, "structure", "", "The body must be a JSON array.")
    _require_once(found, body, limits)
    return found


def _decoded(body: bytes, limits: Limits) -> object:
    if len(body) > limits.body_bytes_max:
        raise refuse(413, "too-long", "", f"The body must be at most {limits.body_bytes_max} bytes.")
    if b"\\u0000" in body and _escaped_nul.search(body):
        raise refuse(400, "invalid", "", "The body must not contain NUL characters.")
    if sum(map(body.count, _BETWEEN_VALUES)) > limits.values_max:
        raise refuse(413, "too-costly", "", f"The body must hold at most {limits.values_max} values.")
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise _too_deep(limits) from None
    except (ValueError, ArithmeticError):  # their messages may quote the input
        raise refuse(400, "structure", "", "The body must be valid JSON in UTF-8.") from None


def _require_once(value: MutableJson | list[object], body: bytes, limits: Limits) -> None:
    if _members(value, limits.depth_max, limits) != _members_written(body):
        raise refuse(400, "structure", "", "An object must not have the same property twice.")


def encode(resource: Json) -> bytes:
    """JSON with numbers as numbers, digit for digit as `parse` read them (an exponent may be written another way)."""
    return _encoder.encode(resource)


def _require_few(entries: object, limits: Limits) -> None:
    if isinstance(entries, list) and len(entries) > limits.entries_max:
        raise refuse(413, "too-costly", "Bundle.entry", f"A Bundle must have at most {limits.entries_max} entries.")


def _members(value: MutableJson | list[object], depth_left: int, limits: Limits) -> int:
    """Counts the properties of all objects below `value`."""
    if not depth_left:
        raise _too_deep(limits)
    count, children = (len(value), value.values()) if type(value) is dict else (0, value)
    for child in children:
        if type(child) is dict or type(child) is list:
            count += _members(child, depth_left - 1, limits)
    return count


def _members_written(body: bytes) -> int:
    """Counts the colons outside strings: one for each property that was written, twice or not."""
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(body.split(b'"')[::2]).count(b":")


def _too_deep(limits: Limits) -> HttpRefusal:
    return refuse(400, "too-long", "", f"The body must be nested at most {limits.depth_max} levels deep.")
