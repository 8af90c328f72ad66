"""Who pays: a Coverage as its sender says it, and what the other services learn of it."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import app
from services.intake import messages as w
from services.intake.coverage import COVERAGES_MOST, LAST, coverages_after, payers_of
from services.intake.edge import covering
from shared.edge import fhir
from shared.edge.contract import Context
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events import fhir as fhir_events
from shared.rules.packing import pack_id
from tests.intake import bundles
from tests.intake.bundles import MONDAY, MRN_SYSTEM
from tests.intake.given import SETTINGS
from tests.intake.story import Story
from tests.intake.story import given as given_story
from tests.laws import examples
from tests.service import ServiceOnPostgres, StartService, caller
from tests.story import only

Json = dict[str, Any]
SOPT, NAIC = "https://nahdo.org/sopt", "https://naic.example/company"
ORGANIZATION = {
    "resourceType": "Organization",
    "identifier": [{"system": NAIC, "value": "77"}],
    "name": "A synthetic payer",
}
WHO = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0001"}}
MEMBER = "MEMBER-8880-0933"
DAY = timedelta(days=1)
FIRST, SECOND, THIRD = (f"{each}b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e" for each in "123")


def coverage(code: str = "2", **more: Any) -> Json:
    """Of Medicaid, unless another code of its type is said."""
    return {
        "resourceType": "Coverage",
        "status": "active",
        "identifier": [{"value": MEMBER}],
        "subscriberId": MEMBER,
        "type": {"coding": [{"system": SOPT, "code": code}]},
        "beneficiary": WHO,
        "payor": [{"display": "A synthetic payer"}],
        **more,
    }


@pytest.fixture
async def intake(start_service: StartService) -> ServiceOnPostgres:
    service = await start_service(app.assemble, "intake", MONDAY)
    bundle = bundles.intake("0001")
    entries = [each for each in bundle["entry"] if each["resource"]["resourceType"] != "Coverage"]
    await service.submit(bundle | {"entry": entries})
    return service


async def paying(intake: ServiceOnPostgres) -> list[tuple[str, str | None, str | None]]:
    """Who pays from when until when, as it stands in the read model after the event."""
    found = [each for each in await intake.found("List") if each.get("code", {}) == LISTED]
    coverages = [one for each in found for one in each.get("contained", ())]
    bounds = [each.get("period", {}) for each in coverages]
    names = [each["payor"][0]["identifier"]["value"] for each in coverages]
    return [(name, each.get("start"), each.get("end")) for name, each in zip(names, bounds, strict=True)]


LISTED = {"coding": [{"system": codes.LIST, "code": "payers"}]}


async def unread(intake: ServiceOnPostgres) -> list[str]:
    """What a person is asked to read, and how its Task stands."""
    tasks = await intake.found("Task")
    return [each["status"] for each in tasks if each["code"]["coding"][0]["code"] == "read-coverage"]


async def test_a_coverage_is_read_by_its_type_and_no_number_of_it_leaves_the_service(intake: ServiceOnPostgres) -> None:
    await intake.post(coverage(period={"start": "2026-01-01", "end": "2026-12-31"}))
    assert await paying(intake) == [("medicaid", "2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z")]
    assert await unread(intake) == []
    sent = await intake.select("SELECT headers::text, body FROM outbox")
    assert sent and MEMBER not in json.dumps(sent, default=str)
    assert [each["subscriberId"] for each in await intake.found("Coverage")] == [MEMBER]


async def test_in_a_bundle_with_its_payor_it_is_read_by_whom_that_is(intake: ServiceOnPostgres) -> None:
    settings = intake.inbox.settings["demo"]
    known = settings.payers | {"acme": replace(settings.payers["medicaid"], codes=(f"{NAIC}|77",))}
    programs: Any = intake.inbox.settings
    programs["demo"] = replace(settings, payers=known)
    body = coverage(payor=[{"reference": "urn:uuid:00000000-0000-4000-8000-00000000000a"}])
    entries: list[Json] = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{name}", "resource": each}
        for name, each in (("a", ORGANIZATION), ("b", body))
    ]
    request = [each | {"request": {"method": "POST", "url": each["resource"]["resourceType"]}} for each in entries]
    await intake.submit({"resourceType": "Bundle", "type": "transaction", "entry": request})
    assert [name for name, *_ in await paying(intake)] == ["acme"]


async def test_whose_it_is_unknown_a_person_is_asked_until_somebody_corrects_it(intake: ServiceOnPostgres) -> None:
    identity = await intake.post(coverage("9999"))
    assert await paying(intake) == [] and await unread(intake) == ["requested"]
    await intake.put_thrice(coverage("1") | {"id": identity})
    assert [name for name, *_ in await paying(intake)] == ["medicare"]
    assert await unread(intake) == ["cancelled"]


async def test_one_that_was_entered_in_error_says_nothing_any_more(intake: ServiceOnPostgres) -> None:
    identity = await intake.post(coverage())
    await intake.put_thrice(coverage(status="entered-in-error") | {"id": identity})
    assert await paying(intake) == []


@pytest.mark.parametrize("end", [{}, {"end": "2026-12-31"}], ids=["without an end", "before its end"])
async def test_one_that_is_cancelled_ends_when_that_is_known_first(intake: ServiceOnPostgres, end: Json) -> None:
    period = {"start": "2026-01-01", **end}
    identity = await intake.post(coverage(period=period))
    await intake.put(coverage(status="cancelled", period=period) | {"id": identity})
    ended = await paying(intake)
    assert [each[2] for each in ended] == [f"{MONDAY:%Y-%m-%dT%H:%M:%SZ}"]
    intake.set_clock(MONDAY + 3 * DAY)
    again = coverage(status="cancelled", period=period, subscriberId="another") | {"id": identity}
    await intake.put_thrice(again)
    assert await paying(intake) == ended


async def test_that_of_another_patient_is_not_made_this_ones(intake: ServiceOnPostgres) -> None:
    identity = await intake.post(coverage())
    await intake.submit(bundles.intake("0002"))
    other = {"type": "Patient", "identifier": {"system": MRN_SYSTEM, "value": "0002"}}
    with pytest.raises(HttpRefusal):
        await intake.put(coverage("1", beneficiary=other) | {"id": identity})
    assert "medicaid" in [name for name, *_ in await paying(intake)]


# --- read

PAYERS = SETTINGS.payers | {
    "acme": replace(SETTINGS.payers["medicaid"], codes=(f"{NAIC}|77", "plan|gold")),
    "other": replace(SETTINGS.payers["medicaid"], codes=(f"{NAIC}|78", f"{SOPT}|5")),
}
CONTEXT = Context(caller("ehr"), "", "demo", replace(SETTINGS, payers=PAYERS), MONDAY)
GOLD = [{"type": {"coding": [{"code": "plan"}]}, "value": "gold"}]


def payor(*numbers: str) -> list[Json]:
    return [{"identifier": {"system": NAIC, "value": each}} for each in numbers]


def read(resource: Json, context: Context = CONTEXT) -> w.RecordCoverage:
    entry = fhir.single("POST", "Coverage", None, resource, {})
    return covering.coverage(entry, [entry], context)


@pytest.mark.parametrize(
    ("resource", "payer"),
    [
        (coverage("2"), "medicaid"),
        (coverage("5"), "other"),
        (coverage("2", **{"class": GOLD}), "acme"),
        (coverage("2", payor=payor("78"), **{"class": GOLD}), "other"),
        (coverage("2", payor=[{"reference": "#p"}], contained=[{**ORGANIZATION, "id": "p"}]), "acme"),
        (coverage("9999"), ""),
        (coverage("2", payor=payor("77", "78")), ""),
        (coverage("2", payor=payor("79")), "medicaid"),
        ({**coverage(), "type": {"coding": [{"code": "2"}]}}, ""),
        ({**coverage(), "type": {"text": "Medicaid"}}, ""),
    ],
)
def test_it_is_whose_code_names_it_most_precisely_and_nobodys_where_that_could_be_two(
    resource: Json, payer: str
) -> None:
    assert read(resource).payer == payer


def test_its_dates_are_the_programs_days_the_last_one_included() -> None:
    found = read(coverage(period={"start": "2026-03", "end": "2026-03-31"}))
    assert (found.since, found.until) == (datetime(2026, 3, 1, 5, tzinfo=UTC), datetime(2026, 4, 1, 4, tzinfo=UTC))
    assert (read(coverage()).since, read(coverage()).until) == (None, None)


def test_its_place_among_several_is_its_order_and_the_last_where_it_states_none() -> None:
    assert [read(coverage(order=each)).place for each in (1, 2, 10**9)] == [1, 2, LAST]
    assert read(coverage()).place == LAST


@pytest.mark.parametrize("status", ["draft", "entered-in-error"])
def test_one_that_is_not_in_force_says_nothing(status: str) -> None:
    found = read(coverage(status=status, period={"start": "2026-01-01"}))
    assert (found.is_withdrawn, found.payer) == (True, "")


def test_its_sender_learns_how_it_was_read_and_no_value_of_it() -> None:
    def learnt(resource: Json, context: Context = CONTEXT) -> list[str]:
        entry = fhir.single("POST", "Coverage", None, resource, {})
        return covering.read_as(entry, [entry], context)

    assert learnt(coverage()) == ["read as covered by medicaid"]
    (unknown,) = learnt(coverage("9999"))
    assert unknown.startswith("not read") and "9999" not in unknown and MEMBER not in unknown
    nobody = replace(SETTINGS, payers={"default": SETTINGS.payers["default"]})
    assert "tells no payers apart" in learnt(coverage(), replace_context(nobody))[0]


def replace_context(settings: Any) -> Context:
    return Context(caller("ehr"), "", "demo", settings, MONDAY)


# --- decided


def stated(identity: str = FIRST, payer: str = "medicaid", **more: Any) -> w.RecordCoverage:
    return w.RecordCoverage(coverage_id=identity, payer=payer, **more)


def payers(story: Story) -> list[tuple[str, datetime | None, datetime | None]]:
    recorded = only(story.all_emitted, w.CoverageRecorded)
    return [(each.payer, each.since, each.until) for each in recorded[-1].payers] if recorded else []


def asked(story: Story) -> list[str | None]:
    return [each.focus for each in story.state.reviews if each.reason == "read-coverage"]


def test_of_two_the_first_in_order_pays_and_the_other_where_that_one_does_not() -> None:
    first = stated(FIRST, "medicare", place=1, since=MONDAY, until=MONDAY + 30 * DAY)
    story = given_story(stated(SECOND, "medicaid", place=2), first)
    assert payers(story) == [
        ("medicaid", None, MONDAY),
        ("medicare", MONDAY, MONDAY + 30 * DAY),
        ("medicaid", MONDAY + 30 * DAY, None),
    ]


def test_of_two_without_an_order_the_one_pays_that_began_last() -> None:
    story = given_story(stated(FIRST, "medicare", since=MONDAY), stated(SECOND, "medicaid", since=MONDAY - DAY))
    assert payers(story) == [("medicaid", MONDAY - DAY, MONDAY), ("medicare", MONDAY, None)]


def test_while_nobody_can_read_the_first_the_second_does_not_count_in_its_place() -> None:
    story = given_story(stated(SECOND, "medicaid", place=2), stated(FIRST, "", place=1, since=MONDAY))
    assert payers(story) == [("medicaid", None, MONDAY)] and asked(story) == [f"Coverage/{FIRST}"]


def test_the_same_again_says_nothing_and_neither_does_what_changes_nobody() -> None:
    story = given_story(stated(FIRST, "medicaid"))
    assert story.then(stated(FIRST, "medicaid")) == []
    assert story.then(stated(SECOND, "medicaid", since=MONDAY)) == []


def test_when_the_last_one_is_withdrawn_nobody_is_known_to_pay() -> None:
    story = given_story(stated(FIRST, "medicaid"))
    story.then(stated(FIRST, "", is_withdrawn=True))
    assert payers(story) == []
    (last,) = only(story.emitted, w.CoverageRecorded)
    (listing,) = last.write("p")
    assert "entry" not in listing and "emptyReason" in listing


def test_one_that_was_cancelled_before_it_began_never_pays() -> None:
    story = given_story(stated(FIRST, since=MONDAY + 10 * DAY))
    story.then(stated(FIRST, since=MONDAY + 10 * DAY, cancelled_at=MONDAY))
    story.now = MONDAY + 20 * DAY
    story.then(stated(FIRST, since=MONDAY + 10 * DAY, cancelled_at=story.now))
    assert payers(story) == []


def test_a_person_is_asked_once_of_each_that_nobody_can_read_and_of_none_that_is_over() -> None:
    story = given_story(stated(FIRST, ""), stated(FIRST, ""), stated(SECOND, "", until=MONDAY), stated(THIRD, ""))
    assert asked(story) == [f"Coverage/{FIRST}", f"Coverage/{THIRD}"]
    story.then(stated(FIRST, "medicaid"), stated(THIRD, "", is_withdrawn=True))
    withdrawn = only(story.all_emitted, w.PlacementReviewWithdrawn)
    assert [each.reason for each in withdrawn] == ["payer-known", "coverage-withdrawn"] and asked(story) == []


def test_a_program_that_tells_no_payers_apart_asks_nobody() -> None:
    story = given_story(stated(FIRST, ""), payers={"default": SETTINGS.payers["default"]})
    assert asked(story) == []


def test_anybody_of_the_staff_completes_what_was_asked() -> None:
    story = given_story(stated(FIRST, ""))
    (review,) = story.state.reviews
    (requested,) = only(story.all_emitted, w.PlacementReviewRequested)
    task: Json = requested.write("p")[0]
    assert task["code"] == fhir_events.concept(codes.TASK, "read-coverage")
    assert task["focus"] == {"reference": f"Coverage/{FIRST}"}
    story.then(w.CompleteReview(task_id=review.id, by="case-manager-1"))
    assert story.refused is None and asked(story) == []


def test_what_nobody_reads_in_time_is_escalated() -> None:
    story = given_story(stated(FIRST, ""))
    story.until(MONDAY + timedelta(hours=SETTINGS.review_hours))
    assert [each.escalation.reason for each in story.state.escalations] == ["review-unanswered"]


# --- the law

IDS = [f"{n:08d}-5555-4c5a-9e0e-3f0c5a0e5a0e" for n in range(5)]
EDGES = some.none() | some.integers(-20, 20).map(lambda days: MONDAY + days * DAY)
STATED = some.builds(
    w.RecordCoverage,
    coverage_id=some.sampled_from(IDS),
    payer=some.sampled_from(["", "medicaid", "medicare"]),
    place=some.sampled_from([1, 2, 1000]),
    since=EDGES,
    until=EDGES,
    is_withdrawn=some.booleans(),
)


@settings(max_examples=examples(100))
@given(some.lists(STATED, max_size=8), some.integers(-480, 480))
def test_whoever_pays_at_an_instant_is_whom_the_first_of_those_that_hold_then_names(
    commands: list[w.RecordCoverage], hours: int
) -> None:
    """Recounted by hand, of the newest version of each; in whatever order the others came."""
    at, known = MONDAY + timedelta(hours=hours), Story().state.coverages
    for each in commands:
        known = coverages_after(known, each)
    newest = {each.coverage_id: each for each in commands}.values()
    holds = [
        each
        for each in newest
        if not each.is_withdrawn and (each.since or at) <= at and (each.until is None or at < each.until)
    ]
    holds.sort(key=lambda each: pack_id(each.coverage_id))
    holds.sort(key=lambda each: each.since or datetime.min.replace(tzinfo=UTC), reverse=True)
    holds.sort(key=lambda each: each.place)
    spans = payers_of(known)
    assert [each.payer for each in spans if each.holds(at)] == [each.payer for each in holds[:1] if each.payer]
    assert all(one.until and other.since and one.until <= other.since for one, other in pairwise(spans))
    assert payers_of(tuple(reversed(known))) == spans


def test_of_more_than_are_remembered_those_go_that_ended_first() -> None:
    known: Any = ()
    for number in range(COVERAGES_MOST + 3):
        until = MONDAY + number * DAY
        known = coverages_after(known, stated(f"{number:08d}-5555-4c5a-9e0e-3f0c5a0e5a0e", until=until))
    assert len(known) == COVERAGES_MOST
    assert payers_of(known)[-1].until == MONDAY + (COVERAGES_MOST + 2) * DAY
