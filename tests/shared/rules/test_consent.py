"""The consent rule of 42 CFR Part 2, sentence by sentence: no, unless a living consent says yes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.events.intake import ConsentDenied, ConsentGiven
from shared.rules.consent import (
    Consent,
    Partner,
    Permitted,
    Withheld,
    as_receiver,
    as_referrer,
    is_about,
    may_disclose,
)
from shared.rules.partner_kinds import ATTENDANCE, COMPLETION, REFERRAL_STATE, PartnerKind
from tests.shared.rules.partners import A_YEAR, ALUMNI, CLINIC, COURT, EHR, FELLOWSHIP, consent_to, of_kind

SIGNED = datetime(2025, 3, 3, 15, 0, tzinfo=UTC)
NOW = datetime(2025, 3, 10, 15, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

CONSENT = consent_to(ALUMNI, SIGNED, consent_id="c1")
EXPIRES = SIGNED + A_YEAR
TREATMENT = consent_to(CLINIC, SIGNED, consent_id="c2", purposes=("TREAT", "HPAYMT", "HOPERAT"), expires_at=None)


MODEST = msgspec.structs.replace(ALUMNI, required=("name",))


def but(consent: ConsentGiven, **changes: object) -> ConsentGiven:
    return msgspec.structs.replace(consent, **changes)


def answer(consents: Sequence[Consent], partner: Partner, at: datetime = NOW) -> Permitted | Withheld:
    """What the gate says of a patient of the program that all of these partners serve."""
    return may_disclose(consents, partner, "demo", at)


def test_without_any_consent_nothing_is_disclosed() -> None:
    assert answer([], ALUMNI) == Withheld("no-consent-names-this-partner")
    assert answer([], CLINIC) == Withheld("no-consent-names-this-partner")


def test_a_consent_that_names_the_partner_permits_and_is_named() -> None:
    assert answer([CONSENT], ALUMNI) == Permitted("c1", ("name", "phone"), EXPIRES)


def test_a_consent_naming_another_permits_nothing() -> None:
    assert answer([TREATMENT], ALUMNI) == Withheld("no-consent-names-this-partner")


def test_the_partners_display_name_is_no_naming() -> None:
    assert answer([but(CONSENT, recipients=("alumni",))], ALUMNI) == Withheld("no-consent-names-this-partner")


def test_a_consent_for_treatment_does_not_reach_an_alumni_group() -> None:
    wide = but(TREATMENT, recipients=("riverbend-alumni",), expires_at=EXPIRES)
    assert answer([wide], ALUMNI) == Withheld("consent-for-another-purpose")


@pytest.mark.parametrize("before", [MOMENT, timedelta(days=365)])
def test_a_consent_holds_until_the_moment_before_it_expires(before: timedelta) -> None:
    assert isinstance(answer([but(CONSENT, expires_at=NOW + before)], ALUMNI), Permitted)


@pytest.mark.parametrize("after", [timedelta(0), MOMENT, timedelta(days=365)])
def test_a_consent_is_dead_from_the_moment_it_expires(after: timedelta) -> None:
    assert answer([but(CONSENT, expires_at=NOW - after)], ALUMNI) == Withheld("consent-expired")


@pytest.mark.parametrize("member", ["given_at", "starts_at"])
def test_a_consent_is_in_force_from_its_first_moment_and_not_before(member: str) -> None:
    assert isinstance(answer([but(CONSENT, **{member: NOW})], ALUMNI), Permitted)
    too_early = but(CONSENT, **{member: NOW + MOMENT})
    assert answer([too_early], ALUMNI) == Withheld("consent-not-yet-in-force", NOW + MOMENT)


def test_of_several_that_begin_later_the_soonest_is_waited_for() -> None:
    later = but(CONSENT, starts_at=NOW + timedelta(days=9), given_at=NOW)
    soon = but(CONSENT, consent_id="c3", starts_at=NOW + timedelta(days=2))
    for order in ([later, soon], [soon, later]):
        assert answer(order, ALUMNI) == Withheld("consent-not-yet-in-force", NOW + timedelta(days=2))
        assert isinstance(answer(order, ALUMNI, NOW + timedelta(days=2)), Permitted)


@pytest.mark.parametrize(
    ("lacking", "reason"),
    [
        ({"purposes": ("TREAT",)}, "consent-for-another-purpose"),
        ({"fields": ("name",)}, "consent-lacks-a-field"),
        ({"expires_at": None}, "consent-without-expiry"),
        ({"expires_at": NOW + MOMENT}, "consent-expired"),
    ],
)
def test_a_consent_that_will_never_permit_it_is_not_waited_for(lacking: dict[str, object], reason: str) -> None:
    ahead = but(CONSENT, **{"starts_at": NOW + timedelta(days=2), **lacking})
    assert answer([ahead], ALUMNI) == Withheld(reason)


@pytest.mark.parametrize("partner", [ALUMNI, CLINIC, EHR, FELLOWSHIP, of_kind("court-or-probation")])
def test_a_partner_of_another_program_is_told_nothing_even_with_a_consent(partner: Partner) -> None:
    consents = [CONSENT, TREATMENT]
    assert may_disclose(consents, partner, "elsewhere", NOW) == Withheld("partner-of-another-program")


@pytest.mark.parametrize("kind", ["alumni-group", "recovery-residence", "court-or-probation"])
def test_without_expiry_a_consent_opens_nothing_but_treatment(kind: PartnerKind) -> None:
    endless = but(CONSENT, expires_at=None)
    assert answer([endless], of_kind(kind)) == Withheld("consent-without-expiry")


def test_a_treating_provider_needs_no_expiry_for_treatment() -> None:
    assert answer([TREATMENT], CLINIC) == Permitted("c2", ("name", "phone", "area"))


def test_a_treating_provider_needs_an_expiry_for_anything_else() -> None:
    for_alumni = msgspec.structs.replace(CLINIC, purpose="alumni")
    endless = but(TREATMENT, purposes=("alumni",))
    assert answer([endless], for_alumni) == Withheld("consent-without-expiry")


def test_only_fields_that_both_the_consent_and_the_partners_list_name_are_told() -> None:
    generous = but(CONSENT, fields=("area", "birth-date", "name"))
    assert answer([generous], MODEST) == Permitted("c1", ("name",), EXPIRES)


def test_a_consent_that_lacks_what_the_partner_cannot_do_without_withholds_all() -> None:
    assert answer([but(CONSENT, fields=("phone",))], ALUMNI) == Withheld("consent-lacks-a-field")


def test_a_required_field_that_the_partner_may_not_be_told_withholds_all() -> None:
    contradictory = msgspec.structs.replace(ALUMNI, required=("name", "area"))
    generous = but(CONSENT, fields=("name", "phone", "area"))
    assert answer([generous], contradictory) == Withheld("consent-lacks-a-field")


@pytest.mark.parametrize(
    "consents", [[], [but(CONSENT, recipients=("alcoholics-anonymous",), purposes=("mutual-help",))]]
)
def test_a_mutual_help_group_is_never_told_anything(consents: list[ConsentGiven]) -> None:
    assert answer(consents, FELLOWSHIP) == Withheld("mutual-help-receives-nothing")


def test_the_programs_own_ehr_is_inside_the_program() -> None:
    assert answer([], EHR) == Permitted(None, ("name",))


def denial(at: datetime, recipients: tuple[str, ...] = (), purposes: tuple[str, ...] = ()) -> ConsentDenied:
    return ConsentDenied(consent_id="no", recipients=recipients, purposes=purposes, denied_at=at)


@pytest.mark.parametrize("recipients", [(), ("riverbend-alumni",), ("aa", "riverbend-alumni")])
@pytest.mark.parametrize("purposes", [(), ("alumni",)])
def test_a_newer_denial_closes_what_older_consents_opened(
    recipients: tuple[str, ...], purposes: tuple[str, ...]
) -> None:
    no = denial(SIGNED + MOMENT, recipients, purposes)
    assert answer([no, CONSENT], ALUMNI) == answer([CONSENT, no], ALUMNI) == Withheld("consent-denied")


@pytest.mark.parametrize(
    "no", [denial(SIGNED - MOMENT), denial(NOW, ("riverbend-house",)), denial(NOW, ("riverbend-alumni",), ("TREAT",))]
)
def test_an_older_denial_or_one_about_others_or_other_purposes_closes_nothing(no: ConsentDenied) -> None:
    assert isinstance(answer([no, CONSENT], ALUMNI), Permitted)


def test_a_denial_counts_whatever_time_it_bears_and_wins_at_the_same_instant() -> None:
    assert answer([denial(NOW + timedelta(days=1)), CONSENT], ALUMNI) == Withheld("consent-denied")
    assert answer([denial(SIGNED), CONSENT], ALUMNI) == Withheld("consent-denied")


def test_a_new_consent_after_a_denial_opens_again() -> None:
    again = but(CONSENT, consent_id="c3", given_at=SIGNED + timedelta(days=2))
    assert answer([denial(SIGNED + timedelta(days=1)), CONSENT, again], ALUMNI) == Permitted(
        "c3", ALUMNI.fields, EXPIRES
    )


def test_a_newer_and_narrower_consent_closes_what_the_older_one_opened() -> None:
    name_only = but(CONSENT, consent_id="c3", given_at=SIGNED + timedelta(days=1), fields=("name",))
    brief = but(CONSENT, consent_id="c4", given_at=SIGNED + timedelta(days=1), expires_at=NOW)
    for order in ([name_only, CONSENT], [CONSENT, name_only]):
        assert answer(order, MODEST) == Permitted("c3", ("name",), EXPIRES)
        assert answer(order, ALUMNI) == Withheld("consent-lacks-a-field")
    assert answer([brief, CONSENT], ALUMNI) == Withheld("consent-expired")


def test_of_two_of_the_same_instant_the_narrower_counts() -> None:
    name_only = but(CONSENT, consent_id="c0", fields=("name",))
    for order in ([name_only, CONSENT], [CONSENT, name_only]):
        assert answer(order, MODEST) == Permitted("c0", ("name",), EXPIRES)


def test_of_two_of_the_same_instant_only_what_both_permit_is_told() -> None:
    partner = msgspec.structs.replace(of_kind("recovery-residence"), fields=("name", "phone", "area"), required=())
    ends_sooner = but(CONSENT, consent_id="c9", fields=("area", "name"), expires_at=EXPIRES - MOMENT)
    assert answer([CONSENT, ends_sooner], partner) == Permitted("c9", ("name",), EXPIRES - MOMENT)
    apart = answer([CONSENT, but(CONSENT, consent_id="c9", fields=("area",))], partner)
    assert apart == Withheld("consent-lacks-a-field")
    in_need = msgspec.structs.replace(partner, required=("name",))
    assert isinstance(answer([CONSENT, but(CONSENT, fields=("name", "area"))], in_need), Permitted)
    in_need = msgspec.structs.replace(partner, required=("phone",))
    assert answer([CONSENT, but(CONSENT, fields=("area", "phone"))], in_need) == Permitted("c1", ("phone",), EXPIRES)


@given(
    some.lists(some.sets(some.sampled_from(("name", "phone", "area", "unknown")), min_size=1), min_size=1, max_size=4),
    some.sets(some.sampled_from(("name", "phone", "area")), max_size=2),
    some.lists(some.integers(1, 400), min_size=5, max_size=5),
)
def test_another_consent_of_the_same_instant_never_opens_more(
    papers: list[set[str]], required: set[str], days: list[int]
) -> None:
    house = of_kind("recovery-residence")
    partner = msgspec.structs.replace(house, fields=("name", "phone", "area"), required=tuple(sorted(required)))
    before = [
        but(CONSENT, consent_id=f"c{at}", fields=tuple(sorted(fields)), expires_at=NOW + timedelta(days=days[at]))
        for at, fields in enumerate(papers)
    ]
    narrower = answer([*before, but(CONSENT, fields=("name", "area"))], partner)
    wider = answer(before, partner)
    if isinstance(narrower, Permitted):
        assert isinstance(wider, Permitted) and narrower.until is not None and wider.until is not None
        assert set(narrower.fields) <= set(wider.fields) and narrower.until <= wider.until


def test_a_narrower_consent_that_begins_later_closes_nothing_until_it_begins() -> None:
    begins = NOW + timedelta(days=1)
    ahead = but(CONSENT, consent_id="c3", given_at=NOW, starts_at=begins, fields=("name",))
    assert answer([ahead, CONSENT], ALUMNI) == Permitted("c1", ("name", "phone"), EXPIRES)
    assert answer([ahead, CONSENT], ALUMNI, begins) == Withheld("consent-lacks-a-field")


def test_a_consent_for_another_purpose_closes_nothing() -> None:
    for_payment = but(CONSENT, consent_id="c3", given_at=NOW, purposes=("HPAYMT",), fields=("name",))
    assert isinstance(answer([for_payment, CONSENT], ALUMNI), Permitted)


def test_after_a_revocation_the_reason_is_that_it_was_revoked() -> None:
    assert may_disclose([], ALUMNI, "demo", NOW, [CONSENT]) == Withheld("consent-revoked")
    expired = but(CONSENT, consent_id="c0", expires_at=NOW)
    assert may_disclose([expired], ALUMNI, "demo", NOW, [CONSENT]) == Withheld("consent-revoked")


@pytest.mark.parametrize("after", [timedelta(days=1), timedelta(0)])
def test_a_revocation_revives_no_older_consent_nor_another_of_the_same_signature(after: timedelta) -> None:
    renewed = but(CONSENT, consent_id="c3", given_at=SIGNED + after)
    narrowed = but(renewed, fields=("name",))
    for revoked in (renewed, narrowed):
        assert may_disclose([CONSENT], ALUMNI, "demo", NOW, [revoked]) == Withheld("consent-revoked")


def test_a_consent_given_after_a_revocation_opens_again() -> None:
    again = but(CONSENT, consent_id="c3", given_at=SIGNED + MOMENT)
    assert may_disclose([again], ALUMNI, "demo", NOW, [CONSENT]) == Permitted("c3", ("name", "phone"), EXPIRES)


def test_a_revoked_consent_closes_nothing_of_other_partners_and_explains_nothing_of_them() -> None:
    others = but(CONSENT, consent_id="c3", given_at=NOW, recipients=("riverbend-house",))
    assert isinstance(may_disclose([CONSENT], ALUMNI, "demo", NOW, [others]), Permitted)
    assert may_disclose([], CLINIC, "demo", NOW, [CONSENT]) == Withheld("no-consent-names-this-partner")


def test_without_expiry_a_consent_for_more_than_treatment_payment_and_operations_opens_nothing() -> None:
    mixed = but(TREATMENT, purposes=("TREAT", "alumni"))
    assert answer([mixed], CLINIC) == Withheld("consent-without-expiry")


def test_two_consents_are_never_added_up() -> None:
    name_only = but(CONSENT, fields=("name",), purposes=("TREAT",))
    purpose_only = but(CONSENT, fields=(), consent_id="c4")
    assert isinstance(answer([name_only, purpose_only], ALUMNI), Withheld)


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
    permitted = answer(given_ones, partner)
    if isinstance(permitted, Withheld):
        return
    assert partner.kind != "mutual-help-group"
    assert set(partner.required) <= set(permitted.fields) <= set(partner.fields)
    assert any(
        each.consent_id == permitted.consent_id
        and partner.identifier in each.recipients
        and partner.purpose in each.purposes
        and set(permitted.fields) <= set(each.fields)
        and each.given_at <= NOW
        and (each.expires_at is None or each.expires_at > NOW)
        for each in given_ones
    )


@given(consents, partners)
def test_the_order_of_the_consents_decides_nothing(given_ones: list[ConsentGiven], partner: Partner) -> None:
    one_each = list({each.consent_id: each for each in given_ones}.values())
    shuffled = sorted(one_each, key=lambda each: each.consent_id)
    assert answer(one_each, partner) == answer(shuffled, partner)


@given(consents, partners)
def test_older_consents_never_open_more_than_the_newest_one_that_is_in_force(
    given_ones: list[ConsentGiven], partner: Partner
) -> None:
    begun = [each for each in given_ones if is_about(each, partner) and (each.starts_at or each.given_at) <= NOW]
    newest = max((each.given_at for each in begun if each.given_at <= NOW), default=None)
    alone = answer([each for each in begun if each.given_at == newest], partner)
    together = answer(given_ones, partner)
    if isinstance(together, Permitted) and partner.kind != "mutual-help-group":
        assert together == alone


@given(consents, partners, moments)
def test_after_a_denial_nothing_older_is_open(given_ones: list[ConsentGiven], partner: Partner, at: datetime) -> None:
    older = [each for each in given_ones if each.given_at <= at]
    assert isinstance(answer([denial(at), *older], partner), Withheld)


@given(consents, partners, moments)
def test_a_consent_that_is_waited_for_permits_when_it_begins(
    given_ones: list[ConsentGiven], partner: Partner, at: datetime
) -> None:
    withheld = answer(given_ones, partner, at)
    if isinstance(withheld, Withheld) and withheld.until is not None:
        assert withheld.until > at
        assert isinstance(answer(given_ones, partner, withheld.until), Permitted)


# A partner that refers, too

FOR_ALL = consent_to(COURT, SIGNED, consent_id="c3")
BOTH = msgspec.structs.replace(CLINIC, fields=(*CLINIC.fields, REFERRAL_STATE), refers_as=("urn:npi|1",))
"""A clinic that is referred to, and refers."""


def test_a_referrer_is_answered_under_the_field_of_its_own_and_no_field_of_the_patient_goes_along() -> None:
    assert answer([FOR_ALL], as_referrer(COURT)) == Permitted("c3", (ATTENDANCE, COMPLETION), EXPIRES)
    narrow = but(FOR_ALL, fields=(COMPLETION,))
    assert answer([narrow], as_referrer(COURT)) == Permitted("c3", (COMPLETION,), EXPIRES)
    assert answer([but(FOR_ALL, fields=("name",))], as_referrer(COURT)) == Withheld("consent-lacks-a-field")
    both = consent_to(BOTH, SIGNED, consent_id="c4")
    assert answer([both], as_referrer(BOTH)) == Permitted("c4", (REFERRAL_STATE,), EXPIRES)


def test_a_referral_to_a_partner_that_refers_holds_fields_of_the_patient_alone() -> None:
    both = consent_to(BOTH, SIGNED, consent_id="c4")
    assert answer([both], as_receiver(BOTH)) == Permitted("c4", ("name", "phone", "area"), EXPIRES)
    assert answer([but(both, fields=(REFERRAL_STATE,))], as_receiver(BOTH)) == Withheld("consent-lacks-a-field")
    assert answer([FOR_ALL], as_receiver(COURT)) == Withheld("consent-lacks-a-field"), "nobody is referred to a court"


def test_a_partner_that_does_not_refer_is_never_answered() -> None:
    everything = but(TREATMENT, fields=(*CLINIC.fields, REFERRAL_STATE))
    assert answer([everything], as_referrer(CLINIC)) == Withheld("consent-lacks-a-field")


def test_a_court_is_answered_by_a_consent_with_an_end_only() -> None:
    assert answer([but(FOR_ALL, expires_at=None)], as_referrer(COURT)) == Withheld("consent-without-expiry")
