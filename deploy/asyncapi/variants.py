"""Every way an event can be written: its fields one after another take each value that could change its shape.

A field of open content holds a marker (`~EventOrStruct.field~`), by which `forms` knows again what may stand there.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import product
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from shared.events import wire
from shared.events.aftercare import ASKS_NOBODY, BY_A_PERSON
from shared.events.aftercare_plan import CHOICES, PlanActivity
from shared.events.catalogue import CONSUMES, OPERATIONS, CatalogueEntry
from shared.events.codes import FHIR_DISPOSITION, SEND_AGAIN_REASONS
from shared.events.envelope import Envelope
from shared.events.escalation import CONTACT_SCRIPTS, REACHED_OUT
from shared.events.intake import ACTIVITY_STATES, GOAL_STATUSES, REFERRAL_REASONS, ConsentsCurrent
from shared.events.intake.placement import FOLLOW_UP, NEXT_STAGE, READ_COVERAGE, READ_PLAN, RECERTIFY, WEEKLY
from shared.events.intake.referrer import ENDED
from shared.events.laboratory_order import ORDER_ENDED, REFUSALS
from shared.events.wire import Written

ID = "00000000-0000-4000-8000-000000000000"
MOMENT = datetime(1999, 1, 1, tzinfo=UTC)
DAY = date(1999, 1, 2)
NUMBER = 9_999_999
SERVICES = tuple(CONSUMES)
_NAMED_IDS = frozenset({"id", "escalations", "subsumes", "also"})
_OF_FIELD: dict[str, tuple[Any, ...]] = {
    "tier": (1, 2, 3, 4),
    "weekday": tuple(range(7)),
    "every_weeks": (1, 2),
    "disposition": tuple(FHIR_DISPOSITION),
    "rule": tuple(f"{each}/~rule~" for each in SERVICES),
    "purposes": (("~PURPOSE~", "~purpose~"), ()),
    "send_again_reason": (*sorted(SEND_AGAIN_REASONS), ""),
    "service": SERVICES,
    "key_id": ("~key~",),
    "code_system": ("~system~", ""),
    "rxnorm": ("~rxnorm~", ""),
    "Input.evidence": (f"~type~/{ID}", ""),
    "FormerStatus.status": ("planned", "waitlist", "active", "onhold"),
    "Recommendation.rules": (("~rule~", "~unexplained~"), ()),
    "Recommendation.conditions": (("~condition~", "~unexplained~"), ()),
    "ConditionReason.condition": ("~condition~",),
    "RuleReason.rule": ("~rule~",),
    "RuleChange.rule": ("~rule~", ""),
    "Undecided.rule": ("~rule~",),
    "PlannedActivity.state": ACTIVITY_STATES,
    "PlannedGoal.status": GOAL_STATUSES,
    "PlanActivity.choice": tuple(CHOICES),
    "FlagsChanged.flags": (("~flag~", "~flag~"), ()),
    "FlagsChanged.ended": (("~flag~",),),
    "WeekEvent.minimum_days": (NUMBER, 0),
    "StageAdvanced.track": ("~track~", ""),
    "FollowUpCompleted.outcome": (*sorted(BY_A_PERSON), "~outcome~"),
    "ReferralAnswered.reason": tuple(REFERRAL_REASONS),
    "ReferralConcluded.outcome": (
        "referral-revoked",
        "referral-in-error",
        "patient-died",
        "too-many-referrals",
        "joined-stay",
        "superseded",
        "referral-declined",
        "looked-at",
    ),
    "Review.reason": ("~Review.reason~", "R0", FOLLOW_UP, NEXT_STAGE, READ_COVERAGE, READ_PLAN, RECERTIFY, WEEKLY),
    "Escalation.reason": (*REACHED_OUT, *sorted(CONTACT_SCRIPTS - {"follow-up"}), "~Escalation.reason~"),
    "ReferralWithheld.reason": ("~reason~", *sorted(ASKS_NOBODY)),
    "LaboratoryOrderFailed.reason": ("~reason~", ORDER_ENDED, *(f"{each}~reason~" for each in REFUSALS)),
    "PartnerReferralChanged.partner": ("~partner~", ""),
    "PartnerReferralChanged.state": ("~state~", *sorted(ENDED)),
    "AnswerEvent.purpose": ("~purpose~", ""),
    "AnswerWithheld.reason": ("~reason~", *sorted(ASKS_NOBODY)),
}
"""Values on which the shape hangs, or that are all there are."""
_COMBINED = (PlanActivity,)
"""Of these each field hangs on no other: written in every combination."""


def written(entry: CatalogueEntry) -> Iterator[Written]:
    """All records of an event, of each service that emits it."""
    sources = SERVICES if entry.producer == "any" else (entry.producer,)
    for source, program in product(sources, _programs(entry)):
        envelope = Envelope(
            id=UUID(ID),
            source=source,
            event=entry.event.__name__,
            program=program,
            patient=ID,
            at=MOMENT,
            correlation_id=UUID(ID),
            causation_id=UUID(ID),
        )
        for event in _variants(entry.event):
            yield wire.write(event, envelope)


def _programs(entry: CatalogueEntry) -> tuple[str, ...]:
    """What operations hear may be about one, or about none."""
    if entry.event is ConsentsCurrent:
        return ("",)
    return ("", "~program~") if entry.topic == OPERATIONS else ("~program~",)


@cache
def _variants(type_: type[Any]) -> tuple[Any, ...]:
    """The struct with all that it can hold, with each field otherwise, and with the least of everything."""
    hints = get_type_hints(type_)
    values = {each.name: _values(type_, each, hints[each.name]) for each in msgspec.structs.fields(type_)}
    if type_ in _COMBINED:
        return tuple(type_(*each) for each in product(*values.values()))
    fullest = type_(**{name: each[0] for name, each in values.items()})
    others = [msgspec.structs.replace(fullest, **{name: other}) for name, each in values.items() for other in each[1:]]
    return fullest, *others, type_(**{name: each[-1] for name, each in values.items()})


def _values(owner: type[Any], field: msgspec.structs.FieldInfo, hint: Any) -> tuple[Any, ...]:
    for name in (*(f"{each.__name__}.{field.name}" for each in owner.__mro__), field.name):
        if name in _OF_FIELD:
            return _OF_FIELD[name]
    return _of_type(owner.__name__, field.name, hint) + (("",) if field.default == "" else ())


def _of_type(owner: str, name: str, hint: Any) -> tuple[Any, ...]:
    origin, within = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        there = [value for each in within if each is not NoneType for value in _of_type(owner, name, each)]
        return (*there, None)
    if origin is Literal:
        return within
    if origin is tuple:
        return _of_type(owner, name, within[0]), ()
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _variants(hint)
    if hint is str:
        return (ID if name.endswith("_id") or name in _NAMED_IDS else f"~{owner}.{name}~",)
    return _OF_TYPE[hint]


_OF_TYPE: dict[Any, tuple[Any, ...]] = {
    int: (NUMBER,),
    bool: (True, False),
    datetime: (MOMENT,),
    date: (DAY,),
}
