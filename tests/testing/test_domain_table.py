"""The rows of domain 5.2 that are testing's: what happened, and what is asked of a person at which tier."""

from collections.abc import Sequence
from typing import Any

import pytest

from shared.events.envelope import Command, Event
from tests.testing.decide.test_refusals import collection, order
from tests.testing.given import admitted, day, medications, report
from tests.testing.story import BASELINE, Story

WEEKLY = ("weekly", 7)
BUPRENORPHINE = "1819"


def weekly(**found: Any) -> Command:
    return report(*WEEKLY, **found)


ORDER = order("first", 13)
REFUSED, MISSED = collection("first", "refused", 13.5), collection("first", "missed", 14)
PRESCRIBED = (medications(day(-1), BUPRENORPHINE),)
ABSENT = weekly(BUPRENORPHINE="negative", NORBUPRENORPHINE="negative")

ROWS: dict[str, tuple[Sequence[Event | Command], dict[str, int]]] = {
    "presumptive unexpected positive": ([weekly(COCAINE="positive")], {"unexpected-positive-presumptive": 2}),
    "confirmed unexpected positive": ([weekly(COCAINE_CONFIRMED="positive")], {"unexpected-positive-confirmed": 2}),
    "two confirmed in 30 days": (
        [weekly(COCAINE_CONFIRMED="positive"), report("later", 36, COCAINE_CONFIRMED="positive")],
        {"unexpected-positive-confirmed": 2, "repeated-unexpected-positive": 3},
    ),
    "an opioid, even presumptive": ([weekly(FENTANYL="positive")], {"unexpected-positive-opioid": 3}),
    "an opioid with a benzodiazepine": (
        [weekly(OPIATES="positive", BENZODIAZEPINES="positive")],
        {"unexpected-positive-opioid": 3, "unexpected-positive-presumptive": 2, "opioid-with-sedative": 3},
    ),
    "an opioid with alcohol": (
        [weekly(OPIATES="positive", ETS="positive")],
        {"unexpected-positive-opioid": 3, "unexpected-positive-confirmed": 2, "opioid-with-sedative": 3},
    ),
    "ethyl glucuronide alone": (
        [weekly(ETG="positive")],
        {"unexpected-positive-presumptive": 2, "medical-review": 1},
    ),
    "ethyl glucuronide with ethyl sulfate": (
        [weekly(ETG="positive", ETS="positive")],
        {"unexpected-positive-confirmed": 2},
    ),
    "the prescribed maintenance medication absent": (
        [*PRESCRIBED, ABSENT],
        {"prescribed-medication-absent": 2},
    ),
    "its parent drug alone": (
        [*PRESCRIBED, weekly(BUPRENORPHINE_FIGURE="positive", NORBUPRENORPHINE_FIGURE="negative")],
        {"prescribed-medication-absent": 3},
    ),
    "absent, and an opioid found": (
        [*PRESCRIBED, weekly(BUPRENORPHINE="negative", NORBUPRENORPHINE="negative", FENTANYL="positive")],
        {"prescribed-medication-absent": 3, "unexpected-positive-opioid": 3},
    ),
    "absent for the second time in 30 days": (
        [*PRESCRIBED, ABSENT, report("later", 36, BUPRENORPHINE="negative")],
        {"prescribed-medication-absent": 3},
    ),
    "substituted": ([weekly(condition="substituted", COCAINE="negative")], {"specimen-substituted-or-adulterated": 3}),
    "adulterated": ([weekly(condition="adulterated", COCAINE="negative")], {"specimen-substituted-or-adulterated": 3}),
    "dilute": ([weekly(condition="dilute", COCAINE="negative")], {"recollection-needed": 1}),
    "dilute twice in a row": (
        [weekly(condition="dilute", COCAINE="negative"), report("later", 9, condition="dilute", COCAINE="negative")],
        {"recollection-needed": 2},
    ),
    "invalid": ([weekly(condition="invalid", COCAINE="negative")], {"recollection-needed": 1}),
    "rejected after an invalid one": (
        [
            weekly(condition="invalid", COCAINE="negative"),
            report("later", 9, condition="rejected-unsatisfactory", COCAINE="unsatisfactory"),
        ],
        {"recollection-needed": 2},
    ),
    "refused": ([ORDER, REFUSED], {"collection-refused": 2}),
    "refused, with another signal in 7 days": (
        [ORDER, weekly(COCAINE="positive"), REFUSED],
        {"unexpected-positive-presumptive": 2, "collection-refused": 3},
    ),
    "nobody came to an ordered test": ([ORDER, MISSED], {"collection-missed": 2}),
    "a result corrected to negative": (
        [weekly(FENTANYL="positive"), report(*WEEKLY, issued=9, status="corrected", FENTANYL="negative")],
        {},
    ),
    "the baseline, with an opioid": ([report("first", -1, FENTANYL="positive")], {"baseline-opioid-safety": 2}),
    "residual excretion, with an opioid": (
        [report("first", -1, FENTANYL="positive"), weekly(FENTANYL="positive")],
        {"baseline-opioid-safety": 2},
    ),
    "expected": ([weekly(COCAINE="negative")], {}),
}


@pytest.mark.parametrize("row", ROWS)
def test_each_row_asks_for_what_the_brief_says(row: str) -> None:
    happened, asked = ROWS[row]
    assert Story(admitted(), BASELINE, *happened).escalations == asked
