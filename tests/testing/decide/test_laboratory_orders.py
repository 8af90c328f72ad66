"""The laboratory is told of a test: ordered, moved, cancelled; what it does not take asks a person."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.decide.laboratory_orders import NOTHING_TO_SEND, UNKNOWN_TASK
from services.testing.messages import (
    CancelDrugTest,
    DisclosureEnd,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    LaboratoryOrderEvent,
    LaboratoryOrderFailed,
    LaboratoryOrderPrepared,
    LaboratoryOrderSent,
    OrderDrugTest,
    PatientDied,
    SendOrderAgain,
)
from services.testing.orders.ordered import OrderedTest
from shared.events.envelope import Command, Event, name_id
from shared.events.laboratory_order import task_id
from shared.rules.packing import instant, pack_id
from tests.laws import examples
from tests.story import PatientStory, only
from tests.testing.decide.test_ordering import (
    CLOSES,
    DAY,
    HOUR,
    OPENS,
    ORDER,
    collection,
    drawing,
    order,
    result,
    silence,
)
from tests.testing.given import NAMES, SETTINGS, admitted, day
from tests.testing.story import BASELINE, Story, raised

LABORATORY = "riverbend-laboratory"
WITH_LABORATORY = msgspec.structs.replace(SETTINGS, laboratory=LABORATORY)
TASK = task_id(ORDER)
AGAIN = SendOrderAgain(task_id=TASK)
CANCELLED = CancelDrugTest(order_id=ORDER)
MOVED = order(OPENS + DAY, CLOSES + DAY)


def in_treatment() -> Story:
    return Story(admitted(), BASELINE, settings=WITH_LABORATORY)


def ordered() -> Story:
    story = in_treatment()
    story.then(order(), at=day(8))
    return story


def about(prepared: LaboratoryOrderPrepared) -> dict[str, Any]:
    return {"partner": prepared.partner, "focus": prepared.focus, "attempt": prepared.attempt}


def last(story: Story) -> LaboratoryOrderPrepared:
    """What went on its way last."""
    return only(story.all_emitted, LaboratoryOrderPrepared)[-1]


def made(story: Story) -> DisclosureMade:
    return DisclosureMade(**about(last(story)), consent_id=None)


def refused(story: Story, reason: str = "hl7-204") -> DisclosureRefused:
    return DisclosureRefused(**about(last(story)), reason=reason)


def withheld(story: Story) -> DisclosureWithheld:
    return DisclosureWithheld(**about(last(story)), reason="patient-lacks-name", ledger_version=0)


def gave_up(story: Story, received: bool = False) -> DisclosureGaveUp:
    return DisclosureGaveUp(**about(last(story)), may_have_been_received=received)


def actions(emitted: list[Event]) -> list[str]:
    """What goes on its way, in order."""
    return [each.action for each in only(emitted, LaboratoryOrderPrepared)]


def test_a_test_that_is_ordered_goes_to_the_laboratory_with_its_window_and_number() -> None:
    (prepared,) = only(ordered().all_emitted, LaboratoryOrderPrepared)
    assert (prepared.action, prepared.attempt, prepared.partner) == ("new", 1, LABORATORY)
    assert (prepared.opens_at, prepared.closes_at, prepared.number) == (OPENS, CLOSES, pack_id(ORDER))
    assert (prepared.panel, prepared.focus, prepared.prepared_at) == ("drug-test", f"Task/{TASK}", day(8))


def test_a_program_without_a_laboratory_tells_none() -> None:
    story = Story(admitted(), BASELINE)
    story.then(order(), MOVED, CANCELLED, at=day(8))
    assert only(story.all_emitted, LaboratoryOrderEvent) == []
    assert all(each.dispatch is None for each in story.state.orders.tests)


def test_a_random_test_goes_to_the_laboratory_at_its_notice() -> None:
    story = Story(admitted(), BASELINE, settings=msgspec.structs.replace(drawing(), laboratory=LABORATORY))
    story.until(day(7))
    prepared, *_ = only(story.all_emitted, LaboratoryOrderPrepared)
    assert prepared.random
    assert prepared.opens_at - prepared.prepared_at == timedelta(hours=SETTINGS.schedule.notice_hours)


def test_the_same_order_again_and_the_same_answer_again_tell_nothing_more() -> None:
    story = ordered()
    assert story.then(order(), at=day(8)) == []
    answer = made(story)
    (sent,) = story.then(answer, at=day(8))
    assert isinstance(sent, LaboratoryOrderSent)
    assert story.then(answer, order(), at=day(9)) == []


def test_a_moved_test_is_changed_once_the_laboratory_has_the_first_one() -> None:
    story = ordered()
    assert actions(story.then(MOVED, at=day(9))) == []
    assert actions(story.then(made(story), at=day(9))) == ["change"]
    assert (last(story).attempt, last(story).opens_at) == (2, OPENS + DAY)
    assert actions(story.then(made(story), at=day(9))) == []


def test_a_cancelled_test_is_cancelled_at_the_laboratory_and_ordered_anew_where_it_is_asked_for_again() -> None:
    story = ordered()
    story.then(made(story), at=day(8))
    assert actions(story.then(CANCELLED, at=day(9))) == ["cancel"]
    (sent,) = only(story.then(made(story), at=day(9)), LaboratoryOrderSent)
    assert (sent.action, sent.status) == ("cancel", "cancelled")
    assert actions(story.then(order(), at=day(9))) == ["new"]


def test_what_was_cancelled_before_the_laboratory_had_it_is_not_told_at_all() -> None:
    story = ordered()
    story.then(CANCELLED, at=day(9))
    assert actions(story.then(withheld(story), at=day(9))) == []
    assert story.escalations == {}
    assert actions(story.then(order(), at=day(9))) == ["new"]


def test_the_end_of_what_is_asked_of_the_patient_is_told_too() -> None:
    story = ordered()
    story.then(made(story), at=day(8))
    assert actions(story.then(PatientDied(died_at=day(9), reported_at=day(9)), at=day(9))) == ["cancel"]


@pytest.mark.parametrize("kind", ["collected", "refused", "missed", None])
def test_what_became_of_the_collection_is_not_for_the_laboratory(kind: Any) -> None:
    story = ordered()
    story.then(made(story), at=day(8))
    assert actions(story.then(collection(kind, OPENS + HOUR), at=OPENS + 2 * HOUR)) == []
    assert actions(silence(story, day(20))) == []


def test_once_a_result_has_come_the_laboratory_is_told_nothing_more() -> None:
    story = ordered()
    story.then(made(story), at=day(8))
    story.then(result("weekly", OPENS + HOUR, pack_id(ORDER)), at=day(12))
    assert actions(story.then(CANCELLED, at=day(13))) == []


def test_a_tests_own_panel_is_named_and_a_general_update_leaves_it() -> None:
    story = in_treatment()
    story.then(msgspec.structs.replace(order(), panel="65750-2"), at=day(8))
    assert last(story).panel == "65750-2"
    story.then(made(story), at=day(8))
    assert actions(story.then(order(), at=day(8))) == []
    assert actions(story.then(msgspec.structs.replace(order(), panel="14314-9"), at=day(8))) == ["change"]
    assert last(story).panel == "14314-9"


# --- what is not taken


@pytest.mark.parametrize(
    ("answered", "reason", "status"),
    [
        (refused, "hl7-204", "rejected"),
        (withheld, "patient-lacks-name", "failed"),
        (gave_up, "gave-up", "failed"),
    ],
)
def test_what_the_laboratory_did_not_take_asks_a_person_until_it_has_it(
    answered: Any, reason: str, status: str
) -> None:
    story = ordered()
    emitted = story.then(answered(story), at=day(9))
    (failed,) = only(emitted, LaboratoryOrderFailed)
    assert (failed.reason, failed.status) == (reason, status)
    assert story.escalations == {"order-not-sent": 1}
    assert actions(story.then(AGAIN, at=day(9))) == ["new"]
    assert last(story).attempt == 2
    assert story.escalations == {"order-not-sent": 1}
    assert "Retracted" in raised(story.then(made(story), at=day(9)))
    assert story.escalations == {}


def test_a_cancellation_or_a_result_ends_the_question_too() -> None:
    for ending in (CANCELLED, result("weekly", OPENS + HOUR, pack_id(ORDER))):
        story = ordered()
        story.then(withheld(story), at=day(9))
        story.then(ending, at=day(12))
        assert "order-not-sent" not in story.escalations


def test_where_nobody_knows_whether_it_was_received_it_is_cancelled_all_the_same() -> None:
    story = ordered()
    (failed,) = only(story.then(gave_up(story, received=True), at=day(9)), LaboratoryOrderFailed)
    assert failed.may_have_been_received
    assert actions(story.then(CANCELLED, at=day(9))) == ["cancel"]
    assert story.escalations == {"order-not-sent": 1}


def test_a_laboratory_that_refuses_a_change_is_sent_the_order_anew() -> None:
    story = ordered()
    story.then(made(story), MOVED, at=day(9))
    story.then(refused(story), at=day(9))
    assert actions(story.then(AGAIN, at=day(9))) == ["new"]


def test_what_is_on_its_way_is_not_sent_again_and_what_was_taken_neither() -> None:
    story = ordered()
    assert story.then(AGAIN, at=day(8)) == []
    story.then(made(story), at=day(8))
    assert refusal(story, AGAIN) == NOTHING_TO_SEND
    assert refusal(story, SendOrderAgain(task_id=name_id(NAMES, "none"))) == UNKNOWN_TASK


def refusal(story: Story, command: Command) -> object:
    PatientStory.then(story, command, at=story.now)
    return story.refused


def test_an_answer_about_another_telling_makes_nothing_of_this_one() -> None:
    story = ordered()
    earlier = made(story)
    story.then(earlier, MOVED, at=day(9))
    before = story.state
    others: list[DisclosureEnd] = [
        earlier,
        msgspec.structs.replace(earlier, attempt=2, focus=f"ServiceRequest/{ORDER}"),
        msgspec.structs.replace(earlier, attempt=2, focus=f"Task/{name_id(NAMES, 'none')}"),
    ]
    for each in others:
        assert story.then(each, at=day(9)) == []
    assert story.state == before


# --- laws


class Laboratory:
    """It does what it is told, if it reads it: the window it knows, None for no order."""

    def __init__(self) -> None:
        self.stands: tuple[datetime, datetime] | None = None
        self.sent_one = False
        """Whether a byte of any order may have come."""

    def reads(self, prepared: LaboratoryOrderPrepared) -> None:
        if prepared.action == "cancel":
            assert self.sent_one, "cancelled before it was ordered"
        self.stands = None if prepared.action == "cancel" else (prepared.opens_at, prepared.closes_at)


STEPS = some.lists(
    some.sampled_from(
        ["order", "move", "back", "cancel", "collected", "refused", "missed", "withdrawn", "result", "again"]
        + ["made"] * 4
        + ["no", "withheld", "unreached", "unanswered", "unread"]
    ),
    max_size=18,
)
HAPPENS: dict[str, Command] = {
    "order": order(),
    "move": MOVED,
    "back": order(OPENS, CLOSES),
    "cancel": CANCELLED,
    "collected": collection("collected", OPENS + HOUR),
    "refused": collection("refused", OPENS + HOUR),
    "missed": collection("missed", OPENS + HOUR),
    "withdrawn": collection(None, OPENS + HOUR),
    "result": result("weekly", OPENS + HOUR, pack_id(ORDER)),
    "again": AGAIN,
}


class Lane:
    """What is on its way, one after the other, to a laboratory that may answer anything."""

    def __init__(self, story: Story) -> None:
        self.story, self.laboratory = story, Laboratory()
        self.ended = 0
        self.taken: list[tuple[Any, ...]] = []
        """In a row: after what was not taken the same may be told again."""

    @property
    def waiting(self) -> list[LaboratoryOrderPrepared]:
        return only(self.story.all_emitted, LaboratoryOrderPrepared)[self.ended :]

    def answers(self, how: str) -> None:
        if not self.waiting:
            return
        prepared, story = self.waiting[0], self.story
        assert len(self.waiting) == 1, "two tellings of one test on their way"
        self.ended += 1
        if how in ("made", "unanswered"):
            self.laboratory.reads(prepared)
        self.laboratory.sent_one |= how in ("made", "no", "unanswered", "unread")
        if how == "made":
            content = (prepared.action, prepared.opens_at, prepared.closes_at)
            assert self.taken[-1:] != [content], "told twice"
            self.taken.append(content)
        else:
            self.taken.clear()
        outcomes: dict[str, Event] = {
            "made": made(story),
            "no": refused(story),
            "withheld": withheld(story),
            "unreached": gave_up(story),
            "unanswered": gave_up(story, received=True),
            "unread": gave_up(story, received=True),
        }
        story.then(outcomes[how], at=day(11.5))

    def goes_on(self) -> None:
        """From now on the laboratory takes everything."""
        while self.waiting:
            self.answers("made")


@settings(deadline=None, max_examples=examples(300))
@given(STEPS)
def test_what_the_laboratory_knows_last_is_what_stands_or_a_person_is_asked(steps: list[str]) -> None:
    story = in_treatment()
    lane = Lane(story)
    for each in steps:
        if each in HAPPENS:
            PatientStory.then(story, HAPPENS[each], at=day(11.5))
        else:
            lane.answers(each)
    lane.goes_on()
    test = story.state.orders.test(pack_id(ORDER))
    if test is None or test.resulted:
        return
    if not knows(lane.laboratory, test):
        assert "order-not-sent" in story.escalations or test.outcome in ("refused", "missed")
    if "order-not-sent" in story.escalations:
        PatientStory.then(story, AGAIN, at=day(11.5))
        lane.goes_on()
        assert knows(lane.laboratory, test)
        assert "order-not-sent" not in story.escalations


def knows(laboratory: Laboratory, test: OrderedTest) -> bool:
    stands = None if test.cancelled else (instant(test.opens_at), instant(test.closes_at))
    return laboratory.stands == stands


@settings(deadline=None, max_examples=examples(100))
@given(STEPS, some.sampled_from(sorted(HAPPENS)))
def test_the_same_again_tells_nothing_more(steps: list[str], twice: str) -> None:
    story = in_treatment()
    lane = Lane(story)
    for each in steps:
        PatientStory.then(story, HAPPENS[each], at=day(11.5)) if each in HAPPENS else lane.answers(each)
    PatientStory.then(story, HAPPENS[twice], at=day(11.5))
    before = story.state
    assert PatientStory.then(story, HAPPENS[twice], at=day(11.5)) == []
    assert story.state == before


def test_forty_tests_that_the_laboratory_knows_leave_room_in_the_state() -> None:
    story = in_treatment()
    for place in range(40):
        each = OrderDrugTest(
            order_id=name_id(NAMES, f"order {place}"), opens_at=OPENS + place * HOUR, closes_at=CLOSES, panel="65750-2"
        )
        story.then(each, at=day(8))
        story.then(made(story), at=day(8))
    assert len(msgspec.json.encode(story.state)) < 7_800


def test_a_laboratory_that_may_have_an_order_hears_that_it_ended_after_its_refusal() -> None:
    """Nothing is told of a specimen that nobody gave; that its test is cancelled is."""
    story = ordered()
    story.then(collection("refused", OPENS + HOUR), at=OPENS + 2 * HOUR)
    story.then(gave_up(story, received=True), at=OPENS + 2 * HOUR)
    assert actions(story.then(CANCELLED, at=OPENS + 3 * HOUR)) == ["cancel"]
    story.then(made(story), at=OPENS + 3 * HOUR)
    assert actions(story.then(CANCELLED, at=OPENS + 4 * HOUR)) == []


def parked(story: Story, received: bool = False) -> DisclosureParked:
    return DisclosureParked(**about(last(story)), may_have_been_received=received)


def test_what_the_hub_cannot_send_is_a_persons_and_goes_on_once_that_is_mended() -> None:
    story = ordered()
    (failed,) = only(story.then(parked(story), at=day(8)), LaboratoryOrderFailed)
    assert (failed.status, failed.reason, failed.may_have_been_received) == ("failed", "hub-cannot-send", False)
    assert story.escalations == {"order-not-sent": 1}
    emitted = story.then(made(story), at=day(9))
    assert [each.status for each in only(emitted, LaboratoryOrderSent)] == ["accepted"]
    assert "Retracted" in raised(emitted) and story.escalations == {}


def test_while_it_cannot_be_sent_nothing_overtakes_it() -> None:
    """What is in the lane is told first, or the laboratory would get one order twice."""
    story = ordered()
    story.then(parked(story), at=day(8))
    assert actions(story.then(MOVED, AGAIN, at=day(8))) == []
    assert actions(story.then(made(story), at=day(9))) == ["change"]


def test_what_fails_once_more_after_it_was_mended_asks_the_same_question() -> None:
    story = ordered()
    story.then(parked(story), at=day(8))
    emitted = story.then(parked(story, received=True), at=day(8))
    assert [each.may_have_been_received for each in only(emitted, LaboratoryOrderFailed)] == [True]
    assert story.escalations == {"order-not-sent": 1} and raised(emitted) == {}


def test_what_was_taken_out_of_its_lane_is_sent_again_by_a_person() -> None:
    story = ordered()
    story.then(parked(story), at=day(8))
    gone = DisclosureWithheld(**about(last(story)), reason="quarantined", ledger_version=0)
    (failed,) = only(story.then(gone, at=day(9)), LaboratoryOrderFailed)
    assert failed.reason == "quarantined" and story.escalations == {"order-not-sent": 1}
    assert actions(story.then(AGAIN, at=day(9))) == ["new"]


def test_what_was_told_before_and_is_parked_only_now_makes_nothing_of_the_order() -> None:
    story = ordered()
    late = parked(story)
    story.then(made(story), at=day(8))
    assert story.then(late, at=day(8)) == []
