"""The consent rule of 42 CFR Part 2, sentence by sentence: no, unless a living consent says yes."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.rules.consent import Partner, PartnerKind, Permitted, Withheld, may_disclose
from shared.words.intake import ConsentGiven

SIGNED = datetime(2025, 3, 3, 15, 0, tzinfo=UTC)
NOW = datetime(2025, 3, 10, 15, 0, tzinfo=UTC)
EXPIRES = datetime(2025, 9, 3, 15, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

ALUMNI = Partner(
    name="alumni",
    identifier="riverbend-alumni",
    kind="alumni-group",
    programs=("demo",),
    purpose="alumni",
    fields=("name", "phone"),
    required=("name",),
)
CLINIC = Partner(
    name="clinic",
    identifier="riverbend-outpatient",
    kind="treating-provider",
    programs=("demo",),
    purpose="TREAT",
    fields=("name", "phone", "area"),
    required=("name",),
)
EHR = Partner(
    name="ehr", identifier="riverbend-ehr", kind="program-ehr", programs=("demo",), purpose="TREAT", fields=("name",)
)
FELLOWSHIP = Partner(name="aa", identifier="aa", kind="mutual-help-group", programs=("demo",), purpose="alumni")

CONSENT = ConsentGiven(
    consent_id="c1",
    recipients=("riverbend-alumni",),
    purposes=("alumni",),
    fields=("name", "phone"),
    given_at=SIGNED,
    expires_at=EXPIRES,
)
TREATMENT = ConsentGiven(
    consent_id="c2",
    recipients=("riverbend-outpatient",),
    purposes=("TREAT", "HPAYMT", "HOPERAT"),
    fields=("name", "phone", "area"),
    given_at=SIGNED,
)


def but(consent: ConsentGiven, **changes: object) -> ConsentGiven:
    return msgspec.structs.replace(consent, **changes)


def of_kind(kind: PartnerKind) -> Partner:
    return msgspec.structs.replace(ALUMNI, kind=kind)


def test_without_any_consent_nothing_is_disclosed() -> None:
    assert may_disclose([], ALUMNI, NOW) == Withheld("no-consent-names-this-partner")
    assert may_disclose([], CLINIC, NOW) == Withheld("no-consent-names-this-partner")


def test_a_consent_that_names_the_partner_permits_and_is_named() -> None:
    assert may_disclose([CONSENT], ALUMNI, NOW) == Permitted("c1", ("name", "phone"), EXPIRES)


def test_a_consent_naming_another_permits_nothing() -> None:
    assert may_disclose([TREATMENT], ALUMNI, NOW) == Withheld("no-consent-names-this-partner")


def test_the_partners_display_name_is_no_naming() -> None:
    assert may_disclose([but(CONSENT, recipients=("alumni",))], ALUMNI, NOW) == Withheld(
        "no-consent-names-this-partner"
    )


def test_a_consent_for_treatment_does_not_reach_an_alumni_group() -> None:
    wide = but(TREATMENT, recipients=("riverbend-alumni",), expires_at=EXPIRES)
    assert may_disclose([wide], ALUMNI, NOW) == Withheld("consent-for-another-purpose")


@pytest.mark.parametrize("before", [MOMENT, timedelta(days=365)])
def test_a_consent_holds_until_the_moment_before_it_expires(before: timedelta) -> None:
    assert isinstance(may_disclose([but(CONSENT, expires_at=NOW + before)], ALUMNI, NOW), Permitted)


@pytest.mark.parametrize("after", [timedelta(0), MOMENT, timedelta(days=365)])
def test_a_consent_is_dead_from_the_moment_it_expires(after: timedelta) -> None:
    assert may_disclose([but(CONSENT, expires_at=NOW - after)], ALUMNI, NOW) == Withheld("consent-expired")


@pytest.mark.parametrize("member", ["given_at", "starts_at"])
def test_a_consent_is_in_force_from_its_first_moment_and_not_before(member: str) -> None:
    assert isinstance(may_disclose([but(CONSENT, **{member: NOW})], ALUMNI, NOW), Permitted)
    too_early = but(CONSENT, **{member: NOW + MOMENT})
    assert may_disclose([too_early], ALUMNI, NOW) == Withheld("consent-not-yet-in-force")


@pytest.mark.parametrize("kind", ["alumni-group", "recovery-residence", "court-or-probation"])
def test_without_expiry_a_consent_opens_nothing_but_treatment(kind: PartnerKind) -> None:
    endless = but(CONSENT, expires_at=None)
    assert may_disclose([endless], of_kind(kind), NOW) == Withheld("consent-without-expiry")


def test_a_treating_provider_needs_no_expiry_for_treatment() -> None:
    assert may_disclose([TREATMENT], CLINIC, NOW) == Permitted("c2", ("name", "phone", "area"))


def test_a_treating_provider_needs_an_expiry_for_anything_else() -> None:
    for_alumni = msgspec.structs.replace(CLINIC, purpose="alumni")
    endless = but(TREATMENT, purposes=("alumni",))
    assert may_disclose([endless], for_alumni, NOW) == Withheld("consent-without-expiry")


def test_only_fields_that_both_the_consent_and_the_partners_list_name_are_told() -> None:
    generous = but(CONSENT, fields=("area", "birth-date", "name"))
    assert may_disclose([generous], ALUMNI, NOW) == Permitted("c1", ("name",), EXPIRES)


def test_a_consent_that_lacks_what_the_partner_cannot_do_without_withholds_all() -> None:
    assert may_disclose([but(CONSENT, fields=("phone",))], ALUMNI, NOW) == Withheld("consent-lacks-a-field")


def test_a_required_field_that_the_partner_may_not_be_told_withholds_all() -> None:
    contradictory = msgspec.structs.replace(ALUMNI, required=("name", "area"))
    generous = but(CONSENT, fields=("name", "phone", "area"))
    assert may_disclose([generous], contradictory, NOW) == Withheld("consent-lacks-a-field")


@pytest.mark.parametrize("consents", [[], [but(CONSENT, recipients=("aa",), fields=("name", "phone"))]])
def test_a_mutual_help_group_is_never_told_anything(consents: list[ConsentGiven]) -> None:
    assert may_disclose(consents, FELLOWSHIP, NOW) == Withheld("mutual-help-receives-nothing")


def test_the_programs_own_ehr_is_inside_the_program() -> None:
    assert may_disclose([], EHR, NOW) == Permitted(None, ("name",))


def test_any_one_living_consent_is_enough() -> None:
    expired = but(CONSENT, consent_id="c0", expires_at=NOW)
    for order in ([expired, CONSENT], [CONSENT, expired]):
        assert may_disclose(order, ALUMNI, NOW) == Permitted("c1", ("name", "phone"), EXPIRES)


def test_the_newest_of_several_permits_whatever_their_order() -> None:
    newer = but(CONSENT, consent_id="c3", given_at=SIGNED + timedelta(days=1), fields=("name",))
    for order in ([newer, CONSENT], [CONSENT, newer]):
        assert may_disclose(order, ALUMNI, NOW) == Permitted("c3", ("name",), EXPIRES)


def test_two_consents_are_never_added_up() -> None:
    name_only = but(CONSENT, fields=("name",), purposes=("TREAT",))
    purpose_only = but(CONSENT, fields=(), consent_id="c4")
    assert isinstance(may_disclose([name_only, purpose_only], ALUMNI, NOW), Withheld)


def test_the_newest_that_names_the_partner_says_why_not() -> None:
    old = but(CONSENT, consent_id="c0", expires_at=NOW)
    new = but(CONSENT, consent_id="c5", given_at=SIGNED + timedelta(days=1), purposes=("TREAT",))
    for order in ([old, new], [new, old]):
        assert may_disclose(order, ALUMNI, NOW) == Withheld("consent-for-another-purpose")


moments = some.datetimes(datetime(2025, 3, 1), datetime(2025, 3, 20), timezones=some.just(UTC))
fields = some.lists(some.sampled_from(["name", "phone", "area", "birth-date"]), unique=True).map(tuple)
purposes = some.lists(some.sampled_from(["alumni", "TREAT", "COORD"]), unique=True).map(tuple)
consents = some.lists(
    some.builds(
        ConsentGiven,
        consent_id=some.sampled_from(["c1", "c2", "c3"]),
        recipients=some.lists(some.sampled_from(["riverbend-alumni", "aa"]), unique=True).map(tuple),
        purposes=purposes,
        fields=fields,
        given_at=moments,
        starts_at=some.none() | moments,
        expires_at=some.none() | moments,
    ),
    max_size=4,
)
partners = some.builds(
    Partner,
    name=some.just("partner"),
    identifier=some.sampled_from(["riverbend-alumni", "aa"]),
    kind=some.sampled_from(
        ["treating-provider", "alumni-group", "recovery-residence", "court-or-probation", "mutual-help-group"]
    ),
    programs=some.just(("demo",)),
    purpose=some.sampled_from(["alumni", "TREAT", "COORD"]),
    fields=fields,
    required=fields,
)


@given(consents, partners)
def test_whatever_is_permitted_stands_in_one_living_consent(given_ones: list[ConsentGiven], partner: Partner) -> None:
    answer = may_disclose(given_ones, partner, NOW)
    if isinstance(answer, Withheld):
        return
    assert partner.kind != "mutual-help-group"
    assert set(partner.required) <= set(answer.fields) <= set(partner.fields)
    assert any(
        each.consent_id == answer.consent_id
        and partner.identifier in each.recipients
        and partner.purpose in each.purposes
        and set(answer.fields) <= set(each.fields)
        and each.given_at <= NOW
        and (each.expires_at is None or each.expires_at > NOW)
        for each in given_ones
    )


@given(consents, partners)
def test_the_order_of_the_consents_decides_nothing(given_ones: list[ConsentGiven], partner: Partner) -> None:
    one_each = list({each.consent_id: each for each in given_ones}.values())
    shuffled = sorted(one_each, key=lambda each: each.consent_id)
    assert may_disclose(one_each, partner, NOW) == may_disclose(shuffled, partner, NOW)


@given(consents, partners)
def test_taking_a_consent_away_never_opens_anything(given_ones: list[ConsentGiven], partner: Partner) -> None:
    if isinstance(may_disclose(given_ones, partner, NOW), Withheld):
        for ordinal in range(len(given_ones)):
            fewer = given_ones[:ordinal] + given_ones[ordinal + 1 :]
            assert isinstance(may_disclose(fewer, partner, NOW), Withheld)
