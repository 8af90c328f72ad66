"""Care elsewhere that an Encounter reports: in an emergency department, as an inpatient, or in a residence."""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from services.intake.care_elsewhere import FOR_SUBSTANCE_USE, KINDS
from services.intake.edge import diagnoses
from services.intake.messages import (
    CareKind,
    EndCareElsewhere,
    RecordCareDays,
    ReportCareElsewhere,
    ReportDeath,
    ReportedFinding,
    WithdrawCareElsewhere,
)
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codings, happened, has_code
from shared.edge.json import Json
from shared.events import codes

_LASTS = frozenset({"arrived", "in-progress", "onleave", "triaged", "unknown"})
"""Statuses of care that is going on; of one that nobody knows it is assumed."""


def is_elsewhere(entry: BundleEntry, context: Context) -> bool:
    """Whether it is, or was, care elsewhere: that of a stay here names its EpisodeOfCare."""
    return _kinds(entry, context) != (None, None)


def reported(
    entry: BundleEntry, context: Context
) -> Iterator[ReportCareElsewhere | EndCareElsewhere | WithdrawCareElsewhere | ReportDeath]:
    """What it says that the one stored before did not: that care began, that it ended, perhaps by a death, that there
    was none. Sent again it says nothing new."""
    now, known = _kinds(entry, context)
    before, identity = _before(entry, context), str(entry.id)
    if now is None:
        if known is not None:
            yield WithdrawCareElsewhere(encounter_id=identity)
        return
    ended_at, had_ended = _ended_at(entry, context), known is not None and before["status"] == "finished"
    if now != known or (had_ended and ended_at is None):
        started_at = _moment(entry, "start", context)
        yield ReportCareElsewhere(encounter_id=identity, kind=now, started_at=started_at, ended_at=ended_at)
    if ended_at is not None and (now != known or not had_ended):
        yield EndCareElsewhere(encounter_id=identity, ended_at=ended_at)
    if ended_at is not None and _expired(entry.resource) and not _expired(before):
        yield ReportDeath(died_at=ended_at)


def days(entry: BundleEntry, context: Context) -> Iterator[RecordCareDays]:
    """Which days of it are care for substance use with nights, where it says so anew, or no more."""
    before = _before(entry, context)
    now, known = _counts(entry.resource), _counts(before)
    times = [(each.get("period"), each.get("status") == "finished") for each in (entry.resource, before)]
    if now == known and (not now or times[0] == times[1]):
        return
    started_at = _moment(entry, "start", context) if now else context.now
    ended_at = _ended_at(entry, context) if now else None
    yield RecordCareDays(encounter_id=str(entry.id), counts=now, started_at=started_at, ended_at=ended_at)


def _counts(encounter: Json) -> bool:
    """A residence, or a ward for substance use: by a code of its own, or by a reason (ICD-10-CM F10 to F19)."""
    kind = None if "episodeOfCare" in encounter else _kind(encounter)
    reasons = [each for concept in encounter.get("reasonCode", ()) for each in codings(concept)]
    diagnosed = [str(each.get("code")) for each in reasons if each.get("system") in diagnoses.ICD10]
    by_reason = any(map(SUBSTANCE.match, diagnosed))
    coded = not FOR_SUBSTANCE_USE.isdisjoint(_codes(encounter))
    return kind == "residential" or (kind == "inpatient" and (by_reason or coded))


SUBSTANCE = re.compile(r"F1[0-9]")


def findings(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    """What its reasons are evidence of, as if each were a Condition: present while the care lasts, past afterwards.

    With the end of the care they are no other ones: whoever was called because of them has not been called in error.
    """
    now, known = _kinds(entry, context)
    if now is None or not (known is None or states_anew(entry, context)):
        return
    ended_at = _ended_at(entry, context)
    status = "active" if ended_at is None else "resolved"
    onset = ended_at or _moment(entry, "start", context)
    for each in entry.resource.get("reasonCode", ()):
        condition = {"code": each, "clinicalStatus": {"coding": [{"code": status}]}, "onsetDateTime": onset.isoformat()}
        yield from diagnoses.diagnosed(msgspec.structs.replace(entry, resource=condition), context)


def stepped_down(entry: BundleEntry, context: Context) -> Iterator[ReportedFinding]:
    """Nights elsewhere that ended are what the patient steps down from (R17): once for each end that is stated."""
    now, _ = _kinds(entry, context)
    ended_at, before = _ended_at(entry, context) if now in NIGHTS else None, _before(entry, context)
    if ended_at is None or (before.get("status"), before.get("period")) == ("finished", entry.resource.get("period")):
        return
    yield ReportedFinding("step-down", 1, ended_at, f"Encounter/{entry.id}")


NIGHTS: tuple[CareKind, ...] = ("inpatient", "residential")


def states_anew(entry: BundleEntry, context: Context) -> bool:
    """Whether its reasons are others than those stored, or it was no care elsewhere."""
    now, known = _kinds(entry, context)
    others = _before(entry, context).get("reasonCode") != entry.resource.get("reasonCode")
    return known is not None and (now is None or others)


def read_as(entry: BundleEntry, context: Context) -> list[str]:
    """What the outcome says of it; nothing of one that is no care elsewhere."""
    now, before = _kinds(entry, context)
    if now is not None:
        return [f"read as {now} care elsewhere"]
    if before is not None:
        return ["read as care elsewhere taken back"]
    known = any(each in KINDS for each in _codes(entry.resource))
    return [] if known else ["not read: class unknown; send its code of v3-ActCode"]


def _kinds(entry: BundleEntry, context: Context) -> tuple[CareKind | None, CareKind | None]:
    """Which care it reports now, and which one it did before."""
    before = _before(entry, context)
    is_of_stay = "episodeOfCare" in entry.resource or "episodeOfCare" in before
    return (None, None) if is_of_stay else (_kind(entry.resource), _kind(before))


def _before(entry: BundleEntry, context: Context) -> Json:
    """As it is stored; empty where it isn't."""
    stored = context.stored.get((entry.type, str(entry.id)))
    return stored.body if stored else {}


def _kind(encounter: Json) -> CareKind | None:
    """Which care it reports as going on or over; its type is more precise than its class."""
    if encounter.get("status") not in _LASTS | {"finished"}:
        return None
    return next((kind for each in _codes(encounter) if (kind := KINDS.get(each))), None)


def _expired(encounter: Json) -> bool:
    return has_code(encounter.get("hospitalization", {}).get("dischargeDisposition"), codes.DISCHARGE, "exp")


def _codes(encounter: Json) -> list[tuple[str, str]]:
    """In capitals, as all of them are written. FHIR binds the class to v3-ActCode: without a system it is of that."""
    stated = [*(each for concept in encounter.get("type", ()) for each in codings(concept)), encounter.get("class", {})]
    return [(str(each.get("system", codes.ACT)), str(each.get("code", "")).upper()) for each in stated]


def _ended_at(entry: BundleEntry, context: Context) -> datetime | None:
    """None while it lasts."""
    return _moment(entry, "end", context) if entry.resource["status"] == "finished" else None


def _moment(entry: BundleEntry, bound: str, context: Context) -> datetime:
    """As it states; now where it doesn't."""
    stated = entry.resource.get("period", {}).get(bound)
    return happened(stated, f"{entry.place}.period.{bound}", context.time) if stated else context.now
