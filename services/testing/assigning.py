"""A laboratory's report whose identifiers belong to several patients, or to one whose family name and birth date are
others: work for a person, who says whose it is. Pure.

The Task holds what the laboratory found, and what can be read of it from then on, so that naming the patient is all it
takes; it names nobody itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid5
from zoneinfo import ZoneInfo

import msgspec

from services.testing.messages import ReportResult
from services.testing.settings import Settings
from shared.edge import work_item
from shared.edge.fhir import BundleEntry, elements
from shared.edge.outcome import refuse
from shared.edge.several import REASON
from shared.events import codes, fhir
from shared.path.transaction import waiting
from shared.path.transaction.delivery import Commanded
from shared.path.transaction.resources import AcceptedResource

WHOSE = "assign-result"
LABORATORY = "laboratory"
DOCUMENT = "document"
_PANEL = "panel"
_COLLECTED = "collected-on"
_REPORT = "report"
_RECEIVED = "received"


def task(fact: Commanded, settings: Settings, reason: str = REASON) -> AcceptedResource:
    """The same message again makes the same one."""
    held = [*((_REPORT, each) for each in _reports(fact)), *((_RECEIVED, each) for each in fact.accepted)]
    inputs = [
        *sought(fact, settings),
        *(text_input(kind, msgspec.json.encode(each).decode()) for kind, each in held),
    ]
    identity = uuid5(fact.id, f"{WHOSE}|{fact.program}")
    return work_item.task(identity, WHOSE, reason, inputs, fact.at, confidential=True)


def sought(fact: Commanded, settings: Settings) -> list[fhir.Element]:
    """What a person is told of a result whose patient they have to name, without any identifier: who sent it, its bytes
    by their id, which panels, of which days."""
    zone = ZoneInfo(settings.timezone)
    reports = _reports(fact)
    panels = dict.fromkeys(each.panel for each in reports if each.panel)
    days = sorted({each.collected_at.astimezone(zone).date() for each in reports})
    document = fact.document.id if fact.document else fact.correlation_id
    return [
        *(text_input(LABORATORY, fact.producer) for _ in reports[:1]),
        *(text_input(DOCUMENT, str(document)) for _ in reports[:1]),
        *(text_input(_PANEL, each) for each in panels),
        *({"type": fhir.concept(codes.INPUT, _COLLECTED), "valueDate": each.isoformat()} for each in days),
    ]


def text_input(kind: str, text: str) -> fhir.Element:
    return {"type": fhir.concept(codes.INPUT, kind), "valueString": text}


def _reports(fact: Commanded) -> list[ReportResult]:
    return [each for each in fact.commands if isinstance(each, ReportResult)]


def asks_whose(stored: Mapping[str, Any]) -> bool:
    """Whether this Task is one of ours above."""
    return elements.has_code(stored.get("code"), codes.TASK, WHOSE)


def assigned(entry: BundleEntry, stored: Mapping[str, Any]) -> Iterator[ReportResult]:
    """A person completed it, with the patient in `Task.for`: the reports, now that patient's.

    They are read from the Task as it was stored, never from what came back. Raises HttpRefusal for any other status.
    """
    if entry.resource["status"] != "completed":
        raise refuse(
            422, "business-rule", f"{entry.place}.status", "Status must be completed, with the patient in Task.for."
        )
    for each in fhir.task_inputs(dict(stored), _REPORT):
        yield msgspec.structs.replace(
            msgspec.json.decode(each["valueString"], type=ReportResult), matched=True, listed_as=""
        )


def received(stored: Mapping[str, Any], patient: str) -> Iterator[AcceptedResource]:
    """What can be read of the reports once they are a patient's."""
    for each in fhir.task_inputs(dict(stored), _RECEIVED):
        yield waiting.of_patient(msgspec.json.decode(each["valueString"], type=AcceptedResource), patient)
