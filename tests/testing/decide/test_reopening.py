"""A result that somebody ticked off by mistake is theirs again, where it stands."""

from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.testing.grading import grade
from services.testing.grading.triggers import causes
from services.testing.messages import ResolveEscalation
from shared.events.codes import RESOLUTIONS
from shared.events.escalation import EscalationReopened, EscalationResolved, EscalationRetracted
from shared.rules.escalation import STANDS_NO_MORE, STAY_OVER
from tests.laws import examples
from tests.reopening import reopening
from tests.story import PatientStory, only
from tests.testing.given import SETTINGS, day, discharged, report
from tests.testing.story import Story, in_treatment

PERSON = "primary-therapist-1"


def resolved() -> tuple[Story, EscalationResolved]:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"))
    (known,) = story.state.escalations
    resolve = ResolveEscalation(escalation_id=known.escalation.id, reason="acted-on", by=PERSON)
    (event,) = only(story.then(resolve, at=day(8.5)), EscalationResolved)
    return story, event


def test_it_is_the_same_again_and_theirs() -> None:
    story, event = resolved()
    (again,) = only(story.then(reopening(event), at=day(8.6)), EscalationReopened)
    (stands,) = story.state.escalations
    assert (stands.accepted, stands.accepted_by, stands.escalation) == (True, PERSON, again.escalation)
    same = {"act_by": again.escalation.act_by, "acknowledge_by": again.escalation.acknowledge_by}
    assert replace(event.escalation, **same) == again.escalation


def test_what_another_specimen_asked_for_is_not_asked_with_it() -> None:
    story, event = resolved()
    story.then(report("second", 8, BENZODIAZEPINES="positive"))
    (other,) = story.state.escalations
    story.then(ResolveEscalation(escalation_id=other.escalation.id, reason="acted-on", by=PERSON), at=day(9))
    (again,) = only(story.then(reopening(event), at=day(9.1)), EscalationReopened)
    assert again.escalation.signals == event.escalation.signals


def test_what_was_taken_back_since_is_not_asked_again() -> None:
    story, event = resolved()
    story.then(report("weekly", 7, issued=8.6, status="entered-in-error", COCAINE="positive"))
    assert story.escalations == {}
    assert story.decisions.decide(story.state, reopening(event), story._moment()) == STANDS_NO_MORE


def test_a_correction_afterwards_retracts_it_like_any_other() -> None:
    story, event = resolved()
    story.then(reopening(event), at=day(8.6))
    emitted = story.then(report("weekly", 7, issued=8.7, status="corrected", COCAINE="negative"))
    assert [each.escalation.id for each in only(emitted, EscalationRetracted)] == [event.escalation.id]


def test_another_one_of_its_reason_is_answered_instead() -> None:
    story, event = resolved()
    story.then(report("second", 8, BENZODIAZEPINES="positive"))
    answer = story.decisions.decide(story.state, reopening(event), story._moment())
    assert answer.code == "conflict" and f"Task/{story.state.escalations[0].escalation.id}" in answer.reason  # type: ignore[union-attr]


def test_after_the_discharge_nothing_of_the_stay_is_asked() -> None:
    story, event = resolved()
    story.then(discharged(day(8.6)))
    assert story.decisions.decide(story.state, reopening(event), story._moment()) == STAY_OVER


@settings(max_examples=examples(60))
@given(some.permutations(["reopened", "corrected", "voided"]), some.sampled_from(sorted(RESOLUTIONS)))
def test_in_any_order_of_reopening_and_correction_nothing_is_asked_without_a_result(
    order: list[str], resolution: str
) -> None:
    story, event = resolved()
    for minute, step in enumerate(order):
        at = 8.6 + minute / 100
        match step:
            case "reopened":
                PatientStory.then(story, reopening(event, resolution=resolution), at=day(at))
            case "corrected":
                story.then(report("weekly", 7, issued=at, status="corrected", COCAINE="negative"))
            case _:
                story.then(report("weekly", 7, issued=at, status="entered-in-error", COCAINE="positive"))
    stands = {(each.reason, each.signal.evidence) for each in causes(grade(story.state, SETTINGS), SETTINGS)}
    asked = {(each.escalation.reason, s.evidence) for each in story.state.escalations for s in each.escalation.signals}
    assert asked <= stands
