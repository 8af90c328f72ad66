"""A foreign Consent read closely: what it opens, what it closes, and what its sender is answered."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.paths import SETTINGS as DEPLOY
from services.intake import app
from services.intake import messages as w
from shared.events import codes
from shared.platform.keys import Keys
from shared.platform.settings import Process
from tests.intake import bundles
from tests.intake.test_interpret import WHO, commands_of, interpreted, keys, one

__all__ = ["keys"]

Json = dict[str, Any]


def consent(**changed: Any) -> Json:
    whole = bundles.consent("riverbend-alumni", who=WHO)
    return {**whole, **changed}


def provision(**changed: Any) -> Json:
    return {**consent()["provision"], **changed}


def without(member: str) -> Json:
    return {name: value for name, value in consent().items() if name != member}


def test_a_consent_that_names_a_partner_opens_exactly_what_it_says(keys: Keys) -> None:
    given = one(commands_of(keys, consent()), w.RecordConsent)
    assert (given.recipients, given.purposes, given.fields) == (("riverbend-alumni",), ("alumni",), ("name", "phone"))
    assert given.given_at.astimezone(UTC) == datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
    assert given.expires_at.astimezone(UTC) == datetime(2027, 1, 6, 5, 0, tzinfo=UTC)


def test_a_partner_may_be_named_through_an_organization_in_the_same_bundle(keys: Keys) -> None:
    organization = {
        "fullUrl": "urn:uuid:11111111-0000-4000-8000-000000000001",
        "resourceType": "Organization",
        "name": "Alumni",
        "identifier": [{"system": codes.PARTNER, "value": "riverbend-alumni"}],
    }
    actor = {**consent()["provision"]["actor"][0], "reference": {"reference": organization["fullUrl"]}}
    given = one(commands_of(keys, organization, consent(provision=provision(actor=[actor]))), w.RecordConsent)
    assert given.recipients == ("riverbend-alumni",)


_ROLE_CST = {"coding": [{"system": codes.PARTICIPATION, "code": "CST"}]}
_NAMED = {"identifier": {"system": codes.PARTNER, "value": "riverbend-alumni"}}
_ROLE = {"coding": [{"system": codes.PARTICIPATION, "code": "IRCP"}]}
_ACTOR = {"role": _ROLE, "reference": _NAMED}
_MODIFIER = {"url": "http://example.org/not-this-one", "valueBoolean": True}
_UNTOLD = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]}
OPENS_NOTHING = {
    "without type": consent(provision={key: value for key, value in provision().items() if key != "type"}),
    "another role": consent(provision=provision(actor=[{"role": _ROLE_CST, "reference": _NAMED}])),
    "display only": consent(provision=provision(actor=[{"role": _ROLE, "reference": {"display": "riverbend-alumni"}}])),
    "foreign identifier": consent(
        provision=provision(
            actor=[{"role": _ROLE, "reference": {"identifier": {"system": "urn:x", "value": "riverbend-alumni"}}}]
        )
    ),
    "no purpose": consent(provision={key: value for key, value in provision().items() if key != "purpose"}),
    "no field": consent(provision={key: value for key, value in provision().items() if key != "code"}),
    "access only": consent(
        provision=provision(action=[{"coding": [{"system": codes.CONSENT_ACTION, "code": "access"}]}])
    ),
    "an action in words": consent(provision=provision(action=[{"text": "disclose"}])),
    "research": consent(scope={"coding": [{"system": codes.CONSENT_SCOPE, "code": "research"}]}),
    "draft": consent(status="draft"),
    "undated": without("dateTime"),
    "unsigned": without("performer"),
    "signed in words": consent(performer=[{"display": "A. Patient"}]),
    "signed by staff": consent(performer=[{"reference": "Practitioner/7"}]),
    "without discloser": without("organization"),
    "discloser in words": consent(organization=[{"display": "Riverbend"}]),
    "not verified": consent(verification=[{"verified": True}, {"verified": False}]),
    "no provision": without("provision"),
}


@pytest.mark.parametrize("why", OPENS_NOTHING)
def test_what_is_not_understood_opens_nothing(keys: Keys, why: str) -> None:
    assert commands_of(keys, OPENS_NOTHING[why]) == ()


@pytest.mark.parametrize("why", OPENS_NOTHING)
def test_an_update_that_opens_nothing_closes_what_was_open(keys: Keys, why: str) -> None:
    (revoked,) = commands_of(keys, OPENS_NOTHING[why], method="PUT")
    assert isinstance(revoked, w.RevokeConsent)


_SOMEBODY = {"identifier": {"system": "urn:x", "value": "7"}}
_DENIAL = {key: value for key, value in provision(type="deny").items() if key != "period"}
ALUMNI_ONLY = ("riverbend-alumni",)


def denying(**changed: Any) -> Json:
    return consent(provision={**_DENIAL, **changed})


NARROWED: dict[str, Json] = {
    "by class": consent(
        provision=provision(**{"class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Patient"}]})
    ),
    "by label": consent(provision=provision(securityLabel=[{"system": codes.ACT, "code": "ETH"}])),
    "by a nested permission": consent(provision=provision(provision=[{"type": "permit"}])),
    "by an end that is not told": consent(provision=provision(period={"_end": _UNTOLD})),
    "by a start that is not told": consent(provision=provision(period={"_start": _UNTOLD, "end": "2027-01-05"})),
    "modified": consent(modifierExtension=[_MODIFIER]),
    "modified within": consent(provision=provision(modifierExtension=[_MODIFIER])),
    "modified actor": consent(provision=provision(actor=[{**_ACTOR, "modifierExtension": [_MODIFIER]}])),
    "other rules": consent(implicitRules="http://example.org/rules"),
    "denied by name": consent(provision=_DENIAL),
    "denied in another role": denying(actor=[{"role": _ROLE_CST, "reference": _NAMED}]),
    "denied within": consent(provision=provision(provision=[_DENIAL])),
}
_OPTOUT = {"coding": [{"system": codes.ACT, "code": "OPTOUT"}]}
DENIES: dict[str, tuple[Json, tuple[str, ...], tuple[str, ...]]] = {
    **{why: (each, ALUMNI_ONLY, ("alumni",)) for why, each in NARROWED.items()},
    "everybody": (consent(provision={"type": "deny"}), (), ()),
    "unsigned": ({**without("performer"), "provision": {"type": "deny"}}, (), ()),
    "by policy": ({**without("provision"), "policyRule": _OPTOUT}, (), ()),
    "whom nobody can read": (denying(actor=[{"role": _ROLE, "reference": _SOMEBODY}]), (), ("alumni",)),
    "for what nobody can read": (denying(purpose=[{"system": "urn:x", "code": "y"}]), ALUMNI_ONLY, ()),
    "all within": (consent(provision=provision(provision=[{"type": "deny"}])), ALUMNI_ONLY, ()),
}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("what", DENIES)
def test_a_no_and_a_yes_that_is_narrower_than_can_be_understood_close(keys: Keys, what: str, method: str) -> None:
    resource, recipients, purposes = DENIES[what]
    (denied,) = commands_of(keys, resource, method=method)
    assert isinstance(denied, w.DenyConsent)
    assert (denied.recipients, denied.purposes) == (recipients, purposes)


def test_a_denial_of_a_day_is_newer_than_a_consent_of_the_same_day(keys: Keys) -> None:
    denied = one(commands_of(keys, consent(provision=_DENIAL)), w.DenyConsent)
    given = one(commands_of(keys, consent()), w.RecordConsent)
    assert given.given_at < denied.denied_at == given.given_at + timedelta(days=1)


def test_a_no_to_a_relative_closes_no_partner(keys: Keys) -> None:
    mother = {"role": _ROLE, "reference": {"reference": "RelatedPerson/7"}}
    assert commands_of(keys, consent(provision={**_DENIAL, "actor": [mother]})) == ()


def test_a_related_person_may_sign(keys: Keys) -> None:
    signed = consent(performer=[{"type": "RelatedPerson", "identifier": {"system": "urn:x", "value": "7"}}])
    assert one(commands_of(keys, signed), w.RecordConsent).recipients == ALUMNI_ONLY


def remark_of(keys: Keys, resource: Json, before: Json | None = None) -> str:
    interpretation = interpreted(keys, resource, method="POST" if before is None else "PUT", before=before or {})
    ((issue,),) = interpretation.remarks.values()
    return f"{issue.severity}: {issue.diagnostics}"


@pytest.mark.parametrize(
    ("resource", "remark"),
    [
        (
            consent(),
            "information: Opens name, phone for riverbend-alumni until 2027-01-06T00:00-05:00, unless a no of its ",
        ),
        (
            consent(provision=provision(code=[{"coding": [{"system": codes.FIELD, "code": "name"}]}])),
            "information: Opens nothing for riverbend-alumni: consent-lacks-a-field.",
        ),
        (without("performer"), "warning: Opens nothing. The signer is required: "),
        (
            consent(
                provision=provision(
                    actor=[{"role": _ROLE, "reference": {"identifier": {**_NAMED["identifier"], "value": "x"}}}]
                )
            ),
            "warning: Opens nothing. It names no partner of this program",
        ),
        (
            consent(provision=_DENIAL),
            "information: Opens nothing, and closes name, phone of what older consents opened for riverbend-alumni.",
        ),
        (consent(status="inactive"), "warning: Opens nothing. It has ended"),
        (consent(status="draft"), "warning: Opens nothing. Must be active."),
    ],
)
def test_every_consent_is_answered_with_what_it_opens_or_why_nothing(keys: Keys, resource: Json, remark: str) -> None:
    assert remark_of(keys, resource).startswith(remark)


TREATMENT = [{"system": codes.ACT_REASON, "code": code} for code in ("TREAT", "HPAYMT", "HOPERAT")]
UNREADABLE = {
    "of another system": {"system": "http://example.org/purposes", "code": "TREAT"},
    "in words": {"display": "marketing"},
    "without a code": {"system": codes.ACT_REASON},
    "without a system": {"code": "TREAT"},
}


def to_the_clinic(*purpose: Json, **period: Json) -> Json:
    whole = bundles.consent("riverbend-outpatient", who=WHO)
    plain = {name: value for name, value in whole["provision"].items() if name != "period"}
    return {**whole, "provision": {**plain, "purpose": list(purpose), **period}}


@pytest.mark.parametrize("how", UNREADABLE)
def test_without_an_end_every_purpose_must_be_one_that_can_be_read(keys: Keys, how: str) -> None:
    for purposes in ((*TREATMENT, UNREADABLE[how]), (UNREADABLE[how], TREATMENT[0])):
        remark = remark_of(keys, to_the_clinic(*purposes))
        assert remark == "information: Opens nothing for riverbend-outpatient: consent-without-expiry."
        ends = remark_of(keys, to_the_clinic(*purposes, period={"end": "2027-01-05"}))
        assert ends.startswith("information: Opens name, phone for riverbend-outpatient until 2027-01-06")


OWN = {"system": "https://demo.iop-hub.org/fhir/NamingSystem/organization", "value": "riverbend-iop"}
OF_THE_HUB = {"system": codes.PROGRAM, "value": "demo"}
ELSEWHERE = {
    "another program of the hub": {**OF_THE_HUB, "value": "hillside"},
    "another of the same system": {**OWN, "value": "hillside-iop"},
    "of a system nobody knows": {"system": "urn:x", "value": "riverbend-iop"},
    "of no system": {"value": "riverbend-iop"},
    "a partner": _NAMED["identifier"],
}


def named_as_discloser(identifier: Json) -> dict[str, tuple[Json, ...]]:
    """The ways in which a Consent names an organization by an identifier; an Organization beside it comes first."""
    bundled = {
        "fullUrl": "urn:uuid:11111111-0000-4000-8000-000000000001",
        "resourceType": "Organization",
        "name": "An IOP",
        "identifier": [identifier],
    }
    contained = {"resourceType": "Organization", "id": "own", "identifier": [identifier]}
    searched = f"Organization?identifier={identifier.get('system', '')}|{identifier['value']}"
    return {
        "by itself": (consent(organization=[{"identifier": identifier}]),),
        "also by reference": (consent(organization=[{"reference": "Organization/7", "identifier": identifier}]),),
        "in the same Bundle": (bundled, consent(organization=[{"reference": bundled["fullUrl"]}])),
        "contained": (consent(contained=[contained], organization=[{"reference": "#own"}]),),
        "searched for": (consent(organization=[{"reference": searched}]),),
    }


WAYS = tuple(named_as_discloser(OWN))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", ELSEWHERE)
def test_a_consent_to_somebody_elses_disclosing_opens_nothing_here(keys: Keys, who: str, way: str) -> None:
    interpretation = interpreted(keys, *named_as_discloser(ELSEWHERE[who])[way])
    assert not any(isinstance(each, w.RecordConsent) for each in interpretation.commands)
    ((issue,),) = interpretation.remarks.values()
    assert issue.diagnostics.startswith("Opens nothing. The discloser must be this program: ")
    assert issue.expression[0].endswith(".organization")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("own", [OWN, OF_THE_HUB, {"system": codes.ROLE, "value": "program"}])
def test_the_program_is_known_by_each_of_its_identifiers(keys: Keys, own: Json, way: str) -> None:
    assert one(commands_of(keys, *named_as_discloser(own)[way]), w.RecordConsent).recipients == ALUMNI_ONLY


@pytest.mark.parametrize(
    "organizations",
    [
        [{"reference": "Organization/7", "display": "Riverbend"}],
        [{"reference": "https://ehr.example.org/fhir/Organization/7"}],
        [{"identifier": ELSEWHERE["of a system nobody knows"]}, {"identifier": OWN}],
    ],
)
def test_a_discloser_by_plain_reference_or_beside_others_may_be_this_program(
    keys: Keys, organizations: list[Json]
) -> None:
    assert one(commands_of(keys, consent(organization=organizations)), w.RecordConsent).recipients == ALUMNI_ONLY


def test_a_plain_reference_beside_somebody_elses_identifier_opens_nothing(keys: Keys) -> None:
    mixed = [{"identifier": ELSEWHERE["of a system nobody knows"]}, {"reference": "Organization/7"}]
    assert commands_of(keys, consent(organization=mixed)) == ()


def test_the_service_knows_its_program_by_the_identifiers_of_its_organization(tmp_path: Path) -> None:
    process = Process(
        database_url="postgresql://",
        kafka_bootstrap="127.0.0.1:9092",
        deploy=DEPLOY,
        keys=tmp_path,
        issuer="http://127.0.0.1:8100",
    )
    assert app.settings(process)["demo"].identifiers == (f"{OWN['system']}|{OWN['value']}",)


def test_a_no_counts_whoever_it_names_as_discloser(keys: Keys) -> None:
    denied = {**consent(provision=_DENIAL), "organization": [{"identifier": ELSEWHERE["of a system nobody knows"]}]}
    assert isinstance(one(commands_of(keys, denied), w.DenyConsent), w.DenyConsent)


def test_a_consent_for_treatment_payment_and_operations_needs_no_end(keys: Keys) -> None:
    assert remark_of(keys, to_the_clinic(*TREATMENT)).startswith("information: Opens name, phone for riverbend-outp")


def test_a_denial_that_ends_opens_nothing_unless_it_was_an_error(keys: Keys) -> None:
    before = consent(provision=_DENIAL)
    assert interpreted(keys, {**before, "status": "inactive"}, method="PUT", before=before).commands == ()
    (revoked,) = interpreted(keys, {**before, "status": "entered-in-error"}, method="PUT", before=before).commands
    assert isinstance(revoked, w.RevokeConsent)


def test_a_consent_that_had_ended_is_not_revoked_again(keys: Keys) -> None:
    before = consent(status="inactive")
    reworded = {**before, "language": "en"}
    assert interpreted(keys, reworded, method="PUT", before=before).commands == ()
    (revoked,) = interpreted(keys, {**before, "status": "entered-in-error"}, method="PUT", before=before).commands
    assert isinstance(revoked, w.RevokeConsent) and revoked.mistaken


@pytest.mark.parametrize("status", ["inactive", "rejected", "entered-in-error"])
def test_an_ended_consent_is_revoked(keys: Keys, status: str) -> None:
    (revoked,) = commands_of(keys, consent(status=status))
    assert isinstance(revoked, w.RevokeConsent)
