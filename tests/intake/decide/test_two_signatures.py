"""Who may sign what: roles decide, and against evidence of danger two persons sign."""

from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings as run
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.state import evolve
from shared.events import codes
from shared.events.envelope import Event
from shared.events.intake import FOLLOW_UP
from shared.rules.staff import MAY, ROLES, Act, Member, acts_as, refused
from tests.intake import commands
from tests.intake.given import DIRECTOR, IOP_NEEDS, MONDAY, PATIENT, TUESDAY, assessment, referral, settings, sign
from tests.intake.story import Story, admitted, given, referred
from tests.laws import examples

LATER = some.sampled_from(list(commands.COMMANDS))


def in_danger() -> Story:
    """Suicidal intent is known, and 4-psych is recommended."""
    return given(assessment(IOP_NEEDS, "c-ssrs-q5"), referral())


def refusal(story: Story, **changed: Any) -> tuple[str, str] | None:
    """Of the signature under 2.1 with a reason and both persons, but for what is changed: code and place."""
    command = sign(story.state, "2.1", "safety-plan-made", second=DIRECTOR)
    story.and_then(replace(command, **changed))
    return (story.refused.code, story.refused.expression) if story.refused else None


def signature(story: Story) -> w.Signature:
    (event,) = [each for each in story.all_emitted if isinstance(each, w.PlacementSigned)]
    return event.signature


def test_against_evidence_of_danger_a_medical_director_signs_beside_the_owner() -> None:
    story = in_danger()
    assert refusal(story) is None
    signed = signature(story)
    assert (signed.signed_by, signed.signed_as) == ("clinician-1", "licensed-clinician")
    assert (signed.second_signed_by, signed.second_signed_as) == (DIRECTOR, "medical-director")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"second": ""}, ("required", "Task.input")),
        ({"second": "clinician-1"}, ("business-rule", "Task.input")),
        ({"by": DIRECTOR}, ("business-rule", "Task.input")),
        ({"second": "on-call-clinician-1"}, ("forbidden", "Task.input")),
        ({"second": "nobody"}, ("forbidden", "Task.input")),
        ({"by": "primary-therapist-1"}, ("forbidden", "Task.owner")),
        ({"by": "case-manager-1"}, ("forbidden", "Task.owner")),
        ({"reason": None}, ("required", "Task.output")),
    ],
    ids=str,
)
def test_neither_alone_nor_twice_nor_by_another_role(changed: dict[str, str | None], found: tuple[str, str]) -> None:
    assert refusal(in_danger(), **changed) == found


def test_a_medical_director_who_is_licensed_may_own_it_where_another_one_signs_beside_them() -> None:
    story = in_danger()
    another = Member(roles=("medical-director",))
    story.settings = settings(staff={**story.settings.staff, "director-2": another})
    assert refusal(story, by=DIRECTOR, second="director-2") is None
    assert refusal(in_danger(), by=DIRECTOR, second="director-2") == ("forbidden", "Task.input")


def test_what_no_danger_speaks_against_is_signed_by_one_and_a_second_signature_is_stored_all_the_same() -> None:
    assert refusal(referred(), second="") is None
    story = referred()
    assert refusal(story) is None
    assert signature(story).second_signed_by == DIRECTOR
    assert refusal(referred(), second="case-manager-1") == ("forbidden", "Task.input")


def test_a_level_that_manages_the_danger_needs_no_second_signature() -> None:
    story = in_danger()
    assert story.and_then(sign(story.state, "4-psych")).names()[0] == "PlacementSigned"


@pytest.mark.parametrize(
    ("danger", "level", "alone"),
    [
        ("c-ssrs-q5", "3.7", False),
        ("c-ssrs-q5", "4", True),
        ("current-overdose", "3.7", False),
        ("current-overdose", "4-psych", True),
        ("ciwa-ar=20", "3.7", True),
        ("ciwa-ar=20", "3.5", False),
    ],
)
def test_against_danger_is_whatever_lies_below_the_level_that_it_asks_for(danger: str, level: str, alone: bool) -> None:
    story = given(assessment(IOP_NEEDS, danger), referral())
    one = sign(story.state, level, "not-available")
    assert (story.and_then(one).refused is None) == alone
    if not alone:
        assert story.and_then(replace(one, second=DIRECTOR)).refused is None


def test_danger_needs_two_signatures_where_the_rules_could_not_place_too() -> None:
    story = given(referral())
    assert story.state.referral is not None
    review = w.SignPlacement(
        task_id=story.state.referral.review_id, level="2.1", reason="court-order", by="clinician-1"
    )
    story.and_then(w.ReportFindings(findings=assessment({}, "c-ssrs-q5").findings))
    assert story.and_then(review).refused is not None
    assert story.and_then(replace(review, second=DIRECTOR)).refused is None


def test_a_review_is_a_clinicians_and_no_case_managers() -> None:
    story = given(assessment(IOP_NEEDS, "pregnant", "active-use"), referral())
    (review,) = story.state.reviews
    refused_one = story.refusal(w.CompleteReview(task_id=review.id, by="case-manager-1"))
    assert (refused_one.code, refused_one.expression) == ("forbidden", "Task.owner")
    assert "primary-therapist" in refused_one.reason and "case-manager" not in refused_one.reason
    assert story.and_then(w.CompleteReview(task_id=review.id, by="primary-therapist-1")).refused is None


def test_a_follow_up_is_no_review_of_the_placement_and_anybodys_of_the_staff() -> None:
    story = admitted()
    assert story.state.episode is not None
    asked = w.Review("3b0c5a0e-3333-4c5a-9e0e-3f0c5a0e5a0e", FOLLOW_UP, "Encounter/1", MONDAY, TUESDAY)
    story.state = evolve(story.state, w.PlacementReviewRequested(review=asked))
    assert story.and_then(w.CompleteReview(task_id=asked.id, by="case-manager-1")).refused is None


def test_a_referral_is_declined_by_a_licensed_clinician_alone() -> None:
    story = given(referral())
    (review,) = story.state.reviews
    decline = w.CompleteReview(task_id=review.id, by="primary-therapist-1", outcome="referral-declined")
    assert "licensed-clinician" in story.refusal(decline).reason
    assert story.and_then(replace(decline, by="clinician-1")).refused is None


def test_who_ended_the_evidence_of_danger_is_recorded_with_their_role_and_whether_it_is_proved() -> None:
    story = in_danger()
    (raised,) = story.state.escalations
    ending = w.EndEvidence(
        escalation_id=raised.escalation.id, finding="suicide-risk", reason="mistaken", by="clinician-1", proved=True
    )
    assert "licensed-clinician" in story.refusal(replace(ending, by="primary-therapist-1")).reason
    story.and_then(ending)
    (resolved,) = [each for each in story.emitted if isinstance(each, w.EscalationResolved)]
    assert (resolved.by, resolved.role, resolved.proved) == ("clinician-1", "licensed-clinician", True)


@given_any(act=some.sampled_from(list(MAY)), roles=some.sets(some.sampled_from(sorted(ROLES))))
def test_whoever_has_one_of_the_roles_may_and_nobody_else(act: Act, roles: set[str]) -> None:
    staff = {"robin": Member(roles=tuple(roles))}
    may = not roles.isdisjoint(MAY[act])
    assert (refused(staff, act, "robin") is None) == may
    assert (acts_as(staff, act, "robin") in roles) == may
    assert refused(staff, act, "sam") is not None


@given_any(some.data())
@run(max_examples=examples(100))
def test_nothing_later_writes_what_was_signed(data: some.DataObject) -> None:
    story = data.draw(some.sampled_from([in_danger, referred]))()
    assert refusal(story) is None
    before = len(story.all_emitted)
    signed = names(next(each for each in story.all_emitted if isinstance(each, w.PlacementSigned)))
    assert len(signed) == 4
    for kind in data.draw(some.lists(LATER, max_size=8)):
        story.and_then(data.draw(commands.COMMANDS[kind](story)))
    assert [each for each in story.all_emitted[before:] if not signed.isdisjoint(names(each))] == []


REFERRAL = ("ServiceRequest", "order")


def names(event: Event) -> set[tuple[object, object]]:
    """Without the referral, which is answered at each step and has the signature that stands."""
    written = [each for each in event.write(PATIENT) if (each["resourceType"], each.get("intent")) != REFERRAL]
    return {(each["resourceType"], each["id"]) for each in written}


def test_without_a_recommendation_the_signature_stands_under_the_referral_which_is_no_proposal() -> None:
    story = given(referral())
    assert story.state.referral is not None
    identity, task_id = story.state.referral.id, story.state.referral.review_id
    story.and_then(w.SignPlacement(task_id=task_id, level="2.1", reason="court-order", by="clinician-1", version="4"))
    (event,) = [each for each in story.emitted if isinstance(each, w.PlacementSigned)]
    (request,) = [each for each in event.write(PATIENT) if each["resourceType"] == "ServiceRequest"]
    assert (request["id"], request["status"], request["intent"]) == (identity, "active", "order")


def test_the_version_that_was_read_stands_in_all_that_is_written() -> None:
    story = admitted()
    (event,) = [each for each in story.all_emitted if isinstance(each, w.PlacementSigned)]
    task, provenance, request, audited, referral = event.write(PATIENT)
    named = {"system": codes.VERSION, "value": f"ServiceRequest/{event.signature.request_id}/_history/1"}
    version = {"type": "ServiceRequest", "identifier": named}
    assert version in [each["valueReference"] for each in task["input"]]  # type: ignore[attr-defined]
    assert provenance["entity"] == [{"role": "source", "what": version}]
    assert str(version) in str(request["relevantHistory"]) and request["status"] == "completed"
    assert (referral["id"], referral["relevantHistory"]) == (event.referral_id, request["relevantHistory"])
    assert "{'type': 'version', 'valueString': '1'}" in str(audited["entity"])
    assert event.signature.at == MONDAY
