"""The consent rule of 42 CFR Part 2: no disclosure unless a living consent says yes. Pure; asked at every release."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

import msgspec

from shared.words.intake import ConsentGiven

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
    """No, and why: a code of the hub's disclosure system."""

    because: str


def may_disclose(consents: Sequence[ConsentGiven], partner: Partner, now: datetime) -> Permitted | Withheld:
    """Whether this partner may be told now. `consents` are the patient's unrevoked ones, `now` is clinic time."""
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
    """The newest consent that covers it permits it; else the newest one that names the partner says why not."""
    naming = sorted(
        (each for each in consents if partner.identifier in each.recipients),
        key=lambda each: (each.given_at, each.consent_id),
        reverse=True,
    )
    answers = [_by_one(consent, partner, now) for consent in naming]
    permitted = next((each for each in answers if isinstance(each, Permitted)), None)
    return permitted or next(iter(answers), Withheld("no-consent-names-this-partner"))


def _by_one(consent: ConsentGiven, partner: Partner, now: datetime) -> Permitted | Withheld:
    if consent.given_at > now or (consent.starts_at is not None and consent.starts_at > now):
        return Withheld("consent-not-yet-in-force")
    if consent.expires_at is not None and consent.expires_at <= now:
        return Withheld("consent-expired")
    if consent.expires_at is None and not _may_last(partner):
        return Withheld("consent-without-expiry")
    if partner.purpose not in consent.purposes:
        return Withheld("consent-for-another-purpose")
    fields = tuple(each for each in partner.fields if each in consent.fields)
    if not set(partner.required) <= set(fields):
        return Withheld("consent-lacks-a-field")
    return Permitted(consent.consent_id, fields, consent.expires_at)


def _may_last(partner: Partner) -> bool:
    return partner.kind == "treating-provider" and partner.purpose in TREATMENT_PAYMENT_OPERATIONS
