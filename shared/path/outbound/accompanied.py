"""What accompanies every disclosure: who sends it, the scope of its consent, and the notice (42 CFR 2.32). Pure."""

from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.events import codes, fhir
from shared.events.envelope import Resource, name_id
from shared.path.destination import Release
from shared.rules.organization import Organization
from shared.rules.partner_kinds import TERMS

NOTICE = "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
"""Statement 2, verbatim (42 CFR 2.32(a)(2)); it accompanies every disclosure made with consent."""
REFERRAL = codes.REFERRAL_NUMBER
CONSENT = f"{codes.HUB}/NamingSystem/consent"
PARTNER_PATIENT = f"{codes.HUB}/NamingSystem/partner-patient"
"""Of the patient as one partner knows them."""


class Accompanied:
    """A transaction Bundle to one partner; with the row's id and `ifNoneExist` it recognises a repetition.

    `about` is the type of what is disclosed in it, `subject` that of its Patient, empty where none is in it; `purport`
    what its consent permits telling, `replaced` the types of which the partner has one, however often it is sent."""

    about: ClassVar[str]
    subject: ClassVar[str] = ""
    purport: ClassVar[str]
    replaced: ClassVar[frozenset[str]] = frozenset()
    noticed: ClassVar[bool] = False
    """Whether the notice goes along without a consent, too."""

    def __init__(self, release: Release, sender: Organization, zone: ZoneInfo) -> None:
        self.permitted, self.partner, self.row_id = release.permitted, release.partner, release.row_id
        self.program, self.organization_named, self.zone = release.program, sender, zone
        self.pseudonym = pseudonym(release)

    def bundle(self, *resources: fhir.Element) -> Resource:
        enclosed = [self.organization(), *resources]
        if (consent_id := self.permitted.consent_id) is not None:
            enclosed += [self.consent(consent_id), self.notice(consent_id)]
        elif self.noticed:
            enclosed.append(self.notice(None))
        return {
            "resourceType": "Bundle",
            "meta": {"security": list(codes.LABELS)},
            "identifier": {"system": codes.URI, "value": f"urn:uuid:{self.row_id}"},
            "type": "transaction",
            "entry": [self.entry(each) for each in enclosed],
        }

    def entry(self, resource: fhir.Element) -> Resource:
        identifier, kind = resource["identifier"][0], resource["resourceType"]
        once = f"identifier={identifier['system']}|{identifier['value']}"
        create = {"method": "POST", "url": kind, "ifNoneExist": once}
        return {
            "fullUrl": self._url(kind),
            "resource": {"meta": {"security": list(codes.LABELS)}} | resource,
            "request": {"method": "PUT", "url": f"{kind}?{once}"} if kind in self.replaced else create,
        }

    @property
    def sender(self) -> fhir.Element:
        """The program, also for whoever reads one resource alone."""
        named = fhir.logical(codes.PROGRAM, self.program)
        return self.reference("Organization") | named | {"display": self.organization_named.name}

    def organization(self) -> fhir.Element:
        """Who refers: nothing of the patient."""
        program = self.organization_named
        named = [each.rpartition("|") for each in program.identifiers]
        contact = [("phone", program.phone), ("url", program.url)]
        return fhir.without_nothing(
            {
                "resourceType": "Organization",
                "identifier": [
                    *identifier(codes.PROGRAM, self.program),
                    *({"system": system, "value": value} for system, _, value in named),
                ],
                "active": True,
                "name": program.name,
                "telecom": [{"system": system, "value": value} for system, value in contact if value] or None,
            }
        )

    def consent(self, consent_id: str) -> fhir.Element:
        """The consent's scope as far as it concerns this partner: whom else it names is not this partner's business."""
        purpose = self.partner.purpose
        provision = {
            "type": "permit",
            "period": fhir.period(None, self.permitted.until),
            "actor": [
                {
                    "role": fhir.concept(codes.PARTICIPATION, "IRCP"),
                    "reference": fhir.logical(codes.PARTNER, self.partner.identifier),
                }
            ],
            "action": [fhir.concept(codes.CONSENT_ACTION, "disclose")],
            "purpose": [fhir.coding(codes.ACT_REASON if purpose.isupper() else codes.PURPOSE, purpose)],
            "code": [fhir.concept(codes.FIELD, each) for each in self.permitted.fields],
        }
        consent = {
            "resourceType": "Consent",
            "identifier": identifier(CONSENT, consent_id),
            "status": "active",
            "scope": fhir.concept(codes.CONSENT_SCOPE, "patient-privacy"),
            "category": [fhir.concept(codes.ACT, "IDSCL")],
            "patient": self.reference(self.subject) if self.subject else None,
            "organization": [self.sender],
            "policyRule": fhir.concept(codes.ACT, "42CFRPart2"),
            "provision": fhir.without_nothing(provision),
        }
        return fhir.without_nothing(consent)

    def notice(self, consent_id: str | None) -> fhir.Element:
        """With the consent's scope, where there is one."""
        about = [self.reference(self.about), *([self.reference("Consent")] if consent_id else [])]
        scope = [{"contentString": self._scope(consent_id)}] if consent_id else []
        notice = {
            "resourceType": "Communication",
            "identifier": identifier(codes.URI, f"urn:uuid:{name_id(self.row_id, 'notice')}"),
            "status": "completed",
            "subject": self.reference(self.subject) if self.subject else None,
            "sender": self.sender,
            "about": about,
            "payload": [{"contentString": NOTICE}, *scope],
        }
        return fhir.without_nothing(notice)

    def _scope(self, consent_id: str) -> str:
        until = f" until {self.permitted.until.astimezone(self.zone):%Y-%m-%d}" if self.permitted.until else ""
        revocable = "not revocable before its event" if TERMS[self.partner.kind].own_paper else "revocable at any time"
        return (
            f"Consent {consent_id} permits telling {self.partner.identifier} {self.purport}: "
            f"{', '.join(self.permitted.fields)}; for the purpose {self.partner.purpose}{until}; {revocable}."
        )

    def _url(self, kind: str) -> str:
        return f"urn:uuid:{name_id(UUID(self.row_id), kind)}"

    def reference(self, kind: str) -> fhir.Element:
        return {"reference": self._url(kind)}


def pseudonym(release: Release) -> str:
    """The patient as this partner knows them: two partners can't compare theirs, nor find the hub's."""
    return name_id(release.patient, release.partner.identifier)


def identifier(system: str, value: str) -> list[dict[str, str]]:
    return [{"system": system, "value": value}]
