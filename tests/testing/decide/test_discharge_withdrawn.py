"""A discharge that is taken back: what it closed is asked again, where the results behind it still stand."""

from services.testing.messages import AcknowledgeEscalation, DischargeWithdrawn, ResolveEscalation
from shared.events.envelope import name_id
from shared.events.escalation import EscalationEvent, EscalationRaised, EscalationResolved
from tests.story import only
from tests.testing.given import ADMISSION, EPISODE, NAMES, day, discharged, evidence, report
from tests.testing.story import Story, in_treatment


def taken_back(episode_id: str = EPISODE) -> DischargeWithdrawn:
    return DischargeWithdrawn(
        episode_id=episode_id,
        encounter_id=name_id(NAMES, "encounter"),
        plan_id="",
        admitted_at=ADMISSION,
        withdrawn_at=day(12),
        client="ehr",
    )


def positive() -> Story:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive", COCAINE="positive"))
    assert story.escalations == {"unexpected-positive-opioid": 3, "unexpected-positive-presumptive": 2}
    return story


def test_what_the_discharge_closed_is_asked_again() -> None:
    story = positive()
    asked = story.escalations
    assert len(only(story.then(discharged(day(10))), EscalationResolved)) == 2
    assert len(only(story.then(taken_back(), at=day(12)), EscalationRaised)) == 2
    assert story.escalations == asked
    assert story.then(taken_back(), at=day(12)) == []


def test_what_a_person_had_answered_before_is_not_asked_again() -> None:
    story = positive()
    identity = next(
        each.escalation.id for each in story.state.escalations if each.escalation.reason == "unexpected-positive-opioid"
    )
    story.then(AcknowledgeEscalation(escalation_id=identity), at=day(9))
    story.then(ResolveEscalation(escalation_id=identity, reason="acted-on"), at=day(9))
    story.then(discharged(day(10)))
    story.then(taken_back(), at=day(12))
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_a_result_that_was_corrected_meanwhile_asks_for_nothing() -> None:
    story = positive()
    story.then(discharged(day(10)))
    story.then(report("weekly", 7, issued=11, status="corrected", FENTANYL="negative", COCAINE="positive"), at=day(11))
    story.then(taken_back(), at=day(12))
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_taken_back_for_another_stay_or_one_that_is_open_nothing_changes() -> None:
    story = positive()
    before = story.state
    assert story.then(taken_back(), at=day(12)) == []
    story.then(discharged(day(10)))
    assert story.then(taken_back(name_id(NAMES, "another")), at=day(12)) == []
    assert before.episode is not None and before.episode.discharged_at is None


def test_of_many_positives_asked_again_at_once_none_is_left_out() -> None:
    """An event shows four signals: the first is raised with the oldest, then updated with the others."""
    story = in_treatment()
    for week in range(6):
        story.then(report(f"week {week}", 7 * week + 7, OPIATES="positive"))
    (before,) = story.state.escalations
    story.then(discharged(day(50)), at=day(50))

    emitted = story.then(taken_back(), at=day(52))

    shown = {each.evidence for event in only(emitted, EscalationEvent) for each in event.escalation.signals}
    (again,) = story.state.escalations
    assert shown == {evidence(f"week {week}") for week in range(6)}
    assert again.escalation.signals == before.escalation.signals
