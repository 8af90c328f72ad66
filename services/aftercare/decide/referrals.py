"""The life of a referral to a partner: prepared, then sent, on hold or refused as its disclosure turns out.

Whether a partner may be told is never decided here. A patient has at most one open referral to each partner.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict, assert_never

import msgspec

from services.aftercare.messages import (
    AskReferral,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    Emits,
    ReferralPrepared,
    ReferralRefused,
    ReferralSent,
    ReferralWithdrawn,
    ReferralWithheld,
    WithdrawReferral,
)
from services.aftercare.settings import PARTNERS_MOST, Settings
from services.aftercare.state import Discharged, OnHold, OnItsWay, Referral, State, is_about
from shared.events.envelope import name_id
from shared.rules.consent import LACKS, Partner
from shared.rules.decision import Moment, Refused

REFERRED: dict[str, frozenset[str]] = {
    "alumni": frozenset({"completed", "step-down"}),
    "step-down": frozenset({"completed", "step-down"}),
}
"""Kind of referral to the dispositions at which it is prepared unasked; any other kind a case manager asks for."""
DisclosureEnd = DisclosureMade | DisclosureWithheld | DisclosureRefused | DisclosureGaveUp


def at_discharge(state: State, disposition: str, moment: Moment[Settings]) -> list[Emits]:
    """Of each kind this disposition calls for the first candidate, unless one of the kind is open already."""
    open_kinds = {each.kind for each in state.referrals}
    kinds = [kind for kind, dispositions in REFERRED.items() if disposition in dispositions and kind not in open_kinds]
    found = [(kind, _candidate(state, kind, (), moment)) for kind in kinds]
    return [
        _prepared(_new(moment.new_id(f"referral:{partner.name}"), partner, kind, moment), moment)
        for kind, partner in found
        if partner is not None
    ]


def _candidate(state: State, kind: str, tried: Sequence[str], moment: Moment[Settings]) -> Partner | None:
    """The program's next partner for this kind, in the order of partners.toml. One that has an open referral, was tried
    since the discharge or was sent one within `sent_again_days` is none."""
    since = moment.now - timedelta(days=moment.settings.sent_again_days)
    taken = {
        *tried,
        *(each.partner for each in state.referrals),
        *(each.partner for each in state.sent if each.at > since),
    }
    able = (each for each in moment.settings.partners if kind in each.serves and each.kind != "mutual-help-group")
    return next((each for each in able if each.name not in taken), None)


def _next(state: State, referral: Referral, moment: Moment[Settings]) -> list[Emits]:
    """After declined, no answer or withheld: the next candidate, of a kind that the discharge calls for."""
    ended = state.episode
    if not isinstance(ended, Discharged) or ended.disposition not in REFERRED.get(referral.kind, ()) or state.died:
        return []
    if any(each.kind == referral.kind and each.referral_id != referral.referral_id for each in _sending(state)):
        return []
    partner = _candidate(state, referral.kind, (*state.tried, referral.partner), moment)
    if partner is None:
        return []
    return [_prepared(_new(moment.new_id(f"referral:{partner.name}"), partner, referral.kind, moment), moment)]


def _sending(state: State) -> list[OnItsWay]:
    return [each for each in state.on_its_way if not each.taken_back]


def not_called_for(state: State, disposition: str, moment: Moment[Settings]) -> list[Emits]:
    """A corrected discharge takes back what only the one before called for."""
    if not isinstance(state.episode, Discharged):
        return []
    return [
        _withdrawn(each, "discharge-corrected", moment)
        for each in state.referrals
        if each.kind in REFERRED and disposition not in REFERRED[each.kind]
    ]


def hold_ended(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Nothing came for `hold_days`: the hub stops waiting, and whoever still wants it asks anew."""
    return [
        _withdrawn(each, "hold-ended", moment)
        for each in state.on_hold
        if each.ends_at is not None and each.ends_at <= moment.now
    ]


def taken_back(state: State, command: WithdrawReferral, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person takes it back: on hold, or still on its way, where the gate stops it."""
    found = next((each for each in state.referrals if name_id(each.referral_id, "task") == command.task_id), None)
    if found is None:
        return Refused("conflict", "This referral is not open: it is sent, refused or withdrawn.", "Task.status")
    return [_withdrawn(found, "withdrawn-by-staff", moment)]


def asked(state: State, command: AskReferral, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A case manager asks. Asking for the same again changes nothing."""
    if any(each.referral_id == command.referral_id for each in state.referrals):
        return []
    partner = next((each for each in moment.settings.partners if each.identifier == command.partner), None)
    if partner is None:
        return Refused(
            "not-found", "No partner of this program has this identifier (partners.toml).", "ServiceRequest.performer"
        )
    refusal = _why_not_asked(state, command, partner)
    if refusal is not None:
        return refusal
    return [_prepared(_new(command.referral_id, partner, command.kind, moment), moment)]


def _why_not_asked(state: State, command: AskReferral, partner: Partner) -> Refused | None:
    if partner.kind == "mutual-help-group":
        reason = "Nothing is sent to a mutual-help group: give the patient the meeting list instead."
        return Refused("business-rule", reason, "ServiceRequest.performer")
    if command.kind not in partner.serves:
        return Refused(
            "business-rule",
            "This partner takes no referral of this kind (`serves` in partners.toml).",
            "ServiceRequest.code",
        )
    if not state.identified and state.episode is None:
        return Refused("not-found", "No patient with this id is known.", "ServiceRequest.subject")
    if state.died or _is_deceased(state):
        return Refused(
            "business-rule",
            "A referral needs a living patient: this one is reported dead or was discharged as deceased.",
            "ServiceRequest.subject",
        )
    if any(each.partner == partner.name for each in state.referrals) or len(state.referrals) >= PARTNERS_MOST:
        return Refused(
            "duplicate",
            "A referral to this partner is open already: one is allowed for each partner.",
            "ServiceRequest.performer",
        )
    return None


def try_again(state: State, recipients: Sequence[str], moment: Moment[Settings]) -> list[Emits]:
    """A consent that names partners came: of each kind the first on hold for one of them, in the consent's order, goes
    to the gate again, which alone decides; but not while another of the kind is on its way."""
    names = {each.identifier: each.name for each in moment.settings.partners}
    named = [names[each] for each in recipients if each in names]
    able = [each for each in state.on_hold if each.partner in named]
    waiting = sorted(able, key=lambda each: named.index(each.partner))
    first = {each.kind: each for each in reversed(waiting)}
    busy = {each.kind for each in _sending(state)}
    return [_again(each, moment) for each in waiting if first[each.kind] is each and each.kind not in busy]


def contact_came(state: State, moment: Moment[Settings]) -> list[Emits]:
    """What is on hold because the Patient lacked something goes to the gate again, which looks at the new one."""
    return [_again(each, moment) for each in state.on_hold if each.waits_for_contact]


def begun(state: State, moment: Moment[Settings]) -> list[Emits]:
    """A consent begins now that will permit what is on hold, if it has not been revoked meanwhile."""
    return [_again(each, moment) for each in state.on_hold if each.until is not None and each.until <= moment.now]


def came_of(state: State, event: DisclosureEnd, moment: Moment[Settings]) -> list[Emits]:
    """What the disclosure's outcome makes of the referral. The outcome of an earlier attempt makes nothing of it.

    A referral taken back meanwhile has its `ReferralWithdrawn`; where that came too late, it was sent after all.
    """
    referral = next((each for each in state.on_its_way if is_about(event, each)), None)
    if referral is None:
        return []
    if referral.taken_back and not isinstance(event, DisclosureMade):
        return _taken_back(referral, event, moment)
    match event:
        case DisclosureMade(consent_id=consent_id):
            sent = ReferralSent(**_of(referral, moment.now), consent_id=consent_id)
            return [sent, *_others_of_its_kind(state, referral, moment)]
        case DisclosureWithheld():
            return _withheld(state, referral, event, moment)
        case DisclosureRefused(reason=reason):
            return [_refused(referral, reason, moment), *_next(state, referral, moment)]
        case DisclosureGaveUp(may_have_been_received=received):
            return [_refused(referral, "gave-up", moment, received), *_next(state, referral, moment)]
        case _:
            assert_never(event)


def _taken_back(
    referral: OnItsWay, event: DisclosureWithheld | DisclosureRefused | DisclosureGaveUp, moment: Moment[Settings]
) -> list[Emits]:
    """It was taken back in time, unless a send of it was not answered."""
    if isinstance(event, DisclosureRefused) or not event.may_have_been_received:
        return []
    return [_withdrawn(referral, referral.taken_back, moment, may_have_been_received=True)]


def _others_of_its_kind(state: State, referral: Referral, moment: Moment[Settings]) -> list[Emits]:
    """One has it: nobody waits for another of the kinds that the discharge called for."""
    others = [each for each in state.on_hold if each.kind == referral.kind and each.kind in REFERRED]
    return [_withdrawn(each, "another-has-it", moment) for each in others if each.referral_id != referral.referral_id]


def _withheld(state: State, referral: OnItsWay, event: DisclosureWithheld, moment: Moment[Settings]) -> list[Emits]:
    """A consent that the gate had not read yet may permit it: ask again, or it is on hold for ever."""
    if state.consent_version > event.ledger_version:
        return [_again(referral, moment)]
    if event.reason.startswith(LACKS) and referral.contact_came:
        return [_again(referral, moment)]
    on_hold = ReferralWithheld(
        **_of(referral, moment.now),
        reason=event.reason,
        until=event.until,
        may_have_been_received=event.may_have_been_received or referral.may_have_been_received,
        hold_ends_at=_hold_ends_at(event.until, moment),
    )
    waits = event.until is not None or event.reason.startswith(LACKS)
    return [on_hold] if waits else [on_hold, *_next(state, referral, moment)]


def _hold_ends_at(until: datetime | None, moment: Moment[Settings]) -> datetime:
    """A consent that begins later is waited for."""
    return max(until or moment.now, moment.now) + timedelta(days=moment.settings.hold_days)


def deceased(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Nothing more is sent: what is on its way is stopped at the gate."""
    return [_withdrawn(each, "patient-deceased", moment) for each in state.referrals]


def readmitted(state: State, moment: Moment[Settings]) -> list[Emits]:
    """What only a discharge calls for is taken back; the next discharge asks anew. The rest, a residence say, stays."""
    if not isinstance(state.episode, Discharged):
        return []
    return [_withdrawn(each, "readmitted", moment) for each in state.referrals if each.kind in REFERRED]


def _new(referral_id: str, partner: Partner, kind: str, moment: Moment[Settings]) -> Referral:
    return OnItsWay(referral_id, partner.name, kind, partner.purpose, 1, moment.now)


def _again(referral: Referral, moment: Moment[Settings]) -> ReferralPrepared:
    return _prepared(msgspec.structs.replace(referral, attempt=referral.attempt + 1), moment)


def _prepared(referral: Referral, moment: Moment[Settings]) -> ReferralPrepared:
    return ReferralPrepared(**_of(referral, moment.now))


def _refused(
    referral: Referral, reason: str, moment: Moment[Settings], may_have_been_received: bool = False
) -> ReferralRefused:
    return ReferralRefused(**_of(referral, moment.now), reason=reason, may_have_been_received=may_have_been_received)


def _withdrawn(
    referral: OnItsWay | OnHold, reason: str, moment: Moment[Settings], may_have_been_received: bool = False
) -> ReferralWithdrawn:
    received = may_have_been_received or referral.may_have_been_received
    return ReferralWithdrawn(**_of(referral, moment.now), reason=reason, may_have_been_received=received)


class _Of(TypedDict):
    referral_id: str
    task_id: str
    partner: str
    kind: str
    purpose: str
    attempt: int
    asked_at: datetime
    at: datetime


def _of(referral: Referral, at: datetime) -> _Of:
    return _Of(
        referral_id=referral.referral_id,
        task_id=name_id(referral.referral_id, "task"),
        partner=referral.partner,
        kind=referral.kind,
        purpose=referral.purpose,
        attempt=referral.attempt,
        asked_at=referral.asked_at,
        at=at,
    )


def _is_deceased(state: State) -> bool:
    return isinstance(state.episode, Discharged) and state.episode.deceased
