"""What testing says is valid R4, whatever the laboratory sent."""

import msgspec

from services.testing.reading.interpretation import COMPONENTS_MOST
from shared.edge.fhir import parse, require_valid
from shared.events import wire
from shared.events.envelope import Envelope, Event
from shared.events.internal import StateEvent
from tests.testing.given import ADMISSION, NAMES, PATIENT, admitted, day, medications, report
from tests.testing.story import Story

KAFKA_BYTES_MOST = 1_048_576


def body_of(event: Event) -> bytes:
    envelope = Envelope(
        id=NAMES,
        source="testing",
        event=type(event).__name__,
        program="demo",
        patient=PATIENT,
        at=ADMISSION,
        correlation_id=NAMES,
        causation_id=NAMES,
    )
    return wire.write(event, envelope).body


def valid(event: Event) -> None:
    require_valid(parse(body_of(event)))


def test_every_event_of_a_long_story_is_valid_fhir() -> None:
    story = Story(report("early", -3, COCAINE="positive"), medications(day(-1), "351267", "999999999"), admitted())
    emitted = list(story.emitted)
    for each in (
        report("first", 1, FENTANYL="positive", BUPRENORPHINE="negative", unmapped="LOCAL 7"),
        report("dilute", 7, COCAINE="negative", condition="dilute"),
        report("weekly", 14, status="preliminary", OXYCODONE="positive", matched=True),
        report("weekly", 14, issued=16, OXYCODONE="positive", BENZODIAZEPINES="positive"),
        report("weekly", 14, issued=18, status="corrected", OXYCODONE="negative", BENZODIAZEPINES="indeterminate"),
        report("first", 1, issued=20, status="entered-in-error"),
    ):
        emitted += story.then(each)
    assert len({type(each) for each in emitted}) >= 5
    for event in emitted:
        valid(event)


def test_the_largest_report_that_is_taken_fits_into_a_record() -> None:
    one = report("weekly", 7, BENZODIAZEPINES="indeterminate")
    most = msgspec.structs.replace(one, results=one.results * COMPONENTS_MOST)
    emitted = [each for each in Story(admitted(), most).emitted if not isinstance(each, StateEvent)]
    assert emitted and all(len(body_of(each)) < KAFKA_BYTES_MOST / 2 for each in emitted)
