"""What a laboratory's next event about a report replaces, and what stands."""

import msgspec

from services.testing.decide import decide
from services.testing.messages import Observed
from services.testing.specimens import Specimen, Version
from services.testing.specimens.versions import joined
from services.testing.state import State
from shared.events.codes import LOINC
from shared.events.envelope import Event
from shared.events.testing import AnalyteResult, DrugTestEvent, ResultMatched
from shared.rules.decision import Moment
from tests.testing.given import COCAINE, COCAINE_CONFIRMED, FENTANYL, admitted, moment, report
from tests.testing.story import Story


def found(event: Event) -> dict[str, str]:
    assert isinstance(event, DrugTestEvent)
    return {each.code: each.finding for each in event.results}


def last(story: Story, happened: object) -> DrugTestEvent:
    events = [each for each in story.then(happened) if isinstance(each, DrugTestEvent)]  # type: ignore[arg-type]
    return events[-1]


BASELINE = report("baseline", 1, FENTANYL="negative")
WEEKLY = report("weekly", 8, FENTANYL="positive", COCAINE="positive", extent="message")


def test_a_correction_of_one_component_leaves_the_others_standing() -> None:
    story = Story(admitted(), BASELINE, WEEKLY)
    emitted = story.then(report("weekly", 8, issued=10, status="corrected", COCAINE="negative", extent="message"))
    assert found(emitted[0]) == {FENTANYL: "positive", COCAINE: "negative"}
    assert [type(each).__name__ for each in emitted[1:]] == ["EscalationRetracted"]


def test_a_fhir_report_is_whole_each_time() -> None:
    story = Story(admitted(), BASELINE, WEEKLY)
    emitted = last(story, report("weekly", 8, issued=10, status="corrected", COCAINE="negative"))
    assert {each.code: (each.outcome, each.status) for each in emitted.results} == {
        FENTANYL: ("cancelled", "cancelled"),
        COCAINE: ("expected-negative", "corrected"),
    }


def test_the_same_correction_again_says_nothing() -> None:
    correction = report("weekly", 8, issued=10, status="corrected", FENTANYL="negative", extent="message")
    story = Story(admitted(), BASELINE, WEEKLY, correction)
    assert story.then(correction) == []
    assert story.then(report("weekly", 8, issued=9, COCAINE="positive", FENTANYL="positive", extent="message")) == []


def cancelled(code: str) -> Observed:
    return Observed(code, LOINC, "cocaine", "unsatisfactory", False, cancelled=True)


def test_one_component_taken_back_does_not_void_the_report() -> None:
    story = Story(admitted(), BASELINE, WEEKLY)
    taken_back = report("weekly", 8, issued=10, status="entered-in-error", extent="message")
    emitted = last(story, msgspec.structs.replace(taken_back, results=(cancelled(COCAINE),)))
    assert emitted.status == "corrected"
    assert {each.code: each.outcome for each in emitted.results} == {
        FENTANYL: "unexpected-positive-presumptive",
        COCAINE: "cancelled",
    }


def test_every_component_taken_back_voids_it() -> None:
    story = Story(admitted(), BASELINE, WEEKLY)
    taken_back = report("weekly", 8, issued=10, status="entered-in-error", extent="message")
    emitted = last(story, msgspec.structs.replace(taken_back, results=(cancelled(COCAINE), cancelled(FENTANYL))))
    assert emitted.status == "entered-in-error"


def test_a_final_report_leaves_behind_what_was_only_preliminary() -> None:
    preliminary = msgspec.structs.replace(WEEKLY, status="preliminary")
    story = Story(admitted(), BASELINE, preliminary)
    emitted = last(story, report("weekly", 8, issued=10, COCAINE_CONFIRMED="negative", extent="message"))
    assert found(emitted) == {COCAINE_CONFIRMED: "negative"}


def test_a_preliminary_component_made_final_without_being_sent_again_stands() -> None:
    preliminary = msgspec.structs.replace(WEEKLY, status="preliminary")
    story = Story(admitted(), BASELINE, preliminary)
    final = report("weekly", 8, issued=10, COCAINE_CONFIRMED="negative", extent="message")
    promoted = Observed(FENTANYL, LOINC, "fentanyl", "pending", False, stands=True)
    emitted = last(story, msgspec.structs.replace(final, results=(*final.results, promoted)))
    standing = {each.code: each.finding for each in emitted.results if each.status == "final"}
    assert standing == {FENTANYL: "positive", COCAINE_CONFIRMED: "negative"}


def test_a_message_about_other_components_says_nothing_of_the_specimen() -> None:
    substituted = msgspec.structs.replace(WEEKLY, condition="substituted")
    story = Story(admitted(), BASELINE, substituted)
    emitted = last(story, report("weekly", 8, issued=10, status="corrected", COCAINE="negative", extent="message"))
    assert emitted.condition == "substituted"


def test_one_component_alone_leaves_the_others_as_final_and_the_specimen_where_it_was() -> None:
    preliminary = msgspec.structs.replace(WEEKLY, status="preliminary")
    alone = report("weekly", 9, specimen="other", issued=10, COCAINE="negative", extent="component")
    emitted = last(Story(admitted(), BASELINE, preliminary), alone)
    assert (emitted.status, found(emitted)) == ("partial", {FENTANYL: "positive", COCAINE: "negative"})
    assert emitted.collected_at == WEEKLY.collected_at


def test_a_report_is_taken_back_whole_though_a_component_was_updated_since() -> None:
    alone = report("weekly", 8, issued=30, status="corrected", COCAINE="negative", extent="component")
    story = Story(admitted(), BASELINE, WEEKLY, alone)
    emitted = last(story, report("weekly", 8, status="entered-in-error"))
    assert emitted.status == "entered-in-error"


def test_what_was_taken_back_with_its_report_does_not_come_back_with_another_component() -> None:
    taken_back = report("weekly", 8, issued=9, status="cancelled")
    story = Story(admitted(), BASELINE, WEEKLY, taken_back)
    emitted = last(story, report("weekly", 8, issued=10, COCAINE="negative", extent="message"))
    assert {each.code: each.outcome for each in emitted.results} == {
        FENTANYL: "cancelled",
        COCAINE: "expected-negative",
    }
    story = Story(admitted(), BASELINE, WEEKLY, taken_back)
    assert story.then(report("weekly", 8, issued=10, COCAINE="negative", extent="component")) == []


def test_one_number_for_two_patients_makes_two_reports() -> None:
    def emitted_of(patient: str) -> tuple[str, str, tuple[AnalyteResult, ...]]:
        own = moment(WEEKLY.issued_at)
        now = Moment(own.now, own.listening_since, own.settings, own.cause, patient, own.program)
        emitted = decide(State(), WEEKLY, now)
        assert isinstance(emitted, list) and isinstance(emitted[0], ResultMatched)
        return emitted[0].report_id, emitted[0].specimen_id, emitted[0].results

    one, other = emitted_of("one"), emitted_of("other")
    assert one[0] != other[0] and one[1] != other[1]
    assert not {each.observation_id for each in one[2]} & {each.observation_id for each in other[2]}


def test_of_two_versions_that_say_the_same_the_same_one_stands_in_every_process() -> None:
    """What a set holds has another order in each process: of sixty-four pairs some would stand otherwise."""
    for number in range(64):
        row = Version(f"report-{number}", 1, "final", 1, True, "", "", ("14314-9n",))
        left = msgspec.structs.replace(row, status="cancelled", measures=(), issued_at=2)
        closing = msgspec.structs.replace(left, closes="unfinished")
        first = joined(Specimen("specimen", (), ()), [row, left, closing])
        assert first.versions == (row, closing)
        assert joined(first, [left, row]) == first
