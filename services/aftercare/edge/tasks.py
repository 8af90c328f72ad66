"""What is answered by Task: a contact, a referral or an answer taken back, a referral by its partner or for it."""

from collections.abc import Sequence

import msgspec

from services.aftercare.edge import closed_loop, contacts
from services.aftercare.messages import WithdrawReferral
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, logical
from shared.edge.outcome import Issue, refuse
from shared.edge.staff import person
from shared.events import codes
from shared.events.envelope import Command


def task(entry: BundleEntry, context: Context) -> Sequence[Command]:
    """By what the stored Task asks for."""
    if context.caller.client.partner:
        return (closed_loop.answered(entry, context),)
    match _asks(entry, context):
        case "follow-up" | "re-engagement":
            return contacts.follow_up(entry, context)
        case "referral" if entry.resource["status"] != "cancelled":
            return (closed_loop.answered(entry, context, _by(entry, context)),)
        case "referral" | "answer-referrer":
            return (_withdrawn(entry, context),)
        case _:
            return contacts.escalation(entry, context)


def remarks(entry: BundleEntry, context: Context) -> tuple[Issue, ...]:
    """What the outcome says of how it was read."""
    asks = _asks(entry, context) if entry.type == "Task" else None
    return contacts.remarks(entry) if asks in ("follow-up", "re-engagement") else ()


def _asks(entry: BundleEntry, context: Context) -> str | None:
    return code_in(context.stored["Task", str(entry.id)].body.get("code"), codes.TASK)


def _withdrawn(entry: BundleEntry, context: Context) -> WithdrawReferral:
    if entry.resource["status"] != "cancelled":
        raise refuse(
            422, "business-rule", f"{entry.place}.status", "Must be cancelled: all else of an answer the hub updates."
        )
    return WithdrawReferral(task_id=str(entry.id), by=_by(entry, context))


def _by(entry: BundleEntry, context: Context) -> str:
    """Who of the staff did this. The partner, where it stands as the owner as it was read, names nobody of them."""
    owner = logical(context.stored["Task", str(entry.id)].body.get("owner"), codes.PARTNER)
    if owner is None or logical(entry.resource.get("owner"), codes.PARTNER) != owner:
        return person(entry, context)
    resource = {name: value for name, value in entry.resource.items() if name != "owner"}
    return person(msgspec.structs.replace(entry, resource=resource), context)
