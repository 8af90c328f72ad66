"""What a case manager ticked off by mistake is theirs again, where the patient still waits for it."""

from datetime import timedelta

from services.aftercare.messages import EscalationResolved, ResolveEscalation, WithdrawReferral
from shared.events.escalation import EscalationRaised, EscalationReopened
from shared.rules.escalation import STANDS_NO_MORE
from tests.aftercare.decide.test_answers import THIRD_DAY, escalated
from tests.aftercare.given import SECOND_EPISODE, admitted, discharged
from tests.aftercare.story import Story, in_care
from tests.reopening import reopening
from tests.story import only

PERSON = "case-manager-1"
RESOLVED_AT = THIRD_DAY + timedelta(hours=1)
LATER = RESOLVED_AT + timedelta(hours=1)


def resolved(story: Story) -> EscalationResolved:
    (known,) = story.state.escalations
    resolve = ResolveEscalation(escalation_id=known.escalation.id, reason="acted-on", by=PERSON)
    (event,) = only(story.then(resolve, at=RESOLVED_AT), EscalationResolved)
    return event


def left() -> Story:
    story = in_care()
    (raised,) = only(story.then(discharged("ama")), EscalationRaised)
    assert raised.escalation.reason == "re-engagement"
    return story


def test_a_referral_that_still_waits_is_theirs_again() -> None:
    patient, _ = escalated()
    event = resolved(patient)
    (again,) = only(patient.then(reopening(event), at=LATER), EscalationReopened)
    (stands,) = patient.state.escalations
    assert (stands.accepted_by, stands.escalation.id) == (PERSON, event.escalation.id)
    assert again.escalation.signals == event.escalation.signals
    assert patient.then(reopening(event), at=LATER) == [] and patient.refused is None


def test_a_referral_that_was_taken_back_since_is_not_asked_again() -> None:
    patient, alumni = escalated()
    event = resolved(patient)
    patient.then(WithdrawReferral(task_id=alumni.task_id, by=PERSON), at=LATER)
    assert patient.refusal(reopening(event), at=LATER) == STANDS_NO_MORE


def test_a_referral_that_is_taken_back_afterwards_ends_it_like_any_other() -> None:
    patient, alumni = escalated()
    event = resolved(patient)
    patient.then(reopening(event), at=LATER)
    patient.then(WithdrawReferral(task_id=alumni.task_id, by=PERSON), at=LATER)
    assert patient.state.escalations == ()


def test_who_left_is_asked_back_again() -> None:
    patient = left()
    event = resolved(patient)
    assert only(patient.then(reopening(event), at=LATER), EscalationReopened)


def test_who_came_back_or_left_otherwise_is_not() -> None:
    back, otherwise = left(), left()
    events = resolved(back), resolved(otherwise)
    back.then(admitted(SECOND_EPISODE))
    otherwise.then(discharged("completed"))
    for patient, event in zip((back, otherwise), events, strict=True):
        assert patient.refusal(reopening(event), at=LATER) == STANDS_NO_MORE
