"""The life of a referral: one state, which its last answer says, and while it is open an owner and a due time."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given as given_that
from hypothesis import settings as with_settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.decide import answering
from services.intake.record import REFERRALS_MOST, TOO_MANY
from shared.events.envelope import Command
from shared.rules.consent import Partner
from tests.intake.given import IOP_NEEDS, MONDAY, assessment, sign
from tests.intake.story import Story, admitted, given, referred
from tests.laws import examples
from tests.story import only

HOURS = timedelta(hours=1)
NEEDED = assessment(IOP_NEEDS, "safe-housing")


def named(number: int) -> str:
    return f"8b1f5a0e-{number:04d}-4c5a-9e0e-3f0c5a0e5a0e"


def came(number: int, priority: w.Priority = "routine", level: str = "", hours_ago: int = 0) -> w.ReceiveReferral:
    """Each was written an hour after the one numbered before, unless it says otherwise."""
    at = MONDAY + number * HOURS - hours_ago * HOURS
    task_id = f"9c1f5a0e-{number:04d}-4c5a-9e0e-3f0c5a0e5a0e"
    return w.ReceiveReferral(referral_id=named(number), task_id=task_id, authored_at=at, priority=priority, level=level)


def corrected(number: int, priority: w.Priority, level: str = "") -> w.CorrectReferral:
    return w.CorrectReferral(referral_id=named(number), priority=priority, level=level)


def revoked(number: int) -> w.RevokeReferral:
    return w.RevokeReferral(referral_id=named(number), reason="referral-revoked", at=MONDAY)


def discharge(story: Story) -> w.Discharge:
    assert story.state.episode is not None
    return w.Discharge(
        episode_id=story.state.episode.id, encounter_id=named(9999), disposition="completed", at=story.now
    )


def answers(story: Story, number: int) -> list[tuple[str, str]]:
    return [(each.state, each.reason) for each in story.answers if each.referral_id == named(number)]


def placed(story: Story) -> str | None:
    return story.state.referral.id if story.state.referral is not None else None


def test_a_referral_is_answered_at_each_step_to_its_admission() -> None:
    story = given(came(1)).and_then(NEEDED)
    story.and_then(sign(story.state))
    assert answers(story, 1) == [
        ("in-review", "needs-missing"),
        ("recommended", "level-recommended"),
        ("admitted", "placement-signed"),
    ]
    looked_at, recommended, ended = story.answers
    assert (looked_at.owner, looked_at.act_by) == ("licensed-clinician", MONDAY + 24 * HOURS)
    assert (recommended.owner, recommended.act_by) == ("licensed-clinician", MONDAY + 24 * HOURS)
    assert story.state.episode is not None and ended.episode_id == story.state.episode.id and ended.owner == ""


def test_a_declined_referral_says_the_level_needed_every_rule_and_where_to() -> None:
    house = Partner(
        name="house", identifier="hub-house", kind="treating-provider", programs=("demo",), purpose="TREAT",
        offers=("3.5", "3.7"),
    )  # fmt: skip
    group = replace(house, name="group", identifier="group", kind="mutual-help-group")
    other = replace(house, name="other", identifier="other", offers=("3.7",))
    story = given(NEEDED, came(1), partners=(house, group, other))
    story.and_then(sign(story.state, "3.5", "clinical-judgment"))
    (*_, answer) = story.answers
    assert (answer.state, answer.reason, answer.level, answer.rules) == (
        "declined", "another-level-needed", "3.5", ("R14",)
    )  # fmt: skip
    assert answer.offers == (w.ReferralOffer("hub-house", "treating-provider"),)


def test_a_person_declines_one_without_a_level() -> None:
    story = given(came(1))
    (review,) = story.state.reviews
    story.and_then(w.CompleteReview(task_id=review.id, by="clinician-1", outcome="referral-declined"))
    (*_, answer) = story.answers
    assert (answer.state, answer.reason, answer.level, answer.offers) == ("declined", "referral-declined", "", ())


def test_of_the_most_urgent_the_oldest_is_placed_next_whichever_came_first() -> None:
    story = given(NEEDED, came(1), came(5), came(4, "urgent"), came(3, "urgent"), came(2, "asap", hours_ago=-90))
    order = []
    for _ in range(5):
        order.append(placed(story))
        story.and_then(revoked(int((placed(story) or "").split("-")[1])))
    assert order == [named(each) for each in (1, 2, 3, 4, 5)]
    assert story.state.referrals == () == story.state.reviews


def test_after_the_discharge_the_next_is_placed_at_once() -> None:
    story = given(NEEDED, came(1), came(2), came(3, "stat"))
    story.and_then(sign(story.state))
    assert placed(story) is None and len(story.state.seconds) == 2
    story.and_then(discharge(story))
    assert (placed(story), answers(story, 3)[-1]) == (named(3), ("in-review", "needs-missing"))
    assert answers(story, 2) == [("received", "second-referral")]


def test_a_more_urgent_one_takes_the_turn_of_one_for_which_nothing_is_recommended() -> None:
    story = given(came(1), came(2, "urgent"))
    assert placed(story) == named(2)
    assert answers(story, 1) == [("in-review", "needs-missing"), ("received", "second-referral")]
    assert answers(story, 2) == [("in-review", "needs-missing")]
    assert [each.focus for each in story.state.reviews] == [f"ServiceRequest/{named(each)}" for each in (2, 1)]


def test_an_equally_urgent_one_takes_nobodys_turn_however_old_it_is() -> None:
    assert placed(given(came(1, "urgent"), came(2, "urgent", hours_ago=99))) == named(1)


def test_a_recommendation_that_waits_for_its_signature_stands_beside_a_more_urgent_referral() -> None:
    story = given(NEEDED, came(1), came(2, "stat", "2.1"))
    assert (placed(story), answers(story, 2)) == (named(1), [("received", "second-referral")])
    story.and_then(sign(story.state))
    assert answers(story, 1)[-1] == ("admitted", "placement-signed")
    assert answers(story, 2)[-1] == ("admitted", "joined-stay")


def test_a_recommendation_that_no_longer_holds_gives_its_turn_to_the_more_urgent_referral() -> None:
    story = given(NEEDED, came(1), came(2, "stat"))
    story.at(MONDAY + timedelta(days=8)).and_then(w.TimePassed())
    assert placed(story) == named(2)
    assert answers(story, 1)[-1] == ("received", "second-referral")


def test_another_priority_gives_another_turn() -> None:
    story = given(came(1), came(2)).and_then(corrected(2, "urgent"))
    assert (placed(story), story.state.referral and story.state.referral.priority) == (named(2), "urgent")
    story.and_then(corrected(2, "routine"), corrected(1, "routine"), corrected(7, "stat"))
    assert (placed(story), story.answers[-1].priority) == (named(2), "routine")
    assert story.and_then(corrected(1, "asap")).answers[-2].priority == "asap"
    assert placed(story) == named(1)


@pytest.mark.parametrize(
    ("level", "answer"),
    [
        ("2.1", ("admitted", "joined-stay")),
        ("3.7", ("received", "second-referral")),
        ("", ("received", "second-referral")),
    ],
)
def test_a_referral_joins_a_stay_of_its_level_whether_it_comes_before_or_during_it(
    level: str, answer: tuple[str, str]
) -> None:
    during, before = admitted().and_then(came(2, level=level)), referred().and_then(came(2, level=level))
    before.and_then(sign(before.state))
    corrects = admitted().and_then(came(2)).and_then(corrected(2, "stat", level))
    assert corrects.answers[-1].priority == "stat"
    assert [answers(each, 2)[-1] for each in (during, before, corrects)] == [answer] * 3
    assert during.state.episode is not None
    waits = [] if level == "2.1" else [named(2)]
    assert [[each.id for each in story.state.seconds] for story in (during, before, corrects)] == [waits] * 3


def test_the_one_that_joined_a_stay_says_nothing_new_when_it_comes_again() -> None:
    story = admitted().and_then(came(2, level="2.1"))
    assert story.and_then(came(2, level="2.1")).emitted == [] and len(answers(story, 2)) == 1
    assert story.and_then(came(3, level="2.1")).names() == ["ReferralReceived", "ReferralConcluded"]


def test_a_sixth_is_followed_no_further_and_a_person_is_asked_once_however_many_come() -> None:
    story = given(NEEDED, *(came(each) for each in range(1, 9)))
    assert len(story.state.referrals) == REFERRALS_MOST
    assert [answers(story, each)[-1] for each in (6, 7, 8)] == [("declined", TOO_MANY)] * 3
    asked = [each for each in story.state.reviews if each.reason == TOO_MANY]
    assert [each.focus for each in asked] == [f"ServiceRequest/{named(6)}"]
    assert asked[0].act_by == MONDAY + 24 * HOURS


def test_a_more_urgent_sixth_is_followed_and_the_newest_of_the_least_urgent_is_not() -> None:
    story = given(NEEDED, *(came(each) for each in range(1, 6)), came(6, "stat"))
    assert [each.id for each in story.state.referrals] == [named(each) for each in (1, 2, 3, 4, 6)]
    assert answers(story, 5)[-1] == ("declined", TOO_MANY)


def test_one_that_found_no_room_is_received_anew_once_there_is_some() -> None:
    story = given(NEEDED, *(came(each) for each in range(1, 7)), revoked(3), came(6))
    assert answers(story, 6)[-1] == ("received", "second-referral")


def test_while_a_death_is_reported_a_referral_waits_for_whoever_confirms_it() -> None:
    story = given(NEEDED, came(1), came(2)).and_then(w.ReportDeath(), came(3))
    waits = story.answers[-2]
    assert (waits.referral_id, waits.reason, waits.owner) == (named(1), "death-reported", "case-manager")
    assert waits.act_by is not None
    assert [answers(story, each)[-1][0] for each in (2, 3)] == ["received", "received"]
    story.and_then(w.WithdrawDeath())
    assert [answers(story, each)[-1][0] for each in (1, 2, 3)] == ["recommended", "received", "received"]


@pytest.mark.parametrize(
    ("reason", "states"),
    [("confirmed", ["withdrawn"] * 2), ("mistaken", ["recommended", "received"]), ("acted-on", ["received"] * 2)],
)
def test_a_death_that_a_person_answers_ends_the_referrals_or_leaves_each_with_somebody(
    reason: str, states: list[str]
) -> None:
    story = given(NEEDED, came(1), came(2)).and_then(w.ReportDeath())
    (asked,) = story.state.escalations
    story.and_then(w.ResolveEscalation(escalation_id=asked.escalation.id, reason=reason, by="case-manager-1"))
    assert [answers(story, each)[-1][0] for each in (1, 2)] == states
    assert all(answering.position(story.state, each).act_by is not None for each in story.state.referrals)


def test_a_patient_found_to_live_after_another_answer_is_placed() -> None:
    story = given(NEEDED, came(1)).and_then(w.ReportDeath())
    (asked,) = story.state.escalations
    story.and_then(w.ResolveEscalation(escalation_id=asked.escalation.id, reason="acted-on", by="case-manager-1"))
    assert placed(story) is None
    assert answers(story.and_then(w.WithdrawDeath()), 1)[-1] == ("recommended", "level-recommended")


def test_a_discharge_taken_back_leaves_the_referral_that_came_since_with_a_person() -> None:
    story = admitted()
    story.and_then(discharge(story), NEEDED, came(2, level="2.1"))
    assert answers(story, 2)[-1] == ("recommended", "level-recommended")
    story.and_then(w.WithdrawDischarge(encounter_id=named(9999)))
    assert answers(story, 2)[-1] == ("received", "second-referral")
    assert [each.id for each in story.state.seconds] == [named(2)]


@pytest.mark.parametrize("begins", [Story, admitted])
def test_more_time_to_look_moves_the_due_time_of_the_referral_too_as_it_does_of_the_review(
    begins: Callable[[], Story],
) -> None:
    begun = begins().and_then(came(1))
    (review,) = begun.state.reviews
    later = MONDAY + timedelta(hours=48, microseconds=7)
    begun.and_then(
        w.CompleteReview(task_id=review.id, by="clinician-1", outcome="more-information-asked", act_by=later)
    )
    (asked,) = only(begun.emitted, w.PlacementReviewRequested)
    assert begun.answers[-1].act_by == asked.review.act_by == MONDAY + 48 * HOURS


STEPS: Sequence[str | Command] = (
    *(came(each, priority) for each in range(1, 8) for priority in ("routine", "stat")),
    *(came(each, "urgent", "2.1") for each in range(1, 4)),
    *(revoked(each) for each in range(1, 8)),
    *(corrected(each, "asap", "2.1") for each in range(1, 8)),
    NEEDED,
    w.ReportDeath(),
    w.WithdrawDeath(),
    "sign",
    "decline",
    "look",
    "more",
    "leave",
    "return",
    "confirmed",
    "mistaken",
    "acted-on",
    "tomorrow",
)


@with_settings(max_examples=examples(300))
@given_that(some.lists(some.sampled_from(STEPS), max_size=40))
def test_each_referral_has_one_state_its_last_answer_says_it_and_an_open_one_has_an_owner_and_a_due_time(
    steps: list[str | Command],
) -> None:
    story = Story()
    for step in steps:
        for command in commands(story, step):
            story.and_then(command)
            look_at(story)


def look_at(story: Story) -> None:
    last = {each.referral_id: each for each in story.answers}
    received = {each.referral_id for each in only(story.all_emitted, w.ReferralReceived)}
    open_now = {each.id: each for each in story.state.referrals}
    assert len(open_now) == len(story.state.referrals) <= REFERRALS_MOST
    assert received == last.keys()
    for identity, answer in last.items():
        is_open = answer.state in ("received", "in-review", "recommended", "wait-listed", "planned")
        assert is_open == (identity in open_now)
        assert (bool(answer.owner) and answer.act_by is not None) == is_open
    for identity, referral in open_now.items():
        stands, answer = answering.position(story.state, referral), last[identity]
        assert stands == (answer.reason, answer.priority, answer.owner, answer.act_by)
    first, decided = story.state.referral, story.state.recommended or story.state.planned
    if first is not None and decided is None and story.state.death is None:
        assert all(first.rank <= each.rank for each in story.state.seconds)


def commands(story: Story, step: str | Command) -> Sequence[Command]:
    state = story.state
    match step:
        case Command():
            return [step]
        case "tomorrow":
            story.until(story.now + timedelta(days=1))
        case "sign" | "decline" if state.recommended is not None:
            return [sign(state, "2.1" if step == "sign" else "3.5", "clinical-judgment")]
        case "look" | "more" if state.reviews:
            return [_look(story, step)]
        case "leave" if state.episode is not None:
            return [discharge(story)]
        case "return" if state.ended is not None:
            return [w.WithdrawDischarge(episode_id=state.ended.episode.id)]
        case "confirmed" | "mistaken" | "acted-on":
            reported = [each.escalation.id for each in state.escalations if each.escalation.reason == "death-reported"]
            return [w.ResolveEscalation(escalation_id=each, reason=step, by="case-manager-1") for each in reported]
    return []


def _look(story: Story, step: str) -> w.CompleteReview:
    review, later = story.state.reviews[-1], story.now + timedelta(days=2, microseconds=7)
    outcome: w.ReviewOutcome | None = "more-information-asked" if step == "more" else None
    if step == "look" and review.reason == "R0":
        outcome = "referral-declined"
    return w.CompleteReview(task_id=review.id, by="clinician-1", outcome=outcome, act_by=later)
