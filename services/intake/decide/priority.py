"""The clocks of a block grant (45 CFR 96.126, 96.131; 42 USC 300x-27): whoever injects is admitted in time, who of
them has no seat gets interim services, as the pregnant do, and these are referred to the State."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import reduce

from msgspec.structs import replace

from services.intake import messages
from services.intake.decide import clocks
from services.intake.decide.course import Course
from services.intake.decide.placing import about, ask_for_review, known_of, withdraw
from services.intake.placement.assessment import PREGNANT
from services.intake.priority import AT_LEAST, OF_PREGNANCY, PRIORITY, priority_of
from services.intake.record import Referral, Review
from services.intake.seats.capacity import INJECTING_USE
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.events.intake import ADMIT_BY, CONFIRM_NEEDS, CONTACT, INTERIM, REFER_TO_STATE
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Trigger, rule_version
from shared.rules.packing import instant

HALF_TIER = 1
"""Half of the time is over, and nobody is late yet."""
RULES_VERSION = "1"


def followed(course: Course) -> list[messages.Emits]:
    """After a decision: what a person is asked now, and what has been asked for half of its time."""
    moment = course.moment
    if course.cause is None or not _has_clocks(course):
        return []
    after = course.after
    referral = after.referral
    if referral is None:
        open_still = [after.review_of(reason) for reason in PRIORITY]
        return [event for each in open_still for event in withdraw(each, NEEDED_NO_MORE, moment)]
    due = _due(after, referral, moment)
    asked = [event for reason in PRIORITY for event in _asked(after, referral, reason, due.get(reason), moment)]
    then = reduce(evolve, asked, after)
    return [*asked, *_half_over(after, then, referral, moment)]


def _has_clocks(course: Course) -> bool:
    """Of a program that has a block grant, or had one before; or who waits for the stay to begin."""
    before, attests = course.before, course.moment.settings.attests
    waits = before.planned is not None or course.emits(messages.OfPlan)
    has = before.priority is not None or any(each.reason in PRIORITY for each in before.asked)
    return waits or has or BLOCK_GRANT in attests


NEEDED_NO_MORE = "needed-no-more"
BLOCK_GRANT = "block-grant"
"""The capability by which a program has these clocks."""


def _due(after: State, referral: Referral, moment: Moment[Settings]) -> Mapping[str, datetime]:
    """By when each is to be done that has to be."""
    if BLOCK_GRANT not in moment.settings.attests or after.death is not None:
        return {}
    facts = known_of(after, moment).values
    pregnant, injects = bool(facts.get(PREGNANT)), bool(facts.get(INJECTING_USE))
    requested, known, settings = _requested(referral), priority_of(after.priority, referral), moment.settings
    waits = after.planned is not None and after.planned.start is None
    interim_by, due = requested + timedelta(hours=settings.interim_hours), dict[str, datetime]()
    if injects:
        in_time = waits and known.interim_at is not None and known.interim_at <= interim_by
        days = settings.injecting_interim_days if in_time else settings.injecting_days
        due[ADMIT_BY] = requested + timedelta(days=days)
    if waits and (injects or pregnant) and known.interim_at is None:
        due[INTERIM] = interim_by
    if waits and pregnant and not known.is_referred:
        due[REFER_TO_STATE] = moment.now + timedelta(hours=settings.state_referral_hours)
    return due


def _requested(referral: Referral) -> datetime:
    """When treatment was asked for; nobody remembers it of a referral that an older release stored: long ago."""
    return instant(referral.authored)


def _asked(
    after: State, referral: Referral, reason: str, act_by: datetime | None, moment: Moment[Settings]
) -> list[messages.Emits]:
    asked = after.review_of(reason)
    if asked is not None and (act_by is None or asked.focus != referral.focus):
        gone = withdraw(asked, NEEDED_NO_MORE, moment)
        return gone if act_by is None else [*gone, _ask(referral, reason, act_by, moment)]
    if act_by is None or (asked is not None and (reason == REFER_TO_STATE or asked.act_by == act_by)):
        return []
    return [replace(_ask(referral, reason, act_by, moment), again=asked is not None)]


def _ask(
    referral: Referral, reason: str, act_by: datetime, moment: Moment[Settings]
) -> messages.PlacementReviewRequested:
    asked = ask_for_review(name_id(referral.id, f"review:{reason}"), reason, referral.focus, moment, 0)
    return about(asked, act_by=act_by.replace(microsecond=0))


WARNS = (*PRIORITY, CONTACT, CONFIRM_NEEDS)
"""Of these clocks half is warned of."""


def _half_over(before: State, then: State, referral: Referral, moment: Moment[Settings]) -> Iterator[messages.Emits]:
    """Each clock warns once, and the next half is looked at."""
    known = priority_of(then.priority, referral)
    open_now = _warned_of(then, moment)
    halves = {each.id: _half(each, referral, moment) for each in open_now}
    if known.half_at is not None and known.half_at <= moment.now:
        half_over = [each for each in open_now if known.half_at <= halves[each.id] <= moment.now]
        triggers = [
            _warning(each, halves[each.id], moment) for each in half_over if each.act_by and moment.now < each.act_by
        ]
        yield from escalation.raise_or_update(before.escalations, triggers, moment, moment.settings.escalation)
    half_at = min((each for each in halves.values() if each > moment.now), default=None)
    if half_at != known.half_at:
        yield messages.PriorityLookedAt(half_at=half_at)


def _warned_of(then: State, moment: Moment[Settings]) -> list[Review]:
    """Where what follows at its end is no more than a warning itself, there is none before."""
    open_now = (then.review_of(reason) for reason in WARNS)
    return [each for each in open_now if each and clocks.asks(each.unanswered, moment.settings)[0] > HALF_TIER]


def _half(review: Review, referral: Referral, moment: Moment[Settings]) -> datetime:
    """Of the time from the request on; of what begins later, from when it was asked."""
    begins = _requested(referral) if review.reason in (ADMIT_BY, INTERIM) else review.requested_at
    begins, ends = begins or moment.now, review.act_by or moment.now
    return (begins + (ends - begins) / 2).replace(microsecond=0)


def _warning(review: Review, at: datetime, moment: Moment[Settings]) -> Trigger:
    """Of whoever is asked once it is late."""
    reason = review.unanswered
    _, owner = clocks.asks(reason, moment.settings)
    return Trigger(
        category="placement",
        reason=reason,
        tier=HALF_TIER,
        owner=owner,
        rule=rule_version("intake", reason, RULES_VERSION),
        signals=(Signal(reason, at.replace(microsecond=0), f"Task/{review.id}"),),
    )


def refused(state: State, review: Review, command: messages.CompleteReview, moment: Moment[Settings]) -> Refused | None:
    """Why such a Task can't be completed (so)."""
    if review.reason == ADMIT_BY:
        return ENDS_WITH_ADMISSION
    if review.reason != INTERIM:
        return None
    owed = AT_LEAST | (OF_PREGNANCY if known_of(state, moment).values.get(PREGNANT) else frozenset())
    lacking = sorted(owed - set(command.services))
    if not lacking:
        return None
    text = f"Outputs of type interim-service are required for all that is owed; lacking: {', '.join(lacking)}."
    return Refused("required", text, "Task.output")


ENDS_WITH_ADMISSION = Refused(
    "business-rule",
    "It ends by itself once the patient is admitted, or needs no treatment here: nobody completes it.",
    "Task.status",
)
