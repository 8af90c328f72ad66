"""`iop consent show` and `iop disclosures`: what may go to whom, and what went, in words that a patient understands."""

import ast
import json
import re
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import uuid4

import msgspec
import pytest

from deploy import plain_words
from deploy.commands.disclosures import Disclosed, lines, page, read
from services.aftercare.messages import ConsentDenied, ConsentRevoked
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.events.technical import DisclosureRecorded, DisclosureResult
from shared.platform.settings import partners
from shared.rules.consent import LACKS
from shared.rules.partner_kinds import TERMS, PartnerKind
from tests.aftercare.running import ADMITTED, DISCHARGED, MRN, PARTNERS, consent, identified
from tests.deploy.aftercaring import Reachable, aftercare_alone, issuer, partner, reachable
from tests.service import DEPLOY

__all__ = ["aftercare_alone", "issuer", "partner", "reachable"]
HOUSE = PARTNERS["riverbend-house"]
DECIDED_IN = (
    "shared/rules/consent.py",
    "shared/path/outbound/gate.py",
    "services/aftercare/form.py",
    "services/aftercare/answers/form.py",
    "services/testing/orders/requisition.py",
    "shared/events/laboratory_order.py",
)
"""Where a disclosure is withheld, and why."""
_REASON = re.compile(r"(consent|no-consent|mutual-help|counseling|partner-of|referral|answer|laboratory)-[a-z-]+")
_NO_REASONS = {"mutual-help-group", "referral-state", "laboratory-order", "laboratory-action"}


async def test_each_partner_is_shown_with_what_may_go_to_it_or_why_not(reachable: Reachable) -> None:
    here = reachable.service
    await identified(here)
    given = str(uuid4())
    await here.learn(
        consent(given, HOUSE.name),
        ConsentDenied(consent_id=str(uuid4()), recipients=("riverbend-alumni",), purposes=(), denied_at=DISCHARGED),
        ConsentDenied(
            consent_id=str(uuid4()), recipients=(HOUSE.name,), purposes=(), denied_at=ADMITTED, fields=("area",)
        ),
    )
    done = await reachable.iop("consent", "show", here.patient)
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    house = shown.index("riverbend-house (a recovery residence), for a place in a recovery residence:")
    assert re.fullmatch(rf"    name, phone until 2027-01-05 \S+, by Consent/{given}", shown[house + 1])
    alumni = shown.index("riverbend-alumni (an alumni group), for taking part in the alumni group:")
    assert shown[alumni + 1] == "    nothing: you said no to it (consent-denied)"
    hospital = shown.index("riverbend-hospital (a treating provider), for your treatment, about its own referrals:")
    assert "no-consent-names-this-partner" in shown[hospital + 1]
    await here.running.reads.write()
    reads = await here.select("SELECT patient, type, interaction, refused FROM reads")
    assert reads == [(here.patient, "Consent", "search-type", False)]


async def test_what_is_shown_is_what_the_gate_does(reachable: Reachable) -> None:
    here = reachable.service
    await identified(here)
    given = str(uuid4())
    await here.learn(consent(given, HOUSE.name))
    await here.puts_into_its_lane(HOUSE)
    async with here.lane(HOUSE):
        await here.until_audited("made")
    await here.learn(ConsentRevoked(consent_id=given, revoked_at=DISCHARGED))
    await here.puts_into_its_lane(HOUSE)
    async with here.lane(HOUSE):
        await here.until_audited("made", "withheld")
    shown = json.loads((await reachable.iop("consent", "show", here.patient, "--json")).stdout)
    assert next(each for each in shown["partners"] if each["name"] == HOUSE.name)["withheld"] == "consent-revoked"
    printed = (await reachable.iop("disclosures", here.patient, "--print", "--since", "2025-01-01")).stdout
    assert "What was told about you" in printed and "Riverbend House" in printed
    assert "About: your name and your telephone number." in printed
    assert "Allowed by: the consent you signed." in printed
    assert "It was sent and received." in printed
    assert "Nothing was sent: you took your consent back." in printed
    assert given not in printed and "consent-revoked" not in printed


EMERGENCY = {
    "resourceType": "Communication",
    "status": "completed",
    "subject": {"type": "Patient", "identifier": {"system": MRN.system, "value": MRN.value}},
    "recipient": [{"display": "Dr. Seeded, Riverbend Emergency Department"}],
    "sender": fhir.logical(codes.STAFF, "clinician-1"),
    "sent": "2026-01-05T10:10:00-05:00",
    "reasonCode": [fhir.concept(codes.EMERGENCY, "overdose")],
}


async def test_an_emergency_is_a_line_of_the_accounting_with_its_four_facts_and_no_name_on_a_topic(
    reachable: Reachable,
) -> None:
    here = reachable.service
    await identified(here)
    await here.post(EMERGENCY)
    printed = (await reachable.iop("disclosures", here.patient, "--print", "--since", "2025-01-01")).stdout
    for line in (
        "5 January 2026, ",
        "Who: Dr. Seeded, Riverbend Emergency Department.",
        "For: your treatment in an emergency.",
        "asks no consent for it (42 CFR 2.51): it was an overdose.",
    ):
        assert line in printed
    (asked,) = [each for each in await here.read("Task") if "emergency-disclosure" in json.dumps(each)]
    assert (asked["status"], asked["performerType"][0]["coding"][0]["code"]) == ("requested", "medical-director")
    for headers, body in await here.select("SELECT headers, body FROM outbox"):
        assert "Seeded" not in f"{headers}{body}"


WRONG: dict[str, dict[str, object]] = {
    "status": {"status": "preparation"},
    "reasonCode": {"reasonCode": [fhir.concept(codes.EMERGENCY, "headache")]},
    "recipient": {"recipient": [{"display": " "}]},
    "sent": {"sent": "2026-03-01T00:00:00Z"},
    "sender": {"sender": fhir.logical(codes.STAFF, "nobody")},
}


@pytest.mark.parametrize("place", WRONG)
async def test_an_emergency_without_one_of_its_facts_is_refused_at_its_place(reachable: Reachable, place: str) -> None:
    here = reachable.service
    await identified(here)
    with pytest.raises(HttpRefusal) as refused:
        await here.post({**EMERGENCY, **WRONG[place]})
    assert refused.value.status in (400, 422)
    assert any(place in each for issue in refused.value.issues for each in issue.expression)
    assert await here.books() == []


async def test_an_emergency_recorded_by_mistake_stays_on_the_list_and_says_so(reachable: Reachable) -> None:
    here = reachable.service
    await identified(here)
    mistaken = {**EMERGENCY, "id": await here.post(EMERGENCY), "status": "entered-in-error"}
    await here.put_thrice(mistaken)
    printed = (await reachable.iop("disclosures", here.patient, "--print", "--since", "2025-01-01")).stdout
    assert "Nobody was told: that medical personnel were told in an emergency was recorded by mistake." in printed
    assert "Who: Dr. Seeded, Riverbend Emergency Department." in printed and "by an overdose" not in printed
    assert "emergency-disclosure" not in json.dumps(await here.read("Task", status="requested"))
    with pytest.raises(HttpRefusal, match=r"Communication.status"):
        await here.put({**mistaken, "status": "completed"})


CHANGED: dict[str, dict[str, object]] = {
    "status": {"status": "not-done"},
    "recipient": {"recipient": [{"display": "Somebody else"}]},
    "sender": {"sender": fhir.logical(codes.STAFF, "clinician-2")},
    "sent": {"sent": "2026-01-05T10:11:00-05:00"},
    "reasonCode": {"reasonCode": [fhir.concept(codes.EMERGENCY, "injury")]},
}


@pytest.mark.parametrize("place", CHANGED)
async def test_of_what_was_recorded_of_an_emergency_nothing_else_changes(reachable: Reachable, place: str) -> None:
    here = reachable.service
    await identified(here)
    sent = {**EMERGENCY, "id": await here.post(EMERGENCY), "status": "entered-in-error"}
    with pytest.raises(HttpRefusal, match=rf"Communication.{place}"):
        await here.put({**sent, **CHANGED[place]})
    (audit,) = await here.books()
    assert audit["subtype"][0]["code"] == "emergency"


async def test_what_was_no_emergency_is_not_marked_as_one(reachable: Reachable) -> None:
    here = reachable.service
    await identified(here)
    with pytest.raises(HttpRefusal) as refused:
        await here.put({**EMERGENCY, "id": str(uuid4()), "status": "entered-in-error"})
    assert refused.value.status == 404
    assert await here.books() == []


async def test_a_patient_whom_nobody_was_told_of_reads_so(reachable: Reachable) -> None:
    here = reachable.service
    await identified(here)
    done = await reachable.iop("disclosures", here.patient, "--print")
    assert "Nobody outside the program was told anything about you in this time." in done.stdout
    assert (await reachable.iop("disclosures", here.patient)).stdout == (
        "nothing was disclosed of this patient, nor was to be\n"
    )


async def test_an_id_that_no_patient_has_is_no_reassurance(reachable: Reachable) -> None:
    done = await reachable.iop("disclosures", str(uuid4()))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Must be one patient whom this program knows" in done.stderr


AT = datetime(2026, 3, 30, 17, 0, tzinfo=UTC)


def disclosed(result: str, reason: str = "", **but: str) -> Disclosed:
    plain = Disclosed(AT, result, "riverbend-house", "recovery-residence", ("name",), reason)
    return msgspec.structs.replace(plain, **but)


@pytest.mark.parametrize("result", get_args(DisclosureResult))
@pytest.mark.parametrize("reason", sorted({*plain_words.REASONS, f"{LACKS}phone", "http-422"}))
def test_no_code_is_printed_raw(result: str, reason: str) -> None:
    found = [disclosed(result, reason), disclosed(result, reason, purpose="TREAT", partner="a-clinic")]
    text = "\n".join([*lines(found, UTC), *page(found, AT, AT, UTC)])
    assert not re.search(r"[a-z]+-[a-z]+-|_|Consent/|TREAT|withheld", text)


def test_every_reason_field_purpose_kind_and_result_has_words() -> None:
    written = {
        each.value
        for place in DECIDED_IN
        for each in ast.walk(ast.parse((DEPLOY.parent / place).read_text()))
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and _REASON.fullmatch(each.value)
    }
    assert written - _NO_REASONS <= set(plain_words.REASONS)
    assert set(plain_words.KINDS) == set(get_args(PartnerKind))
    assert set(plain_words.RESULTS) == {*get_args(DisclosureResult), "emergency", "emergency-mistaken"}
    assert set(plain_words.REASONS) >= codes.EMERGENCIES
    assert set(plain_words.FIELDS) == {name for terms in TERMS.values() for name in terms.fields}
    assert {each.purpose for each in partners(DEPLOY).values()} <= set(plain_words.PURPOSES)


def test_a_code_that_nobody_gave_words_is_printed_without_hyphens() -> None:
    assert plain_words.purpose("legal-aid") == "legal aid"
    assert plain_words.result("withheld", "something-new") == "Nothing was sent: something new."
    assert plain_words.listed(["a", "b", "c"]) == "a, b and c"


def test_the_consent_is_named_by_the_day_it_was_signed() -> None:
    each = disclosed("made", consent="Consent/x", consented_at="2026-01-05")
    assert "Allowed by: the consent you signed on 5 January 2026." in "\n".join(lines([each], UTC))


def of_a_laboratory(result: DisclosureResult, **but: Any) -> str:
    """As a patient reads what was recorded about an order."""
    recorded = DisclosureRecorded(
        audit_id="a",
        result=result,
        reason=None,
        partner="riverbend-laboratory",
        purpose="TREAT",
        service="testing",
        focus="ServiceRequest/x",
        consent_id=None,
        recorded_at=AT,
        fields=("name",),
    )
    (audit,) = msgspec.structs.replace(recorded, **but).write(str(uuid4()))
    return "\n".join(lines([read(json.loads(msgspec.json.encode(audit)), {})], UTC))


@pytest.mark.parametrize("result", ["attempted", "made", "refused", "gave-up", "not-sent"])
def test_what_went_to_a_laboratory_without_a_consent_went_under_its_agreement(result: DisclosureResult) -> None:
    assert "Allowed by: the program's agreement with this laboratory." in of_a_laboratory(result)
    assert "42 CFR 2.12(c)(4)" in of_a_laboratory(result)


@pytest.mark.parametrize("result", ["withheld", "withheld-after-attempt"])
def test_what_was_withheld_was_allowed_by_nothing(result: DisclosureResult) -> None:
    assert "Allowed by" not in of_a_laboratory(result)


def test_an_agreement_is_named_of_a_laboratory_alone_and_where_no_consent_is() -> None:
    assert "agreement" not in of_a_laboratory("made", consent_id="x")
    assert "Allowed by: the consent you signed." in of_a_laboratory("made", consent_id="x")
    assert "Allowed by" not in of_a_laboratory("made", service="aftercare")
