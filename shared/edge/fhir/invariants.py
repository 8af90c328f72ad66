"""FHIR's invariants that the hub relies on, by element type. R4 keys (`ppc-1`) stand in the diagnostics.

A law sees an element whose structure is already right, though something required may be missing and dates unchecked.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from shared.edge.outcome import Issue, fault

Element = dict[str, Any]
Invariant = Callable[[Element], Iterator[Issue]]

_MAY_LACK_TIMES = ("proposed", "cancelled", "waitlist")
_REQUESTING = ("batch", "transaction", "history")
_RESPONDING = ("batch-response", "transaction-response", "history")


def _consent(consent: Element) -> Iterator[Issue]:
    if "policy" not in consent and "policyRule" not in consent:
        yield fault("invariant", "", "A Consent names a policy or a policyRule (ppc-1).")


def _participant(participant: Element) -> Iterator[Issue]:
    if "type" not in participant and "actor" not in participant:
        yield fault("invariant", "", "A participant has a type or an actor (app-1).")


def _appointment(appointment: Element) -> Iterator[Issue]:
    status = appointment.get("status")
    if ("start" in appointment) != ("end" in appointment):
        yield fault("invariant", "", "An Appointment has both start and end, or neither (app-2).")
    elif "start" not in appointment and status not in _MAY_LACK_TIMES:
        yield fault("invariant", "", "Only a proposed or cancelled Appointment may lack start and end (app-3).")
    if "cancelationReason" in appointment and status != "cancelled":
        yield fault("invariant", ".cancelationReason", "Only a cancelled Appointment has a cancelationReason (app-4).")
    yield from _period(appointment)


def _observation(observation: Element) -> Iterator[Issue]:
    yield from _absent(observation)
    codes = _codings(observation)
    if codes and _has_value(observation) and any(codes & _codings(one) for one in observation.get("component", ())):
        yield fault("invariant", ".value", "A component with the same code carries the value (obs-7).")


def _absent(observation: Element) -> Iterator[Issue]:
    if "dataAbsentReason" in observation and _has_value(observation):
        yield fault("invariant", ".dataAbsentReason", "A value that is present has no reason to be absent (obs-6).")


def _has_value(element: Element) -> bool:
    return any(name.startswith("value") for name in element)


def _codings(element: Element) -> set[tuple[Any, Any]]:
    codings = element.get("code", {}).get("coding", ())
    return {(one.get("system"), one["code"]) for one in codings if "code" in one}


def _extension(extension: Element) -> Iterator[Issue]:
    valued = any(name.startswith(("value", "_value")) for name in extension)
    if valued == ("extension" in extension):
        yield fault("invariant", "", "An extension has either a value or extensions (ext-1).")


def _quantity(quantity: Element) -> Iterator[Issue]:
    if "code" in quantity and "system" not in quantity:
        yield fault("invariant", "", "A coded unit names its system (qty-3).")


def _period(period: Element) -> Iterator[Issue]:
    if _after(period.get("start", ""), period.get("end", "")):
        yield fault("invariant", "", "The start is not after the end (per-1).")


def _after(start: str, end: str) -> bool:
    """Whether one moment is surely later, whatever their precision. A day and an instant are not compared: a day has
    no time zone."""
    if ("T" in start) != ("T" in end):
        return False
    if "T" not in start:
        shared = min(len(start), len(end))
        return start[:shared] > end[:shared]
    try:
        return datetime.fromisoformat(start) > datetime.fromisoformat(end)
    except (ValueError, TypeError):
        return False  # no moment, or one without a zone: the model's own check says so


def _entry(entry: Element) -> Iterator[Issue]:
    if not entry.keys() & {"resource", "request", "response"}:
        yield fault("invariant", "", "An entry has a resource, a request or a response (bdl-5).")
    if "/_history/" in entry.get("fullUrl", ""):
        yield fault("invariant", ".fullUrl", "A fullUrl is not specific to a version (bdl-8).")


def _bundle(bundle: Element) -> Iterator[Issue]:
    kind, entries = bundle.get("type"), bundle.get("entry", [])
    if "total" in bundle and kind not in ("searchset", "history"):
        yield fault("invariant", ".total", "Only a searchset or history has a total (bdl-1).")
    for place, entry in enumerate(entries):
        yield from _entry_of(entry, kind, f".entry[{place}]")
    if kind != "history":
        yield from _distinct(entries)
    if kind in ("document", "message"):
        yield from _headed(bundle, entries)


def _entry_of(entry: Element, kind: str | None, place: str) -> Iterator[Issue]:
    if "search" in entry and kind != "searchset":
        yield fault("invariant", f"{place}.search", "Only entries of a searchset tell of the search (bdl-2).")
    if ("request" in entry) != (kind in _REQUESTING):
        yield fault(
            "invariant", place, "Entries of a batch, transaction or history, and only they, have a request (bdl-3)."
        )
    if ("response" in entry) != (kind in _RESPONDING):
        yield fault("invariant", place, "Entries of a response or history, and only they, have a response (bdl-4).")


def _distinct(entries: list[Element]) -> Iterator[Issue]:
    seen = set()
    for place, entry in enumerate(entries):
        version = entry.get("resource", {}).get("meta", {}).get("versionId")
        url = entry.get("fullUrl")
        if url and (url, version) in seen:
            yield fault("invariant", f".entry[{place}].fullUrl", "An earlier entry has the same fullUrl (bdl-7).")
        seen.add((url, version))


def _headed(bundle: Element, entries: list[Element]) -> Iterator[Issue]:
    first = entries[0].get("resource", {}).get("resourceType") if entries else None
    if bundle["type"] == "message":
        if first != "MessageHeader":
            yield fault("invariant", "", "The first resource of a message is its MessageHeader (bdl-12).")
        return
    if not {"system", "value"} <= bundle.get("identifier", {}).keys():
        yield fault("invariant", "", "A document has an identifier with system and value (bdl-9).")
    if "timestamp" not in bundle:
        yield fault("invariant", "", "A document has a date (bdl-10).")
    if first != "Composition":
        yield fault("invariant", "", "The first resource of a document is its Composition (bdl-11).")


INVARIANTS: dict[str, tuple[Invariant, ...]] = {
    "Appointment": (_appointment,),
    "AppointmentParticipant": (_participant,),
    "Bundle": (_bundle,),
    "BundleEntry": (_entry,),
    "Consent": (_consent,),
    "Extension": (_extension,),
    "Observation": (_observation,),
    "ObservationComponent": (_absent,),
    "Period": (_period,),
    "Quantity": (_quantity,),
}
