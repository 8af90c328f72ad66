"""What a person sees: a live board on a terminal, plain lines elsewhere, and the same things on both."""

from io import StringIO

import pytest
from rich.console import Console

from deploy.demo.display import Board, Seen
from deploy.queries import Count
from tests.demo import events
from tests.demo.events import FRIDAY, TUESDAY, chart, record

RECORDS = (
    record(events.admitted()),
    record(events.scheduled(TUESDAY)),
    record(events.missed(TUESDAY)),
    record(events.raised()),
    record(events.retracted()),
)


def shown(terminal: bool, lost: int = 0) -> str:
    output = StringIO()
    console = Console(file=output, force_terminal=terminal, width=150, height=60, color_system=None)
    with Board(console) as board:
        seen = Seen(
            FRIDAY, 1, {"testing": Count(decided=7, emitted=5, withheld=3)}, lost, {"B": chart(*RECORDS)}, {"B": "B"}
        )
        board.show(seen)
        board.show(seen)
    return output.getvalue()


def test_without_a_terminal_each_event_is_one_plain_line_once() -> None:
    lines = shown(terminal=False).splitlines()
    assert [line.split()[5] for line in lines] == [
        "EpisodeAdmitted",
        "SessionMissed",
        "EscalationRaised",
        "EscalationRetracted",
    ]


@pytest.mark.parametrize("lost", [0, 2])
def test_on_a_terminal_the_board_shows_counts_patients_and_escalations(lost: int) -> None:
    written = shown(terminal=True, lost=lost)
    for emitted in ("week 1 of 12", "testing", f"lost {lost}", "in the IOP", "○ B T2 unexpected-positive-presumptive"):
        assert emitted in written
