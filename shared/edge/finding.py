"""Whose a fact is that waits for its patient: a Task asks a person, and its completion is the answer.

`find-patient` asks where nobody is known, a Task of the service's own (`Edge.whose`) where several may be meant. Both
have the id of the fact and of its bytes. They name no identifier: those are in the bytes alone. Nobody is matched by
name and birth date; a person names the patient, or one whom nobody knew is identified after all.
"""

from dataclasses import replace
from uuid import UUID, uuid5

import msgspec
from msgspec.json import decode

from shared.edge import questions, work_item
from shared.edge.contract import Context, Edge
from shared.edge.fhir import BundleEntry, parse
from shared.edge.fhir.elements import has_code
from shared.edge.outcome import refuse
from shared.events import codes, fhir
from shared.events.envelope import PatientId
from shared.path.service import Service
from shared.path.transaction import waiting
from shared.path.transaction.delivery import Commanded
from shared.path.transaction.questions import OPEN, found
from shared.path.transaction.resources import AcceptedResource
from shared.platform.db import Connection, Row

FIND = codes.FIND_PATIENT
REASON = "patient-unknown"


def task(fact: Commanded, edge: Edge, settings: object) -> AcceptedResource | None:
    """The question; None where the service has nothing to decide by the fact."""
    stated = edge.sought(fact, settings) if edge.sought is not None else ()
    return work_item.task(fact.id, FIND, REASON, stated, fact.at, confidential=True) if stated else None


def is_answered(row: Row, entry: BundleEntry, edge: Edge) -> bool:
    """Whether the entry completes this Task, or it has its patient, where it is such a one."""
    if not edge.assigns or not (row["patient"] or entry.resource["status"] == "completed"):
        return False
    code = parse(row["body"].encode()).get("code")
    return any(has_code(code, codes.TASK, each) for each in edge.assigns)


async def delivery(
    connection: Connection, service: Service, row: Row, patient: PatientId | None, context: Context, entry: BundleEntry
) -> Commanded | None:
    """The fact as the patient's whom a person named, with the Task and an AuditEvent; None where the same was answered
    before. Raises HttpRefusal: 422 where they name nobody known, 409 where somebody answered otherwise."""
    if patient is None:
        raise refuse(422, "not-found", f"{entry.place}.for", "Must name a patient of this program.")
    fact = await waiting.one(connection, context.program, UUID(str(entry.id)), patient, service)
    if row["status"] not in OPEN or fact is None:
        if row["patient"] == patient:
            return None
        raise questions.conflict(row["status"], entry.place)
    stored = decode(row["body"].encode(), type=fhir.Element)
    theirs = replace(context, patient=patient)
    record = questions.record(entry, stored, row["version"] + 1, theirs, service.name)
    answered = (*fact.accepted, found(stored, patient, context.now), record)
    return msgspec.structs.replace(fact, id=uuid5(fact.id, patient), accepted=answered, fact=fact.id)
