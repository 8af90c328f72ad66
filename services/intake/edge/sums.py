"""Totals of items that came as separate Observations, in one submission or one by one: the same minute, the same
performer.

The sum is an Observation of the hub's own, derived from its items: evidence has a source. It is summed anew whenever
one of its items changes; once one is missing it counts no more. Beside a stated total the higher counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from services.intake.edge.asked import asked_by
from services.intake.edge.assessing import is_need
from services.intake.edge.screens import ScreenReading, read, remark
from services.intake.edge.times import TOO_OLD, clinical_time, is_old
from services.intake.instruments import INSTRUMENTS, totals, totals_with
from services.intake.messages import ReportedFinding
from services.intake.table import decides_safety, unreadable_as
from shared.edge.contract import Context, StoredResource
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


def minutes(entries: Sequence[BundleEntry], context: Context) -> frozenset[datetime]:
    """When items of totals were answered, by these screens and by what they replace: what is stored of the same minutes
    is summed with them."""
    versions = (each for entry in entries if entry.type == "Observation" for each in (entry, _earlier(entry, context)))
    return frozenset(
        group[0]
        for each in versions
        if each is not None
        and any(asked.items for asked in asked_by(each, context))
        and (group := _group(each, context)) is not None
    )


def summed(entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context) -> Summed:
    """The totals of the Observations among these screens with those stored beside them, and those that an item of
    theirs was in before."""
    others = _same_minute(entries, context)
    every = [*entries, *(entry for entry, _ in others)]
    read_now = {**readings, **{str(entry.id): reading for entry, reading in others}}
    stated = _stated(every, read_now, context)
    found = [
        each
        for each in _totals(every, read_now, context)
        if stated.get((each.code, each.at), -1) < (each.value or 0) and not readings.keys().isdisjoint(each.items)
    ]
    again = {each.id for each in found}
    gone = [each for entry in entries for each in _before(entry, readings, context) if each.id not in again]
    known = {each.code for each in found} | {code for code, _ in stated}
    lost = [each for each in gone if decides_safety(each.code) and each.code not in known]
    return Summed(
        findings=(
            *(ReportedFinding(each.code, each.value or 0, each.at, _source(each)) for each in found),
            *(
                ReportedFinding(unreadable_as([each.code]), 1, context.now, f"Observation/{each.items[0]}")
                for each in lost
            ),
        ),
        sources=tuple(_source(each) for each in (*found, *gone)),
        stored=tuple(_observation(each, context) for each in (*gone, *found)),
        readings={
            item: _as_summed(each, item, readings[item], entries, (each.code, each.at) in stated, context)
            for each in found
            for item in each.items
            if item in readings
        },
    )


def _same_minute(entries: Sequence[BundleEntry], context: Context) -> list[tuple[BundleEntry, ScreenReading]]:
    """The Observations stored of the same minutes, and how each is read; those that are replaced now are none."""
    replaced, found = {str(each.id) for each in entries}, []
    for identity, stored in context.same_minute.items():
        entry = stored_entry(identity, stored)
        if identity not in replaced and not is_need(entry, context) and _group(entry, context) is not None:
            found.append((entry, read(entry, context)))
    return found


def _stated(
    entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context
) -> dict[tuple[str, datetime], int]:
    """The findings that a sender stated, when, and the most points: those of the hub's own sums are none."""
    earlier = [before for each in entries if (before := _earlier(each, context)) is not None]
    groups = {_group(each, context) for each in (*entries, *earlier)}
    own = {_id(total, group, context) for total in INSTRUMENTS.sum for group in groups if group is not None}
    found: dict[tuple[str, datetime], int] = {}
    for identity, reading in readings.items():
        for finding in reading.findings if identity not in own else ():
            asked = (finding.code, _minute(finding.at))
            found[asked] = max(found.get(asked, finding.value), finding.value)
    return found


def stored_entry(identity: str, stored: StoredResource) -> BundleEntry:
    resource = dict(stored.body)
    return BundleEntry("PUT", "Observation", identity, resource, None, None, None, "Observation")


def _totals(
    entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context
) -> Iterator[_Total]:
    for group, items in _items_by_group(entries, readings, context).items():
        for total, value in totals({item: points for item, (points, _) in items.items()}):
            own = tuple(dict.fromkeys(name for item, (_, name) in items.items() if total in totals_with(item)))
            yield _Total(_id(total, group, context), total, group[0], own, value)


def _items_by_group(
    entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context
) -> dict[_Group, dict[str, tuple[int, str]]]:
    """Of each item the most points, and the id of the Observation that says so."""
    groups: dict[_Group, dict[str, tuple[int, str]]] = {}
    for entry in entries:
        group, identity = _group(entry, context), str(entry.id)
        if group is not None:
            items = groups.setdefault(group, {})
            for item, points in readings[identity].points.items():
                items[item] = max(items.get(item, (points, identity)), (points, identity))
    return groups


def _earlier(entry: BundleEntry, context: Context) -> BundleEntry | None:
    """The version of this Observation that it replaces."""
    stored = context.stored.get((entry.type, str(entry.id)))
    return stored_entry(str(entry.id), stored) if stored is not None and stored.body else None


def _before(entry: BundleEntry, readings: Mapping[str, ScreenReading], context: Context) -> Iterator[_Total]:
    """The totals that the earlier version of this Observation was in, and which it changes."""
    earlier = _earlier(entry, context)
    group = _group(earlier, context) if earlier is not None else None
    if earlier is None or group is None:
        return
    points, now = read(earlier, context).points, readings[str(entry.id)]
    is_as_before = points and now.points == points and _group(entry, context) == group
    if is_as_before or now.is_unreadable:
        return
    items = {item for each in asked_by(earlier, context) for item in each.items}
    for total in sorted({each for item in items for each in totals_with(item)}):
        before = _Total(_id(total, group, context), total, group[0], (str(entry.id),))
        stored = context.same_minute.get(before.id)
        if stored is not None and stored.body["status"] == "final":
            yield before


def _group(entry: BundleEntry, context: Context) -> _Group | None:
    """None where its time is missing, or is none."""
    performers = entry.resource.get("performer", ())
    try:
        return _minute(clinical_time(entry, context)), tuple(sorted(literal(each) for each in performers))
    except HttpRefusal:
        return None


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


def _as_summed(
    total: _Total,
    item: str,
    reading: ScreenReading,
    entries: Sequence[BundleEntry],
    contradicts: bool,
    context: Context,
) -> ScreenReading:
    place = next(each.place for each in entries if each.id == item)
    others = reading.issues if reading.findings else ()
    how = "summed from its items" + ("; contradicts the stated total, the higher counts" if contradicts else "")
    lines = [
        f"read as {total.code}: {how}",
        *([f"{total.code}: {TOO_OLD}"] if is_old(total.code, total.at, context) else []),
    ]
    return ScreenReading(reading.findings, (*others, *(remark(each, place) for each in lines)))
