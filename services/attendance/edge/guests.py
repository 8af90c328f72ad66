"""The Slot that a new Appointment names: a session of a group, in which somebody makes up a miss as a guest."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import planned_exactly, target
from shared.edge.outcome import HttpRefusal, refuse
from shared.path.transaction.resources import Name


def behind(entries: Sequence[BundleEntry], context: Context) -> list[Name]:
    """The Slots that are named, as they stand."""
    return [("Slot", each) for entry in entries if _may_name(entry) for each in _named(entry)]


def _may_name(entry: BundleEntry) -> bool:
    return (entry.method, entry.type) == ("POST", "Appointment")


def _named(entry: BundleEntry) -> Iterator[str]:
    for each in entry.resource.get("slot", ()):
        if (identity := target(each, "Slot")) is not None:
            yield identity


def guest_of(entry: BundleEntry, start: datetime, end: datetime, context: Context) -> str:
    """The group whose session it is; "" where no Slot is named. Raises HttpRefusal 422."""
    if not (named := list(dict.fromkeys(_named(entry)))):
        return ""
    if len(named) > 1:
        raise _refused(entry, "Must name one Slot: an Appointment is one session.")
    stored = context.stored.get(("Slot", named[0]))
    if stored is None:
        raise _refused(entry, "Must be a Slot of this service: search them by Schedule.")
    times = [planned_exactly(stored.body[each], f"{entry.place}.slot") for each in ("start", "end")]
    if times != [start, end]:
        raise _refused(entry, "Must be the Slot of this start and end: read it again, for it may have moved.")
    return str(stored.body["schedule"]["identifier"]["value"])


def _refused(entry: BundleEntry, text: str) -> HttpRefusal:
    return refuse(422, "business-rule", f"{entry.place}.slot", text)
