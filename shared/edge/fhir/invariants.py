"""FHIR's invariants that the hub relies on, by element type. R4 keys (`ppc-1`) stand in the diagnostics.

An invariant sees an element whose structure is right, though something required may be missing and dates unchecked.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from shared.edge.json import Json
from shared.edge.outcome import Issue, fault

Invariant = Callable[[Json], Iterator[Issue]]

_MAY_LACK_TIMES = ("proposed", "cancelled", "waitlist")
_REQUESTING = ("batch", "transaction", "history")
_RESPONDING = ("batch-response", "transaction-response", "history")


def _consent(consent: Json) -> Iterator[Issue]:
    if "policy" not in consent and "policyRule" not in consent:
        yield fault("invariant", "", "A policy or a policyRule is required (ppc-1).")


def _participant(participant: Json) -> Iterator[Issue]:
    if "type" not in participant and "actor" not in participant:
        yield fault("invariant", "", "A participant's type or actor is required (app-1).")


def _appointment(appointment: Json) -> Iterator[Issue]:
    status = appointment.get("status")
    if ("start" in appointment) != ("end" in appointment):
        yield fault("invariant", "", "An Appointment must have both start and end, or neither (app-2).")
    elif "start" not in appointment and status not in _MAY_LACK_TIMES:
        yield fault("invariant", "", "Start and end are required unless proposed, cancelled or waitlist (app-3).")
    if "cancelationReason" in appointment and status != "cancelled":
        yield fault(
            "invariant", ".cancelationReason", "Only a cancelled Appointment may have a cancelationReason (app-4)."
        )
    yield from _period(appointment)


def _observation(observation: Json) -> Iterator[Issue]:
    yield from _absent(observation)
    codes = _codings(observation)
    if codes and _has_value(observation) and any(codes & _codings(one) for one in observation.get("component", ())):
        yield fault("invariant", ".value", "Must be absent where a component has the same code (obs-7).")


def _absent(observation: Json) -> Iterator[Issue]:
    if "dataAbsentReason" in observation and _has_value(observation):
        yield fault("invariant", ".dataAbsentReason", "Must be absent where there is a value (obs-6).")


def _has_value(element: Json) -> bool:
    return any(name.startswith("value") for name in element)


def _codings(element: Json) -> set[tuple[object, object]]:
    codings = element.get("code", {}).get("coding", ())
    return {(one.get("system"), one["code"]) for one in codings if "code" in one}


def _extension(extension: Json) -> Iterator[Issue]:
    valued = any(name.startswith(("value", "_value")) for name in extension)
    if valued == ("extension" in extension):
        yield fault("invariant", "", "An extension must have either a value or extensions (ext-1).")


def _quantity(quantity: Json) -> Iterator[Issue]:
    if "code" in quantity and "system" not in quantity:
        yield fault("invariant", "", "The system is required for a coded unit (qty-3).")


def _period(period: Json) -> Iterator[Issue]:
    if _after(period.get("start", ""), period.get("end", "")):
        yield fault("invariant", "", "The start must not be after the end (per-1).")


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


def _entry(entry: Json) -> Iterator[Issue]:
    if not entry.keys() & {"resource", "request", "response"}:
        yield fault("invariant", "", "A resource, a request or a response is required (bdl-5).")
    if "/_history/" in entry.get("fullUrl", ""):
        yield fault("invariant", ".fullUrl", "A fullUrl must not be specific to a version (bdl-8).")


def _bundle(bundle: Json) -> Iterator[Issue]:
    kind, entries = bundle.get("type"), bundle.get("entry", [])
    if "total" in bundle and kind not in ("searchset", "history"):
        yield fault("invariant", ".total", "Only a searchset or history may have a total (bdl-1).")
    for place, entry in enumerate(entries):
        yield from _entry_of(entry, kind, f".entry[{place}]")
    if kind != "history":
        yield from _distinct(entries)
    if kind in ("document", "message"):
        yield from _headed(bundle, entries)


def _entry_of(entry: Json, kind: str | None, place: str) -> Iterator[Issue]:
    if "search" in entry and kind != "searchset":
        yield fault("invariant", f"{place}.search", "Only entries of a searchset may have a search (bdl-2).")
    if ("request" in entry) != (kind in _REQUESTING):
        yield fault(
            "invariant",
            place,
            "Entries of a batch, transaction or history, and only they, must have a request (bdl-3).",
        )
    if ("response" in entry) != (kind in _RESPONDING):
        yield fault(
            "invariant", place, "Entries of a response or history, and only they, must have a response (bdl-4)."
        )


def _distinct(entries: list[Json]) -> Iterator[Issue]:
    seen = set()
    for place, entry in enumerate(entries):
        version = entry.get("resource", {}).get("meta", {}).get("versionId")
        url = entry.get("fullUrl")
        if url and (url, version) in seen:
            yield fault(
                "invariant", f".entry[{place}].fullUrl", "Must differ from the fullUrl of every other entry (bdl-7)."
            )
        seen.add((url, version))


def _headed(bundle: Json, entries: list[Json]) -> Iterator[Issue]:
    first = entries[0].get("resource", {}).get("resourceType") if entries else None
    if bundle["type"] == "message":
        if first != "MessageHeader":
            yield fault("invariant", "", "The first resource of a message must be its MessageHeader (bdl-12).")
        return
    if not {"system", "value"} <= bundle.get("identifier", {}).keys():
        yield fault("invariant", "", "An identifier with system and value is required for a document (bdl-9).")
    if "timestamp" not in bundle:
        yield fault("invariant", "", "A timestamp is required for a document (bdl-10).")
    if first != "Composition":
        yield fault("invariant", "", "The first resource of a document must be its Composition (bdl-11).")


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
