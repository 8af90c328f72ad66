"""Laws of a patient where seats are counted and a block grant has its clocks, over any history and any answers."""

from datetime import timedelta

import msgspec
from hypothesis import given as given_that
from hypothesis import settings as with_settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.priority import INTERIM_SERVICES, PRIORITY
from services.intake.state import State, due
from shared.events.envelope import Command, Event
from shared.path.service import STATE_BYTES_MOST
from tests.intake.decide.test_planning_law import PLANS, asked
from tests.intake.decide.test_referral_life import STEPS
from tests.intake.given import found, settings
from tests.intake.story import Story
from tests.laws import examples

DAY = timedelta(days=1)
OF_SEATS = ("given", "full", "line-full", "late-answer", "injects", "pregnant", "born", "interim", "state", "two-days")
EVERY_STEP = some.sampled_from([*STEPS, *PLANS, *PLANS, *OF_SEATS * 4])
COUNTED = settings(capacity={"2.1": 1}, attests=("block-grant",))
SOMEBODY_ELSES = "8b1f5a0e-7777-4c5a-9e0e-3f0c5a0e5a0e"


def happens(story: Story, step: str | Command) -> list[Command | Event]:
    if step not in OF_SEATS:
        return [*asked(story, step)]
    seat = story.state.seat
    stay = seat.episode_id if seat is not None and step != "late-answer" else SOMEBODY_ELSES
    since = seat.asked_since if seat is not None else story.now
    match step:
        case "given" | "late-answer":
            return [w.SeatGiven(episode_id=stay, since=since)]
        case "full" | "line-full":
            return [w.SeatsFull(episode_id=stay, since=since, waits=step == "full")]
        case "injects" | "pregnant" | "born":
            fact = {"injects": "injecting-use", "pregnant": "pregnant", "born": "not pregnant"}[step]
            return [w.RecordAssessment(findings=found(fact, at=story.now))]
        case "two-days":
            story.until(story.now + 2 * DAY)
            return []
    reason = {"interim": "interim-services", "state": "refer-to-state"}[str(step)]
    reviews = [each for each in story.state.reviews if each.reason == reason]
    return [w.CompleteReview(task_id=each.id, by="case-manager-1", services=INTERIM_SERVICES) for each in reviews]


def places_asked(story: Story) -> dict[str, bool]:
    """Of each stay whether the place that was asked last was asked for a seat, or told that it is left."""
    asked_last = {}
    for each in story.to_others:
        assert isinstance(each.event, w.SeatAsked | w.SeatOccupied | w.SeatLeft)
        asked_last[each.event.episode_id] = not isinstance(each.event, w.SeatLeft)
    return asked_last


def waits_in_line(story: Story) -> dict[str, bool]:
    """By the state: a seat that passed to the next was left."""
    seat = story.state.seat
    return {seat.episode_id: not seat.passed} if seat is not None else {}


@with_settings(max_examples=examples(60), deadline=None)
@given_that(some.lists(EVERY_STEP, min_size=30, max_size=120))
def test_whatever_happens_the_places_know_of_the_seat_that_the_state_remembers_and_of_no_other(
    steps: list[str | Command],
) -> None:
    story = Story(settings=COUNTED)
    for step in steps:
        for event in happens(story, step):
            before = len(story.to_others)
            story.and_then(event)
            if any(isinstance(each, w.EpisodeAdmitted) for each in story.emitted):
                assert not any(isinstance(each.event, w.SeatOccupied) for each in story.to_others[before:])
            asked_for = [stay for stay, is_asked in places_asked(story).items() if is_asked]
            assert asked_for == [stay for stay, waits in waits_in_line(story).items() if waits]
            stay, seat = story.state.episode, story.state.seat
            assert stay is None or stay.level != "2.1" or (seat is not None and seat.given is not None)
    assert len(msgspec.json.encode(story.state)) <= STATE_BYTES_MOST
    assert msgspec.json.decode(msgspec.json.encode(story.state), type=State) == story.state


@with_settings(max_examples=examples(60), deadline=None)
@given_that(some.lists(EVERY_STEP, min_size=10, max_size=60))
def test_a_clock_runs_for_the_referral_that_is_placed_alone_and_every_deadline_moves(
    steps: list[str | Command],
) -> None:
    story = Story(settings=COUNTED)
    for step in steps:
        for event in happens(story, step):
            story.and_then(event)
            open_now = [each for each in story.state.reviews if each.reason in PRIORITY]
            referral = story.state.referral
            assert all(referral is not None and each.focus == referral.focus and each.act_by for each in open_now)
    story.until(story.now + 130 * DAY)
    assert due(story.state) is None or due(story.state) > story.now  # type: ignore[operator]


@with_settings(max_examples=examples(100), deadline=None)
@given_that(some.lists(EVERY_STEP, min_size=5, max_size=40), some.booleans())
def test_an_answer_that_comes_again_changes_nothing(steps: list[str | Command], is_given: bool) -> None:
    story = Story(settings=COUNTED)
    for step in steps:
        for event in happens(story, step):
            story.and_then(event)
    (answer,) = happens(story, "given" if is_given else "full")
    story.and_then(answer)
    state, before = story.state, len(story.to_others)
    assert story.and_then(answer).emitted == []
    assert (story.state, len(story.to_others)) == (state, before)
