"""Each phrase of data/phrases.csv, however it is written, and with `not` in front of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing import tables
from services.testing.reading.phrases import ANY_TERM, LIMIT, sense_of
from tests.laws import examples

FINDINGS = ("positive", "negative", "indeterminate", "unsatisfactory")
LIMITS = [phrase for phrase, (sense, _) in tables.PHRASES.items() if sense == "limit"]


def written(*senses: str) -> list[str]:
    """The phrases within a field that have one of these senses, each limit and some other word in its place."""
    found = [phrase for phrase, (sense, where) in tables.PHRASES.items() if sense in senses and where == "within"]
    limits = [each for each in found if LIMIT in each]
    return [each.replace(ANY_TERM, "opioids") for each in found if each not in limits] + [
        each.replace(LIMIT, limit) for each in limits for limit in LIMITS
    ]


def sense_in_table(phrase: str) -> str:
    """As the table has it, asked of the phrase before its slots were filled."""
    for known, (sense, _) in tables.PHRASES.items():
        head, _, tail = known.replace(ANY_TERM, LIMIT).partition(LIMIT)
        if known == phrase or (LIMIT in known and phrase.startswith(head) and phrase.removeprefix(head) in LIMITS):
            return sense
        if ANY_TERM in known and phrase == f"{head}opioids{tail}":
            return sense
    raise AssertionError(phrase)


CASES = st.sampled_from([str.lower, str.upper, str.title, str.capitalize])
JOINED = st.sampled_from([" ", "  ", "-", "_", "\t"])
AROUND = st.sampled_from([("", ""), ("", "."), ("", "!"), ("(", ")"), ('"', '"'), ("*", "*"), (" ", ";"), ("[", "]")])
UNITS = st.sampled_from(["", " 50 ng/mL", " (<50 ng/mL)", ", 1,000 ug/L", " (THE CUTOFF VALUE: 50 ng/mL)"])


@settings(max_examples=examples(400))
@given(st.sampled_from(written(*FINDINGS)), CASES, JOINED, AROUND, UNITS)
def test_a_phrase_means_the_same_however_it_is_written(
    phrase: str, case: type[str], joined: str, around: tuple[str, str], unit: str
) -> None:
    before, behind = around
    assert sense_of(f"{before}{joined.join(case(phrase).split(' '))}{behind}{unit}") == sense_in_table(phrase)


@settings(max_examples=examples(400))
@given(st.sampled_from(["not", "no", "Not", "non"]), st.sampled_from(written(*FINDINGS)))
def test_what_is_denied_is_never_read_as_what_it_denies(denial: str, phrase: str) -> None:
    denied, whole = f"{denial} {phrase}", tables.PHRASES.get(f"{denial} {phrase}".lower())
    expected = whole[0] if whole else "indeterminate"
    assert sense_of(denied) == expected and (expected != sense_in_table(phrase) or expected == "indeterminate")


@settings(max_examples=examples(200))
@given(st.sampled_from(written("positive")), st.sampled_from(written("denied", "negative", "unsatisfactory")))
def test_a_presence_that_is_taken_back_beside_it_is_a_persons_to_read(phrase: str, other: str) -> None:
    assert sense_of(f"{phrase}, {other}") == sense_of(f"{other}, {phrase}") == "indeterminate"


@settings(max_examples=examples(200))
@given(st.sampled_from(written("negative")), st.sampled_from(written("denied", "doubted", "positive")))
def test_an_absence_that_is_left_open_beside_it_is_a_persons_to_read(phrase: str, other: str) -> None:
    assert sense_of(f"{phrase}, {other}") == sense_of(f"{other}, {phrase}") == "indeterminate"


@pytest.mark.parametrize(
    ("text", "sense"),
    [
        ("+", "positive"),
        ("-", "negative"),
        ("None", "negative"),
        ("none taken", None),
        ("+ 500 ng/mL", None),
        ("Presumptive positive; confirmation not performed", "positive"),
        ("POSITIVE, quantity not sufficient for confirmation", "positive"),
        ("Confirmation not performed", None),
        ("Confirmation not required, negative", "negative"),
        ("Not below the cut-off", "indeterminate"),
        ("Not insufficient", "indeterminate"),
        ("Positive (QNS)", "indeterminate"),
    ],
)
def test_what_only_a_whole_field_means_and_what_speaks_of_something_else(text: str, sense: str | None) -> None:
    assert sense_of(text) == sense
