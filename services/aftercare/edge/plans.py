"""The plan after a discharge, as a case manager sends it back: what the patient wants, has and does not want."""

from collections import Counter
from collections.abc import Iterator

from services.aftercare.activities import MOUD, TABLE
from services.aftercare.messages import AgreePlan
from shared.edge.contract import Context
from shared.edge.fhir import BundleEntry
from shared.edge.fhir.elements import code_in, logical
from shared.edge.json import Json
from shared.edge.outcome import Issue, refuse
from shared.edge.staff import person
from shared.events import codes
from shared.events.aftercare_plan import CHOICES, DECLINED, Choice, PlanActivity

_BY_STATUS: dict[str, Choice] = {status: choice for choice, status in CHOICES.items()} | {"in-progress": "scheduled"}


def agreed(entry: BundleEntry, context: Context) -> AgreePlan:
    """Each activity by its code and status. Raises HttpRefusal 422: a status or a partner that it can't have, or a
    contact changed, which is reported by its Task."""
    if entry.resource["status"] != "active":
        raise refuse(422, "business-rule", f"{entry.place}.status", "Must be active: the hub alone ends a plan.")
    stored = context.stored["CarePlan", str(entry.id)].body
    if _contacts(entry.resource) != _contacts(stored):
        raise refuse(422, "business-rule", f"{entry.place}.activity", "Contacts must be as read: each has a Task.")
    found = [_activity(detail, place, context) for detail, place in _planned(entry)]
    if len({each.code for each in found}) != len(found):
        raise refuse(422, "business-rule", f"{entry.place}.activity", "Each activity must stand once.")
    return AgreePlan(plan_id=str(entry.id), activities=tuple(found), by=person(entry, context, "author"))


def remarks(entry: BundleEntry, context: Context) -> tuple[Issue, ...]:
    """Where a residence was chosen for a patient with medication that is not known to accept it."""
    planned = list(_planned(entry))
    has_medication = any(code_in(detail.get("code"), codes.AFTERCARE) == MOUD for detail, _ in planned)
    return tuple(
        Issue("warning", "business-rule", (f"{place}.performer",), _ASK_FIRST)
        for detail, place in planned
        if has_medication and not _may_accept(detail, context)
    )


_ASK_FIRST = "This residence is not known to accept medication for opioid use disorder (partners.toml): ask it first."


def _may_accept(detail: Json, context: Context) -> bool:
    chosen = [each for each in context.settings.partners if each.identifier in _performers(detail)]
    return all(each.accepts_moud for each in chosen if each.kind == "recovery-residence")


def _planned(entry: BundleEntry) -> Iterator[tuple[Json, str]]:
    """All but the contacts, each with its place."""
    for number, activity in enumerate(entry.resource.get("activity", ())):
        if not _is_contact(activity):
            yield activity.get("detail", {}), f"{entry.place}.activity[{number}].detail"


def _is_contact(activity: Json) -> bool:
    return code_in(activity.get("detail", {}).get("code"), codes.TASK) is not None


def _contacts(plan: Json) -> Counter[str]:
    return Counter(str(each["detail"]["status"]) for each in plan.get("activity", ()) if _is_contact(each))


def _activity(detail: Json, place: str, context: Context) -> PlanActivity:
    code = code_in(detail.get("code"), codes.AFTERCARE)
    if code is None or code not in TABLE:
        raise refuse(422, "code-invalid", f"{place}.code", f"Must be one of {', '.join(TABLE)} ({codes.AFTERCARE}).")
    return PlanActivity(code, _choice(detail, place), _partner(detail, code, place, context))


def _choice(detail: Json, place: str) -> Choice:
    choice = _BY_STATUS.get(str(detail["status"]))
    if choice is None:
        listed = ", ".join(_BY_STATUS)
        raise refuse(422, "business-rule", f"{place}.status", f"Must be one of {listed}.")
    if choice == "declined" and code_in(detail.get("statusReason"), codes.REASON) != DECLINED:
        text = f"Must be {DECLINED} ({codes.REASON}): nothing else calls an activity off."
        raise refuse(422, "code-invalid", f"{place}.statusReason", text)
    return choice


def _partner(detail: Json, code: str, place: str, context: Context) -> str:
    """Whom the patient and the case manager chose for it; empty where nobody is named yet."""
    named = _performers(detail)
    if not named and not detail.get("performer"):
        return ""
    kinds = TABLE[code].partner_kinds
    able = [each.identifier for each in context.settings.partners if each.kind in kinds]
    if len(named) != 1 or named[0] not in able:
        text = f"Must be one of {', '.join(able) or 'nobody'}, by its identifier in {codes.PARTNER} (partners.toml)."
        raise refuse(422, "code-invalid", f"{place}.performer", text)
    return named[0]


def _performers(detail: Json) -> list[str]:
    return [name for each in detail.get("performer", ()) if (name := logical(each, codes.PARTNER))]
