"""What kinds of partner there are, and what each may be told at most, under which consent. Data (domain 7.3, 7.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PartnerKind = Literal[
    "program-ehr",
    "treating-provider",
    "alumni-group",
    "recovery-residence",
    "peer-organization",
    "named-person",
    "court-or-probation",
    "laboratory",
    "mutual-help-group",
]
REFERRAL_STATE = "referral-state"
"""The field of `fields` that an answer to a referrer discloses: where its own referral stands, nothing else."""
ATTENDANCE, COMPLETION = "attendance", "completion"
"""The fields of a court: whether the person it referred is in treatment, since when; and how that ended (rule 9)."""
ANSWERED = frozenset({REFERRAL_STATE, ATTENDANCE, COMPLETION})
"""What a partner is answered about its own referral; no field of the patient."""
COUNSELING_NOTES = "counseling-notes"
"""A field that no partner is told: the hub has none of them. A consent to them is one of its own (42 CFR 2.31(b))."""
TREATMENT_PAYMENT_OPERATIONS = frozenset({"TREAT", "HPAYMT", "HOPERAT"})
"""Only a consent for these, to a treating provider, may have no expiry (42 CFR 2.31(a)(7)) or name it by its class."""


@dataclass(frozen=True)
class Terms:
    """`fields` are the most a partner of this kind may be told, of the patient or of its own referral; partners.toml
    can only narrow it. `tpo`: a consent for treatment, payment and operations reaches it, also one without expiry, or
    that names its class alone. `own_paper`: its consent names nobody else, no other purpose, and the event with which
    it ends, before which it can't be revoked (42 CFR 2.35)."""

    fields: frozenset[str]
    tpo: bool = False
    own_paper: bool = False


_CONTACT = frozenset({"name", "phone"})
TERMS: Mapping[PartnerKind, Terms] = {
    "program-ehr": Terms(frozenset({*_CONTACT, "area", REFERRAL_STATE})),
    "treating-provider": Terms(frozenset({*_CONTACT, "area", REFERRAL_STATE}), tpo=True),
    "alumni-group": Terms(_CONTACT),
    "recovery-residence": Terms(frozenset({*_CONTACT, "area", REFERRAL_STATE})),
    "peer-organization": Terms(frozenset({*_CONTACT, "area", REFERRAL_STATE})),
    "named-person": Terms(_CONTACT),
    "court-or-probation": Terms(frozenset({ATTENDANCE, COMPLETION}), own_paper=True),
    "laboratory": Terms(frozenset({"name", "birth-date", "sex", "identifier"}), tpo=True),
    "mutual-help-group": Terms(frozenset()),
}
"""An alumni group: at most the name and how to reach the patient (rule 3). A court: whether whom it
referred attends and has completed; it knows by its own number who that is (rule 9). A laboratory: by what it tells
whose specimen it has (rule 10); which test is ordered, and when, is what it is asked, no field. A drug-test value, a
diagnosis and a counseling note are no field at all (rule 7)."""
FIELDS = frozenset({COUNSELING_NOTES}).union(*(each.fields for each in TERMS.values()))
"""What a consent can name so that the hub knows what is meant."""
