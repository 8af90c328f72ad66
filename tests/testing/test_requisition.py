"""What leaves for a laboratory: the order in HL7 or FHIR, with exactly the permitted fields; and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, cast
from zoneinfo import ZoneInfo

import hl7
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from services.testing.messages import LaboratoryOrderPrepared
from services.testing.orders.requisition import requisition
from shared.edge.fhir import encode, parse, validate
from shared.events import codes
from shared.events.envelope import name_id
from shared.events.laboratory_order import PANEL_UNKNOWN, Action, task_id
from shared.path.destination import Release
from shared.path.outbound.accompanied import NOTICE
from shared.path.outbound.hl7_answer import control_id
from shared.rules.consent import Partner, Permitted, Withheld, require_narrow
from shared.rules.laboratory_partner import require_laboratory
from shared.rules.organization import Organization
from shared.rules.packing import pack_id
from tests.laws import examples

PATIENT_ID = "5b1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
ORDER_ID = "7c1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
ROW = "0f1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
CONSENT_ID = "9e1d2c3e-4f5a-4b6c-8d7e-9f0a1b2c3d4e"
MRN = "https://clinic.example.org/mrn"
FIELDS = ("name", "birth-date", "sex", "identifier")
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": PATIENT_ID,
    "identifier": [{"system": "https://payer.example.org", "value": "M-7"}, {"system": MRN, "value": "MRN-SEEDED"}],
    "name": [
        {"use": "nickname", "family": "Bo", "given": ["Bo"]},
        {
            "use": "official",
            "family": "Seeded",
            "given": ["Bogus", "Quentin", "Rae"],
            "suffix": ["Jr."],
            "prefix": ["Dr."],
        },
    ],
    "birthDate": "1980-02-03",
    "gender": "female",
}
HL7 = require_laboratory(
    require_narrow(
        Partner(
            name="riverbend-laboratory",
            identifier="riverbend-toxicology",
            kind="laboratory",
            programs=("demo",),
            purpose="TREAT",
            agreement="qso",
            form="hl7-mllp",
            url="mllps://laboratory.example.org:2575",
            fields=FIELDS,
            required=("name", "birth-date"),
            panels={"drug-test": "12PAN^Drug screen 12 panel^L", "65750-2": "65750-2^Drugs of abuse^LN"},
            application="LIS",
            facility="RIVERBEND",
            assigning_authorities={"IOPDEMO": MRN},
        )
    )
)
FHIR = msgspec.structs.replace(HL7, form="fhir", application="", facility="", url="https://laboratory.example.org/fhir")
SENDER = Organization(
    name="Riverbend IOP & Co",
    identifiers=("http://hl7.org/fhir/sid/us-npi|9999999919",),
    phone="+1 555 555 0100",
    url="https://iop.example.org",
)
ZONE = ZoneInfo("America/New_York")
PREPARED = LaboratoryOrderPrepared(
    order_id=ORDER_ID,
    task_id=task_id(ORDER_ID),
    partner="riverbend-laboratory",
    action="new",
    attempt=1,
    number=pack_id(ORDER_ID),
    panel="drug-test",
    opens_at=datetime(2026, 1, 14, 13, 0, tzinfo=UTC),
    closes_at=datetime(2026, 1, 15, 13, 0, tzinfo=UTC),
    prepared_at=datetime(2026, 1, 13, 17, 30, 5, tzinfo=UTC),
)


def release(
    partner: Partner = HL7,
    contact: dict[str, Any] | None = None,
    fields: tuple[str, ...] = FIELDS,
    consent_id: str | None = None,
) -> Release:
    return Release(
        patient=PATIENT_ID,
        program="demo",
        permitted=Permitted(consent_id, fields),
        partner=partner,
        contact=PATIENT if contact is None else contact,
        row_id=ROW,
        now=datetime(2026, 1, 13, 18, 0, tzinfo=UTC),
    )


def written(order: LaboratoryOrderPrepared = PREPARED, **of: Any) -> str:
    found = requisition(order, release(**of), SENDER, ZONE)
    assert isinstance(found, str)
    return found


def bundle(order: LaboratoryOrderPrepared = PREPARED, **of: Any) -> dict[str, Any]:
    found = requisition(order, release(**{"partner": FHIR, **of}), SENDER, ZONE)
    assert isinstance(found, dict)
    return cast(dict[str, Any], msgspec.json.decode(encode(found)))


def of_kind(found: dict[str, Any], kind: str) -> dict[str, Any]:
    (entry,) = [each for each in found["entry"] if each["resource"]["resourceType"] == kind]
    return cast(dict[str, Any], entry["resource"])


def changed(**members: Any) -> dict[str, Any]:
    return {name: each for name, each in {**PATIENT, **members}.items() if each is not None}


def test_an_order_in_hl7_as_a_laboratory_reads_it() -> None:
    assert written().split("\r") == [
        r"MSH|^~\&|IOPHUB|demo|LIS|RIVERBEND|20260113123005-0500||OML^O21^OML_O21|Dx0sPk9aS2yNfp8KGyw9|P|2.5.1||||||"
        "UNICODE UTF-8",
        "PID|1||MRN-SEEDED^^^IOPDEMO^MR||Seeded^Bogus^Quentin Rae^Jr.^Dr.^^L||19800203|F",
        "ORC|NW|fB0sPk9aS2yNfp8KGyw9Tg^IOPHUB|||||||20260113123005-0500|||||"
        r"+1 555 555 0100^WPN^PH^^^^^^^^^+1 555 555 0100|||||||"
        r"Riverbend IOP \T\ Co^^^^^NPI&2.16.840.1.113883.4.6&ISO^NPI^^^9999999919||"
        "+1 555 555 0100^WPN^PH^^^^^^^^^+1 555 555 0100|||||R^Restricted^HL70177",
        "TQ1|1||||||20260114080000-0500|20260115080000-0500",
        "OBR|1|fB0sPk9aS2yNfp8KGyw9Tg^IOPHUB||12PAN^Drug screen 12 panel^L|||||||||||||"
        "+1 555 555 0100^WPN^PH^^^^^^^^^+1 555 555 0100",
        "NTE|1|P|42 CFR part 2 prohibits unauthorized use or disclosure of these records.",
        "",
    ]


@pytest.mark.parametrize(("action", "control"), [("new", "NW"), ("change", "XO"), ("cancel", "CA")])
def test_what_is_asked_of_the_laboratory_stands_in_orc(action: Action, control: str) -> None:
    message = hl7.parse(written(msgspec.structs.replace(PREPARED, action=action)))
    assert str(message.segment("ORC")[1]) == control


def test_each_row_is_a_message_of_its_own_and_the_same_row_the_same_message() -> None:
    another_day = replace(release(), now=datetime(2026, 1, 14, tzinfo=UTC))
    assert requisition(PREPARED, another_day, SENDER, ZONE) == written()
    assert control_id(written()) == pack_id(ROW)[:20]


def test_an_orders_own_panel_is_the_laboratorys_code_for_it() -> None:
    message = hl7.parse(written(msgspec.structs.replace(PREPARED, panel="65750-2")))
    assert str(message.segment("OBR")[4]) == "65750-2^Drugs of abuse^LN"


@pytest.mark.parametrize("partner", [HL7, FHIR])
def test_what_the_laboratory_has_no_code_for_is_withheld(partner: Partner) -> None:
    unknown = msgspec.structs.replace(PREPARED, panel="14314-9")
    assert requisition(unknown, release(partner), SENDER, ZONE) == Withheld(PANEL_UNKNOWN)


LACKING = [
    (changed(name=None), "name"),
    (changed(name=[{"text": "Bogus Seeded"}]), "name"),
    (changed(name=[{"use": "anonymous", "family": "Doe"}]), "name"),
    (changed(name=[{"family": "Old", "period": {"end": "2020-01-01"}}]), "name"),
    (changed(birthDate=None), "birth-date"),
    (changed(birthDate="3rd of February"), "birth-date"),
]


@pytest.mark.parametrize("partner", [HL7, FHIR])
@pytest.mark.parametrize(("contact", "field"), LACKING)
def test_a_patient_who_lacks_what_the_laboratory_requires_is_withheld(
    contact: dict[str, Any], field: str, partner: Partner
) -> None:
    assert requisition(PREPARED, release(partner, contact), SENDER, ZONE) == Withheld(f"patient-lacks-{field}")


def test_nothing_is_known_of_a_patient_identified_before() -> None:
    """Their chart came before a laboratory was told anything: its names are not sealed for testing."""
    contact = {"resourceType": "Patient", "id": PATIENT_ID, "identifier": PATIENT["identifier"]}
    assert requisition(PREPARED, release(contact=contact), SENDER, ZONE) == Withheld("patient-lacks-name")


def test_without_a_number_that_it_may_know_the_laboratory_has_one_of_its_own() -> None:
    other = msgspec.structs.replace(HL7, identifier="another-laboratory")
    mine, theirs = (str(hl7.parse(written(partner=each, fields=("name",))).segment("PID")[3]) for each in (HL7, other))
    assert mine == f"{name_id(PATIENT_ID, 'riverbend-toxicology')}^^^IOPHUB^PI"
    assert mine != theirs


def test_a_number_that_is_over_is_told_to_nobody() -> None:
    """It may be another patient's by now, whose the result would be."""
    over: list[dict[str, Any]] = [
        {"system": MRN, "value": "WAS-1", "period": {"end": "2020-01-01"}},
        {"system": MRN, "value": "WAS-2", "use": "old"},
        {"system": MRN, "value": "STANDS", "period": {"start": "2020-01-01"}},
    ]
    pid = written(contact=changed(identifier=over)).split("\r")[1].split("|")
    assert pid[3] == "STANDS^^^IOPDEMO^MR"


@pytest.mark.parametrize(
    ("gender", "sex"), [("male", "M"), ("female", "F"), ("other", "O"), ("unknown", ""), (None, "")]
)
def test_sex_is_one_of_the_table_or_none(gender: str | None, sex: str) -> None:
    fields = written(contact=changed(gender=gender)).split("\r")[1].split("|")
    assert (fields[8] if len(fields) > 8 else "") == sex


# --- laws

HUMAN = some.text(
    some.characters(exclude_categories=["Cs"]) | some.sampled_from("|^&~\\\r\n\t \u2028"), min_size=1, max_size=200
)
SOMEBODY = some.fixed_dictionaries(
    {"family": HUMAN.filter(lambda each: bool(one_line(each))), "given": some.lists(HUMAN, max_size=3)},
    optional={"suffix": some.lists(HUMAN, max_size=1), "prefix": some.lists(HUMAN, max_size=1)},
)


def one_line(written: str) -> str:
    """What is seen of it."""
    unseen = {*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029"}
    return " ".join("".join(" " if each in unseen else each for each in written).split())


def naive(field: str) -> list[str]:
    """As a reader has it who splits first and unescapes then."""
    sequences = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}
    found = []
    for component in field.split("^"):
        parts = component.split("\\")
        assert len(parts) % 2 == 1, "half an escape"
        found.append("".join(sequences[each] if place % 2 else each for place, each in enumerate(parts)))
    return found


@settings(deadline=None, max_examples=examples(200))
@given(SOMEBODY)
@example({"family": r"\T\ & O'|Brien^~", "given": ["Zoë", "李", "🙂" * 200]})
def test_whatever_a_name_is_made_of_a_reader_finds_it_again(name: dict[str, Any]) -> None:
    content = written(contact=changed(name=[{"use": "official", **name}]))
    segments = [each for each in content.split("\r") if each]
    assert [each[:3] for each in segments] == ["MSH", "PID", "ORC", "TQ1", "OBR", "NTE"]
    given_names = [each for each in name["given"] if each]
    first, others = one_line(" ".join(given_names[:1])), one_line(" ".join(map(one_line, given_names[1:])))
    suffix, prefix = (one_line(" ".join(name.get(part, []))) for part in ("suffix", "prefix"))
    expected = [one_line(name["family"]), first, others, suffix, prefix, "", "L"]
    assert [" ".join(each.split()) for each in naive(segments[1].split("|")[5])] == expected
    message = hl7.parse(content)
    read = [message.unescape(str(each)) for each in message.segment("PID")[5][0]]
    assert [" ".join(str(each).split()) for each in read] == expected


ALL = [fields for count in range(len(FIELDS) + 1) for fields in combinations(FIELDS, count)]
SHOWS = {
    "name": ("Seeded", "Bogus", "Quentin"),
    "birth-date": ("19800203", "1980-02-03"),
    "sex": ("|F", "female"),
    "identifier": ("MRN-SEEDED",),
}


@pytest.mark.parametrize("partner", [HL7, FHIR])
@pytest.mark.parametrize("fields", ALL)
def test_no_field_that_is_not_permitted_is_in_the_bytes(fields: tuple[str, ...], partner: Partner) -> None:
    content = requisition(PREPARED, release(partner, fields=fields), SENDER, ZONE)
    assert not isinstance(content, Withheld)
    sent = content if isinstance(content, str) else encode(content).decode()
    for field, shown in SHOWS.items():
        assert any(each in sent for each in shown) == (field in fields), field
    for never in ("M-7", PATIENT_ID, "Bo^", ORDER_ID):
        assert never not in sent


# --- FHIR


@pytest.mark.parametrize("action", ["new", "change", "cancel"])
def test_the_bundle_is_valid_and_meets_what_the_laboratory_has(action: Action) -> None:
    found = bundle(msgspec.structs.replace(PREPARED, action=action))
    for each in found["entry"]:
        assert validate(parse(msgspec.json.encode(each["resource"]))) == ()
    requests = {each["resource"]["resourceType"]: each["request"] for each in found["entry"]}
    number = f"identifier={codes.ORDER_NUMBER}|{PREPARED.number}"
    assert requests["ServiceRequest"] == {"method": "PUT", "url": f"ServiceRequest?{number}"}
    assert requests["Task"] == {"method": "PUT", "url": f"Task?{number}"}
    assert "ifNoneExist" in requests["Patient"]
    ended = action == "cancel"
    assert of_kind(found, "ServiceRequest")["status"] == ("revoked" if ended else "active")
    assert of_kind(found, "Task")["status"] == ("cancelled" if ended else "requested")


def test_the_bundle_holds_order_and_patient_as_the_laboratory_may_know_them() -> None:
    found = bundle()
    order, patient = of_kind(found, "ServiceRequest"), of_kind(found, "Patient")
    assert order["code"]["coding"] == [{"code": "12PAN", "display": "Drug screen 12 panel"}]
    assert order["occurrencePeriod"] == {"start": "2026-01-14T13:00:00Z", "end": "2026-01-15T13:00:00Z"}
    assert [each["value"] for each in patient["identifier"]][1:] == ["MRN-SEEDED"]
    assert (patient["birthDate"], patient["gender"], patient["name"][0]["family"]) == ("1980-02-03", "female", "Seeded")
    panel = of_kind(bundle(msgspec.structs.replace(PREPARED, panel="65750-2")), "ServiceRequest")["code"]["coding"]
    assert panel == [{"system": codes.LOINC, "code": "65750-2", "display": "Drugs of abuse"}]


def test_the_notice_goes_along_under_an_agreement_and_by_consent() -> None:
    agreed, consented = bundle(), bundle(consent_id=CONSENT_ID)
    assert of_kind(agreed, "Communication")["payload"] == [{"contentString": NOTICE}]
    notice = of_kind(consented, "Communication")["payload"]
    assert notice[0] == {"contentString": NOTICE}
    assert CONSENT_ID in notice[1]["contentString"]
    assert [each["resource"]["resourceType"] for each in agreed["entry"] if "Consent" in str(each["resource"])] == []
