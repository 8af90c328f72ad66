"""The partners and consents that tests of the gate and of aftercare talk about: one of each kind, all made up."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.events.intake import ConsentGiven
from shared.rules.consent import Partner
from shared.rules.partner_kinds import ATTENDANCE, COMPLETION, REFERRAL_STATE, TERMS, PartnerKind

A_YEAR = timedelta(days=365)
ALUMNI = Partner(
    name="alumni",
    identifier="riverbend-alumni",
    kind="alumni-group",
    programs=("demo",),
    purpose="alumni",
    fields=("name", "phone"),
    required=("name", "phone"),
    serves=("alumni",),
)
CLINIC = Partner(
    name="clinic",
    identifier="riverbend-outpatient",
    kind="treating-provider",
    programs=("demo",),
    purpose="TREAT",
    fields=("name", "phone", "area"),
    required=("name",),
    serves=("step-down",),
)
HOUSE = Partner(
    name="house",
    identifier="riverbend-house",
    kind="recovery-residence",
    programs=("demo",),
    purpose="recovery-residence",
    fields=("name", "phone"),
    serves=("recovery-residence",),
)
FELLOWSHIP = Partner(
    name="aa",
    identifier="alcoholics-anonymous",
    kind="mutual-help-group",
    programs=("demo",),
    purpose="mutual-help",
    serves=("alumni", "step-down"),
)
HOSPITAL = Partner(
    name="hospital",
    identifier="riverbend-hospital",
    kind="treating-provider",
    programs=("demo",),
    purpose="TREAT",
    fields=(REFERRAL_STATE,),
    refers_as=("http://hl7.org/fhir/sid/us-npi|9999999928",),
)
COURT = Partner(
    name="court",
    identifier="riverbend-court",
    kind="court-or-probation",
    programs=("demo",),
    purpose="criminal-justice",
    fields=(ATTENDANCE, COMPLETION),
    refers_as=("https://court.example.org/agency|17",),
)
EHR = Partner(
    name="ehr",
    identifier="riverbend-ehr",
    kind="program-ehr",
    programs=("demo",),
    purpose="TREAT",
    fields=("name",),
)
LABORATORY = Partner(
    name="laboratory",
    identifier="riverbend-laboratory",
    kind="laboratory",
    programs=("demo",),
    purpose="TREAT",
    fields=("name", "birth-date", "sex", "identifier"),
    required=("name",),
    panels={"drug-test": "12PAN^Drug screen 12 panel^L"},
    assigning_authorities={"IOPDEMO": "https://clinic.demo.iop-hub.org/mrn"},
)
AGREED = msgspec.structs.replace(LABORATORY, agreement="qso")
"""The same, under a qualified service organization agreement."""


def of_kind(kind: PartnerKind) -> Partner:
    """The alumni group, if it were of another kind."""
    return msgspec.structs.replace(ALUMNI, kind=kind)


def consent_to(partner: Partner, given_at: datetime, **but: Any) -> ConsentGiven:
    """A consent for a year that names this partner, its purpose and all of its fields; `but` changes any of that."""
    consent = ConsentGiven(
        consent_id="consent",
        recipients=(partner.identifier,),
        purposes=(partner.purpose,),
        fields=partner.fields,
        given_at=given_at,
        expires_at=given_at + A_YEAR,
        ends_with="supervision-ended" if TERMS[partner.kind].own_paper else "",
    )
    return msgspec.structs.replace(consent, **but)
