"""Who walks out of groups three times: the therapist is asked whether individual therapy is better, and decides."""

from datetime import datetime, timedelta

import pytest

from services.attendance.groups.seat import ALONE
from services.attendance.messages import ChooseGroup, ResolveEscalation
from shared.events.escalation import EscalationResolved
from shared.events.intake import TemplateSlot
from tests.attendance.given import EPISODE, EVENINGS, SETTLED, admitted, evening, present
from tests.attendance.story import UNHURRIED, Story, changed, in_treatment
from tests.story import only

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FIRST, SECOND, THIRD, FOURTH = SETTLED
REPORTS_OVER = timedelta(hours=3 + 24)
LEAVES = "leaves-groups"


def was_there(story: Story, start: datetime, since: int, until: int) -> None:
    """From and to these minutes of the session; those before it are attended whole."""
    story.attending_until(start)
    story.until(start + 4 * HOUR)
    story.then(present(start, start + since * MINUTE, start + until * MINUTE, f"at {start}"))


def walked_out(*starts: datetime, since: int = 0, until: int = 60) -> Story:
    story = in_treatment()
    for each in starts:
        was_there(story, each, since, until)
    story.attending_until(max(starts) + REPORTS_OVER)
    return story


def test_three_ask_the_therapist_and_two_ask_nobody() -> None:
    assert LEAVES not in walked_out(FIRST, SECOND).escalations
    story = walked_out(FIRST, SECOND, THIRD)
    (asked,) = [each for each in story.still_open if each.reason == LEAVES]
    assert (asked.tier, asked.owner) == (1, "primary-therapist")
    assert [each.at for each in asked.signals] == [FIRST, SECOND, THIRD]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (0, 140),  # enough of it: no walk-out
        (90, 180),  # came late and stayed
        (60, 165),  # gone in the last quarter of an hour
    ],
)
def test_whoever_stays_to_the_end_or_for_most_of_it_does_not_walk_out(since: int, until: int) -> None:
    assert LEAVES not in walked_out(FIRST, SECOND, THIRD, since=since, until=until).escalations


def test_an_individual_session_is_no_group() -> None:
    alone = tuple(TemplateSlot("individual", each.weekday, each.start, each.minutes) for each in EVENINGS)
    story = Story(admitted(template=alone), **UNHURRIED)
    for each in (evening(0, 0), evening(0, 2), evening(0, 4)):
        was_there(story, each, 0, 60)
    story.attending_until(evening(0, 4) + REPORTS_OVER)
    assert LEAVES not in story.escalations


def test_the_first_of_several_encounters_is_no_walk_out() -> None:
    story = walked_out(FIRST, SECOND)
    was_there(story, THIRD, 0, 60)
    story.then(present(THIRD, THIRD + HOUR, THIRD + 3 * HOUR, "the second group of the block"))
    story.attending_until(THIRD + REPORTS_OVER)
    assert LEAVES not in story.escalations


def test_it_is_taken_back_when_a_report_is_corrected() -> None:
    story = walked_out(FIRST, SECOND, THIRD)
    emitted = story.then(present(THIRD, THIRD, THIRD + 3 * HOUR, f"at {THIRD}"))
    assert ("Retracted", LEAVES, 1) in changed(emitted)


def test_walk_outs_more_than_five_weeks_apart_are_not_counted_together() -> None:
    late = [evening(2, 0), evening(2, 2), evening(7, 2)]
    assert LEAVES not in walked_out(*late).escalations


def test_the_hub_decides_nothing_and_whoever_is_asked_may_leave_it_as_it_is() -> None:
    story = walked_out(FIRST, SECOND, THIRD)
    assert story.state.episode is not None
    assert {each.kind for each in story.state.episode.template} == {"group"}
    resolve = ResolveEscalation(escalation_id=story.open_id(LEAVES), reason="acted-on", by="primary-therapist-1")
    story.then(resolve)
    assert LEAVES not in story.escalations
    was_there(story, FOURTH, 0, 60)
    story.attending_until(FOURTH + REPORTS_OVER)
    assert LEAVES in story.escalations, "the next one asks again"


def test_individual_therapy_closes_it_and_the_hours_stay() -> None:
    story = walked_out(FIRST, SECOND, THIRD)
    emitted = story.then(ChooseGroup(episode_id=EPISODE, group=ALONE, by="primary-therapist-1"))
    assert story.refused is None
    (resolved,) = [each for each in only(emitted, EscalationResolved) if each.escalation.reason == LEAVES]
    assert resolved.reason == "individual-therapy"
    stay = story.state.episode
    assert stay is not None
    assert [(stay.template[each].kind, stay.template[each].minutes) for each in stay.slots] == [("individual", 180)] * 3
    assert LEAVES not in story.escalations
