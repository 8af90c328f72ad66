"""A laboratory's report whose identifiers belong to several patients, or to one whose family name and birth date are
others: work for a person, who says whose it is. Pure.

The Task holds what the laboratory found, and what can be read of it from then on, so that naming the patient is all it
takes; it names nobody itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from services.testing.messages import ReportResult
from shared.edge import work_item
from shared.edge.fhir import BundleEntry, elements
from shared.edge.outcome import refuse
from shared.edge.several import REASON
from shared.events import codes, fhir
from shared.path.transaction import waiting
from shared.path.transaction.resources import AcceptedResource

WHOSE = "assign-result"
_REPORT = "report"
_RECEIVED = "received"


def task(
    cause: UUID,
    program: str,
    reports: Sequence[ReportResult],
    received: Sequence[AcceptedResource],
    now: datetime,
    reason: str = REASON,
) -> AcceptedResource:
    """The same message again makes the same one."""
    held = [*((_REPORT, each) for each in reports), *((_RECEIVED, each) for each in received)]
    inputs = [
        {"type": fhir.concept(codes.INPUT, kind), "valueString": msgspec.json.encode(each).decode()}
        for kind, each in held
    ]
    return work_item.task(uuid5(cause, f"{WHOSE}|{program}"), WHOSE, reason, inputs, now, confidential=True)


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
