"""Between a signature and the stay: a planned start, a seat that is waited for, and what is asked until then."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import assert_never

import msgspec

from services.intake import messages
from services.intake.decide.course import Course
from services.intake.decide.episode import admitted
from services.intake.decide.placing import (
    EXCEEDED,
    STEP_DOWN_LATE,
    about,
    ask_for_review,
    cancelled,
    declined_by_patient,
    is_news,
    known_before_start,
    of_plan,
    place,
    withdraw,
    withdraw_questions,
)
from services.intake.decide.referrals import joined, withdrawn
from services.intake.decide.seats_counted import NO_SEAT, may_begin
from services.intake.placement.needs import latest
from services.intake.placement.planned import Planned, episode_id
from services.intake.placement.recommendation import what_is_missing
from services.intake.record import Referral
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.escalation import Escalation, Signal
from shared.events.intake import CONFIRM_NEEDS, CONTACT
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Open, Trigger, rule_version

TAKEN_BACK = "plan-taken-back"
"""Why a person is called: the level that was signed is not enough any more."""
TIER = 2
"""The patient has been promised a start that is not safe; danger itself rings by its own rule."""
RULES_VERSION = "1"


def first_planned(
    referral: Referral, command: messages.SignPlacement, signed: str, moment: Moment[Settings]
) -> messages.EpisodePlanned | messages.EpisodeWaitlisted:
    """With its signature: the patient waits, where it asks for that; else it is to begin at the start that it names, or
    now, as soon as a seat is theirs."""
    named = messages.EpisodeWaitlisted(
        episode_id=episode_id(referral.id),
        referral_id=referral.id,
        level=command.level,
        signed=signed,
        at=moment.now,
        by=command.by,
        client=moment.by,
    )
    if command.waits:
        return named
    starts_at = (command.start or moment.now).replace(microsecond=0)
    return messages.EpisodePlanned(**msgspec.structs.asdict(named), starts_at=starts_at)


def start_refused(start: datetime | None, place: str, moment: Moment[Settings]) -> Refused | None:
    """Why a stay can't begin then: it is over, or too far away for anybody to say that the level will be right."""
    if start is None:
        return None
    if start < moment.now - timedelta(minutes=moment.settings.ahead_minutes):
        return Refused("business-rule", "The start must not lie in the past.", place)
    if start > moment.now + timedelta(days=moment.settings.start_ahead_days):
        days = moment.settings.start_ahead_days
        return Refused("business-rule", f"The start must lie within {days} days (start_ahead_days).", place)
    return None


def set_plan(state: State, command: messages.SetPlan, moment: Moment[Settings]) -> list[messages.Emits] | Refused:
    """What an EHR makes of the EpisodeOfCare of a stay that has not begun; the same again changes nothing."""
    plan, referral = state.planned, state.referral
    if state.episode is not None and command.status == "active" and command.episode_id == state.episode.id:
        return []
    if plan is None or referral is None or command.episode_id != episode_id(referral.id):
        return NOTHING_PLANNED
    match command.status:
        case "cancelled":
            return _cancelled(state, plan, referral, command, moment)
        case "waitlist":
            return [] if plan.start is None else [waits(plan, referral, command.by, moment)]
        case "planned" | "active" if state.seat is not None and state.seat.is_awaited:
            return NO_SEAT
        case "planned" if command.start is not None and command.start > moment.now:
            refusal = start_refused(command.start, START, moment)
            same = plan.starts_at == command.start.replace(microsecond=0)
            return refusal or ([] if same else [moved(plan, referral, command.start, command.by, moment)])
        case "planned" | "active":
            return start_refused(command.start, START, moment) or _at_once(state, moment)
        case _:
            assert_never(command.status)


START = "EpisodeOfCare.period.start"
NOTHING_PLANNED = Refused(
    "conflict",
    "No start of this episode is planned, and it waits for no seat: it was cancelled, it is open or over, or it never "
    "was. Sign its placement by the Task that stands now.",
    "EpisodeOfCare.status",
)
UNCONFIRMED = Refused(
    "conflict",
    "The needs are too old to admit by: complete the Task confirm-needs as still-true, or send newer needs.",
    "EpisodeOfCare.status",
)


def _at_once(state: State, moment: Moment[Settings]) -> list[messages.Emits] | Refused:
    if needs_hold(state, moment):
        return admit_now(state, moment) if may_begin(state, moment) else _asks_for_seat(state, moment)
    asked = state.review_of(CONFIRM_NEEDS)
    asks = () if asked is not None else (_ask_to_confirm(state, (), moment.now, moment),)
    return Refused(UNCONFIRMED.code, UNCONFIRMED.reason, UNCONFIRMED.expression, asks=asks)


def _asks_for_seat(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """Planned for now, it begins with the seat."""
    plan, referral = state.planned, state.referral
    return [] if plan is None or referral is None else [moved(plan, referral, moment.now, "", moment)]


def _cancelled(
    state: State, plan: Planned, referral: Referral, command: messages.SetPlan, moment: Moment[Settings]
) -> list[messages.Emits]:
    """With a reason the referral ends with it, and where the patient declined a person looks at it again in some days
    (R18); without one it is placed anew: a person decides what becomes of it."""
    if command.reason:
        over = withdrawn(state, referral, command.reason, moment)
        return [*over, *declined_by_patient(plan.signed_task, referral.focus, command.reason, moment)]
    over = [
        cancelled(plan, referral, "start-cancelled", moment, command.by),
        *withdraw_questions(state, "start-cancelled", moment),
    ]
    return [*over, *place(reduce(evolve, over, state), moment)]


def waits(plan: Planned, referral: Referral, by: str, moment: Moment[Settings]) -> messages.EpisodeWaitlisted:
    return messages.EpisodeWaitlisted(**of_plan(plan, referral, moment, by))


def moved(
    plan: Planned, referral: Referral, start: datetime, by: str, moment: Moment[Settings]
) -> messages.EpisodePlanned:
    return messages.EpisodePlanned(**of_plan(plan, referral, moment, by), starts_at=start.replace(microsecond=0))


def admit_now(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """A seat is there: the stay begins, and with it whatever was asked until then ends. Where the needs have grown old
    it is planned for now, and begins as soon as they are confirmed; where the rules go beyond the level that was signed
    it does not begin."""
    plan, referral = state.planned, state.referral
    if plan is None or referral is None:
        return []
    stands = place(state, moment)
    if any(isinstance(each, messages.EpisodeCancelled) for each in stands):
        return stands
    if not needs_hold(state, moment):
        return [moved(plan, referral, moment.now, "", moment)]
    return [
        *withdraw_questions(state, "stay-began", moment),
        *admitted(state, referral, plan.level, moment),
        *joined(state, plan.level, moment),
    ]


def needs_hold(state: State, moment: Moment[Settings]) -> bool:
    return state.review_of(CONFIRM_NEEDS) is None and moment.now <= _good_until(state, moment)


def _good_until(state: State, moment: Moment[Settings]) -> datetime:
    assert state.planned is not None  # asked of a plan alone
    return state.planned.needs_good_until(latest(state.needs), moment.settings.assessment_days)


def followed(course: Course) -> list[messages.Emits]:
    """After what was decided: of a stay that has not begun what is asked now, whether it begins, and when something is
    due next; where it was taken back, a person is called until its referral is signed anew, or over."""
    state, moment = course.before, course.moment
    if state.planned is None and not course.emits(messages.OfPlan):
        return _answered(course.after, moment) if _taken_back(state) else []
    after = course.after
    emitted = _asked(state, after, moment)
    asked = reduce(evolve, emitted, after)
    if asked.planned is not None and asked.planned.start is not None and _has_come(asked.planned, moment):
        emitted += admit_now(asked, moment) if needs_hold(asked, moment) and may_begin(asked, moment) else []
    emitted += [*_called(after, (*course.emitted, *emitted), moment), *_answered(after, moment)]
    return [*emitted, *_looked_at(reduce(evolve, emitted, after), moment)]


def _taken_back(state: State) -> Open | None:
    return state.escalation_of(TAKEN_BACK)


def _answered(after: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """The referral was signed anew, or is over."""
    called, signed = _taken_back(after), after.referral if after.planned else None
    if called is None or any(is_about(called.escalation, each) for each in after.referrals if each != signed):
        return []
    return [messages.EscalationResolved(escalation=called.escalation, at=moment.now, reason="answered")]


def is_about(called: Escalation, referral: Referral) -> bool:
    """Whether somebody was called because the plan of this referral was taken back."""
    return any(each.evidence == f"EpisodeOfCare/{episode_id(referral.id)}" for each in called.signals)


def _has_come(plan: Planned, moment: Moment[Settings]) -> bool:
    return plan.starts_at is not None and plan.starts_at <= moment.now


def _asked(state: State, after: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """To confirm the needs, and to get in touch."""
    plan = after.planned
    if plan is None:
        return []
    contact, waits = after.review_of(CONTACT), plan.start is None
    emitted: list[messages.Emits] = []
    if waits and contact is None:
        hours = moment.settings.waiting_contact_days * 24
        emitted.append(ask_for_review(moment.new_id("review:contact"), CONTACT, _focus(after), moment, hours))
    elif not waits:
        emitted += withdraw(contact, "start-planned", moment)
    return [*emitted, *_confirmation(state, after, plan, moment), *_late_step_down(after, plan, moment)]


def _late_step_down(after: State, plan: Planned, moment: Moment[Settings]) -> list[messages.Emits]:
    """After nights elsewhere the first session is soon (R17): a later start, or none, is looked at by a person, once
    for each end of such care."""
    asked, stepped = after.review_of(STEP_DOWN_LATE), known_before_start(after, moment).values.get(STEP_DOWN, 0) > 0
    ends = [each.at for each in after.evidence.get(STEP_DOWN, ()) if each.value and not each.ended]
    by = max(ends, default=moment.now) + timedelta(days=moment.settings.step_down_days)
    if not stepped or (plan.starts_at is not None and plan.starts_at <= by):
        return withdraw(asked, "start-planned" if stepped else "signal-withdrawn", moment)
    if asked is not None or not is_news(after, STEP_DOWN_LATE, (STEP_DOWN,)):
        return []
    review = ask_for_review(
        moment.new_id("review:step-down"), STEP_DOWN_LATE, _focus(after), moment, moment.settings.review_hours
    )
    return [about(review, confirm=(STEP_DOWN,), act_by=max(by, review.review.act_by or by))]


STEP_DOWN = "step-down"
"""The fact that the patient comes from residential care or detoxification."""


def _focus(state: State) -> str:
    return f"EpisodeOfCare/{episode_id(state.referral.id)}" if state.referral is not None else ""


def _confirmation(state: State, after: State, plan: Planned, moment: Moment[Settings]) -> list[messages.Emits]:
    """A licensed clinician is asked as late as their answer still holds at the start; at once where a need is missing,
    or can't be read, that was known before."""
    asked, missing = after.review_of(CONFIRM_NEEDS), _missing(after, moment)
    newly = tuple(each for each in missing if state.referral is not None and each not in _missing(state, moment))
    needed = max(plan.starts_at or moment.now, moment.now)
    is_old = _good_until(after, moment) < needed
    if asked is None and (newly or (is_old and _asked_from(plan, moment) <= moment.now)):
        return [_ask_to_confirm(after, newly, needed, moment)]
    if asked is None:
        return []
    if newly:
        return [about(messages.PlacementReviewRequested(review=_review(asked)), missing=(*asked.missing, *newly))]
    if is_old or set(asked.missing) & set(missing):
        return []
    return withdraw(asked, "confirmed", moment)


def _review(asked: messages.Review) -> messages.Review:
    """As it is emitted."""
    names = messages.Review.__struct_fields__
    return messages.Review(**{name: getattr(asked, name) for name in names})


def _missing(state: State, moment: Moment[Settings]) -> tuple[str, ...]:
    return what_is_missing(known_before_start(state, moment), moment.settings)


def _asked_from(plan: Planned, moment: Moment[Settings]) -> datetime:
    """An answer before would be too old at the start."""
    return (plan.starts_at or moment.now) - timedelta(days=moment.settings.assessment_days if plan.start else 0)


def _ask_to_confirm(
    state: State, missing: tuple[str, ...], needed: datetime, moment: Moment[Settings]
) -> messages.PlacementReviewRequested:
    """By the start; of one that has come, and of a seat, in the time of a review."""
    hours = moment.settings.review_hours
    asked = ask_for_review(moment.new_id("review:confirm"), CONFIRM_NEEDS, _focus(state), moment, hours)
    by = needed if needed > moment.now else asked.review.act_by
    return about(asked, missing=missing, act_by=by)


def _called(
    after: State, emitted: Sequence[messages.Emits], moment: Moment[Settings]
) -> Sequence[messages.EscalationEvent]:
    """Where danger rings by its own rule already, nobody is called twice."""
    over = [each for each in emitted if isinstance(each, messages.EpisodeCancelled) and each.reason == EXCEEDED]
    if not over or any(each.escalation.category == "safety" for each in after.escalations):
        return []
    trigger = Trigger(
        category="placement",
        reason=TAKEN_BACK,
        tier=TIER,
        owner="clinician",
        rule=rule_version("intake", TAKEN_BACK, RULES_VERSION),
        signals=(Signal(TAKEN_BACK, moment.now, f"EpisodeOfCare/{over[0].episode_id}"),),
    )
    return escalation.raise_or_update(after.escalations, [trigger], moment, moment.settings.escalation)


def _looked_at(state: State, moment: Moment[Settings]) -> list[messages.Emits]:
    """The start; before it the time to ask whether the needs are still true; of who waits when they have grown old."""
    plan = state.planned
    if plan is None:
        return []
    good_until = _good_until(state, moment)
    moments = [good_until + timedelta(seconds=1)] if plan.start is None else []
    if plan.starts_at is not None:
        moments = [plan.starts_at, *([_asked_from(plan, moment)] if good_until < plan.starts_at else [])]
    look_at = min((each for each in moments if each > moment.now), default=None)
    same = look_at == plan.looked_at_again
    return [] if same else [messages.PlanLookedAt(look_at=look_at)]
