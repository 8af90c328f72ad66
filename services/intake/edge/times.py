"""When a screen or an assessment was taken: without it nobody can say whether it is recent."""

from datetime import datetime

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import happened


def clinical_time(entry: BundleEntry, context: Context) -> datetime:
    """The clinical time of an Observation. Raises HttpRefusal 422."""
    observation, bounds = entry.resource, entry.resource.get("effectivePeriod", {})
    stated = (
        observation.get("effectiveDateTime"),
        observation.get("effectiveInstant"),
        bounds.get("end"),
        bounds.get("start"),
    )
    text = next((each for each in stated if each is not None), None)
    return happened(text, f"{entry.place}.effective", context.time)
