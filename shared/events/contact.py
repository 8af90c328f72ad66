"""What a patient answers when the program calls after the discharge: codes alone, a small set for each question."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from shared.events import codes, fhir

Question = Literal["abstinence", "safety", "housing", "work", "in-care", "other"]
QUESTIONS: Mapping[Question, tuple[str, ...]] = {
    "abstinence": ("abstinent", "using"),
    "safety": ("safe", "in-crisis"),
    "housing": ("housed", "recovery-residence", "housing-at-risk", "without-housing"),
    "work": ("employed", "in-education", "seeking-work", "not-working"),
    "in-care": ("in-care", "not-in-care"),
    "other": (),
}
"""What is asked, and what may be answered. A state names both by their places, which never change. `other` is whatever
stands beside them and is none of these."""
NOT_STATED, UNCODED = "not-stated", "uncoded"
"""Asked, and the patient would not say; answered in words that are no code: a person reads them where they were
sent."""
OTHER: Final = "other"
USING, IN_CRISIS = "using", "in-crisis"


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """To one of QUESTIONS, by one of its codes, NOT_STATED or UNCODED."""

    question: Question
    code: str


def answers_to(question: Question) -> tuple[str, ...]:
    """The codes that a sender may state."""
    return (*QUESTIONS[question], NOT_STATED) if QUESTIONS[question] else ()


def outputs(answers: Iterable[Answer]) -> list[fhir.Element]:
    """As `Task.output`."""
    return [
        {
            "type": fhir.concept(codes.INPUT, f"contact-{each.question}"),
            "valueCodeableConcept": fhir.concept(codes.CONTACT, each.code),
        }
        for each in answers
    ]
