"""What may stand at a place of a record: constants, and patterns where a marker of `variants` was written."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from deploy.asyncapi.variants import DAY, MOMENT, NUMBER
from shared.events import fhir

UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_CODE, _NAME = r"[^\s]+", r"[^\s]+(\s[^\s]+)*"
_SEALED = ("~PatientIdentified.sealed~", "~PartnerReferralChanged.number~")
_MARKER = re.compile(r"~[A-Za-z]+(?:\.[a-z_]+)?~")
_SECONDS = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_WRITTEN: Mapping[str, str] = {
    r"00-[0-9a-f]{32}-[0-9a-f]{16}-01": r"00-[0-9a-f]{32}-[0-9a-f]{16}-01",
    UUID_PATTERN: UUID_PATTERN,
    re.escape(MOMENT.isoformat()): rf"{_SECONDS}\+00:00",
    re.escape(MOMENT.isoformat().replace("+00:00", "Z")): f"{_SECONDS}Z",
    re.escape(DAY.isoformat()): r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    **{re.escape(fhir.base64_text(each)): r"[A-Za-z0-9+/]+={0,2}" for each in _SEALED},
    str(NUMBER): "[0-9]+",
}
"""How a marker is written, and the pattern of what stands there in its stead."""
_OF_MARKER: Mapping[str, str] = {
    "~Digest.value~": "[0-9a-f]{64}",
    "~TemplateSlot.start~": "[0-2][0-9]:[0-5][0-9]",
    "~MeetingListPrepared.meetings~": r"[^|\s]+\|[^\s]+",
    "~Signal.evidence~": f"[A-Z][A-Za-z]+/{UUID_PATTERN}",
    "~Review.focus~": f"[A-Z][A-Za-z]+/{UUID_PATTERN}",
    "~DisclosureRecorded.focus~": f"[A-Z][A-Za-z]+/{UUID_PATTERN}",
    "~Coding.code~": _NAME,
    "~AnalyteResult.code~": "[!-~]{1,64}",
}
_NAMES = frozenset({"by", "signed_by", "asked_by", "client"})
_TEXTS = frozenset({"details"})
_ANY = re.compile("|".join((*_WRITTEN, _MARKER.pattern)))


class Form(msgspec.Struct, frozen=True):
    """Constants as JSON, patterns without anchors, and whether it is a whole number."""

    constants: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()
    whole: bool = False

    def __or__(self, other: "Form") -> "Form":
        patterns = self.patterns | other.patterns
        constants = {each for each in self.constants | other.constants if not _is_of(patterns, each)}
        return Form(frozenset(constants), patterns, self.whole or other.whole)

    def __ge__(self, other: "Form") -> bool:
        return self | other == self

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        if self.whole:
            return {"type": "integer", "minimum": 0}
        if self.patterns:
            either = sorted(self.patterns) + [re.escape(json.loads(each)) for each in sorted(self.constants)]
            pattern = f"^{either[0]}$" if len(either) == 1 else f"^({'|'.join(either)})$"
            moment = {"format": "date-time"} if all(each.startswith(_SECONDS) for each in either) else {}
            return {"type": "string", **moment, "pattern": pattern}
        values = [json.loads(each) for each in sorted(self.constants)]
        return {"type": _type(values[0])} | ({"const": values[0]} if len(values) == 1 else {"enum": values})


def form_of(value: Any) -> Form:
    """Of what stands at one place, in one record."""
    if value == NUMBER:
        return Form(whole=True)
    pattern = "".join(_pieces(value)) if isinstance(value, str) else ""
    if pattern and pattern != re.escape(value):
        return Form(patterns=frozenset({pattern}))
    return Form(constants=frozenset({json.dumps(value)}))


def _pieces(text: str) -> Iterator[str]:
    end = 0
    for found in _ANY.finditer(text):
        yield re.escape(text[end : found.start()])
        yield _pattern(found.group())
        end = found.end()
    yield re.escape(text[end:])


def _pattern(marker: str) -> str:
    if not marker.startswith("~"):
        return next(each for written, each in _WRITTEN.items() if re.fullmatch(written, marker))
    name = marker.strip("~").rpartition(".")[2]
    if name in _TEXTS:
        return r"[^\n]+"
    return _OF_MARKER.get(marker, _NAME if name in _NAMES else _CODE)


def _is_of(patterns: frozenset[str], constant: str) -> bool:
    value = json.loads(constant)
    return isinstance(value, str) and any(re.fullmatch(each, value) for each in patterns)


def _type(value: Any) -> str:
    return {bool: "boolean", int: "integer", str: "string", dict: "object"}[type(value)]
