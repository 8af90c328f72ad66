"""The values of search parameters, read as FHIR writes them: tokens, statuses, dates. Raises HttpRefusal 400."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.edge.fhir import elements
from shared.edge.outcome import HttpRefusal, refuse
from shared.path.transaction.search import Token

IDENTIFIERS_MOST = 50
_ESCAPED = re.compile(r"\\([\\,|$])")
_HIDDEN = 0xDC00
"""Where escaped signs wait while the others part the text: lone surrogates, which no request can hold."""
_SHOWN = {_HIDDEN + ord(sign): sign for sign in "\\,|$"}
FHIR_SYSTEMS = "http://hl7.org/fhir/"
OPEN = {
    "DetectedIssue": ("registered", "preliminary"),
    "Task": ("draft", "requested", "received", "accepted", "ready", "in-progress", "on-hold"),
}
"""What `status=open` asks for: a finding that is not final, a Task that has not ended."""
_REFERENCE = re.compile(r"(?:(?<=/)|^)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}$")
_DATE = re.compile(r"(eq|ge|gt|le|lt|sa|eb)?([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T.+)?)?)?)")


def not_searched_by() -> HttpRefusal:
    """What is ignored would widen the search."""
    return refuse(400, "not-supported", "", "Must use only the search parameters in /fhir/metadata.")


def require_value(value: str) -> None:
    """A parameter without a value narrows nothing, or finds what belongs to nobody: neither was meant."""
    if not all(each.strip() for each in _ESCAPED.sub("x", value).split(",")):
        raise refuse(400, "invalid", "", "A parameter of a search must have a value, and each of several one.")


def require_reference(value: str) -> str:
    """`Type/id`, with an address before it or without."""
    found = _REFERENCE.search(value)
    if found is None:
        raise refuse(
            400, "invalid", "", "Must be a reference with its type: Task/0f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11."
        )
    return found[0]


def codes(value: str) -> list[str]:
    """Those of `code`, `|code` and `system|code`: a status or a priority is a code of FHIR's own systems only."""
    parts = [each.rpartition("|") for each in value.split(",")]
    if not all(code for _, _, code in parts):
        raise refuse(400, "invalid", "", "Must be a code of FHIR's own: code or system|code.")
    return [code for system, _, code in parts if not system or system.startswith(FHIR_SYSTEMS)]


def statuses(type_: str, value: str) -> list[str]:
    """As `codes`; `open` stands for every one in which something may still become of it."""
    return [status for code in codes(value) for status in (OPEN.get(type_, (code,)) if code == "open" else (code,))]


def identifiers(value: str) -> list[Token]:
    """As `tokens`, few enough to be looked up."""
    sought = tokens(value)
    if len(sought) > IDENTIFIERS_MOST:
        raise refuse(400, "too-costly", "", f"A search must name at most {IDENTIFIERS_MOST} identifiers.")
    return sought


def tokens(value: str) -> list[Token]:
    """`system|value`, `|value` without a system, `value` of any or none; what stands escaped is part of them."""
    sought: list[Token] = []
    hidden = _ESCAPED.sub(lambda found: chr(_HIDDEN + ord(found[1])), value)
    for token in hidden.split(","):
        before, bar, after = (each.translate(_SHOWN) for each in token.partition("|"))
        sought.append((before, after) if bar else (None, before))
    if not all(number.strip() for _, number in sought):
        raise refuse(400, "invalid", "", "Must be an identifier: system|value, |value or value.")
    return sought


def between(value: str, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """A FHIR date with its prefix as [since, until): a bare day, month or year means the whole of it."""
    found = _DATE.fullmatch(value)
    if found is None:
        raise refuse(
            400, "invalid", "", "Must be a date with an optional prefix eq, ge, gt, le, lt, sa or eb: ge2026-01-31."
        )
    start, end = _span(found[2], zone)
    match found[1] or "eq":
        case "eq":
            return start, end
        case "ge":
            return start, None
        case "gt" | "sa":
            return end, None
        case "le":
            return None, end
        case _:
            return None, start


def _span(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    try:
        return elements.span(text.replace(" ", "+"), zone)  # an unescaped + arrives as a space
    except HttpRefusal as wrong:
        raise refuse(400, "invalid", "", "Must be a date of the years 1900 to 9998.") from wrong
