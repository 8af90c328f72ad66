"""An ordered test: its specimen is given, refused or missed, its result comes or is late; each of it is taken back."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.messages import (
    CancelDrugTest,
    CollectionMissed,
    DeathWithdrawn,
    DrugTestOrdered,
    DrugTestOrderEvent,
    EpisodePaused,
    EpisodeResumed,
    OrderDrugTest,
    PatientDied,
    RandomDayDrawn,
    ReportCollection,
    ReportResult,
    ResultOverdue,
    SpecimenCollected,
    StageAdvanced,
    TimePassed,
)
from services.testing.orders.ordered import Kind
from services.testing.settings import Settings
from services.testing.state import in_treatment
from shared.events.envelope import Command, Event, name_id
from shared.events.testing import DrugTestEvent, Number
from shared.rules.decision import Refused
from shared.rules.packing import pack_id
from tests.laws import examples
from tests.story import PatientStory, names, only
from tests.testing.decide.test_discharge_withdrawn import taken_back
from tests.testing.given import ADMISSION, EPISODE, NAMES, SETTINGS, admitted, day, discharged, medications, report
from tests.testing.story import BASELINE, Story, raised

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ORDER, SPECIMEN = name_id(NAMES, "order"), name_id(NAMES, "its specimen")
OPENS, CLOSES = day(10), day(11)
OVER = CLOSES + 4 * HOUR
"""The window, and the time in which its collection is reported."""
REFUSED = {"collection-refused": 2}
MISSED = {"collection-missed": 2}


def drawing(**changed: object) -> Settings:
    """The hub draws the days."""
    return msgspec.structs.replace(
        SETTINGS, schedule=msgspec.structs.replace(SETTINGS.schedule, **{"draws": True, **changed})
    )


def order(opens: datetime = OPENS, closes: datetime = CLOSES, *numbers: str) -> OrderDrugTest:
    placers = tuple(Number("", each) for each in numbers)
    return OrderDrugTest(order_id=ORDER, opens_at=opens, closes_at=closes, numbers=placers)


def collection(kind: Kind | None, at: datetime, specimen: str = SPECIMEN) -> ReportCollection:
    return ReportCollection(order_id=ORDER, collection_id=specimen, kind=kind, at=at)


def result(name: str, at: datetime, *numbers: str, **found: str) -> ReportResult:
    ordered = tuple(Number("PLAC", each) for each in numbers)
    return msgspec.structs.replace(report(name, at, **(found or {"COCAINE": "negative"})), numbers=ordered)  # type: ignore[arg-type]


def ordered(*numbers: str) -> Story:
    """A patient in treatment, of whom a clinician orders a test on the eighth day."""
    story = Story(admitted(), BASELINE)
    story.then(order(OPENS, CLOSES, *numbers), at=day(8))
    return story


def silence(story: Story, until: datetime, reported_at: datetime | None = None) -> list[Event]:
    """Time passes until then; the program reported a collection last at `reported_at`, else just now."""
    emitted: list[Event] = []
    while (due := story.decisions.due(story.state)) is not None and due <= until:
        emitted += story.then(TimePassed(reported_at=reported_at), at=max(due, story.now))
    story.now = until
    return emitted


def refusal(story: Story, command: Command) -> Refused:
    PatientStory.then(story, command, at=day(12))
    assert story.refused is not None
    return story.refused


def test_an_order_is_emitted_with_its_window_and_the_number_by_which_a_result_joins_it() -> None:
    story = Story(admitted(), BASELINE)
    (emitted,) = story.then(order(), at=day(8))
    assert isinstance(emitted, DrugTestOrdered)
    assert (emitted.opens_at, emitted.closes_at, emitted.number) == (OPENS, CLOSES, pack_id(ORDER))
    assert story.then(order(), at=day(9)) == []


def test_of_whom_no_stay_is_open_nothing_is_ordered() -> None:
    refused = refusal(Story(), order())
    assert (refused.code, refused.expression) == ("business-rule", "ServiceRequest")


def test_a_specimen_given_in_time_is_collected_and_its_result_ends_the_order() -> None:
    story = ordered()
    (given,) = story.then(collection("collected", OPENS + HOUR), at=OPENS + 2 * HOUR)
    assert isinstance(given, SpecimenCollected)
    assert (given.collected_at, given.resulted) == (OPENS + HOUR, False)
    emitted = story.then(result("weekly", OPENS + HOUR, pack_id(ORDER)), at=day(12))
    assert only(emitted, SpecimenCollected)[0].resulted
    assert silence(story, day(40)) == []
    assert story.escalations == {}


def test_a_window_that_passes_in_silence_that_was_listened_to_is_a_miss_and_no_result() -> None:
    story = ordered()
    assert silence(story, OVER - HOUR) == []
    emitted = silence(story, OVER)
    assert names(emitted) == ["CollectionMissed", "EscalationRaised"]
    assert story.escalations == MISSED
    assert only(emitted, DrugTestEvent) == []


def test_silence_that_nobody_listened_to_is_no_miss() -> None:
    """The hub was away until an hour after the window: whoever reports has as long as ever from then on."""
    story = ordered()
    story.listening_since = CLOSES + HOUR
    assert silence(story, OVER) == []
    assert names(silence(story, OVER + HOUR)) == ["CollectionMissed", "EscalationRaised"]


def test_while_the_program_reports_no_collection_at_all_nobody_has_missed_one_and_a_person_is_asked() -> None:
    story = ordered()
    assert silence(story, OVER + 23 * HOUR, reported_at=OPENS - HOUR) == []
    emitted = silence(story, OVER + 24 * HOUR, reported_at=OPENS - HOUR)
    assert raised(emitted) == {"Raised": ["collection-unknown"]}
    assert story.escalations == {"collection-unknown": 1}
    emitted = silence(story, OVER + 48 * HOUR, reported_at=OPENS + DAY)
    assert names(emitted) == ["CollectionMissed", "EscalationRetracted", "EscalationRaised"]
    assert story.escalations == MISSED


def test_a_miss_is_taken_back_when_the_collection_turns_out_to_be_in_time() -> None:
    story = ordered()
    silence(story, OVER)
    emitted = story.then(collection("collected", CLOSES), at=OVER + DAY)
    assert names(emitted) == ["SpecimenCollected", "EscalationRetracted", "SignalsCorrected"]
    assert story.escalations == {}


def test_a_miss_is_taken_back_by_a_result_whose_specimen_was_given_in_time() -> None:
    story = ordered()
    silence(story, OVER)
    emitted = story.then(result("weekly", CLOSES - HOUR, pack_id(ORDER)), at=day(14))
    assert only(emitted, SpecimenCollected)[0].resulted
    assert story.escalations == {}


def test_who_came_after_the_window_missed_it_and_the_result_is_waited_for_all_the_same() -> None:
    story = ordered()
    emitted = story.then(collection("collected", CLOSES + HOUR), at=CLOSES + 2 * HOUR)
    assert only(emitted, CollectionMissed)[0].collected_at == CLOSES + HOUR
    assert story.escalations == MISSED
    emitted = silence(story, CLOSES + HOUR + 5 * DAY)
    assert names(emitted) == ["EscalationOverdue", "ResultOverdue", "EscalationRaised"]


def test_a_refusal_is_an_outcome_of_its_own_and_no_result() -> None:
    story = ordered()
    emitted = story.then(collection("refused", OPENS + HOUR), at=OPENS + 2 * HOUR)
    assert names(emitted) == ["CollectionRefused", "EscalationRaised"]
    assert story.escalations == REFUSED
    assert only(silence(story, day(14)), CollectionMissed) == []


def test_who_refused_and_gave_the_specimen_later_in_the_window_gave_it() -> None:
    story = ordered()
    story.then(collection("refused", OPENS + HOUR), at=OPENS + 2 * HOUR)
    emitted = story.then(collection("collected", CLOSES - HOUR, name_id(NAMES, "second")), at=CLOSES)
    assert names(emitted) == ["SpecimenCollected", "EscalationRetracted", "SignalsCorrected"]


def test_what_was_reported_in_error_is_taken_back_and_the_test_is_waited_for_again() -> None:
    story = ordered()
    story.then(collection("refused", OPENS + HOUR), at=OPENS + 2 * HOUR)
    emitted = story.then(collection(None, OPENS + HOUR), at=OPENS + 3 * HOUR)
    assert names(emitted) == ["CollectionWithdrawn", "EscalationRetracted", "SignalsCorrected"]
    assert only(silence(story, OVER), CollectionMissed) != []


@pytest.mark.parametrize("place", range(6))
def test_in_whatever_order_the_reports_come_the_same_stands(place: int) -> None:
    """A refusal, the specimen given later, and one that was entered in error."""
    error = name_id(NAMES, "another's")
    reports = [
        collection("refused", OPENS + HOUR),
        collection("collected", OPENS + 5 * HOUR, name_id(NAMES, "second")),
        collection("refused", OPENS + 6 * HOUR, error),
    ]
    turned = reports[place % 3 :] + reports[: place % 3]
    story, straight = ordered(), ordered()
    for each in turned if place < 3 else turned[::-1]:
        story.then(each, at=OVER)
    for each in reports:
        straight.then(each, at=OVER)
    for patient in (story, straight):
        patient.then(collection(None, OPENS, error), at=OVER + HOUR)
    assert story.state.orders == straight.state.orders
    assert story.escalations == straight.escalations == {}


def test_a_result_that_does_not_come_is_asked_for_and_one_that_comes_answers_it() -> None:
    story = ordered()
    story.then(collection("collected", OPENS), at=OPENS)
    assert silence(story, OPENS + 5 * DAY - HOUR) == []
    emitted = silence(story, OPENS + 5 * DAY)
    assert names(emitted) == ["ResultOverdue", "EscalationRaised"]
    assert only(emitted, ResultOverdue)[0].due_at == OPENS + 5 * DAY
    assert story.escalations == {"result-overdue": 1}
    emitted = story.then(result("weekly", OPENS, pack_id(ORDER)), at=OPENS + 6 * DAY)
    assert raised(emitted) == {"Retracted": ["result-overdue"]}


def test_a_specimen_that_its_laboratory_has_only_received_has_no_result_yet() -> None:
    story = ordered()
    received = msgspec.structs.replace(result("weekly", OPENS, pack_id(ORDER)), status="registered", results=())
    assert not only(story.then(received, at=OPENS + DAY), SpecimenCollected)[0].resulted
    assert names(silence(story, OPENS + 5 * DAY)) == ["ResultOverdue", "EscalationRaised"]


def test_a_result_that_is_taken_back_is_waited_for_again() -> None:
    story = ordered()
    story.then(collection("collected", OPENS), result("weekly", OPENS, pack_id(ORDER)), at=OPENS + DAY)
    void = msgspec.structs.replace(
        result("weekly", OPENS, pack_id(ORDER)), status="entered-in-error", results=(), issued_at=OPENS + 2 * DAY
    )
    emitted = story.then(void, at=OPENS + 2 * DAY)
    assert not only(emitted, SpecimenCollected)[0].resulted
    assert names(silence(story, OPENS + 5 * DAY)) == ["ResultOverdue", "EscalationRaised"]


def test_a_result_joins_by_the_number_of_whoever_ordered_it() -> None:
    story = ordered("PL-77")
    assert only(story.then(result("weekly", CLOSES + DAY, "PL-77"), at=day(14)), CollectionMissed)
    other = ordered("PL-77")
    assert only(other.then(result("weekly", CLOSES + DAY, "PL-78"), at=day(14)), DrugTestOrderEvent) == []


def test_a_report_names_the_order_that_it_answers_whenever_it_is_emitted() -> None:
    """At once, and when a list of medications regrades it."""
    story = ordered()
    found = result("weekly", OPENS + HOUR, pack_id(ORDER), FENTANYL="positive")
    assert [each.order_id for each in only(story.then(found, at=day(12)), DrugTestEvent)] == [ORDER]
    regraded = only(story.then(medications(day(13), "4337")), DrugTestEvent)
    assert [each.order_id for each in regraded] == [ORDER]
    assert [each.order_id for each in only(ordered().then(report("other", 3)), DrugTestEvent)] == [""]


def test_a_result_without_a_number_is_of_the_test_in_whose_window_it_was_collected() -> None:
    story = ordered()
    emitted = story.then(result("weekly", OPENS + HOUR), at=day(12))
    assert only(emitted, SpecimenCollected)[0].resulted
    assert silence(story, day(40)) == []


def test_an_order_that_is_known_after_its_result_finds_it() -> None:
    story = Story(admitted(), BASELINE)
    story.then(result("weekly", OPENS + HOUR), at=day(12))
    emitted = story.then(order(), at=day(13))
    assert names(emitted) == ["DrugTestOrdered", "SpecimenCollected"]


def test_an_order_that_is_known_after_its_window_is_no_miss_before_its_collection_could_be_reported() -> None:
    story = Story(admitted(), BASELINE)
    story.then(order(), at=day(13))
    assert silence(story, day(13) + 3 * HOUR) == []
    assert only(silence(story, day(13) + 4 * HOUR), CollectionMissed) != []


STATED = [
    collection("collected", OPENS + 3 * HOUR, name_id(NAMES, "one")),
    collection("refused", OPENS + HOUR, name_id(NAMES, "two")),
    collection("missed", CLOSES, name_id(NAMES, "three")),
    collection("collected", CLOSES + HOUR, name_id(NAMES, "four")),
    result("first", OPENS + 2 * HOUR, pack_id(ORDER)),
    result("second", CLOSES + 2 * HOUR, pack_id(ORDER)),
]


@given(
    some.lists(some.sampled_from(STATED), max_size=6).flatmap(
        lambda few: some.tuples(some.just(few), some.permutations(few * 2))
    )
)
@settings(max_examples=examples(100))
def test_whatever_is_reported_in_whatever_order_and_however_often_the_same_stands(
    reports: tuple[list[ReportCollection | ReportResult], list[ReportCollection | ReportResult]],
) -> None:
    few, mixed = reports
    one, other = ordered(), ordered()
    for story, sent in ((one, few), (other, mixed)):
        silence(story, OVER)
        for each in sent:
            story.then(each, at=day(15))
    assert one.state.orders == other.state.orders
    assert one.escalations == other.escalations
    graver = "collection-missed" in one.escalations
    assert not (graver and any(each in STATED[:1] or each == STATED[4] for each in few))


OTHER = OrderDrugTest(order_id=name_id(NAMES, "another order"), opens_at=day(60), closes_at=day(61))


def test_what_a_test_of_long_ago_asked_of_a_person_stays_open_though_the_test_is_forgotten() -> None:
    """Without any specimen before it, that is: else it ends the row of expected results."""
    story = Story(admitted())
    story.then(order(), at=day(8))
    silence(story, OVER)
    emitted = story.then(OTHER, at=day(50))
    assert names(emitted) == ["DrugTestOrdered"]
    assert [each.id for each in story.state.orders.tests] == [pack_id(OTHER.order_id)]
    assert story.escalations == MISSED


def test_a_test_whose_result_is_waited_for_is_not_forgotten() -> None:
    """A program whose laboratory has forty days."""
    story = Story(admitted(), BASELINE, settings=drawing(result_days=40, draws=False))
    story.then(order(), at=day(8))
    story.then(collection("collected", OPENS), at=OPENS)
    story.then(OTHER, at=day(49))
    assert only(silence(story, day(51)), ResultOverdue) != []


def test_a_test_that_is_moved_is_waited_for_in_its_new_window() -> None:
    story = ordered()
    emitted = story.then(order(OPENS + 2 * DAY, CLOSES + 2 * DAY), at=day(9))
    assert names(emitted) == ["DrugTestOrdered"]
    assert silence(story, OVER + 2 * DAY - HOUR) == []
    assert only(silence(story, OVER + 2 * DAY), CollectionMissed) != []


def test_a_missed_test_that_is_moved_was_not_missed() -> None:
    story = ordered()
    silence(story, OVER)
    emitted = story.then(order(OPENS + 3 * DAY, CLOSES + 3 * DAY), at=day(12))
    assert names(emitted) == ["CollectionWithdrawn", "EscalationRetracted", "SignalsCorrected"]


def test_a_refused_test_that_is_moved_was_refused_until_a_specimen_is_given() -> None:
    """Nobody unsays a refusal by another window."""
    story = ordered()
    story.then(collection("refused", OPENS), at=OPENS)
    emitted = story.then(order(OPENS + 3 * DAY, CLOSES + 3 * DAY), at=day(12))
    assert "CollectionWithdrawn" not in names(emitted)
    assert story.escalations == REFUSED
    story.then(collection("collected", OPENS + 3 * DAY), at=OPENS + 3 * DAY)
    assert story.escalations == {}


def written(emitted: list[Event]) -> dict[str, dict[str, Any]]:
    """What stands of the order, of each type of resource the last."""
    events = only(emitted, DrugTestOrderEvent)
    return {str(body["resourceType"]): body for each in events for body in each.write("patient")}


@pytest.mark.parametrize("in_error", [False, True])
@pytest.mark.parametrize("given_at", [OPENS + HOUR, CLOSES + HOUR])
def test_a_specimen_that_was_given_is_there_though_its_test_is_cancelled(in_error: bool, given_at: datetime) -> None:
    """Whether it was cancelled before the specimen was known, or after it; in time or late."""
    cancel = CancelDrugTest(order_id=ORDER, in_error=in_error)
    for happens in ([collection("collected", given_at), cancel], [cancel, collection("collected", given_at)]):
        story = ordered()
        found = written(story.then(*happens, at=day(12)))
        assert found["ServiceRequest"]["status"] == ("entered-in-error" if in_error else "revoked")
        assert (found["Specimen"]["status"], found["Specimen"]["collection"]) == (
            "available",
            {"collectedDateTime": given_at},
        )
        assert "condition" not in found["Specimen"]
        assert story.escalations == {}
        gone = story.then(collection(None, given_at), at=day(13))
        assert written(gone)["Specimen"]["status"] == "entered-in-error"
        assert written(gone)["ServiceRequest"]["status"] == ("entered-in-error" if in_error else "revoked")


@pytest.mark.parametrize("in_error", [False, True])
def test_a_test_that_is_cancelled_is_not_missed(in_error: bool) -> None:
    story = ordered()
    silence(story, OVER)
    emitted = story.then(CancelDrugTest(order_id=ORDER, in_error=in_error), at=day(12))
    retracted = ["EscalationRetracted", "SignalsCorrected"]
    assert names(emitted) == ["CollectionWithdrawn", "DrugTestCancelled", *retracted]
    assert emitted[1].write("patient")[0]["status"] == ("entered-in-error" if in_error else "revoked")
    assert story.escalations == {}


def test_a_cancelled_test_that_is_ordered_again_stands_again() -> None:
    story = ordered()
    story.then(CancelDrugTest(order_id=ORDER), at=day(9))
    assert names(story.then(order(), at=day(9))) == ["DrugTestOrdered"]


@pytest.mark.parametrize("command", [CancelDrugTest(order_id=SPECIMEN), collection("collected", OPENS)])
def test_what_is_reported_of_an_order_that_nobody_knows_is_refused(
    command: CancelDrugTest | ReportCollection,
) -> None:
    assert refusal(Story(admitted(), BASELINE), command).code == "not-found"


STAY: dict[str, Any] = {"episode_id": EPISODE, "level": "2.1", "referral_id": EPISODE, "admitted_at": ADMISSION}
ENDS = [
    discharged(day(10.5)),
    PatientDied(died_at=day(10.5), reported_at=day(13)),
    EpisodePaused(**STAY, at=day(10.5)),
]


@pytest.mark.parametrize("end", ENDS)
def test_what_the_patient_could_not_do_any_more_they_have_not_missed(end: Event) -> None:
    """It becomes known three days later."""
    story = ordered()
    silence(story, OVER)
    emitted = story.then(end, at=day(13))
    assert "DrugTestCancelled" in names(emitted)
    assert story.escalations == {}
    assert only(silence(story, day(20)), DrugTestOrderEvent) == []


DIED = PatientDied(died_at=None, reported_at=day(9))
PAUSED = EpisodePaused(**STAY, at=day(9))
LIVES, NOTHING_ELSEWHERE = DeathWithdrawn(withdrawn_at=day(9.5)), EpisodeResumed(**STAY, at=ADMISSION)
IN_ERROR = [(DIED, LIVES), (PAUSED, NOTHING_ELSEWHERE), (discharged(day(9)), taken_back())]


@pytest.mark.parametrize(("end", "withdrawn"), IN_ERROR)
def test_what_was_reported_in_error_cancels_no_test(end: Event, withdrawn: Event) -> None:
    story = ordered()
    story.then(end, at=day(9))
    emitted = story.then(withdrawn, at=day(9.5))
    assert [(each.opens_at, each.closes_at) for each in only(emitted, DrugTestOrdered)] == [(OPENS, CLOSES)]
    assert story.then(withdrawn, at=day(9.6)) == []
    silence(story, OVER)
    assert story.escalations == MISSED, "and it is waited for"


@pytest.mark.parametrize(("end", "withdrawn"), IN_ERROR)
def test_a_test_whose_window_is_over_by_then_stays_cancelled(end: Event, withdrawn: Event) -> None:
    story = ordered()
    story.then(end, at=day(9))
    assert only(story.then(withdrawn, at=CLOSES), DrugTestOrderEvent) == []


@pytest.mark.parametrize("in_error", [False, True])
@pytest.mark.parametrize(("end", "withdrawn"), IN_ERROR)
def test_a_test_that_a_person_cancelled_stays_so(end: Event, withdrawn: Event, in_error: bool) -> None:
    for cancelled_first in (True, False):
        story = ordered()
        moments: list[tuple[Event | Command, datetime]] = [(CancelDrugTest(order_id=ORDER, in_error=in_error), day(8))]
        moments.insert(0 if cancelled_first else 1, (end, day(8.5)))
        for happened, at in moments:
            story.then(happened, at=at)
        assert only(story.then(withdrawn, at=day(9.5)), DrugTestOrdered) == []


@pytest.mark.parametrize(("end", "withdrawn"), IN_ERROR)
@pytest.mark.parametrize(("other", "other_withdrawn"), IN_ERROR)
def test_what_something_else_ended_too_is_asked_for_once_nothing_does(
    end: Event, withdrawn: Event, other: Event, other_withdrawn: Event
) -> None:
    if end is other:
        return
    story = ordered()
    for happened in (end, other):
        story.then(happened, at=day(9))
    assert only(story.then(withdrawn, at=day(9.5)), DrugTestOrdered) == []
    assert only(story.then(other_withdrawn, at=day(9.6)), DrugTestOrdered) != []


def test_a_test_that_fell_into_nights_elsewhere_stays_cancelled() -> None:
    story = ordered()
    story.then(PAUSED, at=day(9))
    assert only(story.then(EpisodeResumed(**STAY, at=day(9.5), paused_at=day(9)), at=day(9.5)), DrugTestOrdered) == []
    story.then(DIED, at=day(9.6))
    assert only(story.then(LIVES, at=day(9.7)), DrugTestOrdered) == [], "whatever else turns out to be wrong"


# --- random tests


def test_a_program_that_does_not_draw_orders_nothing_by_itself() -> None:
    story = Story(admitted(), BASELINE)
    assert story.until(day(60)) == []


def test_each_random_test_comes_within_the_gap_and_is_known_from_its_notice_on() -> None:
    story = Story(admitted(), BASELINE, settings=drawing())
    emitted = only(story.until(day(120)), DrugTestOrdered)
    opened = [each.opens_at.date() for each in emitted]
    assert all(each.random and each.closes_at - each.opens_at == DAY for each in emitted)
    gaps = [(later - earlier).days for earlier, later in pairwise([ADMISSION.date(), *opened])]
    early = sum(1 for each in opened if each < (ADMISSION + 28 * DAY).date())
    assert max(gaps[: early + 1]) <= 7
    assert max(gaps) <= 14
    assert len(set(gaps)) > 3
    assert all(each.weekday() < 5 for each in opened)


def test_nothing_of_the_next_day_stands_in_the_state_before_its_notice() -> None:
    """Two patients whose days differ: until the first is ordered their states hold the same, bar the answer's place."""
    settings = drawing()
    story = Story(admitted(), BASELINE, settings=settings)
    looks = []
    while not (found := only(story.then(TimePassed(), at=story.decisions.due(story.state)), DrugTestOrdered)):
        looks.append(story.state.orders.draws)
    assert len({(each.drawn, each.after) for each in looks if each}) <= 1
    notice = timedelta(hours=settings.schedule.notice_hours)
    assert found[0].opens_at - story.now == notice


def test_who_is_stable_is_tested_less_often() -> None:
    story = Story(admitted(), BASELINE, settings=drawing())
    advanced = StageAdvanced(
        episode_id=EPISODE,
        plan_id=EPISODE,
        stage="maintenance",
        former="early-recovery",
        template=(),
        admitted_at=ADMISSION,
        advanced_at=day(1),
    )
    story.then(advanced, at=day(1))
    opened = [each.opens_at.date() for each in only(story.until(day(300)), DrugTestOrdered)]
    later = [each for each in opened if each > (ADMISSION + 30 * DAY).date()]
    assert max((b - a).days for a, b in pairwise(later)) > 14
    assert max((b - a).days for a, b in pairwise(later)) <= 35


PAUSES = [
    (EpisodePaused(**STAY, at=day(5)), EpisodeResumed(**STAY, at=day(25))),
    (PatientDied(died_at=None, reported_at=day(5)), DeathWithdrawn(withdrawn_at=day(25))),
    (discharged(day(5)), taken_back()),
]


@pytest.mark.parametrize(("end", "again"), PAUSES)
def test_nobody_is_drawn_while_nothing_is_asked_of_them_and_then_again(end: Event, again: Event) -> None:
    story = Story(admitted(), BASELINE, settings=drawing())
    story.until(day(5))
    story.then(end, at=day(5))
    assert only(story.until(day(24)), DrugTestOrdered) == []
    assert story.decisions.due(story.state) is None or not in_treatment(story.state)
    story.then(again, at=day(25))
    assert only(story.until(day(33)), DrugTestOrdered) != []


def test_a_hub_that_was_away_orders_on_the_next_open_day_and_gives_the_whole_window() -> None:
    """It comes back on a Saturday, twelve days after the admission."""
    story = Story(admitted(), BASELINE, settings=drawing())
    saturday = datetime(2025, 3, 15, 15, 0, tzinfo=ADMISSION.tzinfo)
    story.then(TimePassed(), at=saturday)
    (ordered_now, *_) = only(story.until(saturday + 3 * DAY), DrugTestOrdered)
    assert ordered_now.opens_at.date() == date(2025, 3, 17)
    assert ordered_now.closes_at - ordered_now.opens_at == DAY


def test_a_notice_that_comes_late_leaves_the_whole_window() -> None:
    """The lane stood still until three hours after the window of the day would have opened."""
    story = Story(admitted(), BASELINE, settings=drawing())
    late = datetime(2025, 3, 4, 16, 0, tzinfo=ADMISSION.tzinfo)
    (given,) = only(story.then(RandomDayDrawn(ordinal=0, day=late.date(), is_due=True), at=late), DrugTestOrdered)
    assert (given.opens_at, given.closes_at) == (late, late + DAY)


def test_an_answer_that_comes_a_day_late_orders_nothing_and_is_asked_for_again() -> None:
    story = Story(admitted(), BASELINE, settings=drawing(first_gap_days=1, gap_days=1, stable_gap_days=1))
    answer = RandomDayDrawn(ordinal=0, day=date(2025, 3, 4), is_due=True)
    assert story.then(answer, at=datetime(2025, 3, 5, 13, 0, tzinfo=ADMISSION.tzinfo)) == []
    assert only(story.until(day(4)), DrugTestOrdered) != []


def test_an_answer_that_comes_twice_orders_one_test() -> None:
    story = Story(admitted(), BASELINE, settings=drawing(weekdays=(0, 1, 2, 3, 4, 5, 6), first_gap_days=1))
    story.then(TimePassed(), at=story.decisions.due(story.state))
    assert len(story.state.orders.tests) == 1
    again = RandomDayDrawn(ordinal=0, day=story.now.date(), is_due=True)
    assert story.then(again) == []
