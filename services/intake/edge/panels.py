"""Totals of a panel (`hasMember`): of its members, sent with it or before, whenever and by whomever they were answered.

The panel is the source of its total. It is summed anew whenever one of its members changes; once one is missing it
counts no more. Beside a total that the panel states itself the higher counts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from services.intake.edge.assessing import is_need
from services.intake.edge.screens import STANDING, ScreenReading, read, remark
from services.intake.edge.sums import Summed, stored_entry
from services.intake.edge.times import TOO_OLD, clinical_time, is_old
from services.intake.instruments import totals
from services.intake.messages import ReportedFinding
from services.intake.table import decides_safety, unreadable_as
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import members
from shared.edge.outcome import HttpRefusal


def of_panels(entries: Sequence[BundleEntry], readings: Mapping[str, ScreenReading], context: Context) -> Summed:
    """The totals of the panels among these Observations, and of those stored that have one of these as member."""
    sent = {str(each.id): each for each in entries if members(each.resource)}
    others = [each for each in _stored_panels(context) if str(each.id) not in sent and _has_changed(each, readings)]
    now = [finding for each in others for finding in _totals(each, _points(each, readings, context), context)]
    return Summed(
        findings=(*now, *(lost for each in others for lost in _lost(each, now, context))),
        sources=tuple(f"Observation/{each.id}" for each in others),
        readings={name: _with_totals(each, readings, context) for name, each in sent.items() if name in readings},
    )


def _stored_panels(context: Context) -> list[BundleEntry]:
    return [stored_entry(name, each) for name, each in context.panels.items() if members(each.body)]


def _has_changed(panel: BundleEntry, readings: Mapping[str, ScreenReading]) -> bool:
    """Whether a member is replaced: by what nobody can read nothing is."""
    changed = [readings[each] for each in members(panel.resource) if each in readings]
    return bool(changed) and not any(each.is_unreadable for each in changed)


def _points(panel: BundleEntry, readings: Mapping[str, ScreenReading], context: Context) -> dict[str, int]:
    """Of each item that a member answers the most points."""
    found: dict[str, int] = {}
    for each in members(panel.resource):
        reading = readings.get(each) or _stored(each, context)
        for item, points in reading.points.items() if reading else ():
            found[item] = max(found.get(item, points), points)
    return found


def _stored(name: str, context: Context) -> ScreenReading | None:
    known = context.panels.get(name)
    entry = stored_entry(name, known) if known is not None else None
    return read(entry, context) if entry is not None and not is_need(entry, context) else None


def _totals(panel: BundleEntry, points: Mapping[str, int], context: Context) -> Iterator[ReportedFinding]:
    """None of one that is withdrawn, or without a time: nobody can say whether it is recent."""
    if panel.resource["status"] not in STANDING:
        return
    try:
        at = clinical_time(panel, context)
    except HttpRefusal:
        return
    stated = {each.code: each.value for each in read(panel, context).findings}
    for total, value in totals(points):
        yield ReportedFinding(total, max(value, stated.get(total, value)), at, f"Observation/{panel.id}")


def _lost(panel: BundleEntry, now: Sequence[ReportedFinding], context: Context) -> Iterator[ReportedFinding]:
    """A person is asked about a total of safety that counted until a member of it was withdrawn."""
    source = f"Observation/{panel.id}"
    left = {each.code for each in now if each.evidence == source}
    for before in _totals(panel, _points(panel, {}, context), context):
        if decides_safety(before.code) and before.code not in left:
            yield ReportedFinding(unreadable_as([before.code]), 1, context.now, source)


def _with_totals(panel: BundleEntry, readings: Mapping[str, ScreenReading], context: Context) -> ScreenReading:
    reading = readings[str(panel.id)]
    found = tuple(_totals(panel, _points(panel, readings, context), context))
    if not found:
        return reading
    codes = {each.code for each in found}
    others = tuple(each for each in reading.findings if each.code not in codes)
    lines = [line for each in found for line in _lines(each, context)]
    issues = (*(reading.issues if reading.findings else ()), *(remark(line, panel.place) for line in lines))
    return replace(reading, findings=(*others, *found), issues=issues)


def _lines(total: ReportedFinding, context: Context) -> Iterator[str]:
    yield f"read as {total.code}: summed from its members"
    if is_old(total.code, total.at, context):
        yield f"{total.code}: {TOO_OLD}"
