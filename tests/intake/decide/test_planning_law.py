"""Laws of a stay that has not begun, over any history of referrals, evidence, answers and time."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given as given_that
from hypothesis import settings as with_settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.decide.placing import known_before_start
from services.intake.placement.levels import is_below
from services.intake.placement.planned import danger, episode_id
from services.intake.placement.recommendation import recommend
from services.intake.state import State, evolve
from shared.events.envelope import Command, Event
from shared.path.service import STATE_BYTES_MOST
from tests.intake.decide.test_planning import set_plan
from tests.intake.decide.test_referral_life import STEPS, commands, look_at
from tests.intake.given import DIRECTOR, IOP_NEEDS, assessment, found, sign
from tests.intake.story import Story
from tests.laws import examples
from tests.story import only

DAY = timedelta(days=1)
PLANS: Sequence[str | Command] = (
    *("plan-1", "plan-3", "plan-20", "wait") * 4,
    *("move-2", "move-30", "queue", "begin", "cancel", "patient-declined", "not-available"),
    *("still-true", "contact", "assessed", "rises", "falls", "unreadable", "danger", "corrected", "a-week"),
)


def asked(story: Story, step: str | Command) -> Sequence[Command]:
    state, (kind, _, days) = story.state, str(step).partition("-")
    if step not in PLANS or isinstance(step, Command):
        return commands(story, step)
    match kind:
        case "plan" | "wait" if state.recommended is not None:
            start = story.now + int(days) * DAY if days else None
            return [sign(state, "2.1", "clinical-judgment", DIRECTOR, start=start, waits=start is None)]
        case "move" if state.referral is not None:
            return [set_plan(story, "planned", story.now + int(days) * DAY)]
        case "queue" | "begin" | "cancel" if state.referral is not None:
            status = {"queue": "waitlist", "begin": "active", "cancel": "cancelled"}[kind]
            return [set_plan(story, status)]
        case "patient" | "not" if state.referral is not None:
            return [set_plan(story, "cancelled", reason=str(step))]
        case "still" | "contact":
            return [_answered(each) for each in state.reviews if each.reason in ("confirm-needs", "contact")]
        case "a":
            story.until(story.now + 7 * DAY)
    return _evidence(story, step)


def _answered(review: w.Review) -> w.CompleteReview:
    outcome: w.ReviewOutcome | None = "still-true" if review.reason == "confirm-needs" else None
    return w.CompleteReview(task_id=review.id, by="clinician-1", outcome=outcome)


def _evidence(story: Story, step: str) -> Sequence[Command]:
    need = {"assessed": "2.1", "rises": "3.7", "falls": "1.5", "unreadable": "unreadable"}.get(step)
    if need is not None:
        return [assessment({**IOP_NEEDS, "substance-use-risk": need}, "safe-housing", at=story.now)]
    if step == "danger":
        return [w.RecordAssessment(findings=found("c-ssrs-q4", at=story.now))]
    return [w.RecordAssessment(sources=("Observation/c-ssrs-q4",))] if step == "corrected" else []


@with_settings(max_examples=examples(40), deadline=None)
@given_that(some.lists(some.sampled_from([*STEPS, *PLANS, *PLANS]), min_size=60, max_size=200))
def test_whatever_happens_a_stay_is_planned_or_waits_or_is_open_and_never_begins_below_what_the_rules_ask(
    steps: list[str | Command],
) -> None:
    story, watch = Story(), Watch()
    for step in steps:
        for command in asked(story, step):
            story.and_then(command)
            look_at(story)
        watch.look(story)


class Watch:
    """What is emitted, event by event: each is looked at with the state in which it was."""

    def __init__(self) -> None:
        self.status: dict[str, str] = {}
        self.seen = 0

    def look(self, story: Story) -> None:
        for event in story.all_emitted[self.seen :]:
            self._turned(event)
        self.seen = len(story.all_emitted)
        plan, state = story.state.planned, story.state
        open_now = [each for each, status in self.status.items() if status in ("planned", "waitlist", "active")]
        expected = [episode_id(state.referral.id)] if plan is not None and state.referral is not None else []
        assert open_now == [*expected, *([state.episode.id] if state.episode else [])]
        assert len(open_now) <= 1 and (plan is None or self.status[open_now[0]] == plan.status)
        assert plan is None or (state.recommended is None and state.death is None)
        assert len(repr(plan)) < STATE_BYTES_MOST
        if plan is not None:
            known = known_before_start(state, story._moment())
            level = recommend(known, story.settings).level
            assert level is None or not is_below(plan.bound, level)
            assert set(danger(known)) <= set(plan.danger)
            assert plan.start is None or state.review_of("confirm-needs") or plan.starts_at > story.now  # type: ignore[operator]
            assert plan.start is not None or state.review_of("contact") is not None

    def _turned(self, event: Event) -> None:
        """FHIR's status of each EpisodeOfCare, and whether it may follow the one before."""
        match event:
            case w.EpisodePlanned() | w.EpisodeWaitlisted():
                assert self.status.get(event.episode_id) != "active"
                self.status[event.episode_id] = "planned" if isinstance(event, w.EpisodePlanned) else "waitlist"
            case w.EpisodeCancelled():
                assert self.status[event.episode_id] in ("planned", "waitlist")
                self.status[event.episode_id] = "cancelled"
            case w.EpisodeAdmitted():
                before = self.status.get(event.episode_id)
                assert before in ("planned", "waitlist") or not event.earlier
                self.status[event.episode_id] = "active"
            case w.EpisodeDischarged():
                self.status[event.episode_id] = "finished"
            case w.DischargeWithdrawn():
                self.status[event.episode_id] = "active"


@with_settings(max_examples=examples(100), deadline=None)
@given_that(some.lists(some.sampled_from([*STEPS, *PLANS, *PLANS]), min_size=15, max_size=40), some.sampled_from(PLANS))
def test_the_same_evidence_and_the_same_setting_again_change_nothing(steps: list[str | Command], last: str) -> None:
    story = Story()
    for step in steps:
        for command in asked(story, step):
            story.and_then(command)
    for command in asked(story, last):
        if not isinstance(command, w.SetPlan | w.RecordAssessment):
            continue
        story.and_then(command)
        state = story.state
        assert story.and_then(command).emitted == [] or story.refused is not None
        assert story.state.planned == state.planned and story.state.episode == state.episode


def test_a_plan_stays_small_beside_the_worst_of_states() -> None:
    story = Story()
    for step in ("assessed", STEPS[0], "danger", "plan-3", *("queue", "move-2") * 20):
        story.at(story.now + timedelta(minutes=1))
        for command in asked(story, step):
            story.and_then(command)
    assert story.state.planned is not None and len(story.state.planned.known) == 6
    assert only(story.emitted, w.EpisodePlanned)[0].earlier[0].status == "planned"
    assert evolve(State(), w.PlanLookedAt(look_at=story.now)) == State()
