"""The whole life of an episode, through the public edges alone: referred while the program is full, behind a pregnant
woman, planned, admitted, tapered, missed and positive, placed again, at 2.5 elsewhere, back, ninety days in care,
discharged. At its end every decision is made again, and the ServiceRequest alone says how it came about."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.commands.replay import Journals, ask
from deploy.demo.partner import Partners
from services.attendance.feed_events import FEED
from services.intake.seats.capacity import SEATS
from shared.events import fhir
from shared.path.transaction.replaying import Asked
from tests.intake.bundles import IOP_NEEDS
from tests.journey.clinic import COCAINE, Clinic, instant
from tests.journey.conftest import StartHub, clinic_in, without_a_gap
from tests.journey.course import Course, coded, monday

CHANGED = {
    "program.toml": (
        ('# "2.1" = { value = 24,', '"2.1" = { value = 1,'),
        ("attests = { value = []", 'attests = { value = ["block-grant"]'),
        ('appointment_counts_as = { value = "arrival"', 'appointment_counts_as = { value = "minutes"'),
    ),
    "partners.toml": (('offers = ["1.0", "1.5"]', 'offers = ["1.0", "1.5", "2.5"]'),),
}
"""A block-grant program with one seat at 2.1, whose EHR reports by the Appointment who came, and a partner for 2.5."""
LEVEL_2_5: dict[str, Any] = {
    "needs": IOP_NEEDS | {"substance-use-risk": "2.5"},
    "facts": {"daily-support-needed": True},
}
LEVEL_2_1_AGAIN: dict[str, Any] = {"facts": {"safe-housing": True, "daily-support-needed": False}}


@pytest.fixture
async def clinic(tmp_path: Path, partners: Partners, start_hub: StartHub) -> AsyncIterator[Clinic]:
    settings = without_a_gap(tmp_path / "settings")
    for name, changes in CHANGED.items():
        text = (settings / name).read_text()
        for before, after in changes:
            assert text.count(before) == 1, f"{name}: {before}"
            text = text.replace(before, after)
        (settings / name).write_text(text)
    with start_hub(tmp_path / "hub", partners.environment(), "--settings", str(settings)) as data:
        async with clinic_in(data, partners) as opened:
            yield opened


async def test_from_a_full_program_to_ninety_days_in_care(clinic: Clinic) -> None:
    course = await who_is_referred_while_it_is_full_waits_behind_a_pregnant_woman(clinic)
    await the_freed_seat_is_planned_for_the_start_that_was_named(course)
    await at_the_start_the_stay_begins_and_its_hours_taper_as_the_therapist_decides(course)
    await a_miss_and_a_positive_ask_for_the_placement_which_is_signed_for_elsewhere(course)
    first_stay = course.person.episode_id
    await back_the_days_of_both_stays_are_one_count_to_the_discharge(course)
    assert course.person.episode_id != first_stay
    await the_service_request_alone_explains_the_first_placement(course, first_stay)
    await every_decision_is_made_again_without_difference(clinic)


async def who_is_referred_while_it_is_full_waits_behind_a_pregnant_woman(clinic: Clinic) -> Course:
    there = await clinic.admit()
    await clinic.pass_by(hours=1)
    course = Course(clinic, await clinic.refer())
    assert (await clinic.sign(course.person, start=monday(2))).status_code == 200
    assert (await course.episode())["status"] == "waitlist"
    await clinic.pass_by(days=1)
    pregnant = Course(clinic, await clinic.refer(facts={"safe-housing": True, "pregnant": True}))
    assert (await clinic.sign(pregnant.person)).status_code == 200
    assert (await pregnant.episode())["status"] == "waitlist"
    await pregnant.answer("refer-to-state", "case-manager-1")

    await clinic.discharge(there)
    assert (await pregnant.episode())["status"] == "active"
    assert (await course.episode())["status"] == "waitlist"
    assert await course.referral_states() == ["wait-listed"]
    await clinic.pass_to(monday(1))
    await course.answer("contact", "case-manager-1")
    await clinic.pass_by(days=1)
    await course.answer("confirm-needs", "clinician-1", "still-true")
    await clinic.discharge(pregnant.person, "other")
    return course


async def the_freed_seat_is_planned_for_the_start_that_was_named(course: Course) -> None:
    planned = await course.episode()
    assert (planned["status"], instant(planned["period"]["start"])) == ("planned", monday(2))
    assert await course.referral_states() == ["planned"]
    assert await course.open_tasks("intake") == {"referral"}


async def at_the_start_the_stay_begins_and_its_hours_taper_as_the_therapist_decides(course: Course) -> None:
    await course.clinic.pass_to(monday(2))
    begun = await course.episode()
    assert begun["status"] == "active"
    assert [each["status"] for each in begun["statusHistory"]] == ["waitlist", "planned"]
    await course.clinic.test(course.person)
    assert await course.sessions_of_a_week() == 5
    await course.weeks(2)
    await course.advance("early-recovery", asked=True)
    await course.weeks(1)
    await course.advance("maintenance", asked=False)
    assert await course.sessions_of_a_week() == 3
    await course.weeks(3)
    assert await course.clinic.escalations(course.person) == []


async def a_miss_and_a_positive_ask_for_the_placement_which_is_signed_for_elsewhere(course: Course) -> None:
    clinic, person = course.clinic, course.person
    await clinic.miss(person)
    await clinic.test(person, COCAINE)
    assert ("EscalationRaised", "miss-and-positive") in await clinic.escalations(person)
    await clinic.refer(person.mrn, **LEVEL_2_5, referred=False)
    review = await course.answer("review-placement", "clinician-1", "step-up")
    assert fhir.code_of(review["reasonCode"]) == "miss-and-positive"
    assert (await clinic.sign(person, "2.5")).status_code == 200
    (prepared,) = await clinic.tasks("intake", person, "requested", "prepare-discharge")
    assert {"step-up", "2.5", "riverbend-outpatient"} <= coded(prepared)
    assert (await course.episode())["status"] == "active"

    await clinic.pass_by(days=1)
    await clinic.discharge(person, "step-up")
    assert await course.open_tasks("intake") == set()
    assert (await course.days_in_care())["engaged-days"] == 44


async def back_the_days_of_both_stays_are_one_count_to_the_discharge(course: Course) -> None:
    clinic, person = course.clinic, course.person
    await clinic.pass_to(monday(10))
    await clinic.refer(person.mrn, **LEVEL_2_1_AGAIN)
    assert (await clinic.sign(person)).status_code == 200
    assert (await course.episode())["status"] == "active"
    await course.advance("maintenance", asked=False)
    await course.weeks(4)
    last = await course.answer("review-placement", "clinician-1", "stays")
    assert fhir.code_of(last["reasonCode"]) == "last-stage"
    await course.weeks(3)
    await clinic.discharge(person)
    counted = await course.days_in_care()
    assert counted == {"engaged-days": 94, "days-in-stay": 50, "days-in-earlier-stays": 44, "days-elsewhere": 0}
    assert await course.referral_states() == ["admitted", "admitted"]

    await clinic.pass_by(days=3, minutes=1)
    (asked,) = await clinic.tasks("aftercare", person, "requested", "follow-up")
    counts = [(fhir.code_of(each["type"]), each["valueInteger"]) for each in asked["input"] if "valueInteger" in each]
    assert counts == [("engaged-days", 94)]


async def the_service_request_alone_explains_the_first_placement(course: Course, episode_id: str) -> None:
    """The referral: where it stands, who signed which level, on which recommendation, and the stay that came of it. The
    recommendation: why, and on what."""
    found = await course.clinic.driver.search("intake", f"ServiceRequest?patient={course.person.id}")
    referral = min((each for each in found if each["intent"] == "order"), key=lambda each: str(each["authoredOn"]))
    stay = f"EpisodeOfCare/{episode_id}"
    assert {"admitted", "placement-signed"} <= coded(referral["_status"]) and stay in str(referral["_status"])
    (signed,) = referral["relevantHistory"]
    assert {"2.1", "clinician-1", "licensed-clinician"} <= coded(signed) and stay in str(signed)

    (proposal,) = [each for each in found if f"ServiceRequest/{each['id']}/_history/1" in coded(signed)]
    assert proposal["relevantHistory"] == [signed]
    (reason,) = proposal["reasonCode"]
    assert {"R14", "substance-use-risk", "2.1"} <= coded(reason)
    assert [each for each in proposal["supportingInfo"] if each["reference"] in str(reason)]


async def every_decision_is_made_again_without_difference(clinic: Clinic) -> None:
    hub = clinic.driver.hub
    journals = Journals(hub.postgres, clinic.driver.data / "keys", Path(hub.settings))
    found = await asyncio.to_thread(ask, journals, Asked(), 1)
    whole = [(each.differences, each.left_out, each.other_code, each.without_digest) for each in found]
    assert whole == [([], {}, {}, 0)] * len(hub.postgres)
    assert [each.others for each in found if each.others] == [{SEATS: 1}, {FEED: 1}]
    assert {each.keys - sum(each.others.values()) for each in found} == {3}
