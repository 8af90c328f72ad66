"""A silent feed accuses nobody: absences are concluded only where somebody speaks of who came."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import uuid5

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_law
from hypothesis import strategies as some

from services.attendance import feed
from services.attendance import messages as w
from services.attendance.feed_events import FEED, Feed, feed_key
from services.attendance.record import minute_of, second_of
from shared.events.envelope import Event
from shared.events.internal import NEVER, To
from shared.events.technical import OperationsEvent
from shared.path.service import Decider
from shared.rules.decision import Moment
from tests.attendance.given import (
    FRIDAY,
    GRACE,
    MONDAY,
    NAMES,
    PATIENT,
    SETTINGS,
    WEDNESDAY,
    admitted,
    check_in,
    evening,
)
from tests.attendance.story import Story, starts
from tests.laws import examples
from tests.story import names

PATIENTS = [str(uuid5(NAMES, f"patient {number}")) for number in range(60)]
MOST = SETTINGS.silent_sessions
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STATE_BYTES_WANTED = 4096


class Program:
    """A program's feed, and what it answers: whose silence counts, and from when on."""

    def __init__(self, now: datetime, **changed: object) -> None:
        self.now, self.reported_at, self.state = now, now - HOUR, Feed()
        self.settings = msgspec.structs.replace(SETTINGS, **changed)
        self.counts: dict[str, datetime] = {}
        self.operations: list[str] = []
        self._steps = 0

    def reports(self, at: datetime | None = None) -> "Program":
        """A report of anybody is decided."""
        self.reported_at = self.now = at or self.now
        return self

    def asked(self, patients: Sequence[str], start: datetime) -> "Program":
        """Of each of them, whether not to have been reported since their session began means that they did not come."""
        for patient in patients:
            self._then(
                w.AbsenceAsked(
                    patient=patient,
                    places=((minute_of(start), 0),),
                    until=second_of(self.now + HOUR),
                    reported_at=self.reported_at,
                )
            )
        return self

    def looks(self, until: datetime | None = None) -> "Program":
        """It hears that time has passed, each time that it asked for that."""
        until = until or self.now
        while (at := feed.due(self.state)) is not None and at <= until:
            self.now = max(at, self.now)
            self._then(w.TimePassed(reported_at=self.reported_at))
            after = feed.due(self.state)
            assert after is None or after > self.now, "a deadline that does not move"
        self.now = until
        return self

    def _then(self, event: w.ConsumesOfFeeds) -> None:
        self._steps += 1
        cause = uuid5(NAMES, str(self._steps))
        moment = Moment(self.now, self.now, self.settings, cause, feed_key("demo"), "demo")
        for each in feed.react(self.state, event, moment):
            if isinstance(each, To):
                assert isinstance(each.event, w.SilenceCounts)
                self.counts[each.key] = each.event.since
            elif isinstance(each, OperationsEvent):
                self.operations.append(type(each).__name__)
            else:
                self.state = feed.evolve(self.state, each)
        assert len(msgspec.json.encode(self.state)) <= STATE_BYTES_WANTED

    def __repr__(self) -> str:
        return f"{self.state}"


def after_grace(start: datetime, **changed: object) -> Program:
    """So long after the session began that silence about it is concluded; the last report came before it began."""
    program = Program(start + GRACE, **changed)
    program.reported_at = start - HOUR
    return program


def test_where_a_report_came_since_the_session_began_silence_counts_at_once() -> None:
    program = after_grace(MONDAY).reports(MONDAY + GRACE).asked(PATIENTS[:40], MONDAY)
    assert program.counts == dict.fromkeys(PATIENTS[:40], MONDAY + GRACE)
    assert (program.operations, feed.due(program.state)) == ([], None)


def test_forty_patients_of_whom_nothing_is_reported_are_not_accused_and_a_person_hears_once() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[:40], MONDAY).looks()
    assert (program.counts, program.operations) == ({}, ["FeedSilent"])
    assert program.asked(PATIENTS[:40], MONDAY).looks(MONDAY + 9 * HOUR).counts == {}
    assert program.operations == ["FeedSilent"]


def test_fewer_sessions_in_a_row_are_no_silent_feed() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[: MOST - 1], MONDAY)
    assert program.counts == {}, "what is asked at one instant is counted together first"
    assert set(program.looks().counts) == set(PATIENTS[: MOST - 1])
    assert program.operations == []


def test_a_report_between_them_begins_the_row_anew() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[: MOST - 1], MONDAY).looks()
    program.reports(MONDAY + HOUR).looks(WEDNESDAY + GRACE).asked(PATIENTS[:2], WEDNESDAY).looks()
    assert program.operations == []


def test_sessions_of_several_days_are_one_row_where_nothing_was_reported_between_them() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[:3], MONDAY).looks(WEDNESDAY + GRACE)
    program.asked(PATIENTS[:3], WEDNESDAY).looks(FRIDAY + GRACE)
    assert program.asked(PATIENTS[:2], FRIDAY).operations == ["FeedSilent"]


def test_a_whole_day_of_which_nothing_was_reported_is_a_silent_feed() -> None:
    program = after_grace(MONDAY).reports(MONDAY - 24 * HOUR)
    program.now = MONDAY + GRACE
    program.asked(PATIENTS[:4], MONDAY).looks(evening(0, 0, 23, 59))
    assert program.operations == []
    assert program.looks(evening(0, 1, 0)).operations == ["FeedSilent"]


def test_a_report_of_the_same_day_speaks_for_the_day() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[:4], MONDAY)
    assert program.looks(evening(0, 1, 0)).operations == []


def test_a_day_with_few_sessions_is_no_silent_feed() -> None:
    program = after_grace(MONDAY).reports(MONDAY - 24 * HOUR)
    program.now = MONDAY + GRACE
    assert program.asked(PATIENTS[:3], MONDAY).looks(evening(0, 1, 0)).operations == []


def test_once_it_speaks_again_silence_counts_after_as_long_as_it_was_silent_and_the_grace_time() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[:40], MONDAY).looks(MONDAY + 2 * HOUR).reports()
    program.looks(MONDAY + 2 * HOUR + 10 * MINUTE)
    assert program.operations == ["FeedSilent", "FeedSpoke"]
    program.asked(PATIENTS[:2], MONDAY)
    assert program.counts == dict.fromkeys(PATIENTS[:2], MONDAY + 4 * HOUR + GRACE)


def test_a_feed_that_was_silent_for_days_has_some_hours_to_send_what_waited() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[:40], MONDAY).looks(WEDNESDAY).reports()
    program.asked(PATIENTS[:1], MONDAY)
    assert program.counts == {PATIENTS[0]: WEDNESDAY + 4 * HOUR + GRACE}


def test_a_session_after_it_speaks_again_is_decided_as_ever() -> None:
    program = after_grace(MONDAY).asked(PATIENTS[:40], MONDAY).looks(WEDNESDAY).reports(WEDNESDAY + MINUTE)
    program.now = WEDNESDAY + GRACE
    program.asked(PATIENTS[:1], WEDNESDAY + MINUTE / 2)
    assert program.counts == {PATIENTS[0]: WEDNESDAY + 4 * HOUR + GRACE + MINUTE}
    later = WEDNESDAY + 2 * MINUTE
    assert program.reports(WEDNESDAY + GRACE + HOUR).asked(PATIENTS[1:2], later).counts[PATIENTS[1]] == program.now


def test_a_program_of_which_nothing_was_ever_reported_is_silent() -> None:
    program = after_grace(MONDAY)
    program.reported_at = NEVER
    assert program.asked(PATIENTS[:MOST], MONDAY).operations == ["FeedSilent"]


def test_the_same_session_asked_about_again_counts_once() -> None:
    program = after_grace(MONDAY)
    for _ in range(MOST):
        program.asked(PATIENTS[:1], MONDAY)
    assert program.operations == []
    assert set(program.looks().counts) == {PATIENTS[0]}


@given(some.permutations(PATIENTS[:20]), some.sets(some.integers(0, 19)))
@settings_of_law(max_examples=examples(100))
def test_law_in_whatever_order_it_is_asked_a_silent_feed_accuses_nobody(order: Sequence[str], again: set[int]) -> None:
    program = after_grace(MONDAY).asked(order, MONDAY).asked([order[each] for each in again], MONDAY).looks()
    assert (program.counts, program.operations) == ({}, ["FeedSilent"])


@given(some.lists(some.tuples(some.integers(0, 30), some.integers(0, 59), some.booleans()), max_size=60))
@settings_of_law(max_examples=examples(100))
def test_law_it_answers_or_is_silent_stays_small_and_its_deadline_moves(steps: Sequence[tuple[int, int, bool]]) -> None:
    program = after_grace(MONDAY)
    for hours, patient, reports in steps:
        program.looks(program.now + hours * HOUR)
        if reports:
            program.reports()
        asked = PATIENTS[patient]
        program.counts.pop(asked, None)
        program.asked([asked], program.now - GRACE).looks()
        assert (asked in program.counts) != bool(program.state.silent_since)


def test_the_state_of_a_feed_is_read_as_it_was_written() -> None:
    decider = Decider(Feed, feed.VERSION, react=feed.react, decide=feed.decide, evolve=feed.evolve, due=feed.due)
    for program in (Program(MONDAY), after_grace(MONDAY).asked(PATIENTS[:3], MONDAY), silent()):
        assert decider.read(feed.VERSION, decider.write(program.state)) == program.state


def silent() -> Program:
    return after_grace(MONDAY).asked(PATIENTS[:40], MONDAY).looks()


# --- the patient


class Asking(Story):
    """Of a program whose last report is known: its feed is asked before an absence is concluded."""

    def due_at(self, now: datetime, reported_at: datetime) -> list[Event]:
        return self.then(w.TimePassed(reported_at=reported_at), at=now)

    @property
    def question(self) -> w.AbsenceAsked:
        (to,) = self.to_others[-1:]
        assert (to.kind, to.key) == (FEED, "demo/feed")
        assert isinstance(to.event, w.AbsenceAsked)
        return to.event

    def answered(self, since: datetime, question: w.AbsenceAsked | None = None) -> list[Event]:
        asked = question or self.question
        return self.then(w.SilenceCounts(places=asked.places, until=asked.until, since=since))


def in_silence() -> Asking:
    """The patient was not reported on Monday, and nobody else was."""
    story = Asking(admitted())
    assert starts(story.due_at(MONDAY + GRACE, reported_at=MONDAY - HOUR), w.SessionMissed) == []
    return story


def test_an_absence_is_asked_about_before_it_is_concluded() -> None:
    story = in_silence()
    assert story.question.patient == PATIENT
    assert story.outcome(MONDAY) == "planned"


def test_it_is_concluded_once_the_feed_answers() -> None:
    story = in_silence()
    emitted = story.answered(story.now)
    assert starts(emitted, w.SessionMissed) == [MONDAY]
    assert story.escalations == {"missed-session": 2}


def test_without_an_answer_it_is_asked_again_and_again() -> None:
    story, asked = in_silence(), 1
    while story.now < MONDAY + 5 * HOUR:
        at = due_of(story)
        story.due_at(at, reported_at=MONDAY - HOUR)
        asked += 1
    assert len(story.to_others) == asked > 20
    assert story.outcome(MONDAY) == "planned"


def test_an_answer_that_it_counts_later_defers_it_until_then() -> None:
    story = in_silence()
    later = MONDAY + 3 * HOUR
    assert names(story.answered(later)) == ["SessionsChanged"]
    assert due_of(story) == later


def test_who_is_reported_meanwhile_came() -> None:
    story = in_silence()
    question = story.question
    story.then(check_in(MONDAY), at=MONDAY + GRACE + MINUTE)
    assert story.answered(story.now, question) == []
    assert story.outcome(MONDAY) == "attended"


def test_an_answer_to_an_older_question_changes_nothing() -> None:
    story = in_silence()
    question = story.question
    story.due_at(due_of(story), reported_at=MONDAY - HOUR)
    assert story.answered(story.now, question) == []


def test_what_nobody_listened_to_is_not_even_asked_about() -> None:
    story = Asking(admitted())
    story.listening_since = MONDAY + HOUR
    story.due_at(MONDAY + HOUR, reported_at=MONDAY - HOUR)
    assert story.to_others == []
    assert due_of(story) == MONDAY + HOUR + GRACE


def test_an_answer_after_an_outage_is_listened_to_anew() -> None:
    story = in_silence()
    story.listening_since = MONDAY + GRACE + 5 * MINUTE
    assert starts(story.answered(MONDAY + GRACE), w.SessionMissed) == []
    assert due_of(story) == MONDAY + GRACE + 5 * MINUTE + GRACE


@pytest.mark.parametrize(("changed", "reported_at"), [({"silent_sessions": 0}, MONDAY - HOUR), ({}, None)])
def test_a_program_that_holds_no_feed_for_silent_concludes_by_itself(
    changed: dict[str, int], reported_at: datetime | None
) -> None:
    story = Asking(admitted(), **changed)
    emitted = story.then(w.TimePassed(reported_at=reported_at), at=MONDAY + GRACE)
    assert starts(emitted, w.SessionMissed) == [MONDAY]
    assert story.to_others == []


def due_of(story: Story) -> datetime:
    at = story.decisions.due(story.state)
    assert at is not None
    return at
