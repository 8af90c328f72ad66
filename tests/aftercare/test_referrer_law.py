"""What holds of answers to referrers for any course: the gate alone lets one out, the newest state comes through."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare import messages as w
from services.aftercare.answers.partner_answers import ANSWERS_MOST, current
from services.aftercare.state import State
from shared.events.envelope import Event, name_id
from shared.events.intake.referrer import ENDED
from shared.path.service import STATE_BYTES_MOST
from tests.aftercare.decide.test_referrer_answers import ANSWERING, DIED, LIVES, REFERRAL, SECOND, about, stands
from tests.aftercare.given import DISCHARGED, IDENTIFIED
from tests.aftercare.story import Story
from tests.laws import examples
from tests.shared.rules.partners import HOSPITAL, consent_to
from tests.story import only

STATES = ("received", "in-review", "wait-listed", "planned", "admitted", "declined", "withdrawn", "closed", "new-state")
Turn = Literal["gate", "late", "consent", "revoke", "died", "lives", "time"]
turns: some.SearchStrategy[Turn] = some.sampled_from(["gate", "late", "consent", "revoke", "died", "lives", "time"])
changes = some.builds(
    stands,
    some.sampled_from(STATES),
    some.sampled_from(["hospital", "hospital", "court", ""]),
    some.sampled_from([REFERRAL, SECOND]),
)
courses = some.lists(turns | changes, max_size=40)


class Gated:
    """A patient's lanes as the gate keeps them: rows in order, answered by the consents that stand at that moment."""

    def __init__(self) -> None:
        self.story = Story(IDENTIFIED, settings=ANSWERING)
        self.rows: list[w.AnswerPrepared] = []
        self.taken_back: set[str] = set()
        self.sent: list[w.AnswerPrepared] = []
        self.permitted = False
        self.version = 0
        self.days = 0

    def take(self, turn: Turn | w.PartnerReferralChanged) -> None:
        match turn:
            case "gate" | "late":
                self.release(twice=turn == "late")
            case "consent":
                self.permitted, self.version = True, self.version + 1
                self.happens(consent_to(HOSPITAL, DISCHARGED, consent_id=str(self.version)))
            case "revoke":
                self.permitted, self.version = False, self.version + 1
                self.happens(w.ConsentRevoked(consent_id=str(self.version - 1), revoked_at=DISCHARGED))
            case "died":
                self.happens(DIED)
            case "lives":
                self.happens(LIVES)
            case "time":
                self.days += 30
                self.note(self.story.until(DISCHARGED + timedelta(days=self.days)))
            case _:
                self.happens(turn)

    def happens(self, event: Event) -> None:
        self.note(self.story.then(event, at=DISCHARGED + timedelta(days=self.days)))

    def note(self, emitted: Sequence[Event]) -> None:
        self.rows += only(emitted, w.AnswerPrepared)
        self.taken_back |= {each.answer_id for each in only(emitted, w.AnswerWithdrawn)}

    def release(self, *, twice: bool) -> None:
        """The lane asks the gate about its first row, and reports what came of it, perhaps twice."""
        if not self.rows:
            return
        row = self.rows.pop(0)
        if row.answer_id in self.taken_back:
            outcome: Event = w.DisclosureWithheld(**about(row), reason="answer-withdrawn", ledger_version=self.version)
        elif self.permitted and row.partner == "hospital" and row.state in STATES[:-1]:
            self.sent.append(row)
            outcome = w.DisclosureMade(**about(row), consent_id="consent")
        else:
            reason = "no-consent-names-this-partner"
            outcome = w.DisclosureWithheld(**about(row), reason=reason, ledger_version=self.version)
        for _ in range(2 if twice else 1):
            self.happens(outcome)

    def settle(self) -> None:
        for _ in range(200):
            if not self.rows:
                return
            self.release(twice=False)
        raise AssertionError("a lane that never ends")


def after(course: Sequence[Turn | w.PartnerReferralChanged]) -> Gated:
    gated = Gated()
    for turn in course:
        gated.take(turn)
    return gated


@settings(max_examples=examples(150))
@given(courses)
def test_with_a_consent_in_the_end_the_partner_has_the_newest_state_of_each_referral(
    course: list[Turn | w.PartnerReferralChanged],
) -> None:
    gated = after([*course, "lives", "consent"])
    gated.settle()
    newest = {each.referral_id: each for each in course if isinstance(each, w.PartnerReferralChanged)}
    for referral_id, change in newest.items():
        sent = [each.state for each in gated.sent if each.referral_id == referral_id]
        waited_too_long = change.state in ENDED and "time" in course
        if change.partner == "hospital" and change.state in STATES[:-1] and not waited_too_long:
            assert sent[-1:] == [change.state]
        assert "new-state" not in sent


@settings(max_examples=examples(150))
@given(courses)
def test_nothing_goes_out_of_a_reported_death_but_that_the_referral_is_withdrawn(
    course: list[Turn | w.PartnerReferralChanged],
) -> None:
    gated = Gated()
    for turn in [*course, "consent"]:
        before = len(gated.sent)
        gated.take(turn)
        if gated.story.state.died:
            gated.settle()
            assert {each.state for each in gated.sent[before:]} <= {"withdrawn"}


@settings(max_examples=examples(150))
@given(courses)
def test_each_row_is_answered_for_and_of_each_referral_at_most_one_is_under_way(
    course: list[Turn | w.PartnerReferralChanged],
) -> None:
    gated = after(course)
    live = [each for each in gated.rows if each.answer_id not in gated.taken_back]
    assert len({each.referral_id for each in live}) == len(live)
    assert {each.answer_id for each in live} == {
        each.answer_id for each in gated.story.state.answers if each.step == "on-its-way"
    }
    gated.settle()
    assert all(each.step not in ("on-its-way", "taken-back") for each in gated.story.state.answers)


@settings(max_examples=examples(60))
@given(courses, some.sampled_from([DIED, LIVES]) | changes)
def test_the_same_again_changes_nothing(course: list[Turn | w.PartnerReferralChanged], event: Event) -> None:
    gated = after(course)
    gated.happens(event)
    state = gated.story.state
    assert gated.story.then(event) == []
    assert gated.story.state == state


def test_the_fullest_state_is_stored_as_it_is_and_small_enough() -> None:
    patient = Story(IDENTIFIED, settings=ANSWERING)
    for number in range(ANSWERS_MOST):
        for state in STATES[:4]:
            change = stands(state, "hospital", name_id(REFERRAL, number))
            patient.then(msgspec.structs.replace(change, number="x" * 750))
    assert len(current(patient.state.answers)) == ANSWERS_MOST
    assert len(patient.state.answers) == 2 * ANSWERS_MOST
    stored = msgspec.json.encode(patient.state)
    assert len(stored) <= STATE_BYTES_MOST * 0.5
    assert msgspec.json.decode(stored, type=State) == patient.state
