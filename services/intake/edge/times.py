"""When a screen or an assessment was taken: without it nobody can say whether it is recent. And what the outcomes of
all types say of what decides nothing by its age, or was taken back."""

from datetime import datetime, timedelta

from services.intake.table import window_of
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import happened, planned_until

TAKEN_BACK, TOO_OLD, PERSON_ASKED = "read as taken back", "older than its window", "a person is asked"


def is_old(code: str, at: datetime, context: Context) -> bool:
    """Whether an answer of this code was too long ago to speak for the present."""
    days = window_of(code).days
    return days is not None and at < context.now - timedelta(days=days)


def clinical_time(entry: BundleEntry, context: Context) -> datetime:
    """The clinical time of an Observation or a QuestionnaireResponse. Raises HttpRefusal 422."""
    text, place = _stated(entry)
    return happened(text, place, context.time)


def latest_time(entry: BundleEntry, context: Context) -> datetime:
    """When it was at the latest: of a day, a month or a year its end, yet not ahead. Raises HttpRefusal 422."""
    text, place = _stated(entry)
    return min(planned_until(text, place, context.time), context.now)


def _stated(entry: BundleEntry) -> tuple[object, str]:
    """What is stated, and where."""
    resource, bounds = entry.resource, entry.resource.get("effectivePeriod", {})
    if entry.type == "QuestionnaireResponse":
        return resource.get("authored"), f"{entry.place}.authored"
    stated = (
        resource.get("effectiveDateTime"),
        resource.get("effectiveInstant"),
        bounds.get("end"),
        bounds.get("start"),
    )
    return next((each for each in stated if each is not None), None), f"{entry.place}.effective"
