"""An attempt to reach the patient, as `Task.output` states it: how, when, and with what outcome."""

from datetime import datetime
from typing import NamedTuple, TypeVar, get_args

from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, happened_exactly
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.events.codes import INPUT, OUTREACH, OUTREACH_CHANNEL, PARTICIPATION_MODE
from shared.events.outreach import Channel, OutreachOutcome

CHANNEL, AT, OUTCOME = PARTS = ("outreach-channel", "outreach-at", "outreach-outcome")
Code = TypeVar("Code", bound=str)
Parts = dict[str, list[tuple[Json, str]]]


class Attempt(NamedTuple):
    channel: Channel
    outcome: OutreachOutcome
    at: datetime


def attempt(entry: BundleEntry, context: Context) -> Attempt | None:
    """None where no output is part of one. Raises HttpRefusal 422: a part is missing, doubled, unknown or ahead."""
    parts = _parts(entry)
    if not any(parts.values()):
        return None
    if any(len(each) != 1 for each in parts.values()):
        text = f"One attempt needs one output each of {', '.join(PARTS)} ({INPUT}); send another attempt by itself."
        raise refuse(422, "required", f"{entry.place}.output", text)
    ((at, place),) = parts[AT]
    return Attempt(
        channel=_coded(parts[CHANNEL][0], (PARTICIPATION_MODE, OUTREACH_CHANNEL), get_args(Channel)),
        outcome=_coded(parts[OUTCOME][0], (OUTREACH,), get_args(OutreachOutcome)),
        at=happened_exactly(at.get("valueDateTime", at.get("valueInstant")), f"{place}.valueDateTime", context.time),
    )


def _parts(entry: BundleEntry) -> Parts:
    found: Parts = {name: [] for name in PARTS}
    for number, each in enumerate(entry.resource.get("output", ())):
        name = code_in(each["type"], INPUT)
        if name in found:
            found[name].append((each, f"{entry.place}.output[{number}]"))
    return found


def _coded(part: tuple[Json, str], systems: tuple[str, ...], known: tuple[Code, ...]) -> Code:
    output, place = part
    stated = {code_in(output.get("valueCodeableConcept"), each) for each in systems}
    found = next((each for each in known if each in stated), None)
    if found is None:
        text = f"Must be one of {', '.join(known)} ({systems[0]})."
        raise refuse(422, "code-invalid", f"{place}.valueCodeableConcept", text)
    return found
