"""The referral, and the Tasks of the hub that a person completes."""

import re
from collections.abc import Iterator, Sequence
from typing import cast, get_args

from services.intake.edge import planning, referrers, signing, staging
from services.intake.messages import (
    CompleteReview,
    CorrectReferral,
    EndEvidence,
    EndReason,
    Priority,
    ReceiveReferral,
    ReviewOutcome,
    RevokeReferral,
)
from services.intake.placement.levels import LEVELS
from services.intake.priority import INTERIM_SERVICES, PRIORITY
from shared.edge.contract import Context
from shared.edge.escalations import coded_reason, escalation_command
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, codes_in, codings, happened, literal, planned, target
from shared.edge.json import Json
from shared.edge.outcome import refuse
from shared.edge.staff import is_proved, person
from shared.events import codes
from shared.events.envelope import Command, name_id
from shared.platform.keys import Keys

_ORDERED = frozenset({"order", "original-order", "filler-order", "instance-order", "reflex-order"})
_PLACED = frozenset({"active", "completed"})
"""Of a referral that came before: it waits, or the hub has said that its placement is decided."""
_TAKEN_BACK = {"revoked": "referral-revoked", "entered-in-error": "referral-in-error"}


def referral(
    entry: BundleEntry, entries: Sequence[BundleEntry], context: Context, keys: Keys
) -> tuple[ReceiveReferral | CorrectReferral | RevokeReferral, ...]:
    """An active order that is a referral; its Task, if one came along, tracks it.

    An update of one that was active is no second referral: it may have been placed long ago, under its id. It may say
    otherwise how urgent it is, which level it asks for, or who referred.
    """
    request = entry.resource
    if takes_back(entry, context):
        reason = _TAKEN_BACK.get(request["status"], "referral-revoked")
        return (RevokeReferral(referral_id=str(entry.id), reason=reason, at=context.now),)
    if not is_referral(request, context):
        return ()
    referral_id, asked = str(entry.id), _asked(request, context)
    if was_referral(entry, context):
        return _corrected(entry, entries, context, keys)
    task_id = next(
        (str(each.id) for each in entries if each.type == "Task" and _focus(each, "ServiceRequest") == referral_id),
        name_id(referral_id, "task"),
    )
    written = request.get("authoredOn")
    place = f"{entry.place}.authoredOn"
    return (
        ReceiveReferral(
            referral_id=referral_id,
            task_id=task_id,
            authored_at=happened(written, place, context.time) if written else context.now,
            priority=asked[0],
            level=asked[1],
            referrer=(referrer := referrers.partner(entry, entries, context)),
            number=referrers.number(entry, keys) if referrer else "",
        ),
    )


def _corrected(
    entry: BundleEntry, entries: Sequence[BundleEntry], context: Context, keys: Keys
) -> tuple[CorrectReferral, ...]:
    referral_id, asked = str(entry.id), _asked(entry.resource, context)
    referrer = referrers.corrected(entry, entries, context)
    anew = bool(referrer) or referrers.is_numbered_anew(entry, context)
    if not anew and referrer is None and asked == _asked(context.stored[entry.type, referral_id].body, context):
        return ()
    number = referrers.number(entry, keys) if anew else ""
    priority, level = asked
    return (CorrectReferral(referral_id=referral_id, priority=priority, level=level, referrer=referrer, number=number),)


def _asked(request: Json, context: Context) -> tuple[Priority, str]:
    """How urgent it is, and the level of care it asks for: the one it names, else the one its codes mean by
    `referral_levels`. Of none, or several, nobody can say which: a person looks."""
    details = (coding for concept in request.get("orderDetail", ()) for coding in codings(concept))
    coded = (*_codings(request), *details)
    named = {str(each.get("code")) for each in coded if each.get("system") == codes.LEVEL}
    meant = {level for each in coded if (level := context.settings.referral_levels.get(_key(each)))}
    found = (named or meant) if len(named or meant) == 1 else set()
    return request.get("priority", "routine"), next((each for each in found if each in LEVELS), "")


def _key(coding: Json) -> str:
    return f"{coding.get('system')}|{coding.get('code')}"


def takes_back(entry: BundleEntry, context: Context) -> bool:
    """Whether it withdraws what was a referral, or orders that it is not done."""
    request = entry.resource
    return was_referral(entry, context) and (request["status"] in _TAKEN_BACK or bool(request.get("doNotPerform")))


def was_referral(entry: BundleEntry, context: Context) -> bool:
    """Whether it is one as it is stored."""
    before = context.stored.get((entry.type, str(entry.id)))
    return before is not None and before.body["status"] in _PLACED and _asks_here(before.body, context)


def is_referral(request: Json, context: Context) -> bool:
    """An active order of what this program gives, or that names this program: an EHR orders much else, and may order
    that it is not done."""
    return request["status"] == "active" and _asks_here(request, context)


def _asks_here(request: Json, context: Context) -> bool:
    settings = context.settings
    if request["intent"] not in _ORDERED or request.get("doNotPerform"):
        return False
    asked = set(map(_key, _codings(request)))
    named = (each.get("identifier", {}) for each in request.get("performer", ()))
    performers = {f"{each.get('system')}|{each.get('value')}" for each in named}
    return bool(asked & set(settings.referral_codes) or performers & set(settings.referral_performers))


def _codings(request: Json) -> Iterator[Json]:
    for concept in (request.get("code"), *request.get("category", ())):
        yield from codings(concept)


def _focus(task: BundleEntry, kind: str) -> str | None:
    return target(task.resource.get("focus"), kind)


def is_ours(entry: BundleEntry, context: Context) -> bool:
    """Whether the hub itself gave this Task: only then completing it decides anything here."""
    stored = context.stored.get((entry.type, str(entry.id)))
    if stored is None or staging.is_senders(stored.body):
        return False
    code = stored.body.get("code", {})
    return code_in(code, codes.TASK) in _OURS or bool(code_in(code, codes.ESCALATION))


_REVIEWS = frozenset(
    {
        "confirm-needs",
        "contact",
        "follow-up",
        "prepare-discharge",
        "read-plan",
        "review-placement",
        "weekly-review",
        *PRIORITY,
    }
)
_OURS = _REVIEWS | {"sign-placement", staging.ADVANCE}


def completed(entry: BundleEntry, context: Context) -> Command:
    """What a person decides in a Task of the hub: a level signed, a review done, an escalation answered."""
    before = context.stored[entry.type, str(entry.id)].body
    code = before["code"]
    if code_in(code, codes.ESCALATION):
        ends = code_in(code, codes.ESCALATION) == "safety" and _ends_evidence(entry, before, context)
        return ends or escalation_command(entry, context)
    if entry.resource["status"] != "completed":
        place = f"{entry.place}.status"
        raise refuse(422, "business-rule", place, "Must be completed, with the answer in Task.output.")
    if code_in(code, codes.TASK) == staging.ADVANCE:
        return staging.advanced(entry, context)
    if code_in(code, codes.TASK) in _REVIEWS and not signing.names_level(entry):
        if planning.names_start(entry):
            text = "A start, or the wait list, is named with the selected level of care."
            raise refuse(422, "required", f"{entry.place}.output", text)
        return _reviewed(entry, context)
    return signing.signed(entry, before, context)


def _reviewed(entry: BundleEntry, context: Context) -> CompleteReview:
    found = set(codes_in(entry.resource.get("statusReason"), codes.REASON))
    if len(found) > 1 or not found <= set(OUTCOMES):
        place = f"{entry.place}.statusReason"
        raise refuse(422, "code-invalid", place, f"Must be one of {', '.join(OUTCOMES)}, where stated.")
    stated = next(iter(found), None)
    ends, place = entry.resource.get("restriction", {}).get("period", {}).get("end"), f"{entry.place}.restriction"
    asks = stated == "more-information-asked" and ends is not None
    return CompleteReview(
        task_id=str(entry.id),
        by=person(entry, context),
        outcome=cast(ReviewOutcome | None, stated),
        act_by=planned(ends, f"{place}.period.end", context.time) if asks else None,
        services=_services(entry),
    )


OUTCOMES = get_args(ReviewOutcome)


def _services(entry: BundleEntry) -> tuple[str, ...]:
    """The interim services that its outputs name. Raises HttpRefusal of one that is not of the list."""
    found = []
    for number, each in enumerate(entry.resource.get("output", ())):
        if code_in(each["type"], codes.INPUT) == "interim-service":
            code = code_in(each.get("valueCodeableConcept"), codes.INTERIM)
            if code not in INTERIM_SERVICES:
                place, text = f"{entry.place}.output[{number}].value", f"Must be one of {', '.join(INTERIM_SERVICES)}."
                raise refuse(422, "code-invalid", place, text)
            found.append(code)
    return tuple(dict.fromkeys(found))


def _ends_evidence(entry: BundleEntry, before: Json, context: Context) -> EndEvidence | None:
    """A safety escalation completed as mistaken, or reassessed by a newer screen: by a person, who is named."""
    reason = coded_reason(entry.resource)
    if entry.resource["status"] != "completed" or reason not in ENDS_EVIDENCE:
        return None
    screen = _screen(entry)
    if screen is None and reason == "reassessed-lower-risk":
        place = f"{entry.place}.output"
        raise refuse(422, "required", place, "The newer screen is required: an output of type screen, a Reference.")
    return EndEvidence(
        escalation_id=str(entry.id),
        finding=code_in(before.get("reasonCode")) or "",
        reason=cast(EndReason, reason),
        by=person(entry, context),
        screen=screen,
        proved=is_proved(context),
    )


ENDS_EVIDENCE = get_args(EndReason)


def _screen(entry: BundleEntry) -> str | None:
    """The screen (Type/id) that an output of this Task names."""
    for each in entry.resource.get("output", ()):
        named = literal(each.get("valueReference"))
        if code_in(each["type"], codes.INPUT) == "screen" and _SCREEN.fullmatch(named):
            return named
    return None


_SCREEN = re.compile(r"(Observation|QuestionnaireResponse)/[A-Za-z0-9\-.]{1,64}")
