"""The law of reports: whatever their order, repeated or not, before or after silence, they end in the same."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import CallOffSession, CancelSession, CheckIn, MarkMissed, WithdrawCheckIn
from shared.events.envelope import Command, name_id
from tests.attendance.given import NAMES, TIME_PASSED, admitted, evening, session
from tests.attendance.story import UNHURRIED, Story
from tests.laws import examples

STARTS = [evening(week, weekday) for week in (0, 1) for weekday in (0, 2, 4)]
BEFORE, LAST = evening(0, 0, 9), evening(2, 0, 9)
Report = tuple[int, Command]
"""In which slice of the time after the sessions it comes, and what it says."""


def reported(start: datetime, choice: tuple[str, int, int]) -> list[Command]:
    """What is reported of one session; of its Appointment at most one status."""
    done, first, minutes = choice
    since = start + timedelta(minutes=first)
    until = since + timedelta(minutes=minutes)
    named, one, two = (session(start),), name_id(NAMES, f"one {start}"), name_id(NAMES, f"two {start}")
    came = CheckIn(session_ids=named, encounter_id=one, periods=((since, until),))
    match done:
        case "come":
            return [came]
        case "come twice":
            return [came, CheckIn(session_ids=named, encounter_id=two, periods=((start, since),))]
        case "come, though excused":
            return [came, CancelSession(session_id=session(start), reason="illness")]
        case "come, though called off":
            return [came, CallOffSession(session_id=session(start))]
        case "come, though marked missed":
            return [came, MarkMissed(session_id=session(start))]
        case "excuse":
            return [CancelSession(session_id=session(start), reason="illness")]
        case "cancel late":
            return [CancelSession(session_id=session(start))]
        case "call off":
            return [CallOffSession(session_id=session(start))]
        case "miss":
            return [MarkMissed(session_id=session(start))]
        case _:
            return []


CHOICES = some.tuples(
    some.sampled_from(
        [
            *("silence", "silence", "silence", "come", "come twice", "excuse", "cancel late", "call off", "miss"),
            *("come, though excused", "come, though called off", "come, though marked missed"),
        ]
    ),
    some.integers(0, 170),
    some.integers(1, 180),
)


@some.composite
def two_orders(draw: some.DrawFn) -> tuple[list[Command], list[Report]]:
    """The reports of six sessions as one list at once, and the same in another order, at any time, some repeated."""
    reports = [command for start in STARTS for command in reported(start, draw(CHOICES))]
    twice = draw(some.lists(some.sampled_from(reports), max_size=4)) if reports else []
    another = draw(some.permutations([*reports, *twice]))
    return reports, [(draw(some.integers(0, 5)), each) for each in another]


def result(story: Story) -> tuple[list[tuple[str, int]], set[tuple[str, tuple[datetime, ...]]]]:
    """Outcomes and minutes of every session; open reasons, each with the sessions behind it."""
    kinds = [(story.outcome(start), story.minutes(start)) for start in STARTS]
    return kinds, {(each.reason, tuple(one.at for one in each.signals)) for each in story.still_open}


def at_once(reports: Sequence[Command]) -> Story:
    story = Story(admitted(), **UNHURRIED)
    story.until(BEFORE)
    story.now = story.listening_since = LAST
    story.then(*reports)
    story.then(TIME_PASSED)
    story.until(LAST + timedelta(days=1))
    return story


def on_the_way(reports: Sequence[Report]) -> Story:
    """Silence concludes what nobody has reported yet; the reports come after their sessions all the same."""
    story = Story(admitted(), **UNHURRIED)
    for slice_, start in enumerate(STARTS):
        story.until(start + timedelta(hours=12))
        due = {session(each) for each in STARTS[: slice_ + 1]}
        story.then(*(command for at, command in reports if at == slice_ and about(command) <= due))
    story.until(LAST)
    story.then(*(command for _, command in reports))
    story.until(LAST + timedelta(days=1))
    return story


def about(command: Command) -> set[str]:
    match command:
        case CheckIn(session_ids=ids):
            return set(ids)
        case CancelSession(session_id=identity) | CallOffSession(session_id=identity) | MarkMissed(session_id=identity):
            return {identity}
        case _:
            raise AssertionError("no report")


@settings(max_examples=examples(60))
@given(two_orders())
def test_the_same_reports_in_any_order_end_in_the_same_outcomes_minutes_and_open_reasons(
    orders: tuple[list[Command], list[Report]],
) -> None:
    reports, another = orders
    assert result(at_once(reports)) == result(on_the_way(another))


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
