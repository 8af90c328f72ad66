"""The events of one referral, filled in from what is stored of it."""

from datetime import datetime, timedelta
from typing import TypedDict

import msgspec

from services.aftercare.answers.closed_loop import Received
from services.aftercare.messages import ReferralPrepared, ReferralRefused, ReferralWithdrawn, ReferralWithheld
from services.aftercare.record import OnHold, OnItsWay, Referral
from services.aftercare.settings import Settings
from shared.events.aftercare import ASKS_NOBODY
from shared.events.envelope import name_id
from shared.rules.consent import Partner
from shared.rules.decision import Moment


def unasked(partner: Partner, kind: str, moment: Moment[Settings]) -> ReferralPrepared:
    """A new one that no person asked for."""
    referral_id = moment.new_id(f"referral:{partner.name}")
    return prepared(OnItsWay(referral_id, partner.name, kind, partner.purpose, 1, moment.now, "", ""), moment)


def prepared(referral: Referral, moment: Moment[Settings]) -> ReferralPrepared:
    return ReferralPrepared(**of(referral, moment.now))


def again(referral: Referral, moment: Moment[Settings]) -> ReferralPrepared:
    return prepared(msgspec.structs.replace(referral, attempt=referral.attempt + 1), moment)


def held(
    referral: OnItsWay | OnHold,
    reason: str,
    until: datetime | None,
    ends_at: datetime | None,
    moment: Moment[Settings],
) -> ReferralWithheld:
    """On hold, from now on or for another reason than before."""
    return ReferralWithheld(
        **of(referral, moment.now),
        reason=reason,
        until=until,
        may_have_been_received=referral.may_have_been_received,
        hold_ends_at=ends_at,
        answer_by=_answer_by(referral, reason, until, moment),
    )


def _answer_by(
    referral: OnItsWay | OnHold, reason: str, until: datetime | None, moment: Moment[Settings]
) -> datetime | None:
    """By when a person has to have answered: fixed when they are first asked, nothing where nobody can do anything."""
    if reason in ASKS_NOBODY or referral.escalated:
        return None
    return referral.answer_by or max(until or moment.now, moment.now) + timedelta(
        hours=moment.settings.hold_answer_hours
    )


def refused(referral: Referral, reason: str, moment: Moment[Settings], received: bool = False) -> ReferralRefused:
    return ReferralRefused(**of(referral, moment.now), reason=reason, may_have_been_received=received)


def withdrawn(
    referral: OnItsWay | OnHold | Received, reason: str, moment: Moment[Settings], received: bool = False
) -> ReferralWithdrawn:
    received = received or referral.may_have_been_received
    return ReferralWithdrawn(**of(referral, moment.now), reason=reason, may_have_been_received=received)


class _Of(TypedDict):
    referral_id: str
    task_id: str
    partner: str
    kind: str
    purpose: str
    attempt: int
    asked_at: datetime
    asked_by: str
    send_again_reason: str
    at: datetime


def of(referral: Referral, at: datetime) -> _Of:
    return _Of(
        referral_id=referral.referral_id,
        task_id=name_id(referral.referral_id, "task"),
        partner=referral.partner,
        kind=referral.kind,
        purpose=referral.purpose,
        attempt=referral.attempt,
        asked_at=referral.asked_at,
        asked_by=referral.asked_by,
        send_again_reason=referral.send_again_reason,
        at=at,
    )
