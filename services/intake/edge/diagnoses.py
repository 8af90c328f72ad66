"""Diagnoses in Conditions: what their codes are evidence of by the table, in which status, and from when."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.intake.edge.own_codes import meanings, own_codes
from services.intake.edge.times import PERSON_ASKED, TAKEN_BACK, TOO_OLD, is_old
from services.intake.messages import ReportedFinding
from services.intake.table import LASTING_UNREADABLE, TABLE, UNREADABLE, Diagnoses, bare, unreadable_as
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened, planned_until
from shared.edge.json import Json

ICD10 = (
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10",
    "urn:oid:2.16.840.1.113883.6.90",
    "urn:oid:2.16.840.1.113883.6.3",
)
_REFUTED = frozenset({"refuted", "entered-in-error"})
_PAST = frozenset({"inactive", "remission", "resolved"})
_PRESENT = frozenset({"active", "recurrence", "relapse"})
_IN_REMISSION = re.compile(r"F1[0-9][129]1")
"""ICD-10-CM's own codes of a substance use disorder in remission."""
_INJURY = re.compile(r"T[0-9][0-9][0-9A-Z](?:[0-9A-Z](?P<sixth>[1-6])|(?P<fifth>[1-6])X)(?P<encounter>[ADS])")


def diagnosed(entry: BundleEntry, context: Context) -> tuple[ReportedFinding, ...]:
    """What the ICD-10-CM codes of a Condition are evidence of. A refuted one, or one entered in error, is evidence of
    nothing; of an injury by a drug that doesn't say how it came about, and at which encounter, a person is asked."""
    if not _REFUTED.isdisjoint(codes_in(entry.resource.get("verificationStatus"))):
        return ()
    stated = _stated(entry, context)
    found = (
        each
        for code in map(bare, stated)
        for group in TABLE.diagnosis
        if group.status in ("either", _status(code, entry.resource))
        for each in _evidence(group, code, entry, context)
    )
    facts = (_fact(each, entry, context) for each in stated if each in _FACTS and _counts(each, entry.resource))
    return _asked_once(tuple(dict.fromkeys((*found, *facts))))


def _asked_once(found: tuple[ReportedFinding, ...]) -> tuple[ReportedFinding, ...]:
    """A person who is asked for as long as self-harm counts is not asked for the overdose beside it."""
    lasting = any(each.code == LASTING_UNREADABLE for each in found)
    return tuple(each for each in found if not (lasting and each.code == UNREADABLE))


def _stated(entry: BundleEntry, context: Context) -> tuple[str, ...]:
    """Its codes of ICD-10-CM, and what its others mean by a map."""
    concept = entry.resource.get("code")
    return (*codes_in(concept, *ICD10), *meanings(concept, own_codes(context)))


_FACTS = (TABLE.facts() | TABLE.disorders()) - set(TABLE.evidence.scores)


def _counts(fact: str, condition: Json) -> bool:
    """What is over is evidence of its history alone."""
    return fact.endswith("-history") or not _is_past(condition)


def _fact(fact: str, entry: BundleEntry, context: Context) -> ReportedFinding:
    """From when a code of ICD-10-CM would speak of it; of another fact from its onset."""
    at = next((each.at for each in TABLE.diagnosis if fact in each.facts()), "onset")
    return ReportedFinding(fact, 1, _since(at, entry, context), f"{entry.type}/{entry.id}")


def read_as(entry: BundleEntry, context: Context) -> list[str]:
    """What the outcome says of it."""
    if not _REFUTED.isdisjoint(verified := tuple(codes_in(entry.resource.get("verificationStatus")))):
        return [TAKEN_BACK if "entered-in-error" in verified else "not read: refuted"]
    found = diagnosed(entry, context)
    if found:
        return [line for each in found for line in _lines(each, context)]
    stated = _stated(entry, context)
    known = any(group.evident(bare(each)) or each in _FACTS for group in TABLE.diagnosis for each in stated)
    return ["not read: decides nothing by its status, intent or encounter" if known else "not read: code unknown"]


def _lines(finding: ReportedFinding, context: Context) -> list[str]:
    """Of what is too old to decide it says so: nobody is asked about it either."""
    old = is_old(finding.code, finding.at, context)
    if is_unreadable(finding):
        return [f"not read: intent or 7th character missing; {TOO_OLD if old else PERSON_ASKED}"]
    return [f"read as {finding.code}", *([f"{finding.code}: {TOO_OLD}"] if old else [])]


def is_unreadable(finding: ReportedFinding) -> bool:
    return finding.code in (UNREADABLE, LASTING_UNREADABLE)


def _status(code: str, condition: Json) -> str:
    return "past" if _is_past(condition) or _IN_REMISSION.fullmatch(code) else "present"


class _Injury(NamedTuple):
    intent: str
    encounter: str


def _evidence(group: Diagnoses, code: str, entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    evident = group.evident(code)
    if evident is None:
        return
    source, at = f"{entry.type}/{entry.id}", _since(group.at, entry, context)
    injury = _injury(code)
    if not group.encounters or (injury and injury.intent in group.intents and injury.encounter in group.encounters):
        yield ReportedFinding(evident.code, evident.value, at, source)
    elif injury is None and _status(code, entry.resource) == "present":
        yield ReportedFinding(unreadable_as([evident.code]), 1, at, source)


def _injury(code: str) -> _Injury | None:
    """Its intent and 7th character; None where the code doesn't say."""
    stated = _INJURY.fullmatch(code)
    return _Injury(stated["sixth"] or stated["fifth"], stated["encounter"]) if stated else None


def _is_past(condition: Json) -> bool:
    """By its clinical status, in whatever system it is coded: FHIR binds it to these codes."""
    stated = set(codes_in(condition.get("clinicalStatus")))
    ended = any(name.startswith("abatement") for name in condition)
    return not stated & _PRESENT and (bool(stated & _PAST) or ended)


def _since(speaks: str, entry: BundleEntry, context: Context) -> datetime:
    """From when it speaks; from now on where nothing is said. The onset on a day, in a month or a year counts from its
    end, yet not from ahead: what may be recent is."""
    onset = _onset(entry.resource) if speaks == "onset" else None
    if onset:
        return min(planned_until(onset, f"{entry.place}.onset", context.time), context.now)
    recorded = entry.resource.get("recordedDate")
    if speaks == "now" or not recorded:
        return context.now
    return happened(recorded, f"{entry.place}.recordedDate", context.time)


def _onset(condition: Json) -> object:
    period = condition.get("onsetPeriod", {})
    return condition.get("onsetDateTime") or period.get("end") or period.get("start")
