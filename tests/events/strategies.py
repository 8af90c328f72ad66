"""Events at random, each field by its type and name: `event(SessionMissed)` is a strategy of that event.

`evidence` and `focus` are references, what ends in `_id` is an id, other text is a code; what has a beginning and an
end is in order. Anything narrower stands in `_OF_FIELD`.
"""

from datetime import UTC, date, datetime
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as some

from shared.events import intake
from shared.events.catalogue import CONSUMES, ENTRIES
from shared.events.codes import FHIR_DISPOSITION, SEND_AGAIN_REASONS
from shared.events.envelope import Event

W = TypeVar("W", bound=msgspec.Struct)

ids = some.uuids(version=4).map(str)
codes = some.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9.\-]{0,15}", fullmatch=True)
moments = some.datetimes(datetime(2020, 1, 1), datetime(2039, 12, 31), timezones=some.just(UTC))
later_moments = some.datetimes(datetime(2040, 1, 1), datetime(2049, 12, 31), timezones=some.just(UTC))
"""After each of `moments`: what is said of something comes after it."""
purposes = some.lists(some.sampled_from(["TREAT", "HPAYMT", "HOPERAT", "alumni"]), max_size=3, unique=True).map(tuple)
days = some.dates(date(2020, 1, 1), date(2039, 12, 31))
hours = some.times().map(lambda each: f"{each:%H:%M}")
_services = some.sampled_from(sorted(CONSUMES))
_NAMED_IDS = frozenset({"id", "escalations", "subsumes", "also"})
_EVIDENCE = ("Appointment", "DiagnosticReport", "Observation", "Patient")
_ORDERED = (
    ("start", "end"),
    ("since", "until"),
    ("start_on", "end_on"),
    ("starts_at", "expires_at"),
    ("admitted_at", "discharged_at"),
    ("week_start", "week_end"),
    ("came_at", "left_at"),
    ("due_at", "act_by"),
    ("due_at", "completed_at"),
    ("asked_at", "at"),
    ("requested_at", "act_by"),
)


def references(*types: str) -> some.SearchStrategy[str]:
    return some.builds("{}/{}".format, some.sampled_from(types), ids)


_OF_FIELD: dict[str, some.SearchStrategy[Any]] = {
    "disposition": some.sampled_from(sorted(FHIR_DISPOSITION)),
    "evidence": references(*_EVIDENCE),
    **{f"{each}.rule": codes for each in ("RuleChange", "Undecided")},
    "Recommendation.rules": some.just(("R12", "R14")),
    "RuleReason.rule": some.sampled_from(["R12", "R14", "R15"]),
    "Recommendation.conditions": some.just(("recovery-residence", "obstetric-link")),
    "ConditionReason.condition": some.sampled_from(["recovery-residence", "admit-first"]),
    "Input.evidence": some.just("") | references("Observation", "QuestionnaireResponse", "Condition"),
    "focus": references("ServiceRequest", "EpisodeOfCare", "CarePlan"),
    "tier": some.integers(1, 4),
    "rule": some.builds("{}/{}|2026.1".format, _services, codes),
    "service": _services,
    "send_again_reason": some.sampled_from(["", *sorted(SEND_AGAIN_REASONS)]),
    "rxnorm": some.just("") | codes,
    "code_system": some.sampled_from(["", "http://loinc.org", "urn:oid:2.16.840.1.113883.19.6"]),
    "weekday": some.integers(0, 6),
    "every_weeks": some.integers(1, 2),
    "attempt": some.integers(1, 99),
    "purposes": purposes,
    "follow_ups": some.lists(later_moments, max_size=4).map(tuple),
    "at": later_moments,
    "ended": some.sampled_from([(), ("no-longer",)]),
    "assigned": some.just("") | codes,
    "FormerStatus.status": some.sampled_from(["planned", "waitlist", "active", "onhold"]),
    "PlannedActivity.state": some.sampled_from(intake.ACTIVITY_STATES),
    "PlannedActivity.topic": some.just("") | codes,
    "PlannedGoal.status": some.sampled_from(intake.GOAL_STATUSES),
    "FlagsChanged.flags": some.lists(codes, min_size=1, max_size=3, unique=True).map(tuple),
    "ReferralAnswered.reason": some.sampled_from(sorted(intake.REFERRAL_REASONS)),
    "LaboratoryOrderFailed.reason": some.sampled_from(["hl7-204", "hl7-unable", "http-422", "gave-up", "order-ended"])
    | codes,
    "ReferralConcluded.outcome": some.sampled_from(["referral-declined", "too-many-referrals", "looked-at"]),
    "Digest.value": some.binary(min_size=32, max_size=32).map(bytes.hex),
    "meetings": some.lists(some.builds("{}|{}".format, codes, codes), max_size=4, unique=True).map(tuple),
    "TemplateSlot.start": hours,
    "TemplateSlot.minutes": some.integers(1, 600),
}


def event(type_: type[W]) -> some.SearchStrategy[W]:
    """An event, or any struct within one."""
    hints = get_type_hints(type_)
    fields = {each.name: _field(type_.__name__, each.name, hints[each.name]) for each in msgspec.structs.fields(type_)}
    return some.builds(type_, **fields).map(_in_order)


def _field(owner: str, name: str, hint: Any) -> some.SearchStrategy[Any]:
    own = next((each for each in (f"{owner}.{name}", name) if each in _OF_FIELD), None)
    if own is not None:
        return _OF_FIELD[own]
    origin, within = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return some.one_of(*(some.none() if each is NoneType else _field(owner, name, each) for each in within))
    if origin is Literal:
        return some.sampled_from(within)
    if origin is tuple:
        return some.lists(_field(owner, name, within[0]), max_size=4, unique_by=_identity).map(tuple)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return event(hint)
    if hint is str and (name.endswith("_id") or name in _NAMED_IDS):
        return ids
    return _BY_TYPE[hint]


_BY_TYPE: dict[Any, some.SearchStrategy[Any]] = {
    str: codes,
    int: some.integers(0, 10_000),
    bool: some.booleans(),
    datetime: moments,
    date: days,
}


def _identity(each: Any) -> Any:
    """Two of one id would be one resource twice in a Bundle; a signal is itself, a dimension is needed once."""
    for name in ("id", "observation_id", "dimension"):
        if hasattr(each, name):
            return getattr(each, name)
    return each


def _in_order(struct: Any) -> Any:
    for first, last in _ORDERED:
        begins, ends = getattr(struct, first, None), getattr(struct, last, None)
        if begins is not None and ends is not None and type(begins) is type(ends) and begins > ends:
            struct = msgspec.structs.replace(struct, **{first: ends, last: begins})
    return struct


any_event: some.SearchStrategy[Event] = some.one_of(*(event(each.event) for each in ENTRIES))
