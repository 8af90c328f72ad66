"""The consent rule of 42 CFR Part 2: no disclosure unless a living consent permits it. Pure; asked at every release."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, assert_never

import msgspec

from shared.events.intake import ConsentDenied, ConsentGiven

PartnerKind = Literal[
    "program-ehr", "treating-provider", "alumni-group", "recovery-residence", "court-or-probation", "mutual-help-group"
]
REFERRAL_STATE = "referral-state"
"""The field of `fields` that an answer to a referrer discloses: where its own referral stands, nothing else."""
TREATMENT_PAYMENT_OPERATIONS = frozenset({"TREAT", "HPAYMT", "HOPERAT"})
"""Only a consent for these, to a treating provider, may have no expiry (42 CFR 2.31(a)(7))."""


class Partner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An organization outside the program, as partners.toml lists it. What may be told is an allow-list in data.

    `identifier` is what a consent's actor must name; display text never counts. `fields` is the most the partner may
    be told, `required` what it can't do without.
    """

    name: str
    identifier: str
    kind: PartnerKind
    programs: tuple[str, ...]
    purpose: str
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    """Kinds of referral this partner takes."""
    offers: tuple[str, ...] = ()
    """Levels of care it gives: where to, for a patient whom the program can't take. Nothing is disclosed by it."""
    refers_as: tuple[str, ...] = ()
    """By which identifiers (`system|value`) a referral's requester names it: it is answered about its own referrals,
    where a consent permits it the field `referral-state`. Empty: it is never answered."""
    url: str = ""
    try_again_minutes_most: float = 60.0
    """While it can't be reached it is tried again after 1 s, 2 s, 4 s, at last so often: each try that may have been
    received is a line in the books."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """Yes: by this consent (None inside the program), and these fields of the patient, no other, until it expires."""

    consent_id: str | None
    fields: tuple[str, ...]
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """No, and why: a code of the hub's disclosure system. At `until` a consent begins that will permit it."""

    reason: str
    until: datetime | None = None


LACKS = "patient-lacks-"
"""Before the name of a field that the partner can't do without: the consent permits it, the Patient has none."""
Consent = ConsentGiven | ConsentDenied


def as_referrer(partner: Partner) -> Partner:
    """The partner as far as it is answered about its own referral: that field alone, and never without it."""
    fields = (REFERRAL_STATE,) if partner.refers_as and REFERRAL_STATE in partner.fields else ()
    return msgspec.structs.replace(partner, fields=fields, required=(REFERRAL_STATE,))


def as_receiver(partner: Partner) -> Partner:
    """The partner as far as a patient is referred to it: how it is answered about its own referrals is no field of the
    patient."""
    named = (tuple(each for each in fields if each != REFERRAL_STATE) for fields in (partner.fields, partner.required))
    fields, required = named
    return msgspec.structs.replace(partner, fields=fields, required=required)


def may_disclose(
    consents: Sequence[Consent],
    partner: Partner,
    program: str,
    now: datetime,
    revoked: Sequence[ConsentGiven] = (),
) -> Permitted | Withheld:
    """Whether this partner may be told now of a patient of this program.

    `consents` are the patient's unrevoked ones, `revoked` the others, which open nothing; `now` is clinic time.
    """
    if program not in partner.programs:
        return Withheld("partner-of-another-program")
    match partner.kind:
        case "program-ehr":
            return Permitted(None, partner.fields)
        case "mutual-help-group":
            return Withheld("mutual-help-receives-nothing")
        case "treating-provider" | "alumni-group" | "recovery-residence" | "court-or-probation":
            return _by_consent(consents, revoked, partner, now)
        case _:
            assert_never(partner.kind)


def _by_consent(
    consents: Sequence[Consent], revoked: Sequence[ConsentGiven], partner: Partner, now: datetime
) -> Permitted | Withheld:
    """The newest that is about this partner and purpose decides alone: a newer no, a narrower yes or a revoked one
    closes what older ones opened. Else the soonest moment from which one will permit it, else why not."""
    about = [each for each in consents if is_about(each, partner)]
    latest_revoked = max((each.given_at for each in revoked if is_about(each, partner)), default=None)
    standing = [each for each in about if latest_revoked is None or _signed(each) > latest_revoked]
    answer = _decided(standing, partner, now)
    if isinstance(answer, Permitted):
        return answer
    begins = _will_permit_at(standing, partner, now)
    if begins is not None:
        return Withheld("consent-not-yet-in-force", begins)
    if latest_revoked is not None and not standing:
        return Withheld("consent-revoked")
    return answer or Withheld(_why_none(consents, standing, partner))


def _will_permit_at(about: Sequence[Consent], partner: Partner, now: datetime) -> datetime | None:
    ahead = sorted({_begins(each) for each in about if _begins(each) > now})
    return next((at for at in ahead if isinstance(_decided(about, partner, at), Permitted)), None)


def _why_none(consents: Sequence[Consent], about: Sequence[Consent], partner: Partner) -> str:
    ahead = [(_signed(each), _by_one(each, partner, _begins(each))) for each in about]
    reasons = [(signed, each.reason) for signed, each in ahead if isinstance(each, Withheld)]
    if reasons:
        return max(reasons)[1]
    named = any(isinstance(each, ConsentGiven) and partner.identifier in each.recipients for each in consents)
    return "consent-for-another-purpose" if named else "no-consent-names-this-partner"


def is_about(consent: Consent, partner: Partner) -> bool:
    """Whether it is about this partner and this purpose. A denial that names none is about all."""
    if isinstance(consent, ConsentGiven):
        return partner.identifier in consent.recipients and partner.purpose in consent.purposes
    return partner.identifier in (consent.recipients or (partner.identifier,)) and partner.purpose in (
        consent.purposes or (partner.purpose,)
    )


def _decided(about: Sequence[Consent], partner: Partner, at: datetime) -> Permitted | Withheld | None:
    """What the newest one in force at this moment says; of several of the same instant what all of them permit."""
    begun = [each for each in about if _begins(each) <= at]
    newest = max((_signed(each) for each in begun), default=None)
    answers = [_by_one(each, partner, at) for each in begun if _signed(each) == newest]
    narrowest = min(answers, key=_width, default=None)
    if not isinstance(narrowest, Permitted):
        return narrowest
    return _in_common(narrowest, [each for each in answers if isinstance(each, Permitted)], partner)


def _in_common(narrowest: Permitted, all_of_them: Sequence[Permitted], partner: Partner) -> Permitted | Withheld:
    """The fields that each of them permits, until the first of them expires."""
    fields = tuple(name for name in narrowest.fields if all(name in each.fields for each in all_of_them))
    ends = [each.until for each in all_of_them if each.until is not None]
    return _enough(Permitted(narrowest.consent_id, fields, min(ends, default=None)), partner)


def _enough(permitted: Permitted, partner: Partner) -> Permitted | Withheld:
    """A referral without a field that the partner can't do without serves no purpose."""
    if not set(partner.required) <= set(permitted.fields):
        return Withheld("consent-lacks-a-field")
    return permitted


def _width(answer: Permitted | Withheld) -> tuple[object, ...]:
    if isinstance(answer, Withheld):
        return (0, answer.reason)
    until = answer.until.timestamp() if answer.until else float("inf")
    return (1, len(answer.fields), until, answer.fields, answer.consent_id or "")


def _signed(consent: Consent) -> datetime:
    return consent.given_at if isinstance(consent, ConsentGiven) else consent.denied_at


def _begins(consent: Consent) -> datetime:
    """A no is in force at once, whatever time it bears."""
    if isinstance(consent, ConsentDenied):
        return _ALWAYS
    return max(consent.given_at, consent.starts_at or consent.given_at)


_ALWAYS = datetime.min.replace(tzinfo=UTC)


def _by_one(consent: Consent, partner: Partner, at: datetime) -> Permitted | Withheld:
    """What this consent alone permits at a moment at which it is in force."""
    if isinstance(consent, ConsentDenied):
        return Withheld("consent-denied")
    if consent.expires_at is not None and consent.expires_at <= at:
        return Withheld("consent-expired")
    if consent.expires_at is None and not _may_last(consent, partner):
        return Withheld("consent-without-expiry")
    fields = tuple(each for each in partner.fields if each in consent.fields)
    return _enough(Permitted(consent.consent_id, fields, consent.expires_at), partner)


def _may_last(consent: ConsentGiven, partner: Partner) -> bool:
    return partner.kind == "treating-provider" and set(consent.purposes) <= TREATMENT_PAYMENT_OPERATIONS
