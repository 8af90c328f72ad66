"""Every command of aftercare, as it may be asked of any story."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import strategies as some

from services.aftercare import messages as w
from services.aftercare.contacts import waiting
from shared.events.aftercare import ANSWER_STEPS
from shared.events.aftercare_plan import CHOICES, PlanActivity
from shared.events.codes import ACTS, EMERGENCIES, HAND_OVER_REASONS
from shared.events.contact import Answer
from shared.events.envelope import Command, name_id
from tests.aftercare.given import DISCHARGED, NEXT_DAY, SETTINGS
from tests.aftercare.story import Story
from tests.aftercare.test_laws import REFERRALS, after, partners, steps
from tests.reopening import reopenings

STORIES = steps.map(after)
ANSWERS = some.sampled_from(
    [(), (Answer("abstinence", "using"),), (Answer("safety", "in-crisis"), Answer("other", "uncoded"))]
)


def _ask(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.AskReferral,
        referral_id=some.sampled_from(REFERRALS),
        partner=partners,
        kind=some.sampled_from(["alumni", "step-down", "recovery-residence"]),
        asked_by=some.just("case-manager-1"),
        send_again_reason=some.sampled_from(["", "not-received"]),
    )


def _agree(story: Story) -> some.SearchStrategy[Command]:
    """All of the plan that goes on, each with some choice; or of one that nobody has."""
    plan = story.state.plan
    stands = plan.activities if plan is not None else ()
    chosen = some.sampled_from(sorted(CHOICES))
    activities = some.tuples(*(some.builds(PlanActivity, some.just(each.code), chosen) for each in stands))
    return some.builds(w.AgreePlan, plan_id=some.just(plan.plan_id if plan else REFERRALS[0]), activities=activities)


def _list(story: Story) -> some.SearchStrategy[Command]:
    """With wishes, with none any more, or with those that stand."""
    wishes = some.sampled_from([None, (), ("women", "na"), ("online",)])
    return some.builds(
        w.AskMeetings, request_id=some.sampled_from(REFERRALS), wishes=wishes, asked_by=some.just("case-manager-1")
    )


def _withdraw(story: Story) -> some.SearchStrategy[Command]:
    referrals = [*(each.referral_id for each in story.state.referrals), *REFERRALS]
    answers = [name_id(each.referral_id, "answer-task") for each in story.state.answers]
    tasks = [*answers, *(name_id(each, "task") for each in referrals)]
    return some.builds(w.WithdrawReferral, task_id=some.sampled_from(tasks))


def _answer(story: Story) -> some.SearchStrategy[Command]:
    """Of a referral that a partner has, by it or by another; or of one that nobody has."""
    tasks = [*(each.task_id for each in story.state.received), *REFERRALS]
    steps = some.sampled_from(sorted(ANSWER_STEPS))
    at = some.timedeltas(timedelta(days=-2), timedelta()).map(lambda ago: NEXT_DAY + ago)
    by = some.sampled_from(["", "case-manager-1"])
    return some.builds(
        w.AnswerReferral, task_id=some.sampled_from(tasks), partner=partner_names, step=steps, answered_at=at, by=by
    )


partner_names = some.sampled_from(sorted(each.name for each in SETTINGS.partners))


def _complete(story: Story) -> some.SearchStrategy[Command]:
    due = [each.task_id for each in waiting(story.state.plan, story.state.contacts)]
    return some.builds(
        w.CompleteFollowUp,
        task_id=some.sampled_from([*due, *REFERRALS]),
        reach=some.sampled_from(["reached", "not-reached"]),
        answers=ANSWERS,
    )


def _correct(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.CorrectFollowUp,
        task_id=some.sampled_from([*story.state.contacts.by_task, *REFERRALS]),
        reach=some.sampled_from(["reached", "not-reached"]),
        by=some.just("case-manager-1"),
        due_at=some.just(DISCHARGED),
        act_by=some.just(DISCHARGED),
        answers=ANSWERS,
    )


def _attempt(story: Story) -> some.SearchStrategy[Command]:
    due = [each.task_id for each in waiting(story.state.plan, story.state.contacts)]
    return some.builds(
        w.RecordAttempt,
        task_id=some.sampled_from([*due, *story.state.contacts.by_task, *REFERRALS]),
        channel=some.sampled_from(["PHONE", "SMSWRIT"]),
        outcome=some.sampled_from(["reached", "no-answer", "message"]),
        at=some.sampled_from([DISCHARGED, NEXT_DAY]),
    )


def _escalations(story: Story) -> some.SearchStrategy[str]:
    return some.sampled_from([*(each.escalation.id for each in story.state.escalations), *REFERRALS])


def _emergency(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.RecordEmergency,
        communication_id=some.sampled_from(REFERRALS),
        nature=some.sampled_from(sorted(EMERGENCIES)),
        disclosed_at=some.just(DISCHARGED),
        by=some.sampled_from(["case-manager-1", "nobody"]),
    )


def _mistaken(story: Story) -> some.SearchStrategy[Command]:
    return some.builds(
        w.MarkEmergency,
        communication_id=some.sampled_from(REFERRALS),
        nature=some.sampled_from(sorted(EMERGENCIES)),
        disclosed_at=some.just(DISCHARGED),
        by=some.just("case-manager-1"),
        mistaken_by=some.just("case-manager-1"),
    )


COMMANDS: dict[type[Command], Callable[[Story], some.SearchStrategy[Command]]] = {
    w.AskReferral: _ask,
    w.WithdrawReferral: _withdraw,
    w.AnswerReferral: _answer,
    w.CountWrongLink: lambda story: some.builds(w.CountWrongLink, task_id=some.sampled_from(REFERRALS)),
    w.AgreePlan: _agree,
    w.CompleteFollowUp: _complete,
    w.CorrectFollowUp: _correct,
    w.RecordAttempt: _attempt,
    w.AskMeetings: _list,
    w.AcknowledgeEscalation: lambda story: some.builds(w.AcknowledgeEscalation, escalation_id=_escalations(story)),
    w.ActOnEscalation: lambda story: some.builds(
        w.ActOnEscalation, escalation_id=_escalations(story), act=some.sampled_from(sorted(ACTS))
    ),
    w.HandOverEscalation: lambda story: some.builds(
        w.HandOverEscalation,
        escalation_id=_escalations(story),
        to=some.sampled_from(["staff/clinician-1", "staff/prescriber-1", "case-manager"]),
        reason=some.sampled_from(sorted(HAND_OVER_REASONS)),
        by=some.sampled_from(["", "clinician-1"]),
    ),
    w.ReopenEscalation: reopenings,
    w.RecordEmergency: _emergency,
    w.MarkEmergency: _mistaken,
    w.ResolveEscalation: lambda story: some.builds(
        w.ResolveEscalation, escalation_id=_escalations(story), reason=some.just("reached")
    ),
}
