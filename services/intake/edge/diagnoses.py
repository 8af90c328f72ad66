"""Diagnoses in Conditions: a present disorder, one in remission or resolved as history, the end of a pregnancy."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from services.intake.messages import ReportedFinding
from services.intake.table import TABLE
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened
from shared.edge.json import Json

ICD10 = (
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "urn:oid:2.16.840.1.113883.6.90",
    "urn:oid:2.16.840.1.113883.6.3",
)
Value = TypeVar("Value", str, int)
_REFUTED = frozenset({"refuted", "entered-in-error"})
_PAST = frozenset({"inactive", "remission", "resolved"})
_PRESENT = frozenset({"active", "recurrence", "relapse"})
_IN_REMISSION = re.compile(r"F1[0-9][129]1")
"""ICD-10-CM's own codes of a substance use disorder in remission."""


def diagnosed(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    """What the ICD-10-CM codes of a Condition are evidence of, each by its longest prefix that the table knows. A
    refuted one, or one entered in error, is evidence of nothing."""
    condition, source = entry.resource, f"Condition/{entry.id}"
    if not _REFUTED.isdisjoint(codes_in(condition.get("verificationStatus"))):
        return
    for code in map(_bare, codes_in(condition.get("code"), *ICD10)):
        past = _is_past(condition) or _IN_REMISSION.fullmatch(code) is not None
        disorder = _longest(code, TABLE.diagnoses)
        if disorder is not None and not past:
            yield ReportedFinding(disorder, 1, context.now, source)
        elif disorder is not None and f"{disorder}-history" in TABLE.facts():
            yield ReportedFinding(f"{disorder}-history", 1, context.now, source)
        pregnancy = _longest(code, TABLE.pregnancy)
        if pregnancy is not None:
            yield ReportedFinding("pregnant", 0 if past else pregnancy, _recorded(entry, context), source)


def _bare(code: str) -> str:
    """Many senders leave the dot out, or write small letters: F1121, f11.21."""
    return code.strip().upper().replace(".", "")


def _longest(code: str, table: Mapping[str, Value]) -> Value | None:
    prefix = max((each for each in table if code.startswith(_bare(each))), key=len, default=None)
    return None if prefix is None else table[prefix]


def _is_past(condition: Json) -> bool:
    """By its clinical status, in whatever system it is coded: FHIR binds it to these codes."""
    stated = set(codes_in(condition.get("clinicalStatus")))
    ended = any(name.startswith("abatement") for name in condition)
    return not stated & _PRESENT and (bool(stated & _PAST) or ended)


def _recorded(entry: BundleEntry, context: Context) -> datetime:
    """When it was recorded: a newer answer about a pregnancy replaces an older one."""
    recorded = entry.resource.get("recordedDate")
    return happened(recorded, f"{entry.place}.recordedDate", context.time) if recorded else context.now
