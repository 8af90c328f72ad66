"""The consent rule of 42 CFR Part 2: no disclosure unless a living consent says yes. Pure; asked at every release."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from shared.words.intake import ConsentGiven

PartnerKind = Literal[
    "program-ehr", "treating-provider", "alumni-group", "recovery-residence", "court-or-probation", "mutual-help-group"
]
NEEDS_EXPIRY: frozenset[PartnerKind] = frozenset({"alumni-group", "recovery-residence", "court-or-probation"})
"""For these "none" is no valid expiry: only a consent for treatment, payment and operations may lack one
(42 CFR 2.31(a)(7))."""


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
    """Yes: by this consent (None inside the program), and these fields of the patient, no other."""

    consent_id: str | None
    fields: tuple[str, ...]


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
        case _:
            return _by_consent(consents, partner, now)


def _by_consent(consents: Sequence[ConsentGiven], partner: Partner, now: datetime) -> Permitted | Withheld:
    naming = [each for each in consents if partner.identifier in each.recipients]
    if not naming:
        return Withheld("no-consent-names-this-partner")
    because = "no-consent-names-this-partner"
    for consent in naming:
        refusal = _why_not(consent, partner, now)
        if refusal is None:
            return Permitted(consent.consent_id, tuple(each for each in partner.fields if each in consent.fields))
        because = refusal
    return Withheld(because)


def _why_not(consent: ConsentGiven, partner: Partner, now: datetime) -> str | None:
    if consent.given_at > now or (consent.starts_at is not None and consent.starts_at > now):
        return "consent-not-yet-in-force"
    if consent.expires_at is not None and consent.expires_at <= now:
        return "consent-expired"
    if consent.expires_at is None and partner.kind in NEEDS_EXPIRY:
        return "consent-without-expiry"
    if partner.purpose not in consent.purposes:
        return "consent-for-another-purpose"
    if not set(partner.required) <= set(consent.fields):
        return "consent-lacks-a-field"
    return None
