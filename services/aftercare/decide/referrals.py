"""The life of a referral to a partner: prepared at a discharge or because a person asks, and how it ends early.

Whether a partner may be told is never decided here. A patient has at most one open referral to each partner.
"""

from datetime import datetime
from functools import reduce

from services.aftercare.decide.candidates import (
    BY_STAFF,
    REFERRED,
    first_of,
    go_again,
    has_it_until,
    is_being_taken_back,
    kinds_sent,
    next_waiting,
)
from services.aftercare.decide.referral_events import prepared, withdrawn
from services.aftercare.messages import AskReferral, Emits, EpisodeDischarged, WithdrawReferral
from services.aftercare.record import CORRECTED, Discharged, OnItsWay
from services.aftercare.settings import PARTNERS_MOST, Settings
from services.aftercare.state import State, evolve
from shared.events.codes import SEND_AGAIN_REASONS
from shared.events.envelope import name_id
from shared.rules.consent import Partner
from shared.rules.decision import Moment, Refused


def at_discharge(state: State, disposition: str, moment: Moment[Settings], since: datetime | None) -> list[Emits]:
    """Of each kind this disposition calls for the first candidate, unless one of it is open, or was sent since: of a
    stay that ended before, and otherwise, one may have it."""
    return first_of(state, _kinds(state, disposition, since), (), moment)


def newly_called_for(
    state: State, before: Discharged, event: EpisodeDischarged, moment: Moment[Settings]
) -> list[Emits]:
    """Likewise of a corrected discharge: what the one before did not call for, and nobody was sent in this stay."""
    kinds = _kinds(state, event.disposition, event.admitted_at)
    new = [kind for kind in kinds if before.disposition not in REFERRED[kind]]
    return first_of(state, new, state.tried, moment)


def _kinds(state: State, disposition: str, since: datetime | None) -> list[str]:
    taken = {each.kind for each in state.referrals} | kinds_sent(state, since)
    return [kind for kind, dispositions in REFERRED.items() if disposition in dispositions and kind not in taken]


def not_called_for(state: State, disposition: str, moment: Moment[Settings]) -> list[Emits]:
    """A corrected discharge takes back what only the one before called for."""
    if not isinstance(state.episode, Discharged):
        return []
    return [
        withdrawn(each, CORRECTED, moment)
        for each in state.referrals
        if each.kind in REFERRED and disposition not in REFERRED[each.kind]
    ]


def hold_ended(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Nothing came for `hold_days`: the hub stops waiting, and whoever still wants it asks anew. Who waited for their
    turn behind it has it."""
    over = [each for each in state.on_hold if each.ends_at is not None and each.ends_at <= moment.now]
    ended: list[Emits] = [withdrawn(each, "hold-ended", moment) for each in over]
    after = reduce(evolve, ended, state)
    one_of_each_kind = {each.kind: each for each in over}.values()
    return [*ended, *(event for each in one_of_each_kind for event in next_waiting(after, each, moment))]


def taken_back(state: State, command: WithdrawReferral, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A person takes it back: on hold, still on its way, where the gate stops it, or of a partner that has it."""
    waiting = (*state.referrals, *(each for each in state.received if each.is_open))
    found = next((each for each in waiting if name_id(each.referral_id, "task") == command.task_id), None)
    if found is None:
        text = "This referral is not open: it is refused, withdrawn, or its partner has brought it to an end."
        return Refused("conflict", text, "Task.status")
    in_lane = isinstance(found, OnItsWay)
    return [withdrawn(found, BY_STAFF, moment), *([] if in_lane else next_waiting(state, found, moment))]


def asked(state: State, command: AskReferral, moment: Moment[Settings]) -> list[Emits] | Refused:
    """A case manager asks. Asking for the same again changes nothing."""
    if any(each.referral_id == command.referral_id for each in state.referrals):
        return []
    partner = next((each for each in moment.settings.partners if each.identifier == command.partner), None)
    if partner is None:
        return Refused(
            "not-found", "No partner of this program has this identifier (partners.toml).", "ServiceRequest.performer"
        )
    refusal = _why_not_asked(state, command, partner) or _why_not_again(state, command, partner, moment)
    if refusal is not None:
        return refusal
    referral = OnItsWay(
        command.referral_id,
        partner.name,
        command.kind,
        partner.purpose,
        1,
        moment.now,
        command.asked_by,
        command.send_again_reason,
    )
    return [prepared(referral, moment)]


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
    if state.is_dead:
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


def _why_not_again(state: State, command: AskReferral, partner: Partner, moment: Moment[Settings]) -> Refused | None:
    """Within `sent_again_days` a person sends again only for a reason of a list, under their own name."""
    has_it = has_it_until(state, partner.name, moment) or is_being_taken_back(state, partner.name)
    if not has_it or (command.send_again_reason in SEND_AGAIN_REASONS and command.asked_by):
        return None
    return Refused(
        "duplicate",
        f"A referral of this patient was sent to this partner within {moment.settings.sent_again_days} days, or may "
        f"have been. To send another, the reason ({', '.join(sorted(SEND_AGAIN_REASONS))}) and a member of staff as "
        "requester are required.",
        "ServiceRequest.reasonCode",
    )


def contact_came(state: State, moment: Moment[Settings]) -> list[Emits]:
    """What is on hold because the Patient lacked something goes to the gate again, which looks at the new one."""
    return go_again(state, [each for each in state.on_hold if each.waits_for_contact], moment)


def begun(state: State, moment: Moment[Settings]) -> list[Emits]:
    """What waited for this moment goes to the gate again: a consent begins, or what was sent before is long ago."""
    able = [each for each in state.on_hold if each.until is not None and each.until <= moment.now]
    return go_again(state, [each for each in able if each.ends_at is None or each.ends_at > moment.now], moment)


def deceased(state: State, moment: Moment[Settings]) -> list[Emits]:
    """Nothing more is sent: what is on its way is stopped at the gate."""
    return [withdrawn(each, "patient-deceased", moment) for each in state.referrals]


def readmitted(state: State, reason: str, moment: Moment[Settings]) -> list[Emits]:
    """In care again: what only a discharge calls for is taken back, the next one asks anew. The rest, a residence say,
    stays."""
    if not isinstance(state.episode, Discharged):
        return []
    return [withdrawn(each, reason, moment) for each in state.referrals if each.kind in REFERRED]
