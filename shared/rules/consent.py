"""The consent rule of 42 CFR Part 2: no disclosure unless a living consent permits it. Pure; asked at every release."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

import msgspec

from shared.events.intake import ConsentGiven

PartnerKind = Literal[
    "program-ehr", "treating-provider", "alumni-group", "recovery-residence", "court-or-probation", "mutual-help-group"
]
TREATMENT_PAYMENT_OPERATIONS = frozenset({"TREAT", "HPAYMT", "HOPERAT"})
"""Only a consent for these, to a treating provider, may have no expiry (42 CFR 2.31(a)(7))."""


class Partner(msgspec.Struct, frozen=True, kw_only=True):
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
    url: str = ""


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


def may_disclose(
    consents: Sequence[ConsentGiven], partner: Partner, program: str, now: datetime
) -> Permitted | Withheld:
    """Whether this partner may be told now of a patient of this program.

    `consents` are the patient's unrevoked ones, `now` is clinic time.
    """
    if program not in partner.programs:
        return Withheld("partner-of-another-program")
    match partner.kind:
        case "program-ehr":
            return Permitted(None, partner.fields)
        case "mutual-help-group":
            return Withheld("mutual-help-receives-nothing")
        case "treating-provider" | "alumni-group" | "recovery-residence" | "court-or-probation":
            return _by_consent(consents, partner, now)
        case _:
            assert_never(partner.kind)


def _by_consent(consents: Sequence[ConsentGiven], partner: Partner, now: datetime) -> Permitted | Withheld:
    """The newest consent that covers it permits it; else the soonest that will; else the newest says why not."""
    naming = sorted(
        (each for each in consents if partner.identifier in each.recipients),
        key=lambda each: (each.given_at, each.consent_id),
        reverse=True,
    )
    answers = [_by_one(consent, partner, now) for consent in naming]
    permitted = next((each for each in answers if isinstance(each, Permitted)), None)
    if permitted is not None:
        return permitted
    begins = min((each.until for each in answers if isinstance(each, Withheld) and each.until), default=None)
    if begins is not None:
        return Withheld("consent-not-yet-in-force", begins)
    return next(iter(answers), Withheld("no-consent-names-this-partner"))


def _by_one(consent: ConsentGiven, partner: Partner, now: datetime) -> Permitted | Withheld:
    """What this consent permits at the first moment from now on at which it is in force."""
    begins = max(consent.given_at, consent.starts_at or consent.given_at)
    if consent.expires_at is not None and consent.expires_at <= max(begins, now):
        return Withheld("consent-expired")
    if consent.expires_at is None and not _may_last(partner):
        return Withheld("consent-without-expiry")
    if partner.purpose not in consent.purposes:
        return Withheld("consent-for-another-purpose")
    fields = tuple(each for each in partner.fields if each in consent.fields)
    if not set(partner.required) <= set(fields):
        return Withheld("consent-lacks-a-field")
    if begins > now:
        return Withheld("consent-not-yet-in-force", begins)
    return Permitted(consent.consent_id, fields, consent.expires_at)


def _may_last(partner: Partner) -> bool:
    return partner.kind == "treating-provider" and partner.purpose in TREATMENT_PAYMENT_OPERATIONS
