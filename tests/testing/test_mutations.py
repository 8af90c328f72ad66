"""Whatever becomes of a message on its way: one well-formed answer in its mode, a line that lives, no row nowhere."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing.hl7.mllp import Frame
from tests.laws import examples
from tests.testing import fates as whereabouts
from tests.testing.fates import Fates
from tests.testing.mutating import MUTATIONS, OURS, PUBLIC, Mutation, code_in, codes_in, in_a_batch, split, taken
from tests.testing.receiving import ReceivingService, message

CODES = {"AA", "AE", "AR", "CA", "CE", "CR"}
"""Of a mutated header another mode may be asked for."""


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from((*OURS, *PUBLIC)), st.sampled_from(MUTATIONS), st.sampled_from(MUTATIONS), st.integers(0, 9_999))
def test_a_mutated_message_is_answered_once_and_no_row_of_it_is_nowhere(
    content: bytes, first: Mutation, second: Mutation, place: int
) -> None:
    taken(second(first(content, place), place // 3)).require_law()


def test_the_law_sees_a_row_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counter-example: a code that no table knows, and that nobody is asked about."""
    monkeypatch.setattr(whereabouts, "questioned", lambda *_: iter(()))
    assert taken(OURS[1]).fates.nowhere == 1


def test_the_law_sees_a_row_that_was_not_read() -> None:
    """The counter-example: what was counted in is more than what was read."""
    found = taken(OURS[1])
    with pytest.raises(AssertionError):
        found._replace(rows=found.rows + 1).require_law()


def test_the_rows_of_a_whole_message_are_told_apart() -> None:
    assert taken(OURS[1]).fates == Fates(rows=7, graded=5, excluded=2, listed=2, nowhere=0)


@pytest.mark.parametrize("content", (*OURS, *PUBLIC))
def test_a_message_that_is_taken_whole_is_taken_in_parts_and_in_a_batch_row_by_row(content: bytes) -> None:
    whole = taken(content)
    parts = [taken(each) for rows_most in (1, 2) for each in split(content, rows_most)]
    assert whole.fates.rows == sum(each.fates.rows for each in parts) / 2
    assert {code for each in parts for code in each.codes} <= {*whole.codes, "AE"}
    both = taken(in_a_batch(content, 0))
    assert both.fates == whole.fates + taken(OURS[0]).fates
    assert both.codes == (*whole.codes, "AA")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.__name__)
async def test_the_line_lives_and_the_next_message_is_taken(testing: ReceivingService, mutation: Mutation) -> None:
    await testing.identified()
    for place in (3, 40, 211, 395):
        answers = await testing.receiver.receive(Frame(mutation(OURS[1], place)))
        assert {code for each in answers for code in codes_in(each)} <= CODES
    (answer,) = await testing.receiver.receive(Frame(message("M99", filler="F99")))
    assert code_in(answer) == "AA"
