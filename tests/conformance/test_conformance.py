"""The official validator finds no error in what leaves the hub: events, referrals to partners, the edge's answers."""

from datetime import timedelta
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from deploy import keys
from services.aftercare.answers.form import STATUSES
from services.aftercare.form import transaction
from services.aftercare.letter.binary import as_binary
from services.aftercare.letter.listed import FORMATS, LetterListed, Status
from services.aftercare.meeting_lists import MeetingListDetailed, MeetingsRequested
from services.aftercare.meetings.matching import Offer
from shared.edge.app import statement
from shared.edge.fhir import Answered, encode, response_bundle, searchset
from shared.edge.outcome import fault, outcome
from shared.events.aftercare import MeetingListPrepared
from shared.events.envelope import Event
from shared.events.group_listed import GroupListed
from shared.events.laboratory_order import ACTIONS, Action
from shared.events.listed import FeedQuestioned, GroupSlot, SlotsListed, SlotStatus, schedule_id, slot_id
from shared.platform.keys import Keys
from shared.rules.consent import Partner, Permitted
from tests.aftercare.letters import PLAN, PLANNED
from tests.aftercare.test_answer_form import prepared as answer_prepared
from tests.aftercare.test_answer_form import sent as answered
from tests.aftercare.test_form import CONSENT_ID, LINKS, PATIENT, PREPARED, SENDER, UNTIL, ZONE, release
from tests.attendance.given import MONDAY
from tests.conformance.hapi import Validator
from tests.events.examples import EXAMPLES, GOLDEN, bundle, golden
from tests.house.test_rooms import SERVICES
from tests.shared.rules.partners import ALUMNI, CLINIC, EHR, HOUSE
from tests.testing import test_requisition as laboratory
from tests.testing.test_as_fhir import MORPHINE, NOTHING_CODED, WRITTEN, resources_of
from tests.testing.worklists import every as every_work

Json = dict[str, Any]
WORK = every_work()
FIELDS = ("name", "phone", "area")
URL = "http://hub.example.org/fhir"
NICKNAME_ONLY: Json = {
    "resourceType": "Patient",
    "name": [{"use": "nickname", "text": "Bo"}],
    "telecom": [{"system": "sms", "value": "+15555550124", "use": "mobile"}],
    "address": [{"use": "old", "city": "Elsewhere"}, {"country": "US"}],
}
REFUSED = outcome([fault("required", "ServiceRequest.subject", "A referral needs a subject.")])
SLOTS = SlotsListed(
    group="evening-a",
    schedule_id=schedule_id("demo", "evening-a"),
    kind="relapse-prevention",
    slots=tuple(
        GroupSlot(slot_id(schedule_id("demo", "evening-a"), day), each, MONDAY, MONDAY + timedelta(hours=3))
        for day, each in enumerate(get_args(SlotStatus))
    ),
)
GROUP = GroupListed(
    group_id=schedule_id("demo", "evening-a"),
    schedule_id=schedule_id("demo", "evening-b"),
    group="evening-a",
    active=True,
    members=(schedule_id("demo", "anna"), schedule_id("demo", "ben")),
    kind="relapse-prevention",
    seats=12,
    time="evening",
    track="opioid",
    literacy="special-assignment",
    language="es",
    gender="female",
    modality="video",
    closed_from="2026-02-01",
    therapist="t-7",
    room="r-2",
)
NO_GROUP = GroupListed(group_id="g1", schedule_id="s1", group="evening-z", active=False, members=())
FEED = FeedQuestioned(
    task_id=schedule_id("demo", "feed"),
    status="completed",
    reason="reports-come",
    raised_at=MONDAY,
    changed_at=MONDAY,
    silent_since=MONDAY,
    sessions=8,
)
REQUESTED = MeetingsRequested(
    request_id="q1",
    wishes=("women", "fellowship:aa", "language:es"),
    asked_at=MONDAY,
    asked_by="case-manager-1",
)
LISTED = MeetingListDetailed(
    prepared=MeetingListPrepared(
        list_id="l1", plan_id="c1", request_id="q1", meetings=("riverbend|a",), prepared_at=MONDAY, none_near=True
    ),
    offers=(Offer("riverbend|a", (0, 6), "18:30", ("in-person", "online"), 5),),
)
TASK: Json = {"resourceType": "Task", "id": "t1", "status": "requested", "intent": "order"}
MADE = Answered("201 Created", "Task/t1/_history/1", "1", "2025-03-03T09:30:00Z", TASK)


@pytest.mark.parametrize("emitted", EXAMPLES, ids=lambda emitted: type(emitted).__name__)
def test_the_bundle_of_an_event_has_no_error_as_it_was_first_written_and_as_it_is_now(
    validator: Validator, emitted: Event
) -> None:
    for text in {golden(emitted).read_text(), bundle(emitted)}:
        assert validator.errors(text) == []


def test_what_is_listed_of_no_patient_has_no_error(validator: Validator) -> None:
    for resource in (*SLOTS.write(""), *FEED.write(""), *GROUP.write(""), *NO_GROUP.write("")):
        assert validator.errors(written(resource)) == []


def test_what_a_person_asks_for_and_reads_of_meetings_has_no_error(validator: Validator) -> None:
    for resource in (*REQUESTED.write("p1"), *LISTED.write("p1")):
        assert validator.errors(written(resource)) == []


@pytest.mark.parametrize("status", get_args(Status))
def test_a_letter_has_no_error(validator: Validator, status: Status) -> None:
    letter = LetterListed(plan_id=PLAN, planned_at=PLANNED, status=status)
    binaries = [as_binary(PLAN, each, b"For you") for each in FORMATS]
    for resource in (*letter.write("p1"), *binaries):
        assert validator.errors(written(resource)) == []


@pytest.mark.parametrize("number", range(len(WORK)))
def test_what_a_person_has_to_settle_with_a_laboratory_has_no_error(validator: Validator, number: int) -> None:
    assert validator.errors(written(WORK[number])) == []


def test_what_a_laboratory_reports_in_hl7_has_no_error(validator: Validator) -> None:
    for resource in resources_of(MORPHINE, *WRITTEN, NOTHING_CODED):
        assert validator.errors(encode(resource).decode()) == []


@pytest.mark.parametrize("partner", [ALUMNI, CLINIC, EHR, HOUSE], ids=lambda partner: partner.name)
@pytest.mark.parametrize("patient", [PATIENT, NICKNAME_ONLY], ids=["whole", "nickname-only"])
def test_what_a_partner_is_told_has_no_error(validator: Validator, partner: Partner, patient: Json) -> None:
    for consent_id, count, until in product((None, CONSENT_ID), range(len(FIELDS) + 1), (None, UNTIL)):
        permitted = Permitted(consent_id, FIELDS[:count], until)
        assert validator.errors(written(referral(partner, permitted, patient))) == []


def test_what_a_partner_is_told_of_an_unknown_patient_has_no_error(validator: Validator) -> None:
    assert validator.errors(written(referral(HOUSE, Permitted(CONSENT_ID, FIELDS, UNTIL), None))) == []


@pytest.mark.parametrize("consent_id", [None, CONSENT_ID])
def test_what_a_partner_that_referred_is_answered_has_no_error(validator: Validator, consent_id: str | None) -> None:
    for state, number in product(STATUSES, ("sealed", "")):
        assert validator.errors(written(answered(answer_prepared(state, number), consent_id))) == []


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("consent_id", [None, CONSENT_ID])
def test_what_a_laboratory_is_ordered_has_no_error(
    validator: Validator, consent_id: str | None, action: Action
) -> None:
    for fields in laboratory.ALL:
        order = msgspec.structs.replace(laboratory.PREPARED, action=action)
        assert validator.errors(written(laboratory.bundle(order, consent_id=consent_id, fields=fields))) == []


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_service_says_of_itself_has_no_error(validator: Validator, service: str, tmp_path: Path) -> None:
    assembly = import_module(f"services.{service}.app").assemble(Keys.load(keys.make(tmp_path), service))
    assert validator.errors(written(statement(service, assembly.edge, URL))) == []


@pytest.mark.parametrize(
    "answer",
    [
        outcome([]),
        REFUSED,
        response_bundle("transaction-response", [MADE, Answered("202 Accepted", outcome=REFUSED)]),
        searchset([TASK], 1, f"{URL}/Task?_id=t1"),
        searchset([], 0, f"{URL}/Task"),
    ],
    ids=["well", "refused", "transaction", "found", "nothing-found"],
)
def test_what_the_edge_answers_has_no_error(validator: Validator, answer: Json) -> None:
    assert validator.errors(written(answer)) == []


@pytest.mark.parametrize(
    ("was", "now", "complaint"),
    [
        ('"finished"', '"over"', "status"),
        ('"Patient/', '"Device/', "Device"),
        ('"resourceType": "EpisodeOfCare"', '"resourceType": "EpisodeOfCure"', "EpisodeOfCure"),
        ('"timestamp"', '"moment"', "moment"),
    ],
)
def test_a_broken_bundle_is_found(validator: Validator, was: str, now: str, complaint: str) -> None:
    whole = (GOLDEN / "EpisodeDischarged.json").read_text()
    assert was in whole
    assert complaint in " ".join(validator.errors(whole.replace(was, now)))


def referral(partner: Partner, permitted: Permitted, patient: Json | None) -> Any:
    return transaction(PREPARED, release(permitted, partner, patient or {}), SENDER, ZONE, LINKS)


def written(resource: Any) -> str:
    return msgspec.json.encode(resource).decode()
