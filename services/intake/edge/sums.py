"""Totals of items that came as separate Observations in one submission: the same minute, the same performer.

The sum is an Observation of the hub's own, derived from its items: evidence has a source. Once an item is corrected the
sum that it was in counts no more, and is summed anew where all its items came again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from services.intake.edge.screens import UNREADABLE, ScreenReading, decides_safety, read, remark
from services.intake.edge.times import clinical_time
from services.intake.instruments import totals, totals_with
from services.intake.messages import ReportedFinding
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import literal
from shared.edge.json import MutableJson
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.envelope import name_id
from shared.path.transaction.resources import AcceptedResource


@dataclass(frozen=True)
class Summed:
    """What the totals say, and the sources (Type/id) of which nothing said before counts; the Observations to store;
    and by its id how each item was read."""

    findings: tuple[ReportedFinding, ...] = ()
    sources: tuple[str, ...] = ()
    stored: tuple[AcceptedResource, ...] = ()
    readings: Mapping[str, ScreenReading] = field(default_factory=dict)


@dataclass(frozen=True)
class _Total:
    """A total of these items (ids of Observations), with its own id."""

    id: str
    code: str
    at: datetime
    items: tuple[str, ...]
    value: int | None = None


_Group = tuple[datetime, tuple[str, ...]]
"""What was asked at once: the minute, and by whom."""


def summed(entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context) -> Summed:
    """The totals of the Observations among these screens, and those that an item of theirs was in before."""
    stated = {(each.code, _minute(each.at)) for reading in readings.values() for each in reading.findings}
    found = [each for each in _totals(entries, readings, context) if (each.code, each.at) not in stated]
    again = {each.id for each in found}
    gone = [each for entry in entries for each in _before(entry, readings, context) if each.id not in again]
    known = {each.code for each in found} | {code for code, _ in stated}
    lost = [each for each in gone if decides_safety(each.code) and each.code not in known]
    return Summed(
        findings=(
            *(ReportedFinding(each.code, each.value or 0, each.at, _source(each)) for each in found),
            *(ReportedFinding(UNREADABLE, 1, context.now, f"Observation/{each.items[0]}") for each in lost),
        ),
        sources=tuple(_source(each) for each in (*found, *gone)),
        stored=tuple(_observation(each, context) for each in (*gone, *found)),
        readings={item: _as_summed(each, item, readings[item], entries) for each in found for item in each.items},
    )


def _totals(
    entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context
) -> Iterator[_Total]:
    groups: dict[_Group, dict[str, tuple[int, str]]] = {}
    for entry in entries:
        reading = readings[str(entry.id)]
        if reading.points:
            items = groups.setdefault(_group(entry, context), {})
            for item, points in reading.points.items():
                items[item] = max(items.get(item, (points, str(entry.id))), (points, str(entry.id)))
    for group, items in groups.items():
        for total, value in totals({item: points for item, (points, _) in items.items()}):
            own = tuple(dict.fromkeys(name for item, (_, name) in items.items() if total in totals_with(item)))
            yield _Total(_id(total, group, context), total, group[0], own, value)


def _before(entry: BundleEntry, readings: Mapping[str, ScreenReading], context: Context) -> Iterator[_Total]:
    """The totals that the earlier version of this Observation may have been in, and which it changes."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None or stored.body.get("resourceType") != "Observation":
        return
    earlier = msgspec.structs.replace(entry, resource=dict(stored.body))
    try:
        points = read(earlier, context).points
    except HttpRefusal:  # stored before its time was looked at: it was never in a total
        return
    if not points:
        return
    group, now = _group(earlier, context), readings[str(entry.id)].points
    if now == points and _group(entry, context) == group:
        return
    for total in sorted({each for item in points for each in totals_with(item)}):
        yield _Total(_id(total, group, context), total, group[0], (str(entry.id),))


def _group(entry: BundleEntry, context: Context) -> _Group:
    performers = entry.resource.get("performer", ())
    return _minute(clinical_time(entry, context)), tuple(sorted(literal(each) for each in performers))


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _id(total: str, group: _Group, context: Context) -> str:
    return name_id(context.patient, f"sum:{total}:{group[0].isoformat()}:{'|'.join(group[1])}")


def _source(total: _Total) -> str:
    return f"Observation/{total.id}"


def _observation(total: _Total, context: Context) -> AcceptedResource:
    """As it is read: the total, or one that counts no more."""
    status = "entered-in-error" if total.value is None else "final"
    body: MutableJson = {
        "resourceType": "Observation",
        "id": total.id,
        "status": status,
        "code": {"coding": [{"system": codes.FACT, "code": total.code}]},
        "subject": {"reference": f"Patient/{context.patient}"},
        "effectiveDateTime": total.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({} if total.value is None else {"valueInteger": total.value}),
        "derivedFrom": [{"reference": f"Observation/{each}"} for each in total.items],
    }
    return AcceptedResource("Observation", total.id, msgspec.json.encode(body).decode(), status, total.at)


def _as_summed(total: _Total, item: str, reading: ScreenReading, entries: Sequence[BundleEntry]) -> ScreenReading:
    place = next(each.place for each in entries if each.id == item)
    others = reading.issues if reading.findings else ()
    return ScreenReading(reading.findings, (*others, remark(f"read as {total.code}: summed from its items", place)))
