"""Whom the patient permits the program to tell, and how current that knowledge is."""

from collections.abc import Sequence
from datetime import datetime

from shared.events import codes, fhir, reading
from shared.events.envelope import Event, Resource

Purpose = str
"""A purpose a consent names: TREAT, HPAYMT, HOPERAT (v3-ActReason), or the hub's `alumni` and the like."""


class ConsentGiven(Event, frozen=True, kw_only=True):
    """A living permission: who may be told (identifiers of partners.toml), why, which fields, until when.

    `classes` are kinds of partner whom it names as a class (42 CFR 2.31(a)(4)(i)); `ends_with` the event before which
    the patient can't take it back (42 CFR 2.35; CONSENT_EVENTS), empty where they always can."""

    consent_id: str
    recipients: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    fields: tuple[str, ...]
    given_at: datetime
    starts_at: datetime | None = None
    expires_at: datetime | None = None
    classes: tuple[str, ...] = ()
    ends_with: str = ""

    def write(self, patient: str) -> list[Resource]:
        by_class = (_recipient(each, codes.PARTNER_KIND) for each in self.classes)
        provision = fhir.without_nothing(
            {
                "type": "permit",
                "period": fhir.period(self.starts_at, self.expires_at),
                "actor": [*(_recipient(each) for each in self.recipients), *by_class],
                "action": [fhir.concept(codes.CONSENT_ACTION, "disclose")],
                "purpose": [fhir.coding(_purpose_system(each), each) for each in self.purposes],
                "code": [fhir.concept(codes.FIELD, each) for each in self.fields],
            }
        )
        event = fhir.concept(codes.CONSENT_EVENT, self.ends_with)
        extension = [{"url": codes.ENDS_WITH, "valueCodeableConcept": event}] if self.ends_with else None
        return [_consent(self.consent_id, "active", self.given_at, patient, provision, extension)]


class ConsentDenied(Event, frozen=True, kw_only=True):
    """The patient's no: what older consents opened for these partners and purposes (all where none is named) ends, or
    of that only these `fields` (a restriction, 42 CFR 2.26)."""

    consent_id: str
    recipients: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    denied_at: datetime
    fields: tuple[str, ...] = ()

    def write(self, patient: str) -> list[Resource]:
        provision = fhir.without_nothing(
            {
                "type": "deny",
                "actor": [_recipient(each) for each in self.recipients],
                "action": [fhir.concept(codes.CONSENT_ACTION, "disclose")],
                "purpose": [fhir.coding(_purpose_system(each), each) for each in self.purposes],
                "code": [fhir.concept(codes.FIELD, each) for each in self.fields],
            }
        )
        return [_consent(self.consent_id, "active", self.denied_at, patient, provision)]


class ConsentRevoked(Event, frozen=True, kw_only=True):
    """The permission ends now; what was disclosed before stays accounted for (42 CFR 2.31(a)(6))."""

    consent_id: str
    revoked_at: datetime
    mistaken: bool = False
    """It never was one: what is older counts as if this had never come."""

    def write(self, patient: str) -> list[Resource]:
        status = "entered-in-error" if self.mistaken else "inactive"
        return [_consent(self.consent_id, status, self.revoked_at, patient, None)]


def _recipient(partner: str, system: str = codes.PARTNER) -> fhir.Element:
    return {"role": fhir.concept(codes.PARTICIPATION, "IRCP"), "reference": fhir.logical(system, partner)}


def _purpose_system(purpose: str) -> str:
    return codes.ACT_REASON if purpose.isupper() else codes.PURPOSE


def _consent(
    consent_id: str,
    status: str,
    at: datetime,
    patient: str,
    provision: fhir.Element | None,
    extension: list[fhir.Element] | None = None,
) -> Resource:
    subject = fhir.reference("Patient", patient)
    return fhir.without_nothing(
        {
            "resourceType": "Consent",
            "id": consent_id,
            "extension": extension,
            "status": status,
            "scope": fhir.concept(codes.CONSENT_SCOPE, "patient-privacy"),
            "category": [fhir.concept(codes.ACT, "IDSCL")],
            "patient": subject,
            "dateTime": at,
            "performer": [subject],
            "organization": [fhir.logical(codes.ROLE, "program")],
            "policyRule": fhir.concept(codes.ACT, "42CFRPart2"),
            "provision": provision,
        }
    )


class _Actor(reading.Element, frozen=True):
    reference: reading.Logical


class _Provision(reading.Element, frozen=True):
    actor: tuple[_Actor, ...] = ()
    purpose: tuple[reading.Coding, ...] = ()
    code: tuple[reading.Concept, ...] = ()
    period: reading.Period = reading.Period()

    @property
    def recipients(self) -> tuple[str, ...]:
        return tuple(each.value for each in self._named if each.system != codes.PARTNER_KIND)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(each.value for each in self._named if each.system == codes.PARTNER_KIND)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(each.code for each in self.code)

    @property
    def _named(self) -> list[reading.Identifier]:
        return [each.reference.identifier for each in self.actor]

    @property
    def purposes(self) -> tuple[str, ...]:
        return tuple(each.code for each in self.purpose)


class _Extension(reading.Element, frozen=True):
    url: str
    value_codeable_concept: reading.Concept | None = None


class _Consent(reading.Read, frozen=True):
    id: str
    date_time: reading.Instant
    provision: _Provision
    extension: tuple[_Extension, ...] = ()

    @property
    def ends_with(self) -> str:
        found = (each.value_codeable_concept for each in self.extension if each.url == codes.ENDS_WITH)
        return next((each.code for each in found if each is not None), "")


class _Revoked(reading.Read, frozen=True, tag="Consent"):
    id: str
    status: str
    date_time: reading.Instant


@reading.reads(_Consent)
def read_consent_given(resources: Sequence[reading.Read]) -> ConsentGiven:
    (consent,) = reading.of_type(resources, _Consent)
    provision = consent.provision
    return ConsentGiven(
        consent_id=consent.id,
        recipients=provision.recipients,
        purposes=provision.purposes,
        fields=provision.fields,
        given_at=reading.utc(consent.date_time),
        starts_at=reading.optional_utc(provision.period.start),
        expires_at=reading.optional_utc(provision.period.end),
        classes=provision.classes,
        ends_with=consent.ends_with,
    )


@reading.reads(_Consent)
def read_consent_denied(resources: Sequence[reading.Read]) -> ConsentDenied:
    (consent,) = reading.of_type(resources, _Consent)
    return ConsentDenied(
        consent_id=consent.id,
        recipients=consent.provision.recipients,
        purposes=consent.provision.purposes,
        denied_at=reading.utc(consent.date_time),
        fields=consent.provision.fields,
    )


@reading.reads(_Revoked)
def read_consent_revoked(resources: Sequence[reading.Read]) -> ConsentRevoked:
    (consent,) = reading.of_type(resources, _Revoked)
    return ConsentRevoked(
        consent_id=consent.id,
        revoked_at=reading.utc(consent.date_time),
        mistaken=consent.status == "entered-in-error",
    )


class ConsentsCurrent(Event, frozen=True, kw_only=True):
    """The ledger's heartbeat, one per partition every few seconds of machine time: a header, no resource."""


@reading.reads()
def read_consents_current(resources: Sequence[reading.Read]) -> ConsentsCurrent:
    return ConsentsCurrent()
