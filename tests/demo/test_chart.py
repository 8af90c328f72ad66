"""What a demo shows is what the topics say: records folded into a patient's chart."""

import pytest

from shared.events.envelope import Event
from tests.demo import events
from tests.demo.events import FRIDAY, MONDAY, TUESDAY, chart, record
from tests.events.examples import EXAMPLES


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_every_event_of_the_catalogue_can_be_shown(event: Event) -> None:
    assert chart(record(event)).steps[0].event == type(event).__name__


def test_a_session_is_what_was_said_of_it_last() -> None:
    seen = chart(
        record(events.scheduled(TUESDAY)), record(events.missed(TUESDAY)), record(events.attended(TUESDAY, 170))
    )
    (session,) = seen.sessions.values()
    assert (session.outcome, session.minutes) == ("attended", 170)


def test_a_corrected_drug_test_keeps_what_it_took_back() -> None:
    seen = chart(
        record(events.resulted("unexpected-positive-presumptive")), record(events.corrected("expected-negative"))
    )
    (result,) = seen.results.values()
    assert result.outcomes == {"benzoylecgonine": "expected-negative"}
    assert result.was == {"benzoylecgonine": "unexpected-positive-presumptive"}


def test_a_retracted_escalation_says_when_and_why() -> None:
    (escalation,) = chart(record(events.raised()), record(events.retracted(), FRIDAY)).escalations.values()
    assert (escalation.raised_at, escalation.ended_at) == (TUESDAY, FRIDAY)
    assert (escalation.ended, escalation.end_reason) == ("retracted", "result-corrected")


def test_who_is_declined_has_the_level_that_fits_and_every_rule() -> None:
    seen = chart(record(events.declined()))
    assert (seen.declined_at, seen.level, seen.rules) == (MONDAY, "2.7", ("R5", "R12", "R14"))
    assert seen.stage == "declined, 2.7 fits"
