"""A signature, as the Task of a placement that a person completes with a level; and what it signs."""

import re
from collections.abc import Sequence

from services.intake.edge import planning
from services.intake.messages import SignPlacement
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, codes_in, literal, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import is_proved, person, stated
from shared.events import codes
from shared.path.transaction.resources import Name

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,63}")
"""A level or a reason as the topics may carry it; a FHIR code may be a whole sentence."""


def names_level(entry: BundleEntry) -> bool:
    """Whether it selects a level of care, readable or not."""
    return any(code_in(each["type"], codes.INPUT) == "level" for each in entry.resource.get("output", ()))


def signed(entry: BundleEntry, before: Json, context: Context) -> SignPlacement:
    """The level selected in a Task of the hub's (`before`, as it stands), by whom, and on what. Raises HttpRefusal."""
    level = _output(entry, "level", codes.LEVEL)
    if level is None:
        text = "The selected level of care is required, with the CodeSystem of its edition."
        raise refuse(422, "required", f"{entry.place}.output", text)
    start, waits = planning.start(entry, context)
    return SignPlacement(
        task_id=str(entry.id),
        level=level,
        version=_version(entry, before, context),
        reason=_reason(entry),
        by=person(entry, context),
        second=_second(entry, context),
        proved=is_proved(context),
        start=start,
        waits=waits,
    )


def behind(entries: Sequence[BundleEntry], context: Context) -> list[Name]:
    """The ServiceRequests under which a signature is put: which version of them stands is part of it."""
    known = (context.stored.get((each.type, str(each.id))) for each in entries if names_level(each))
    return [name for each in known if each is not None and (name := _signs(each.body)) is not None]


def _signs(task: Json) -> Name | None:
    request = target(task.get("focus"), "ServiceRequest")
    return ("ServiceRequest", request) if request is not None else None


def _version(entry: BundleEntry, before: Json, context: Context) -> str:
    """Which version of what it signs was read: the one that stands, for another one is not signed, nor what was
    withdrawn. The hub changes it only together with the Task, whose version If-Match may name instead."""
    if before["status"] == "cancelled":
        raise refuse(409, "conflict", f"{entry.place}.status", f"It was withdrawn: {_what_changed(before)}.")
    focus = entry.resource.get("focus", {})
    _, versioned, read = str(focus.get("reference", "")).partition("/_history/")
    names_it = bool(versioned) and literal(focus).endswith(literal(before["focus"]))
    if entry.if_match is None and not names_it:
        raise refuse(
            428,
            "required",
            entry.place,
            "The version that was read is required: If-Match, or Task.focus with /_history/<version>.",
        )
    stands = context.stored.get(_signs(before) or ("", ""))
    if stands is not None and names_it and before["status"] == "requested" and read != str(stands.version):
        text = "Must be the version that stands: what it was read in has changed since. Read it again."
        raise refuse(409, "conflict", f"{entry.place}.focus", text)
    return str(stands.version) if stands is not None else ""


def _what_changed(before: Json) -> str:
    return CHANGED.get(code_in(before.get("statusReason")) or "", "read it again")


CHANGED = {
    "newer-assessment": "a newer assessment leads to another recommendation",
    "needs-missing": "the needs are no longer complete",
    "needs-too-old": "the needs are too old to place by",
    "referral-revoked": "the referral was revoked",
    "referral-in-error": "the referral was entered in error",
    "patient-died": "the patient is reported dead",
    "more-urgent-first": "a more urgent referral of the patient is placed first",
    "joined-stay": "the patient is in a stay of the level that the referral asks for",
    "discharge-withdrawn": "the stay goes on, for its discharge was taken back",
    "needs-arrived": "the needs arrived, and the rules recommend a level",
    "placement-signed": "the placement was signed under another Task",
    "another-level-needed": "the rules ask for a higher level by now",
    "start-cancelled": "the start was cancelled",
    "stay-began": "the stay began",
}
"""What withdrew a Task, for the person who would sign it."""


def _second(entry: BundleEntry, context: Context) -> str:
    """Who signs beside the owner, as the client states it; empty where nobody is named."""
    place = f"{entry.place}.input"
    named = [
        (f"{place}[{number}].valueReference", each)
        for number, each in enumerate(entry.resource.get("input", ()))
        if code_in(each["type"], codes.INPUT) == "second-signature"
    ]
    if len(named) > 1:
        raise refuse(422, "business-rule", place, "Must name one person who signs beside the owner.")
    return stated(named[0][1].get("valueReference"), named[0][0], context) if named else ""


def _reason(entry: BundleEntry) -> str | None:
    found = _output(entry, "reason", codes.REASON)
    if found is not None and found not in codes.SIGNING_REASONS:
        place = f"{entry.place}.output"
        raise refuse(422, "code-invalid", place, "Must be a reason for a signature of the hub's CodeSystem.")
    return found


def _output(entry: BundleEntry, name: str, system: str) -> str | None:
    """The one code that these outputs name; None where there is none. Of several nobody can say which was meant."""
    found = set[str]()
    for number, each in enumerate(entry.resource.get("output", ())):
        if code_in(each["type"], codes.INPUT) == name:
            stated = set(codes_in(each.get("valueCodeableConcept"), system))
            if not stated or not all(map(_CODE.fullmatch, stated)):
                place = f"{entry.place}.output[{number}].value"
                raise refuse(422, "code-invalid", place, "Must be a code of the hub's CodeSystem.")
            found |= stated
    if len(found) > 1:
        raise refuse(422, "business-rule", f"{entry.place}.output", f"Must name one {name}.")
    return next(iter(found), None)


def require_senders_own(entry: BundleEntry, context: Context) -> None:
    """What the hub recommends is the hub's alone, and so is what was signed. Raises HttpRefusal."""
    before = context.stored.get((entry.type, str(entry.id)))
    if before is None or before.body.get("intent") != "proposal":
        return
    if any(each.startswith(codes.RULE_TABLE) for each in before.body.get("instantiatesCanonical", ())):
        text = "Only the hub changes what it recommends: sign it by its Task, or send newer answers."
        raise refuse(422, "business-rule", entry.place, text)
