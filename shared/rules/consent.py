"""The consent rule of 42 CFR Part 2: no disclosure unless a living consent permits it. Pure; asked at every release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal, assert_never

import msgspec

from shared.events.intake import ConsentDenied, ConsentGiven
from shared.rules.partner_access import NO_ACCESS, Access
from shared.rules.partner_kinds import (
    ANSWERED,
    COUNSELING_NOTES,
    TERMS,
    TREATMENT_PAYMENT_OPERATIONS,
    PartnerKind,
)


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
    narr_level: Literal["", "I", "II", "III", "IV"] = ""
    """Of a recovery residence: peer-run, monitored, supervised, service provider (NARR); empty where it isn't known."""
    accepts_moud: bool | None = None
    """Of a recovery residence: whether it takes a patient with medication for opioid use disorder; never assumed."""
    refers_as: tuple[str, ...] = ()
    """By which identifiers (`system|value`) a referral's requester names it: it is answered about its own referrals,
    where a consent permits it the field `referral-state`. Empty: it is never answered."""
    answer_days: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
    """Without an answer so long after a referral was sent the case manager is asked."""
    capacity: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    """Referrals of one program that it has open at once, at most; None: as many as come."""
    printed: bool = False
    """Nothing is sent to it: staff print the referral, and the patient carries it there."""
    url: str = ""
    access: Access = NO_ACCESS
    """How the hub proves to it who it is."""
    try_again_minutes_most: float = 60.0
    """While it can't be reached it is tried again after 1 s, 2 s, 4 s, at last so often: each try that may have been
    received is a line in the books."""
    give_up_hours: Annotated[float, msgspec.Meta(gt=0, le=168)] | None = None
    """While it can't be reached it is tried for so long; None: as `hours_tried_most` says."""
    agreement: Literal["", "qso"] = ""
    """With a laboratory: a qualified service organization agreement (42 CFR 2.11). What it needs for its service it is
    told without a consent (42 CFR 2.12(c)(4)); without an agreement a consent decides."""
    form: Literal["fhir", "hl7-mllp"] = "fhir"
    """How it is sent what it is sent: a transaction Bundle over HTTP, or a message of HL7 version 2 over MLLP."""
    panels: Mapping[str, str] = {}
    """Of a laboratory: by the code of an order (`drug-test`, or of LOINC) its own, `identifier^text^coding system`."""
    application: str = ""
    """By which HL7 name a laboratory is sent to (MSH-5)."""
    facility: str = ""
    """And its facility (MSH-6)."""
    assigning_authorities: Mapping[str, str] = {}
    """Which identifier of the patient a laboratory is told, and whose number it is in HL7: authority to FHIR system."""

    @property
    def hours_tried_most(self) -> float:
        """An order that nobody took for a day is a person's: its window may be over."""
        return self.give_up_hours or (24.0 if self.kind == "laboratory" else 72.0)


@dataclass(frozen=True, slots=True)
class Permitted:
    """Yes: by this consent (None inside the program and under an agreement), and these fields of the patient, no other,
    until it expires."""

    consent_id: str | None
    fields: tuple[str, ...]
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """No, and why: a code of the hub's disclosure system. At `until` a consent begins that will permit it."""

    reason: str
    until: datetime | None = None


def require_narrow(partner: Partner) -> Partner:
    """It may be told no more than its kind, and what it requires it may be told, by one way. Raises ValueError."""
    beyond = sorted(set(partner.fields) - TERMS[partner.kind].fields)
    if beyond:
        allowed = ", ".join(sorted(TERMS[partner.kind].fields)) or "none"
        raise ValueError(f"fields: kind {partner.kind} may be told {allowed}; not {', '.join(beyond)}")
    if not set(partner.required) <= set(partner.fields):
        raise ValueError("required: must be among fields")
    if partner.printed and (partner.url or partner.access != NO_ACCESS or partner.refers_as):
        raise ValueError("printed: has no url, no access and no refers_as, for nothing is sent to it")
    if partner.kind != "recovery-residence" and (partner.narr_level or partner.accepts_moud is not None):
        raise ValueError("narr_level, accepts_moud: only of kind recovery-residence")
    return partner


LACKS = "patient-lacks-"
"""Before the name of a field that the partner can't do without: the consent permits it, the Patient has none."""
OF_CONSENTS = ("consent-", "no-consent-", "counseling-notes-never-sent")
"""How the reasons of a no begin that another consent may end."""
Consent = ConsentGiven | ConsentDenied


def as_referrer(partner: Partner) -> Partner:
    """The partner as far as it is answered about its own referral: by these fields alone, and never without any."""
    fields = tuple(each for each in partner.fields if each in ANSWERED) if partner.refers_as else ()
    return msgspec.structs.replace(partner, fields=fields, required=())


def as_receiver(partner: Partner) -> Partner:
    """The partner as far as a patient is referred to it: how it is answered about its own referrals is no field of the
    patient."""
    named = (tuple(each for each in fields if each not in ANSWERED) for fields in (partner.fields, partner.required))
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
    allowed = tuple(each for each in partner.fields if each in TERMS[partner.kind].fields)
    match partner.kind:
        case "program-ehr":
            return Permitted(None, allowed)
        case "mutual-help-group":
            return Withheld("mutual-help-receives-nothing")
        case (
            "treating-provider"
            | "alumni-group"
            | "recovery-residence"
            | "peer-organization"
            | "named-person"
            | "court-or-probation"
        ):
            return _by_consent(consents, revoked, msgspec.structs.replace(partner, fields=allowed), now)
        case "laboratory":
            receiver = msgspec.structs.replace(partner, fields=allowed)
            if partner.agreement and not _names_in_a_no(consents, revoked, receiver):
                return _by_agreement(consents, receiver, now)
            return _by_consent(consents, revoked, receiver, now)
        case _:
            assert_never(partner.kind)


def _names_in_a_no(consents: Sequence[Consent], revoked: Sequence[ConsentGiven], partner: Partner) -> bool:
    """Whether the patient said no about this laboratory by its identifier, or took back a consent that named it: a
    restriction that was recorded is kept (42 CFR 2.26), and from then on their consents decide. A no that names nobody
    refuses consents, and an agreement needs none."""
    noes: list[Consent] = [each for each in consents if isinstance(each, ConsentDenied) and not each.fields]
    return any(partner.identifier in each.recipients and is_about(each, partner) for each in [*noes, *revoked])


def _by_agreement(consents: Sequence[Consent], partner: Partner, now: datetime) -> Permitted | Withheld:
    """What it needs for its service, but for the fields that the patient restricted, for it or for all: until that is
    revoked, or a later consent in force, which names it, has them again."""
    restricted = {
        name
        for no in consents
        if isinstance(no, ConsentDenied) and is_about(no, partner)
        for name in no.fields
        if not any(_lifts(each, no, name, partner, now) for each in consents)
    }
    fields = tuple(each for each in partner.fields if each not in restricted)
    if not set(partner.required) <= set(fields) or (partner.fields and not fields):
        return Withheld("consent-restricted" if restricted else "consent-lacks-a-field")
    return Permitted(None, fields)


def _lifts(consent: Consent, no: ConsentDenied, field: str, partner: Partner, now: datetime) -> bool:
    """One that would open nothing by itself lifts nothing either."""
    if not isinstance(consent, ConsentGiven) or partner.identifier not in consent.recipients:
        return False
    begun = no.denied_at < consent.given_at and _begins(consent) <= now
    living = consent.expires_at is None or now < consent.expires_at
    opens = is_about(consent, partner) and _why_defective(consent, partner) is None
    return begun and living and opens and field in consent.fields


def _by_consent(
    consents: Sequence[Consent], revoked: Sequence[ConsentGiven], partner: Partner, now: datetime
) -> Permitted | Withheld:
    """The newest that is about this partner and purpose decides alone: a newer no, a narrower yes or a revoked one
    closes what older ones opened. Else the soonest moment from which one will permit it, else why not."""
    about = [each for each in consents if is_about(each, partner) and not _is_bound_before(each, consents, partner)]
    latest_revoked = max((each.given_at for each in revoked if is_about(each, partner)), default=None)
    standing = [each for each in about if latest_revoked is None or _signed(each) > latest_revoked]
    answer = _decided(standing, partner, now)
    if isinstance(answer, Permitted):
        return answer
    begins = _will_permit_at(standing, partner, now)
    if begins is not None:
        return Withheld("consent-not-yet-in-force", begins)
    if latest_revoked is not None and not any(not _restricts(each) for each in standing):
        return Withheld("consent-revoked")
    return answer or Withheld(_why_none(consents, standing, partner))


def _is_bound_before(consent: Consent, consents: Sequence[Consent], partner: Partner) -> bool:
    """Whether it is a no that came while a consent bound the patient until its event (42 CFR 2.35(c))."""
    return isinstance(consent, ConsentDenied) and any(
        binds(each, partner) and each.given_at < consent.denied_at < (each.expires_at or _ALWAYS)
        for each in consents
        if isinstance(each, ConsentGiven)
    )


def binds(consent: ConsentGiven, partner: Partner) -> bool:
    """Whether it is this partner's own paper, which the patient can't take back before its event."""
    return TERMS[partner.kind].own_paper and is_about(consent, partner) and _why_not_own(consent) is None


def _why_not_own(consent: ConsentGiven) -> str | None:
    """What keeps it from being a consent under 42 CFR 2.35; None where nothing does."""
    if len({*consent.recipients, *consent.classes}) > 1 or len(set(consent.purposes)) > 1:
        return "consent-not-for-this-alone"
    if consent.expires_at is None:
        return "consent-without-expiry"
    return None if consent.ends_with else "consent-without-event"


def _will_permit_at(about: Sequence[Consent], partner: Partner, now: datetime) -> datetime | None:
    ahead = sorted({_begins(each) for each in about if _begins(each) > now})
    return next((at for at in ahead if isinstance(_decided(about, partner, at), Permitted)), None)


def _why_none(consents: Sequence[Consent], about: Sequence[Consent], partner: Partner) -> str:
    ahead = [(_signed(each), _by_one(each, about, partner, _begins(each))) for each in about if not _restricts(each)]
    reasons = [(signed, each.reason) for signed, each in ahead if isinstance(each, Withheld)]
    if reasons:
        return max(reasons)[1]
    named = [each for each in consents if isinstance(each, ConsentGiven) and reaches(each, partner)]
    if any(not _is_of_notes_alone(each) for each in named):
        return "consent-for-another-purpose"
    return "counseling-notes-never-sent" if named else "no-consent-names-this-partner"


def reaches(consent: ConsentGiven, partner: Partner) -> bool:
    """Whether it names this partner: by its identifier or, for treatment, payment and operations alone, by its class
    (42 CFR 2.31(a)(4)(i))."""
    if partner.identifier in consent.recipients:
        return True
    is_tpo = TERMS[partner.kind].tpo and {partner.purpose, *consent.purposes} <= TREATMENT_PAYMENT_OPERATIONS
    return is_tpo and partner.kind in consent.classes


def is_about(consent: Consent, partner: Partner) -> bool:
    """Whether it is about this partner and this purpose. A denial that names none is about all; a consent to counseling
    notes alone is about nothing else."""
    if isinstance(consent, ConsentGiven):
        of_this = partner.purpose in consent.purposes and not _is_of_notes_alone(consent)
        return of_this and reaches(consent, partner)
    return partner.identifier in (consent.recipients or (partner.identifier,)) and partner.purpose in (
        consent.purposes or (partner.purpose,)
    )


def _is_of_notes_alone(consent: ConsentGiven) -> bool:
    return set(consent.fields) == {COUNSELING_NOTES}


def _restricts(consent: Consent) -> bool:
    """Whether it is a no to some fields only (42 CFR 2.26): what else is permitted stays so."""
    return isinstance(consent, ConsentDenied) and bool(consent.fields)


def _decided(about: Sequence[Consent], partner: Partner, at: datetime) -> Permitted | Withheld | None:
    """What the newest one in force at this moment says; of several of the same instant what all of them permit."""
    begun = [each for each in about if _begins(each) <= at and not _restricts(each)]
    newest = max((_signed(each) for each in begun), default=None)
    answers = [_by_one(each, about, partner, at) for each in begun if _signed(each) == newest]
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
    """Without any field, or without one that the partner can't do without, it serves no purpose."""
    if not permitted.fields or not set(partner.required) <= set(permitted.fields):
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


def _by_one(consent: Consent, about: Sequence[Consent], partner: Partner, at: datetime) -> Permitted | Withheld:
    """What this consent alone permits at a moment at which it is in force, without what a no of its time or a later one
    restricts."""
    if isinstance(consent, ConsentDenied):
        return Withheld("consent-denied")
    if consent.expires_at is not None and consent.expires_at <= at:
        return Withheld("consent-expired")
    if why := _why_defective(consent, partner):
        return Withheld(why)
    granted = tuple(each for each in partner.fields if each in consent.fields)
    restricted = {
        name
        for each in about
        if isinstance(each, ConsentDenied) and each.denied_at >= consent.given_at
        for name in each.fields
    }
    fields = tuple(each for each in granted if each not in restricted)
    answer = _enough(Permitted(consent.consent_id, fields, consent.expires_at), partner)
    if isinstance(answer, Withheld) and isinstance(_enough(Permitted(None, granted), partner), Permitted):
        return Withheld("consent-restricted")
    return answer


def _why_defective(consent: ConsentGiven, partner: Partner) -> str | None:
    """Why it opens nothing at all for a partner of this kind; None where nothing is wrong with it."""
    if COUNSELING_NOTES in consent.fields:
        return "consent-combines-counseling-notes"
    if TERMS[partner.kind].own_paper:
        return _why_not_own(consent)
    if consent.expires_at is None and not _may_last(consent, partner):
        return "consent-without-expiry"
    return None


def _may_last(consent: ConsentGiven, partner: Partner) -> bool:
    return TERMS[partner.kind].tpo and set(consent.purposes) <= TREATMENT_PAYMENT_OPERATIONS
