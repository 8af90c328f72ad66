"""What a discharge calls for beside its contacts, and how it is agreed with the patient."""

import pytest
from msgspec.structs import replace

from services.aftercare.activities import TABLE, called_for
from services.aftercare.messages import (
    AftercareEnded,
    AftercarePlanned,
    AftercareRevised,
    AgreePlan,
    EpisodeStepped,
    FlagsChanged,
    PatientDied,
)
from services.aftercare.record import InCare
from shared.events.aftercare_plan import PlanActivity
from shared.events.codes import FHIR_DISPOSITION
from tests.aftercare.given import (
    ADMITTED,
    DISCHARGED,
    EPISODE,
    IDENTIFIED,
    NEXT_DAY,
    SECOND_EPISODE,
    admitted,
    discharged,
)
from tests.aftercare.story import Story, in_care
from tests.story import only

LEFT_EARLY = ("ama", "lost-to-contact", "administrative", "incarcerated")
OVERDOSE = {"naloxone", "tolerance-loss"}
DECLINED = PlanActivity("alumni", "declined")


def planned(story: Story, disposition: str = "completed", level: str = "2.1") -> set[str]:
    (plan,) = only(story.then(replace(discharged(disposition), level=level)), AftercarePlanned)
    return {each.code for each in plan.activities}


def agree(story: Story, *chosen: PlanActivity) -> AgreePlan:
    """The plan as it stands, with these in the place of what it says of them, or added."""
    assert story.state.plan is not None
    changed = {each.code: each for each in chosen}
    stands = [changed.pop(each.code, each) for each in story.state.plan.activities]
    return AgreePlan(plan_id=story.state.plan.plan_id, activities=(*stands, *changed.values()), by="case-manager-1")


@pytest.mark.parametrize("disposition", LEFT_EARLY)
def test_whoever_leaves_early_has_naloxone_and_is_told_of_lost_tolerance(disposition: str) -> None:
    assert planned(in_care(), disposition) >= OVERDOSE
    assert not planned(in_care(), "completed") & OVERDOSE


@pytest.mark.parametrize("trait", ["moud", "opioid-history"])
def test_with_opioids_in_the_history_naloxone_is_planned_however_the_stay_ends(trait: str) -> None:
    assert planned(Story(IDENTIFIED, admitted(flags=(trait,))), "completed") >= OVERDOSE


def test_medication_goes_on_for_whoever_has_it_and_for_nobody_else() -> None:
    assert planned(Story(IDENTIFIED, admitted(flags=("moud",)))) >= {"moud-continuity", "prescriber"}
    assert not planned(in_care()) & {"moud-continuity", "prescriber"}


def test_medication_begun_during_the_stay_counts_and_medication_ended_does_not() -> None:
    begun = FlagsChanged(flags=("moud",), ended=(), changed_at=ADMITTED)
    ended = FlagsChanged(flags=(), ended=("moud",), changed_at=ADMITTED)
    assert "moud-continuity" in planned(Story(IDENTIFIED, admitted(), begun))
    assert "moud-continuity" not in planned(Story(IDENTIFIED, admitted(flags=("moud",)), ended))


def test_what_is_known_since_another_level_was_signed_counts() -> None:
    stepped = EpisodeStepped(
        episode_id=EPISODE,
        plan_id="plan",
        referral_id="referral",
        level="1.5",
        direction="step-down",
        track="dual-diagnosis",
        flags=("moud",),
        template=(),
        admitted_at=ADMITTED,
        stepped_at=ADMITTED,
        signed="task",
        by="clinician-1",
    )
    assert planned(Story(IDENTIFIED, admitted(), stepped)) >= {"moud-continuity", "prescriber"}


def test_the_next_level_sees_the_patient_within_a_week_unless_there_is_none_below() -> None:
    (plan,) = only(in_care().then(discharged()), AftercarePlanned)
    step_down = next(each for each in plan.activities if each.code == "step-down")
    assert step_down.due_at is not None and (step_down.due_at - DISCHARGED).days == 7
    assert "step-down" not in planned(in_care(), level="1.0")


@pytest.mark.parametrize("disposition", sorted(FHIR_DISPOSITION.keys() - {"deceased"}))
@pytest.mark.parametrize("level", ["1.0", "2.1", "2.5", ""])
@pytest.mark.parametrize("flags", [(), ("moud",), ("wheelchair", "opioid-history")])
def test_what_is_unknown_of_a_stay_never_makes_its_plan_less(
    disposition: str, level: str, flags: tuple[str, ...]
) -> None:
    known = called_for(disposition, level, InCare(EPISODE, "alcohol", flags), NEXT_DAY)
    unknown = called_for(disposition, "", None, NEXT_DAY)
    assert {each.code for each in known} <= {each.code for each in unknown}
    assert {"crisis-line", "relapse-prevention-plan"} <= {each.code for each in known}


def test_for_who_has_died_nothing_is_planned() -> None:
    assert only(in_care().then(discharged("deceased")), AftercarePlanned) == []


def test_what_the_patient_wants_and_refuses_stands_in_the_plan_and_in_its_end() -> None:
    story = in_care()
    story.then(discharged())
    house = PlanActivity("recovery-residence", "scheduled", "riverbend-house")
    (revised,) = only(story.then(agree(story, house, DECLINED)), AftercareRevised)
    assert {house, DECLINED} <= set(revised.activities)
    assert (revised.by, revised.client) == ("case-manager-1", "case-manager")
    (ended,) = only(story.then(admitted(SECOND_EPISODE)), AftercareEnded)
    assert {house, DECLINED} <= set(ended.activities)


def test_agreed_again_it_says_nothing_new() -> None:
    story = in_care()
    story.then(discharged())
    story.then(agree(story, DECLINED))
    assert story.then(agree(story, DECLINED)) == [] and story.refused is None


def test_a_corrected_discharge_changes_what_is_called_for_and_nothing_that_was_chosen() -> None:
    story = in_care()
    story.then(discharged())
    story.then(agree(story, DECLINED))
    (revised,) = only(story.then(discharged("ama")), AftercareRevised)
    assert {each.code for each in revised.activities} >= OVERDOSE and DECLINED in revised.activities
    assert revised.client == ""
    (moved,) = only(story.then(replace(discharged("ama"), discharged_at=NEXT_DAY)), AftercarePlanned)
    assert DECLINED in moved.activities


def test_a_plan_that_lacks_what_is_planned_is_refused_and_stays() -> None:
    story = in_care()
    story.then(discharged())
    whole = agree(story)
    assert story.then(replace(whole, activities=whole.activities[1:])) == []
    assert story.refused is not None and "step-down" in story.refused.reason


def test_a_plan_that_is_over_or_rests_is_agreed_no_more() -> None:
    story = in_care()
    story.then(discharged())
    whole = agree(story)
    story.then(PatientDied(died_at=None, reported_at=NEXT_DAY))
    story.then(whole)
    assert story.refused is not None and story.refused.code == "conflict"
    again = in_care()
    again.then(whole)
    assert again.refused is not None and again.refused.code == "conflict"


def test_every_row_of_the_table_says_in_plain_english_what_it_is_and_whence() -> None:
    assert all(each.display and each.source for each in TABLE.values())
