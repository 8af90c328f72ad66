"""In whatever order contacts are reported, the same is known of them, and the same persons are asked."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.contacts import OVERDUE, REASONS, Contacts, pack, unpack
from services.aftercare.messages import CompleteFollowUp, CorrectFollowUp, FollowUpFellDue, Reach, RecordAttempt
from services.aftercare.state import State
from shared.events.contact import QUESTIONS, UNCODED, Answer, answers_to
from shared.events.envelope import Command
from tests.aftercare.given import DISCHARGED, discharged
from tests.aftercare.story import Story, in_care, plan_contacts
from tests.laws import examples

LESS = settings(max_examples=examples(60))
DAY = timedelta(days=1)
NOW = DISCHARGED + 29 * DAY
STATE_BYTES = 4096
answer = some.sampled_from(
    [Answer(question, code) for question in QUESTIONS for code in (*answers_to(question), UNCODED)]
)
answers = some.lists(answer, max_size=6, unique_by=lambda each: each.question).map(tuple)
reach: some.SearchStrategy[Reach] = some.sampled_from(["reached", "not-reached"])
moments = some.integers(0, 28 * 24).map(lambda hours: DISCHARGED + timedelta(hours=hours, minutes=1))
dispositions = some.sampled_from(["completed", "ama", "lost-to-contact"])


def waiting(disposition: str) -> tuple[Story, list[FollowUpFellDue]]:
    """Of this patient three contacts wait on the 29th day, and asking back goes on where they left early."""
    patient = in_care()
    patient.then(discharged(disposition))
    return patient, plan_contacts(patient.until(NOW))


@some.composite
def reported(draw: some.DrawFn) -> tuple[str, list[Command], list[Command]]:
    """How the stay ended, what is reported of each contact and of attempts at distinct moments, and another order."""
    disposition = draw(dispositions)
    _, contacts = waiting(disposition)
    commands: list[Command] = []
    for contact, at in zip(contacts, draw(some.lists(moments, min_size=3, max_size=3, unique=True)), strict=True):
        how = draw(reach)
        given = draw(answers) if how == "reached" else ()
        commands.append(CompleteFollowUp(task_id=contact.follow_up_id, reach=how, by="a", answers=given, made_at=at))
    for at in draw(some.lists(moments, max_size=4, unique=True)):
        outcome: Any = draw(some.sampled_from(["no-answer", "message", "reached"]))
        task_id = contacts[0].follow_up_id
        commands.append(RecordAttempt(task_id=task_id, channel="PHONE", outcome=outcome, at=at, by="a"))
    return disposition, commands, draw(some.permutations(commands))


def known(disposition: str, commands: list[Command]) -> tuple[Contacts, set[tuple[str, frozenset[str]]], bool]:
    """The contacts, who is asked for what by which evidence, and whether the patient is asked back. By which of the
    contacts of asking back, which begins anew where a wrong report had ended it, may differ."""
    patient, _ = waiting(disposition)
    for each in commands:
        patient.then(each, at=NOW)
        assert patient.refused is None
        patient.then(*(again for again in [each] if isinstance(again, RecordAttempt)), at=NOW)
    asked = {
        (each.escalation.reason, frozenset(signal.evidence for signal in each.escalation.signals))
        for each in patient.state.escalations
        if each.escalation.reason in REASONS - {OVERDUE}
    }
    contacts = patient.state.contacts
    without_asking = msgspec.structs.replace(contacts, re_engagement=None, asks=0)
    return without_asking, asked, contacts.re_engagement is not None


@LESS
@given(reported())
def test_the_order_of_reports_and_their_repetition_change_nothing(
    reports: tuple[str, list[Command], list[Command]],
) -> None:
    disposition, commands, others = reports
    assert known(disposition, commands) == known(disposition, others)


@LESS
@given(reported(), reach, answers)
def test_a_correction_leaves_what_reporting_it_so_at_first_would_have_left(
    reports: tuple[str, list[Command], list[Command]], how: Reach, given_answers: tuple[Answer, ...]
) -> None:
    disposition, commands, _ = reports
    first = commands[0]
    assert isinstance(first, CompleteFollowUp)
    right = msgspec.structs.replace(first, reach=how, answers=given_answers if how == "reached" else ())
    correction = CorrectFollowUp(
        task_id=first.task_id, reach=how, by="a", due_at=NOW, act_by=NOW, answers=right.answers, made_at=first.made_at
    )
    assert known(disposition, [*commands, correction]) == known(disposition, [right, *commands[1:]])


@LESS
@given(reported())
def test_the_state_with_all_that_is_reported_is_small_and_read_back(
    reports: tuple[str, list[Command], list[Command]],
) -> None:
    patient, _ = waiting(reports[0])
    for each in reports[1]:
        patient.then(each, at=NOW)
    patient.until(NOW + 400 * DAY)
    stored = msgspec.json.encode(patient.state)
    assert len(stored) <= STATE_BYTES
    assert msgspec.json.decode(stored, type=State) == patient.state


@given(answers)
def test_answers_are_read_back_in_the_order_of_the_questions(given_answers: tuple[Answer, ...]) -> None:
    assert sorted(unpack(pack(given_answers)), key=repr) == sorted(given_answers, key=repr)


def test_a_letter_of_an_answer_never_means_another_one() -> None:
    """A state holds them: new ones come at the ends alone."""
    assert {question: codes[:4] for question, codes in QUESTIONS.items()} == {
        "abstinence": ("abstinent", "using"),
        "safety": ("safe", "in-crisis"),
        "housing": ("housed", "recovery-residence", "housing-at-risk", "without-housing"),
        "work": ("employed", "in-education", "seeking-work", "not-working"),
        "in-care": ("in-care", "not-in-care"),
        "other": (),
    }
