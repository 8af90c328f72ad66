"""What came in one submission, by reference: results and members, the specimen, when it was collected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.testing.reading.laboratory import Code, Component
from services.testing.reading.observations import codes_of, component_of
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import codes_in, happened, names_a_day
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events.testing import Number


@dataclass
class Submitted:
    """What came in one submission, by reference."""

    entries: Sequence[BundleEntry]
    context: Context
    observations: dict[str, BundleEntry] = field(default_factory=dict)
    specimens: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for each in self.entries:
            if each.type == "Observation":
                self.observations[f"Observation/{each.id}"] = each
            elif each.type == "Specimen":
                self.specimens[f"Specimen/{each.id}"] = each.resource

    def observation(self, name: str) -> Json | None:
        found = self.observations.get(name)
        return None if found is None else found.resource

    def happened(self, text: str, place: str) -> datetime:
        """When something that is over was, a day as its midnight in the program's zone."""
        return happened(text, place, self.context.time)


def results(resource: Json) -> list[str]:
    return [str(each.get("reference", "")) for each in resource.get("result", ()) if isinstance(each, dict)]


def members(resource: Json) -> list[str]:
    return [str(each.get("reference", "")) for each in resource.get("hasMember", ())]


def parts(resource: Json, submitted: Submitted, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """The Observations of this submission that a report, or an Observation with members, is made of."""
    for name in (*results(resource), *members(resource)):
        part = submitted.observation(name)
        if part is not None and name not in above:
            yield name
            yield from parts(part, submitted, above | {name})


def specimens_of(resource: Json, submitted: Submitted) -> Iterator[tuple[Json, Json]]:
    """Each reference to a specimen, and that Specimen (its own, where contained); empty where it did not come."""
    references = resource.get("specimen", [])
    contained = contained_in(resource)
    for each in references if isinstance(references, list) else [references]:
        name = str(each.get("reference", ""))
        yield each, contained.get(name) or submitted.specimens.get(name) or {}


def contained_in(resource: Json) -> Mapping[str, Json]:
    return {f"#{each.get('id')}": each for each in resource.get("contained", ())}


def specimen_number(reference: Json, specimen: Json) -> Number:
    named = [specimen.get("accessionIdentifier", {}), *specimen.get("identifier", ()), reference.get("identifier", {})]
    chosen = next((each for each in named if each.get("value")), None)
    if chosen is None:
        return Number("", str(reference.get("reference", "")))
    return Number("", str(chosen["value"]), str(chosen.get("system", "")))


def rejected(specimen: Json) -> bool:
    """By its status, or by a condition of table 0493 that says it never came."""
    conditions = (code for each in specimen.get("condition", ()) for code in codes_in(each))
    return specimen.get("status") == "unsatisfactory" or "SNR" in conditions


def doubtful(specimen: Json) -> bool:
    """Its record was a mistake, and nobody says what the results are of."""
    return specimen.get("status") == "entered-in-error"


def specimen_type(specimen: Json) -> tuple[Code, ...]:
    return codes_of(specimen.get("type", {}))


def remarks(resource: Json) -> Iterator[str]:
    """Of an Observation, a report or a Specimen: notes, the conclusion, the condition as it is written."""
    yield from (str(each.get("text", "")) for each in resource.get("note", ()))
    yield str(resource.get("conclusion", ""))
    for condition in resource.get("condition", ()):
        yield from (each.display or each.code for each in codes_of(condition))


def collected_at(resource: Json, specimen: Json, submitted: Submitted, place: str) -> tuple[datetime, bool]:
    """The specimen's collection, else the report's effective time, else its issue: the first that names a day.

    And whether that is known to the minute: when it was issued says nothing of the minute of collection.
    """
    collection = specimen.get("collection", {})
    stated = (
        (collection.get("collectedDateTime"), "specimen"),
        (collection.get("collectedPeriod", {}).get("start"), "specimen"),
        (resource.get("effectiveDateTime"), "effective"),
        (resource.get("effectiveInstant"), "effective"),
        (resource.get("effectivePeriod", {}).get("start"), "effective"),
        (resource.get("issued"), "issued"),
    )
    for text, name in stated:
        if text and names_a_day(text):
            return submitted.happened(text, f"{place}.{name}"), "T" in text and name != "issued"
    raise refuse(
        422,
        "required",
        f"{place}.effective",
        "A collection day or time is required: Specimen.collection.collected or effectiveDateTime.",
    )


def issued_at(resource: Json, submitted: Submitted, place: str) -> datetime | None:
    """When it was issued, else last updated at its laboratory's; None where neither is known."""
    stated = ((resource.get("issued"), "issued"), (resource.get("meta", {}).get("lastUpdated"), "meta.lastUpdated"))
    text, name = next((each for each in stated if each[0]), ("", ""))
    return submitted.happened(text, f"{place}.{name}") if text else None


def components(
    named: tuple[str, Json], submitted: Submitted, contained: Mapping[str, Json], above: frozenset[str] = frozenset()
) -> Iterator[Component]:
    """The Observation's own value, those of its components, those of its members; none of those `above` it again.

    Members may be contained in what holds the Observation, or in itself.
    """
    place, observation = named
    here = {**contained, **contained_in(observation)}
    pieces, names = observation.get("component", ()), members(observation)
    if (not pieces and not names) or any(name.startswith("value") for name in observation):
        yield component_of(observation, observation["status"], place)
    for ordinal, each in enumerate(pieces):
        yield component_of(each, observation["status"], f"{place}.component[{ordinal}]")
    for name in names:
        member = here.get(name) or submitted.observation(name)
        if member is not None and name not in above:
            yield from components((name, member), submitted, here, above | {name})
