"""The law of reports: whatever their order, repeated or not, before or after silence, they end in the same.

What they end in is worked out a second time, from the newest version of each source alone (`reality.py`).
"""

from datetime import timedelta

from hypothesis import given, settings

from services.attendance.messages import CheckIn, WithdrawCheckIn
from shared.events.envelope import name_id
from tests.attendance.given import NAMES, admitted, session
from tests.attendance.reality import STARTS, Order, Reality, ending, expected, reported, twice_reported
from tests.attendance.story import UNHURRIED, Story
from tests.laws import examples


@settings(max_examples=examples(60))
@given(twice_reported())
def test_the_same_reports_in_any_order_end_in_the_same_outcomes_minutes_and_open_reasons(
    twice: tuple[Reality, Order, Order],
) -> None:
    reality, one, other = twice
    wanted = expected(reality)
    assert ending(reported(reality, one)) == wanted
    assert ending(reported(reality, other)) == wanted


def test_three_in_a_row_that_became_known_out_of_order_raise_tier_three() -> None:
    """The middle one last: the newest miss was concluded before it, and set off nothing more than itself."""
    story = Story(admitted(), **UNHURRIED)
    first, middle, last = STARTS[3:6]
    story.attending_until(first)
    story.until(middle)
    middle_came = CheckIn(
        session_ids=(session(middle),),
        encounter_id=name_id(NAMES, "wrong"),
        periods=((middle, middle + timedelta(hours=3)),),
    )
    story.then(middle_came)
    story.until(last + timedelta(hours=1))
    assert "three-consecutive-misses" not in story.escalations
    story.then(WithdrawCheckIn(encounter_id=name_id(NAMES, "wrong")))
    story.until(story.now + timedelta(hours=1))
    assert story.escalations["three-consecutive-misses"] == 3


def test_a_miss_that_is_not_among_the_signals_shown_breaks_the_row_all_the_same() -> None:
    """Six misses; four are shown. The first of them is taken back: what was asked about it is, too."""
    story = Story(admitted(), **UNHURRIED)
    story.until(STARTS[5] + timedelta(hours=1))
    assert len([each for each in story.still_open if each.reason == "missed-session"]) == 6
    story.then(
        CheckIn(
            session_ids=(session(STARTS[0]),), encounter_id=name_id(NAMES, "first"), periods=((STARTS[0], STARTS[1]),)
        )
    )
    assert len([each for each in story.still_open if each.reason == "missed-session"]) == 5
