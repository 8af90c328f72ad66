"""An escalation is a Task, with the same route at every owner: `PUT /fhir/Task/{id}`, accepted, requested of another
one, completed, or accepted once more."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, has_code
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import acting, is_proved, person_or_client, receiver
from shared.events import escalation
from shared.events.codes import ACTS, ESCALATION, HAND_OVER_REASONS, REASON, REOPEN_REASONS, RESOLUTIONS
from shared.events.envelope import Command
from shared.events.escalation import CLIENT, HANDED_OVER, OVERDUE, REOPENED, UPDATED
from shared.path.transaction.hold import CATEGORY, AcknowledgeHold, ActOnHold, HandOverHold, ResolveHold
from shared.path.transaction.resources import Name
from shared.rules.escalation import (
    AcknowledgeEscalation,
    ActOnEscalation,
    HandOverEscalation,
    ReopenEscalation,
    ResolveEscalation,
)


class Steps(NamedTuple):
    """What a person may do, as commands of whoever decides it."""

    acknowledge: Callable[..., Command]
    act: Callable[..., Command]
    hand_over: Callable[..., Command]
    resolve: Callable[..., Command]


OF_SERVICE = Steps(AcknowledgeEscalation, ActOnEscalation, HandOverEscalation, ResolveEscalation)
RETRACTED_BY_THE_HUB = (
    "Only the hub retracts an escalation, once what caused it is corrected at its source. To close it, send completed"
    " with a reason (mistaken, where it never was true)."
)
OPENED_BY_THE_HUB = "The hub alone opens and ends a hub-hold: it asks anew once a delivery is parked again."
OF_HOLD = Steps(AcknowledgeHold, ActOnHold, HandOverHold, ResolveHold)


def escalation_command(entry: BundleEntry, context: Context, steps: Steps = OF_SERVICE) -> Command:
    """The command in a Task's new status, by the person who owns it: accepted acknowledges it, or with a code of what
    was done acts on it; completed resolves it with the coded reason. Requested hands it over to whom it names, with the
    coded reason. One that was completed is reopened by any of these but completed, with the coded reason."""
    if is_reopened(entry, context):
        return _reopening(entry, context, steps)
    identity, proved = str(entry.id), is_proved(context)
    match entry.resource["status"]:
        case "accepted" | "in-progress" if (act := _act(entry)) is not None:
            return steps.act(escalation_id=identity, act=act, by=person_or_client(entry, context), proved=proved)
        case "accepted" | "in-progress":
            return steps.acknowledge(escalation_id=identity, by=person_or_client(entry, context), proved=proved)
        case "requested":
            to, reason = receiver(entry, context), _hand_over_reason(entry)
            return steps.hand_over(escalation_id=identity, to=to, reason=reason, by=acting(context))
        case "completed":
            return steps.resolve(
                escalation_id=identity, reason=_reason(entry), by=person_or_client(entry, context), proved=proved
            )
        case "cancelled" | "entered-in-error":
            raise refuse(422, "business-rule", f"{entry.place}.status", RETRACTED_BY_THE_HUB)
        case _:
            place = f"{entry.place}.status"
            raise refuse(422, "business-rule", place, "Must be accepted, in-progress, requested or completed.")


def _act(entry: BundleEntry) -> str | None:
    """What was done; None where only what the hub itself writes there is sent back."""
    stated = entry.resource.get("businessStatus")
    found = code_in(stated, ESCALATION, REASON)
    if not stated or found in (OVERDUE, UPDATED, HANDED_OVER, REOPENED):
        return None
    if found not in ACTS:
        place, listed = f"{entry.place}.businessStatus", ", ".join(sorted(ACTS))
        raise refuse(422, "code-invalid", place, f"Must be one of {listed} ({ESCALATION}).")
    return found


def coded_reason(task: Json) -> str | None:
    """What was done, by the hub's own codes."""
    return code_in(task.get("statusReason"), ESCALATION, REASON)


def _reason(entry: BundleEntry) -> str:
    stated = entry.resource.get("statusReason")
    found = coded_reason(entry.resource) or "acted-on"
    if found not in RESOLUTIONS or (stated and code_in(stated) is None):
        place = f"{entry.place}.statusReason"
        raise refuse(422, "code-invalid", place, "Must be a reason of the hub's CodeSystem for what was done.")
    return found


def _hand_over_reason(entry: BundleEntry) -> str:
    found = coded_reason(entry.resource)
    if found not in HAND_OVER_REASONS:
        place, listed = f"{entry.place}.statusReason", ", ".join(sorted(HAND_OVER_REASONS))
        raise refuse(422, "code-invalid", place, f"Must say why it is handed over: one of {listed} ({REASON}).")
    return found


def is_reopened(entry: BundleEntry, context: Context) -> bool:
    """Whether it is an escalation that was completed, and shall be open again for another coded reason than it had."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None or stored.body.get("status") != "completed" or not code_in(stored.body.get("code"), ESCALATION):
        return False
    reason, before = coded_reason(entry.resource), coded_reason(stored.body)
    reopened = entry.resource["status"] in ("requested", "accepted", "in-progress")
    return reopened and reason not in (None, before, *HAND_OVER_REASONS)


def behind(entries: Sequence[BundleEntry], context: Context) -> list[Name]:
    """What has to be read to reopen those of these that are: the signals that the Task names, and the record that
    stands where this person resolved it."""
    return [
        name
        for each in entries
        if each.type == "Task" and is_reopened(each, context)
        for name in _behind(each, context)
    ]


def _behind(entry: BundleEntry, context: Context) -> list[Name]:
    task = context.stored[entry.type, str(entry.id)].body
    return [("DetectedIssue", each) for each in escalation.signals_of(task)] + [_record(entry, context)]


def _record(entry: BundleEntry, context: Context) -> Name:
    by = person_or_client(entry, context) or f"{CLIENT}{context.caller.name}"
    return "Provenance", escalation.resolved_record(context.stored[entry.type, str(entry.id)].body, by)


def _reopening(entry: BundleEntry, context: Context, steps: Steps) -> ReopenEscalation:
    if steps is OF_HOLD:
        raise refuse(409, "conflict", f"{entry.place}.status", OPENED_BY_THE_HUB)
    reason = str(coded_reason(entry.resource))
    if reason not in REOPEN_REASONS:
        place, listed = f"{entry.place}.statusReason", ", ".join(sorted(REOPEN_REASONS))
        raise refuse(422, "code-invalid", place, f"Must say why it is reopened: one of {listed} ({REASON}).")
    task = context.stored[entry.type, str(entry.id)].body
    signals = (context.stored.get(("DetectedIssue", each)) for each in escalation.signals_of(task))
    issues = [each.body for each in signals if each is not None]
    return ReopenEscalation(
        escalation=escalation.stated(task, issues),
        resolution=code_in(task.get("statusReason"), ESCALATION, REASON) or "",
        resolved_at=msgspec.convert(task["lastModified"], type=datetime),
        reason=reason,
        by=person_or_client(entry, context),
        by_the_same=_record(entry, context) in context.stored,
        proved=is_proved(context),
    )


def of_hold(entries: Sequence[BundleEntry], context: Context) -> Interpretation | None:
    """The command about a hub-hold escalation, which the path raised and no service knows; None for all else."""
    holds = [
        each for each in entries if each.type == "Task" and _is_hold(context.stored.get((each.type, str(each.id))))
    ]
    if not holds:
        return None
    if len(entries) > 1:
        raise refuse(422, "business-rule", holds[0].place, "A hub-hold escalation must be the only entry.")
    return Interpretation((escalation_command(holds[0], context, OF_HOLD),))


def _is_hold(task: StoredResource | None) -> bool:
    return task is not None and has_code(task.body.get("code"), ESCALATION, CATEGORY)
