"""What testing says is valid R4, whatever the laboratory sent."""

import msgspec

from services.testing.interpretation import COMPONENTS_MOST
from shared.edge.fhir import parse, require_valid
from shared.words import wire
from shared.words.envelope import Envelope, Word
from tests.testing.given import ADMISSION, NAMES, PATIENT, Story, admitted, day, medications, report

KAFKA_BYTES_MOST = 1_048_576


def body_of(word: Word) -> bytes:
    envelope = Envelope(
        id=NAMES,
        source="testing",
        word=type(word).__name__,
        program="demo",
        patient=PATIENT,
        at=ADMISSION,
        correlation_id=NAMES,
        causation_id=NAMES,
    )
    return wire.write(word, envelope).body


def valid(word: Word) -> None:
    require_valid(parse(body_of(word)).resource)


def test_every_word_of_a_long_story_is_valid_fhir() -> None:
    story = Story(report("early", -3, COCAINE="positive"), medications(day(-1), "351267", "999999999"), admitted())
    said = list(story.said)
    for each in (
        report("first", 1, FENTANYL="positive", BUPRENORPHINE="negative", unmapped="LOCAL 7"),
        report("dilute", 7, COCAINE="negative", condition="dilute"),
        report("weekly", 14, status="preliminary", OXYCODONE="positive", matched=True),
        report("weekly", 14, issued=16, OXYCODONE="positive", BENZODIAZEPINES="positive"),
        report("weekly", 14, issued=18, status="corrected", OXYCODONE="negative", BENZODIAZEPINES="indeterminate"),
        report("first", 1, issued=20, status="entered-in-error"),
    ):
        said += story.then(each)
    assert len({type(each) for each in said}) >= 5
    for word in said:
        valid(word)


def test_the_largest_report_that_is_taken_fits_into_a_record() -> None:
    one = report("weekly", 7, BENZODIAZEPINES="indeterminate")
    most = msgspec.structs.replace(one, results=one.results * COMPONENTS_MOST)
    said = Story(admitted(), most).said
    assert said and all(len(body_of(each)) < KAFKA_BYTES_MOST / 2 for each in said)
