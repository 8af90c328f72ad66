"""What leaves for a partner: exactly the permitted fields, the consent's scope, the notice; and nothing else."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from joserfc.jwk import ECKey

from services.aftercare.answers.links import AnswerLinks
from services.aftercare.form import transaction
from services.aftercare.messages import ReferralPrepared
from shared.edge.fhir import parse, validate
from shared.events import codes
from shared.path.destination import Release
from shared.path.outbound.accompanied import NOTICE
from shared.platform.keys import Keys
from shared.rules.consent import Partner, Permitted, Withheld
from shared.rules.organization import Organization
from tests.aftercare.given import DISCHARGED
from tests.laws import examples
from tests.shared.rules.partners import ALUMNI, CLINIC

PATIENT_ID = "5b1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
CONSENT_ID = "9e1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
ROW = "0f1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
UNTIL = datetime(2026, 3, 31, tzinfo=UTC)
PHONE = {"system": "phone", "value": "+15555550123", "use": "mobile"}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": PATIENT_ID,
    "identifier": [{"system": "https://clinic.example.org/mrn", "value": "MRN-SEEDED"}],
    "name": [{"use": "nickname", "text": "Bo"}, {"use": "official", "family": "Seeded", "given": ["Bogus"]}],
    "telecom": [
        {"system": "email", "value": "bogus@seeded.example"},
        {"system": "phone", "value": "+15555550123", "use": "mobile"},
    ],
    "birthDate": "1980-02-03",
    "address": [{"line": ["1 Seeded Street"], "city": "Riverbend", "state": "NY", "postalCode": "00000"}],
    "contact": [{"name": {"text": "Seeded Relative"}}],
}
EASY_GOING = msgspec.structs.replace(ALUMNI, required=())
SENDER = Organization(
    name="Riverbend IOP",
    identifiers=("http://hl7.org/fhir/sid/us-npi|9999999919",),
    phone="+15555550100",
    url="https://iop.example.org",
)
ZONE = ZoneInfo("UTC")
LINKS = AnswerLinks("https://hub.example.org", Keys("aftercare", (), ECKey.generate_key("P-256"), {}, b"of tests"))
PREPARED = ReferralPrepared(
    referral_id="7c1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e",
    task_id="8d1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e",
    partner="alumni",
    kind="alumni",
    purpose="alumni",
    attempt=1,
    asked_at=DISCHARGED,
    at=DISCHARGED,
)


def release(permitted: Permitted, partner: Partner, contact: dict[str, Any]) -> Release:
    return Release(
        patient=PATIENT_ID,
        program="demo",
        permitted=permitted,
        partner=partner,
        contact=contact,
        row_id=ROW,
        now=DISCHARGED,
    )


def sent(*fields: str, consent_id: str | None = CONSENT_ID, patient: dict[str, Any] = PATIENT) -> dict[str, Any]:
    """What a partner is told that requires nothing."""
    bundle = transaction(
        PREPARED, release(Permitted(consent_id, fields, UNTIL), EASY_GOING, patient), SENDER, ZONE, LINKS
    )
    assert isinstance(bundle, dict)
    return bundle


def one(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("fields", [(), ("name",), ("name", "phone"), ("name", "phone", "area")])
@pytest.mark.parametrize("consent_id", [None, CONSENT_ID])
def test_it_is_valid_fhir_with_any_fields(fields: tuple[str, ...], consent_id: str | None) -> None:
    bundle = parse(msgspec.json.encode(sent(*fields, consent_id=consent_id)))
    assert validate(bundle) == ()
    for each in bundle["entry"]:
        assert validate(each["resource"]) == ()


def test_the_patient_has_the_permitted_fields_and_no_other() -> None:
    patient = one(sent("name", "phone"), "Patient")
    assert patient["name"] == [{"use": "official", "family": "Seeded", "given": ["Bogus"]}]
    assert patient["telecom"] == [{"system": "phone", "value": "+15555550123", "use": "mobile"}]
    assert set(patient) == {"resourceType", "meta", "identifier", "name", "telecom"}


MOBILE = {"system": "phone", "value": "555-0101", "use": "mobile"}
HOME = {"system": "phone", "value": "555-0102", "use": "home"}
ENDED, RUNNING = {"end": "2025-03-30"}, {"start": "2025-01-01", "end": "2025-03-31"}


@pytest.mark.parametrize(
    ("telecom", "called"),
    [
        ([HOME, MOBILE], "555-0101"),
        ([{**MOBILE, "rank": 2}, {**HOME, "rank": 1}], "555-0102"),
        ([MOBILE, {**HOME, "rank": 1}], "555-0102"),
        ([{**MOBILE, "period": ENDED}, HOME], "555-0102"),
        ([{**MOBILE, "period": RUNNING}, HOME], "555-0101"),
        ([{**MOBILE, "period": {"end": "2024"}}, HOME], "555-0102"),
        ([{**MOBILE, "period": {"start": "2025-05"}}, HOME], "555-0102"),
        ([{**MOBILE, "period": {"start": "2025-03-31T08:00:00Z"}}, HOME], "555-0101"),
        ([{**MOBILE, "period": {"start": "2025-03-31T20:01:00Z"}}, HOME], "555-0102"),
        ([{**MOBILE, "period": {"start": "2025-04-01T03:59:00+08:00"}}, HOME], "555-0101"),
        ([{**MOBILE, "period": {"end": "2025-03-31T15:59:00-04:00"}}, HOME], "555-0102"),
        ([{**MOBILE, "period": {"end": "2025-03-31T16:01:00-04:00"}}, HOME], "555-0101"),
        ([{**MOBILE, "period": {"end": "2025-03-31T25:00:00Z"}}, HOME], "555-0102"),
        ([{**MOBILE, "period": {"end": "2025-03-31T21:00:00"}}, HOME], "555-0102"),
        ([{**MOBILE, "value": "555-0101 (her mother, say nothing of treatment)"}, HOME], "555-0102"),
        ([{**MOBILE, "value": "call the sister"}, {**MOBILE, "value": " "}, {**MOBILE, "value": "none"}], None),
        ([{**MOBILE, "value": "+1 (555) 555-0100 ext. 12"}], "+1 (555) 555-0100 ext. 12"),
        ([{**MOBILE, "value": "tel:+49-30-5550100"}], "tel:+49-30-5550100"),
        ([{**MOBILE, "use": "old"}, {**MOBILE, "use": "work"}, {**MOBILE, "use": "temp"}], None),
        ([{"system": "phone", "value": "555-0101"}], None),
        ([{**MOBILE, "system": "email"}], None),
    ],
)
def test_who_is_called_is_the_patient_and_nobody_at_work_or_elsewhere(
    telecom: list[dict[str, Any]], called: str | None
) -> None:
    chosen = one(sent("phone", patient={"telecom": telecom}), "Patient").get("telecom", [])
    assert [each["value"] for each in chosen] == ([called] if called else [])


@pytest.mark.parametrize(("zone", "sent"), [("Pacific/Kiritimati", False), ("America/New_York", True)])
def test_a_day_of_a_period_is_the_programs_day(zone: str, sent: bool) -> None:
    """On 31 March at 20:00 UTC it is 1 April on Kiritimati."""
    contact = {"telecom": [{**MOBILE, "period": RUNNING}]}
    permitted = Permitted(CONSENT_ID, ("phone",), until=datetime(2025, 4, 1, 3, 59, 59, tzinfo=UTC))
    bundle = transaction(PREPARED, release(permitted, EASY_GOING, contact), SENDER, ZoneInfo(zone), LINKS)
    assert isinstance(bundle, dict)
    assert ("telecom" in one(bundle, "Patient")) == sent
    assert f"until 2025-{'03-31' if sent else '04-01'};" in str(one(bundle, "Communication"))


@pytest.mark.parametrize(
    ("uses", "chosen"),
    [
        (["nickname", "official"], "official"),
        (["nickname", "usual"], "usual"),
        (["old", "maiden", "anonymous", "nickname"], "nickname"),
        (["old", "anonymous"], None),
    ],
)
def test_the_legal_name_comes_before_what_they_are_called(uses: list[str], chosen: str | None) -> None:
    names = [{"use": each, "text": each} for each in uses]
    named = one(sent("name", patient={"name": names}), "Patient").get("name", [])
    assert [each["use"] for each in named] == ([chosen] if chosen else [])


@pytest.mark.parametrize("legal", [{"prefix": ["Dr."]}, {"family": " "}, {"text": "", "given": ["\t"]}])
def test_a_legal_name_without_a_name_in_it_is_none(legal: dict[str, Any]) -> None:
    names = [{"use": "official", **legal}, {"use": "nickname", "text": "Bo"}]
    named = one(sent("name", patient={"name": names}), "Patient")["name"]
    assert [each["text"] for each in named] == ["Bo"]


def test_the_area_is_that_of_the_home() -> None:
    work = {"use": "work", "city": "Elsewhere"}
    assert "address" not in one(sent("area", patient={"address": [work]}), "Patient")


def test_the_bundle_names_its_sender_as_an_organization_that_a_partner_recognises() -> None:
    bundle = sent("name")
    (entry,) = [each for each in bundle["entry"] if each["resource"]["resourceType"] == "Organization"]
    organization = entry["resource"]
    assert organization["name"] == "Riverbend IOP"
    assert organization["identifier"] == [
        {"system": codes.PROGRAM, "value": "demo"},
        {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999919"},
    ]
    assert [each["value"] for each in organization["telecom"]] == ["+15555550100", "https://iop.example.org"]
    program = {
        "reference": entry["fullUrl"],
        "identifier": {"system": codes.PROGRAM, "value": "demo"},
        "display": "Riverbend IOP",
    }
    assert one(bundle, "ServiceRequest")["requester"] == one(bundle, "Task")["requester"] == program
    assert one(bundle, "Consent")["organization"] == [one(bundle, "Communication")["sender"]] == [program]


def test_a_program_that_has_but_a_name_is_named_by_it() -> None:
    permitted = Permitted(CONSENT_ID, ("name",), UNTIL)
    bundle = transaction(
        PREPARED, release(permitted, EASY_GOING, PATIENT), Organization(name="Riverbend IOP"), ZONE, LINKS
    )
    assert isinstance(bundle, dict)
    assert set(one(bundle, "Organization")) == {"resourceType", "meta", "identifier", "active", "name"}


def test_what_says_who_refers_says_nothing_of_the_patient() -> None:
    known = msgspec.json.encode(one(sent("name", "phone", "area"), "Organization")).decode()
    assert not any(each in known for each in ("Seeded", "Bogus", "5550123", 'Riverbend"', PATIENT_ID, CONSENT_ID))


def test_the_area_is_coarse() -> None:
    assert one(sent("area"), "Patient")["address"] == [{"city": "Riverbend", "state": "NY"}]


def test_a_field_the_hub_cannot_tell_is_not_told() -> None:
    assert set(one(sent("birth-date", "diagnosis"), "Patient")) == {"resourceType", "meta", "identifier"}


@pytest.mark.parametrize("seeded", ["MRN", "Street", "00000", "1980", "bogus@", "Relative", PATIENT_ID, 'Bo"'])
def test_nothing_else_of_the_patient_is_in_it(seeded: str) -> None:
    assert seeded not in msgspec.json.encode(sent("name", "phone", "area")).decode()


def test_without_contact_data_nothing_is_invented() -> None:
    assert set(one(sent("name", "phone", patient={}), "Patient")) == {"resourceType", "meta", "identifier"}


@pytest.mark.parametrize(
    ("known", "lacking"),
    [
        ({}, "name"),
        ({"name": PATIENT["name"]}, "phone"),
        ({"telecom": PATIENT["telecom"]}, "name"),
        ({"name": [{"use": "official"}], "telecom": PATIENT["telecom"]}, "name"),
        ({"name": PATIENT["name"], "telecom": PATIENT["telecom"][:1]}, "phone"),
        ({"name": PATIENT["name"], "telecom": [{**PATIENT["telecom"][1], "use": "old"}]}, "phone"),
    ],
)
def test_without_what_the_partner_cannot_do_without_nothing_is_told(known: dict[str, Any], lacking: str) -> None:
    permitted = Permitted(CONSENT_ID, ("name", "phone"), UNTIL)
    assert transaction(PREPARED, release(permitted, ALUMNI, known), SENDER, ZONE, LINKS) == Withheld(
        f"patient-lacks-{lacking}"
    )


def test_a_required_field_that_the_hub_can_never_tell_withholds_all() -> None:
    impossible = msgspec.structs.replace(ALUMNI, fields=("name", "diagnosis"), required=("diagnosis",))
    permitted = Permitted(CONSENT_ID, ("name", "diagnosis"), UNTIL)
    assert transaction(PREPARED, release(permitted, impossible, PATIENT), SENDER, ZONE, LINKS) == Withheld(
        "patient-lacks-diagnosis"
    )


def test_the_notice_and_the_consents_scope_accompany_it() -> None:
    bundle = sent("name", "phone")
    notice, scope = (each["contentString"] for each in one(bundle, "Communication")["payload"])
    assert notice == NOTICE == "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
    assert all(event in scope for event in (CONSENT_ID, "riverbend-alumni", "name, phone", "alumni", "2026-03-31"))
    provision = one(bundle, "Consent")["provision"]
    assert [each["coding"][0]["code"] for each in provision["code"]] == ["name", "phone"]
    assert [each["reference"]["identifier"]["value"] for each in provision["actor"]] == ["riverbend-alumni"]


def test_inside_the_program_no_consent_and_no_notice_is_sent() -> None:
    kinds = [each["resource"]["resourceType"] for each in sent("name", consent_id=None)["entry"]]
    assert kinds == ["Organization", "Patient", "ServiceRequest", "Task"]


def test_every_resource_is_labelled() -> None:
    bundle = sent("name")
    for each in (bundle, *(entry["resource"] for entry in bundle["entry"])):
        assert {"42CFRPart2", "R", "NORDSCLCD"} <= {label["code"] for label in each["meta"]["security"]}


def test_sent_again_it_is_the_same_and_recognised() -> None:
    bundle = sent("name", "phone")
    assert bundle == sent("name", "phone")
    assert bundle["identifier"]["value"] == f"urn:uuid:{ROW}"
    for each in bundle["entry"]:
        system, value = each["resource"]["identifier"][0]["system"], each["resource"]["identifier"][0]["value"]
        assert each["request"]["ifNoneExist"] == f"identifier={system}|{value}"


def test_two_partners_know_the_patient_under_different_pseudonyms() -> None:
    permitted = Permitted(CONSENT_ID, ("name",))
    first, second = (
        one(bundle, "Patient")
        for each in (EASY_GOING, CLINIC)
        if isinstance(bundle := transaction(PREPARED, release(permitted, each, PATIENT), SENDER, ZONE, LINKS), dict)
    )
    assert first["identifier"] != second["identifier"]


anything = some.recursive(
    some.text(max_size=5), lambda inner: some.dictionaries(some.text(max_size=5), inner, max_size=2), max_leaves=4
)


@settings(max_examples=examples(60))
@given(
    some.lists(some.sampled_from(["name", "phone", "area", "birth-date"]), unique=True),
    some.fixed_dictionaries(
        {},
        optional={
            "name": some.lists(some.dictionaries(some.sampled_from(["use", "family", "x"]), some.text()), max_size=2),
            "telecom": some.lists(some.dictionaries(some.sampled_from(["system", "value"]), some.text()), max_size=2),
            "address": some.lists(some.dictionaries(some.sampled_from(["city", "line"]), some.text()), max_size=2),
            "extension": some.lists(anything, max_size=2),
        },
    ),
)
def test_any_patient_is_told_by_the_allow_list_alone(fields: list[str], patient: dict[str, Any]) -> None:
    allowed = {"name": "name", "phone": "telecom", "area": "address"}
    members = set(one(sent(*fields, patient=patient), "Patient")) - {"resourceType", "meta", "identifier"}
    assert members <= {allowed[each] for each in fields if each in allowed}
