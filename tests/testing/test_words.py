"""What testing says is valid R4, whatever the laboratory sent."""

from shared.edge.fhir import parse, require_valid
from shared.words import wire
from shared.words.envelope import Envelope, Word
from tests.testing.given import ADMISSION, NAMES, PATIENT, Story, admitted, day, medications, report


def valid(word: Word) -> None:
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
    require_valid(parse(wire.write(word, envelope).body).resource)


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
