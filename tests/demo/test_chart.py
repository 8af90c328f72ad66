"""What a demo shows is what the topics say: records folded into a patient's chart."""

import pytest

from shared.events.envelope import Event
from tests.demo import told
from tests.demo.told import FRIDAY, MONDAY, TUESDAY, chart, record
from tests.events.examples import EXAMPLES


@pytest.mark.parametrize("said", EXAMPLES, ids=lambda said: type(said).__name__)
def test_every_event_of_the_catalogue_can_be_shown(said: Event) -> None:
    assert chart(record(said)).steps[0].event == type(said).__name__


def test_a_session_is_what_was_said_of_it_last() -> None:
    seen = chart(record(told.scheduled(TUESDAY)), record(told.missed(TUESDAY)), record(told.attended(TUESDAY, 170)))
    (session,) = seen.sessions.values()
    assert (session.outcome, session.minutes) == ("attended", 170)


def test_a_corrected_drug_test_keeps_what_it_took_back() -> None:
    seen = chart(record(told.resulted("unexpected-positive-presumptive")), record(told.corrected("expected-negative")))
    (result,) = seen.results.values()
    assert result.outcomes == {"benzoylecgonine": "expected-negative"}
    assert result.was == {"benzoylecgonine": "unexpected-positive-presumptive"}


def test_a_retracted_escalation_says_when_and_why() -> None:
    (escalation,) = chart(record(told.raised()), record(told.retracted(), FRIDAY)).escalations.values()
    assert (escalation.raised_at, escalation.ended_at) == (TUESDAY, FRIDAY)
    assert (escalation.ended, escalation.end_reason) == ("retracted", "result-corrected")


def test_who_is_declined_has_the_level_that_fits_and_every_rule() -> None:
    seen = chart(record(told.declined()))
    assert (seen.declined_at, seen.level, seen.rules) == (MONDAY, "2.7", ("R5", "R12", "R14"))
    assert seen.stage == "declined, 2.7 fits"
