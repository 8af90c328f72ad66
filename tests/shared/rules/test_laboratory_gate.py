"""Rule 10 of 7.5: what a laboratory is told of a patient, under an agreement and without one."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.events.intake import ConsentDenied, ConsentGiven
from shared.rules.consent import Consent, Partner, Permitted, Withheld, may_disclose
from shared.rules.partner_kinds import COUNSELING_NOTES
from tests.shared.rules.partners import A_YEAR, AGREED, CLINIC, HOUSE, LABORATORY, consent_to

SIGNED = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
NOW = SIGNED + timedelta(days=30)
YESTERDAY = NOW - timedelta(days=1)
WHOLE = ("name", "birth-date", "sex", "identifier")
OF_ALL = Permitted(None, WHOLE)


def answer(partner: Partner, *consents: Consent, revoked: tuple[ConsentGiven, ...] = ()) -> Permitted | Withheld:
    return may_disclose(consents, partner, "demo", NOW, revoked)


def no_to(*identifiers: str, at: datetime = YESTERDAY, fields: tuple[str, ...] = ()) -> ConsentDenied:
    return ConsentDenied(consent_id="no", recipients=identifiers, purposes=(), denied_at=at, fields=fields)


def test_under_an_agreement_it_is_told_what_it_needs_without_a_consent() -> None:
    assert answer(AGREED) == OF_ALL
    assert answer(AGREED, consent_to(CLINIC, SIGNED), no_to(HOUSE.identifier)) == OF_ALL


def test_without_one_a_consent_decides_as_for_a_treating_provider() -> None:
    assert answer(LABORATORY) == Withheld("no-consent-names-this-partner")
    for_treatment = consent_to(LABORATORY, SIGNED, purposes=("TREAT", "HPAYMT", "HOPERAT"), expires_at=None)
    assert answer(LABORATORY, for_treatment) == Permitted("consent", WHOLE)
    assert answer(LABORATORY, for_treatment, no_to(LABORATORY.identifier)) == Withheld("consent-denied")


def test_the_class_of_all_treating_providers_is_no_laboratory() -> None:
    of_class = consent_to(CLINIC, SIGNED, recipients=(), classes=("treating-provider",), purposes=("TREAT",))
    assert answer(LABORATORY, of_class) == Withheld("no-consent-names-this-partner")


def test_under_an_agreement_it_may_be_told_no_field_at_all() -> None:
    of_a_pseudonym = msgspec.structs.replace(AGREED, fields=(), required=(), assigning_authorities={})
    assert answer(of_a_pseudonym) == Permitted(None, ())


def test_no_agreement_opens_another_program_or_a_field_beyond_its_kind() -> None:
    assert may_disclose([], AGREED, "elsewhere", NOW) == Withheld("partner-of-another-program")
    wide = msgspec.structs.replace(AGREED, fields=("name", "phone", "area"))
    assert answer(wide) == Permitted(None, ("name",))


def test_a_no_that_names_it_closes_it_under_an_agreement_too() -> None:
    assert answer(AGREED, no_to(AGREED.identifier)) == Withheld("consent-denied")
    assert answer(AGREED, no_to(HOUSE.identifier, AGREED.identifier)) == Withheld("consent-denied")


def test_a_consent_that_named_it_and_was_taken_back_closes_it_too() -> None:
    assert answer(AGREED, revoked=(consent_to(AGREED, SIGNED),)) == Withheld("consent-revoked")
    assert answer(AGREED, revoked=(consent_to(HOUSE, SIGNED),)) == OF_ALL


def test_a_no_that_names_nobody_refuses_consents_and_an_agreement_needs_none() -> None:
    assert answer(AGREED, no_to()) == OF_ALL
    assert answer(LABORATORY, consent_to(LABORATORY, SIGNED), no_to()) == Withheld("consent-denied")


def test_after_a_no_a_newer_consent_opens_what_it_says_and_no_more() -> None:
    newer = consent_to(AGREED, NOW - timedelta(hours=1), fields=("name", "sex"))
    assert answer(AGREED, no_to(AGREED.identifier), newer) == Permitted("consent", ("name", "sex"), newer.expires_at)
    older = consent_to(AGREED, SIGNED)
    assert answer(AGREED, no_to(AGREED.identifier), older) == Withheld("consent-denied")


@pytest.mark.parametrize("named", [(AGREED.identifier,), ()], ids=["for-it", "for-all"])
def test_a_restricted_field_is_not_told_and_the_others_are(named: tuple[str, ...]) -> None:
    restricted = no_to(*named, fields=("birth-date", "identifier"))
    assert answer(AGREED, restricted) == Permitted(None, ("name", "sex"))
    assert answer(AGREED, no_to(HOUSE.identifier, fields=("birth-date",))) == OF_ALL


def test_where_the_laboratory_needs_what_was_restricted_nothing_goes() -> None:
    assert answer(AGREED, no_to(AGREED.identifier, fields=("name",))) == Withheld("consent-restricted")
    modest = msgspec.structs.replace(AGREED, required=())
    assert answer(modest, no_to(AGREED.identifier, fields=WHOLE)) == Withheld("consent-restricted")


@pytest.mark.parametrize(
    ("changed", "lifts"),
    [
        ({}, True),
        ({"fields": ("name",)}, False),
        ({"expires_at": NOW}, False),
        ({"starts_at": NOW + timedelta(days=1)}, False),
        ({"given_at": YESTERDAY}, False),
        ({"recipients": (), "classes": ("treating-provider",)}, False),
        ({"expires_at": None}, True),
        ({"expires_at": None, "purposes": ("TREAT", "alumni")}, False),
        ({"fields": ("sex", COUNSELING_NOTES)}, False),
    ],
)
def test_a_later_consent_in_force_that_names_it_lifts_a_restriction(changed: dict[str, object], lifts: bool) -> None:
    consent = msgspec.structs.replace(consent_to(AGREED, NOW - timedelta(hours=1)), **changed)
    found = answer(AGREED, no_to(AGREED.identifier, fields=("sex",)), consent)
    assert found == (OF_ALL if lifts else Permitted(None, ("name", "birth-date", "identifier")))


moments = some.datetimes(datetime(2025, 12, 1), datetime(2026, 3, 1), timezones=some.just(UTC))
names = some.lists(some.sampled_from([AGREED.identifier, HOUSE.identifier]), unique=True).map(tuple)
purposes = some.lists(some.sampled_from(["TREAT", "alumni"]), unique=True).map(tuple)
fields = some.lists(some.sampled_from(WHOLE), unique=True).map(tuple)
given_ones = some.builds(
    ConsentGiven,
    consent_id=some.uuids().map(str),
    recipients=names,
    purposes=purposes,
    fields=fields,
    given_at=moments,
    starts_at=some.none() | moments,
    expires_at=some.none() | moments,
)
denials = some.builds(
    ConsentDenied,
    consent_id=some.uuids().map(str),
    recipients=names,
    purposes=purposes,
    fields=fields,
    denied_at=moments,
)
partners = some.builds(
    lambda known, agreement: msgspec.structs.replace(AGREED, fields=known, required=known[:1], agreement=agreement),
    fields,
    some.sampled_from(["", "qso"]),
)


@given(partners, some.lists(given_ones, max_size=3), some.lists(denials, max_size=3))
def test_whatever_is_known_it_is_told_no_more_than_its_list(
    partner: Partner, consents: list[ConsentGiven], noes: list[ConsentDenied]
) -> None:
    found = answer(partner, *consents, *noes)
    if isinstance(found, Permitted):
        assert set(partner.required) <= set(found.fields) <= set(partner.fields)
        assert found.consent_id is not None or partner.agreement


@given(some.lists(given_ones, max_size=3), some.lists(denials, max_size=3), denials)
def test_a_no_more_never_opens_anything(
    consents: list[ConsentGiven], noes: list[ConsentDenied], another: ConsentDenied
) -> None:
    before, after = answer(AGREED, *consents, *noes), answer(AGREED, *consents, *noes, another)
    if isinstance(before, Withheld):
        assert isinstance(after, Withheld)
    elif isinstance(after, Permitted):
        assert set(after.fields) <= set(before.fields)


@given(some.lists(given_ones, max_size=3), moments)
def test_after_a_no_that_names_it_nothing_older_is_open(consents: list[ConsentGiven], at: datetime) -> None:
    older = [each for each in consents if each.given_at <= at]
    assert isinstance(answer(AGREED, no_to(AGREED.identifier, at=at), *older), Withheld)


@given(some.permutations([no_to(AGREED.identifier, fields=("sex",)), consent_to(AGREED, YESTERDAY + A_YEAR / 365)]))
def test_the_order_of_what_is_known_decides_nothing(known: list[Consent]) -> None:
    assert answer(AGREED, *known) == OF_ALL
