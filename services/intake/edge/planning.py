"""When a stay begins whose level is signed: as the signature names it, and as an EHR sets its EpisodeOfCare."""

from datetime import datetime

from services.intake.messages import SetPlan
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, names_a_day, planned, planned_until
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import acting, require_role
from shared.events import codes

START, WAITS = "start", "wait-list"
_NOT_BEGUN = frozenset({"planned", "waitlist", "cancelled"})
_ENDS = frozenset({"patient-declined", "not-available"})
"""Why the referral ends with its start, too (REASON)."""


def names_start(entry: BundleEntry) -> bool:
    """Whether a Task that a person completes names a start, or asks for the wait list; readable or not."""
    return any(code_in(each["type"], codes.INPUT) in (START, WAITS) for each in entry.resource.get("output", ()))


def start(entry: BundleEntry, context: Context) -> tuple[datetime | None, bool]:
    """When the stay is to begin by the Task that signs it, and whether the patient waits for a seat instead. Raises
    HttpRefusal 422."""
    starts = [_start(each, place, context) for each, place in _outputs(entry, START)]
    if len(starts) > 1:
        raise refuse(422, "business-rule", f"{entry.place}.output", "Must name one start.")
    waits = {_waits(each, place) for each, place in _outputs(entry, WAITS)}
    if len(waits) > 1:
        raise refuse(422, "business-rule", f"{entry.place}.output", "Must ask for the wait list, or not; not both.")
    return next(iter(starts), None), any(waits)


def _outputs(entry: BundleEntry, name: str) -> list[tuple[Json, str]]:
    found = enumerate(entry.resource.get("output", ()))
    return [(each, f"{entry.place}.output[{at}]") for at, each in found if code_in(each["type"], codes.INPUT) == name]


def _start(output: Json, place: str, context: Context) -> datetime:
    name = next((each for each in ("valueDateTime", "valueDate", "valueInstant") if each in output), "value")
    return _moment(output.get(name), f"{place}.{name}", context)


def _waits(output: Json, place: str) -> bool:
    value = output.get("valueBoolean")
    if not isinstance(value, bool):
        raise refuse(422, "value", f"{place}.value", "Must be a valueBoolean: true asks for the wait list.")
    return value


def _moment(text: object, place: str, context: Context) -> datetime:
    """An instant, or the beginning of the program's day; of today it is now."""
    if not isinstance(text, str) or not names_a_day(text):
        raise refuse(422, "value", place, "Must be a day or an instant with its zone: 2026-01-31T09:30:00-05:00.")
    begins = planned(text, place, context.time)
    is_today = "T" not in text and begins <= context.now < planned_until(text, place, context.time)
    return context.now if is_today else begins


def is_set(entry: BundleEntry, context: Context) -> bool:
    """Whether this EpisodeOfCare is set that has not begun, or is to be one; any other is a stay's."""
    before = context.stored.get((entry.type, str(entry.id)))
    known, status = before.body.get("status") if before is not None else "", entry.resource["status"]
    return status in _NOT_BEGUN or (status == "active" and known in _NOT_BEGUN)


def set_plan(entry: BundleEntry, context: Context) -> SetPlan:
    """What it says now. Raises HttpRefusal 403, of a person whose roles may not, and 422."""
    require_role("set-start", entry.place, context)
    before = context.stored.get((entry.type, str(entry.id)))
    if before is not None and not _levels(entry.resource) <= _levels(before.body):
        text = "Must be the level that was signed; for another one the start is cancelled without a reason."
        raise refuse(422, "business-rule", f"{entry.place}.type", text)
    status = entry.resource["status"]
    begins, place = entry.resource.get("period", {}).get("start"), f"{entry.place}.period.start"
    return SetPlan(
        episode_id=str(entry.id),
        status=status,
        start=_moment(begins, place, context) if status == "planned" else None,
        reason=_reason(entry) if status == "cancelled" else "",
        by=acting(context),
    )


def _levels(episode: Json) -> set[str]:
    """Those that it names; nothing where it leaves them out."""
    return {code for each in episode.get("type", ()) if (code := code_in(each, codes.LEVEL))}


def _reason(entry: BundleEntry) -> str:
    """Why it does not begin; empty where nothing says so."""
    place = f"{entry.place}.extension"
    stated = [each for each in entry.resource.get("extension", ()) if each.get("url") == codes.STATUS_REASON]
    found = {code_in(each.get("valueCodeableConcept"), codes.REASON) or "" for each in stated}
    if len(found) > 1 or not found <= _ENDS:
        text = f"Must be one of {' or '.join(sorted(_ENDS))} ({codes.REASON}), where stated."
        raise refuse(422, "code-invalid", place, text)
    return next(iter(found), "")
