"""The table of 7.5 (docs/clinical-rules.md), rule by rule, and what each kind of partner may be told at all."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from shared.events.aftercare import THE_PATIENTS_NO
from shared.events.intake import ConsentDenied, ConsentGiven
from shared.platform.settings import ConfigurationError, partners
from shared.rules.consent import Consent, Partner, Permitted, Withheld, as_referrer, may_disclose
from shared.rules.partner_kinds import COUNSELING_NOTES, TERMS, PartnerKind
from tests.shared.rules.partners import A_YEAR, ALUMNI, CLINIC, COURT, FELLOWSHIP, HOUSE, consent_to, of_kind

SIGNED = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
NOW = SIGNED + timedelta(days=30)
YESTERDAY = NOW - timedelta(days=1)
TREATMENT = ("TREAT", "HPAYMT", "HOPERAT")
BY_NAME: tuple[PartnerKind, ...] = ("alumni-group", "recovery-residence", "peer-organization", "named-person")


def answer(partner: Partner, *consents: Consent, revoked: tuple[ConsentGiven, ...] = ()) -> Permitted | Withheld:
    return may_disclose(consents, partner, "demo", NOW, revoked)


def no_to(partner: Partner, at: datetime = YESTERDAY, fields: tuple[str, ...] = ()) -> ConsentDenied:
    return ConsentDenied(consent_id="no", recipients=(partner.identifier,), purposes=(), denied_at=at, fields=fields)


# Rule 1: treating providers


def test_rule_1_my_treating_providers_reaches_each_of_them_for_treatment_payment_and_operations() -> None:
    of_class = consent_to(
        CLINIC, SIGNED, recipients=(), classes=("treating-provider",), purposes=TREATMENT, expires_at=None
    )
    assert answer(CLINIC, of_class) == Permitted("consent", ("name", "phone", "area"))
    beyond = msgspec.structs.replace(of_class, purposes=("TREAT", "alumni"), expires_at=NOW + A_YEAR)
    assert answer(CLINIC, beyond) == Withheld("no-consent-names-this-partner")


@pytest.mark.parametrize("kind", [*BY_NAME, "court-or-probation"])
def test_rule_1_a_class_of_persons_reaches_nobody_but_treating_providers(kind: PartnerKind) -> None:
    of_class = consent_to(ALUMNI, SIGNED, recipients=(), classes=(kind, "treating-provider"))
    assert answer(of_kind(kind), of_class) == Withheld("no-consent-names-this-partner")


# Rule 2: mutual help


def test_rule_2_a_mutual_help_group_is_told_nothing_whatever_a_consent_says() -> None:
    named = consent_to(FELLOWSHIP, SIGNED, fields=("name",))
    assert answer(FELLOWSHIP, named) == Withheld("mutual-help-receives-nothing")


# Rules 3 and 4: consents that name the partner


@pytest.mark.parametrize("kind", BY_NAME)
def test_rules_3_and_4_only_the_fields_that_are_listed_by_a_consent_that_names_it_and_ends(kind: PartnerKind) -> None:
    partner = msgspec.structs.replace(of_kind(kind), required=())
    listed = consent_to(partner, SIGNED, fields=("name", "diagnosis", "drug-test"))
    assert answer(partner, listed) == Permitted("consent", ("name",), SIGNED + A_YEAR)
    assert answer(partner, msgspec.structs.replace(listed, expires_at=None)) == Withheld("consent-without-expiry")
    for_treatment = consent_to(partner, SIGNED, purposes=TREATMENT)
    assert answer(partner, for_treatment) == Withheld("consent-for-another-purpose")


@pytest.mark.parametrize("kind", ["alumni-group", "named-person"])
def test_rule_3_not_even_where_consent_and_partners_toml_say_more_than_name_and_phone(kind: PartnerKind) -> None:
    wide = msgspec.structs.replace(of_kind(kind), fields=("name", "phone", "area"))
    assert answer(wide, consent_to(wide, SIGNED)) == Permitted("consent", ("name", "phone"), SIGNED + A_YEAR)


# Rule 5: no, by default


def test_rule_5_a_consent_that_shares_no_field_with_what_the_partner_may_be_told_opens_nothing() -> None:
    modest = msgspec.structs.replace(HOUSE, required=())
    assert answer(modest, consent_to(modest, SIGNED, fields=("area",))) == Withheld("consent-lacks-a-field")


# Rule 6: revocation, and restrictions (42 CFR 2.26)


def test_rule_6_a_revocation_for_one_partner_leaves_what_the_patient_permitted_another() -> None:
    both = consent_to(
        ALUMNI, SIGNED, recipients=(ALUMNI.identifier, HOUSE.identifier), purposes=("alumni", HOUSE.purpose)
    )
    assert answer(ALUMNI, both, no_to(ALUMNI)) == Withheld("consent-denied")
    assert answer(HOUSE, both, no_to(ALUMNI)) == Permitted("consent", ("name", "phone"), SIGNED + A_YEAR)


def test_rule_6_a_restricted_field_is_not_told_and_the_others_are() -> None:
    consent = consent_to(CLINIC, SIGNED)
    assert answer(CLINIC, consent, no_to(CLINIC, fields=("area",))) == Permitted(
        "consent", ("name", "phone"), SIGNED + A_YEAR
    )
    assert answer(CLINIC, consent, no_to(HOUSE, fields=("area",))) == answer(CLINIC, consent)
    assert answer(CLINIC, consent, no_to(CLINIC, SIGNED - A_YEAR, fields=("area",))) == answer(CLINIC, consent)


def test_rule_6_where_a_restriction_takes_what_the_partner_needs_nothing_goes_and_nobody_is_asked_to_obtain_it() -> (
    None
):
    restricted = answer(CLINIC, consent_to(CLINIC, SIGNED), no_to(CLINIC, fields=("name",)))
    assert restricted == Withheld("consent-restricted") and restricted.reason in THE_PATIENTS_NO


def test_rule_6_a_restriction_alone_is_no_consent_and_after_a_revocation_the_reason_is_the_revocation() -> None:
    restriction = no_to(CLINIC, fields=("area",))
    assert answer(CLINIC, restriction) == Withheld("no-consent-names-this-partner")
    revoked = (consent_to(CLINIC, SIGNED),)
    assert answer(CLINIC, restriction, revoked=revoked) == Withheld("consent-revoked")


# Rule 7: counseling notes apart (42 CFR 2.31(b))


def test_rule_7_counseling_notes_are_a_field_of_no_partner() -> None:
    assert not any(COUNSELING_NOTES in terms.fields for terms in TERMS.values())


def test_rule_7_a_consent_that_mixes_them_with_anything_opens_nothing_at_all() -> None:
    mixed = consent_to(CLINIC, SIGNED, fields=("name", COUNSELING_NOTES))
    assert answer(CLINIC, mixed) == Withheld("consent-combines-counseling-notes")


def test_rule_7_their_own_consent_neither_opens_nor_closes_the_rest() -> None:
    notes = consent_to(CLINIC, YESTERDAY, consent_id="notes", fields=(COUNSELING_NOTES,))
    assert answer(CLINIC, notes) == Withheld("counseling-notes-never-sent")
    whole = consent_to(CLINIC, SIGNED)
    assert answer(CLINIC, whole, notes) == answer(CLINIC, whole, revoked=(notes,)) == answer(CLINIC, whole)


# Rule 9: courts (42 CFR 2.35)

TO_COURT = consent_to(COURT, SIGNED)


def test_rule_9_a_court_is_told_attendance_and_completion_and_nothing_else() -> None:
    assert answer(COURT, TO_COURT) == Permitted("consent", ("attendance", "completion"), SIGNED + A_YEAR)
    assert TERMS["court-or-probation"].fields == {"attendance", "completion"}


@pytest.mark.parametrize(
    ("lacking", "reason"),
    [
        ({"ends_with": ""}, "consent-without-event"),
        ({"expires_at": None}, "consent-without-expiry"),
        ({"recipients": (COURT.identifier, HOUSE.identifier)}, "consent-not-for-this-alone"),
        ({"classes": ("treating-provider",)}, "consent-not-for-this-alone"),
        ({"purposes": (COURT.purpose, "TREAT")}, "consent-not-for-this-alone"),
    ],
)
def test_rule_9_its_consent_names_the_agency_one_purpose_and_the_event_and_nothing_else(
    lacking: dict[str, object], reason: str
) -> None:
    paper = msgspec.structs.replace(TO_COURT, **lacking)
    assert answer(COURT, paper) == answer(as_referrer(COURT), paper) == Withheld(reason)


def test_rule_9_before_its_event_no_no_of_the_patient_closes_it() -> None:
    for no in (no_to(COURT), no_to(COURT, fields=("attendance",))):
        assert answer(COURT, TO_COURT, no) == answer(COURT, TO_COURT)
    assert answer(HOUSE, consent_to(HOUSE, SIGNED), no_to(HOUSE)) == Withheld("consent-denied")


def test_rule_9_a_no_of_the_same_instant_or_to_a_paper_that_does_not_bind_closes_it() -> None:
    assert answer(COURT, TO_COURT, no_to(COURT, SIGNED)) == Withheld("consent-denied")
    without_event = msgspec.structs.replace(TO_COURT, ends_with="")
    assert answer(COURT, without_event, no_to(COURT)) == Withheld("consent-denied")


def test_rule_9_once_its_event_has_come_it_has_ended() -> None:
    assert answer(COURT, revoked=(TO_COURT,)) == Withheld("consent-revoked")


# What partners.toml may say


@pytest.mark.parametrize(
    ("kind", "fields", "required", "wrong"),
    [
        ("alumni-group", ["name", "area"], [], "kind alumni-group may be told name, phone; not area"),
        ("court-or-probation", ["phone"], [], "kind court-or-probation may be told attendance, completion; not phone"),
        ("mutual-help-group", ["name"], [], "kind mutual-help-group may be told none; not name"),
        ("treating-provider", [COUNSELING_NOTES], [], "not counseling-notes"),
        ("recovery-residence", ["name"], ["phone"], "required: must be among fields"),
    ],
)
def test_partners_toml_can_only_narrow_what_a_kind_may_be_told(
    tmp_path: Path, kind: str, fields: list[str], required: list[str], wrong: str
) -> None:
    table = f'identifier = "x"\nkind = "{kind}"\nprograms = ["demo"]\npurpose = "TREAT"\nfields = {fields}\n'
    (tmp_path / "partners.toml").write_text(f"[partner.x]\n{table}required = {required}\n")
    with pytest.raises(ConfigurationError) as refused:
        partners(tmp_path)
    assert wrong in str(refused.value) and "partner.x" in str(refused.value)
