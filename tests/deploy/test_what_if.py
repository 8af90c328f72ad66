"""What `iop replay --program` prints, and what it does not understand."""

from datetime import UTC, datetime

import pytest
from rich.console import Console

from deploy.commands import what_if
from deploy.commands.replay import days, lines, merged
from deploy.failure import CannotContinueError
from shared.path.transaction.consequences import Change
from shared.path.transaction.replaying import Replayed
from shared.path.transaction.supposing import WhatIf

AT = datetime(2026, 1, 7, 23, 15, tzinfo=UTC)
FEWER = Change("patient-1", "Task/1", "attendance/two-misses-in-7-days|2026.2", "fewer", AT, "tier 2")
MORE = Change("patient-2", "Task/2", "attendance/two-misses-in-7-days|2026.2", "more", AT, "", "tier 2")


def part(change: Change, **more: object) -> WhatIf:
    return WhatIf(service="attendance", until=AT, keys=1, decisions=4, other=1, changes=[change], **more)  # type: ignore[arg-type]


def test_the_parts_of_a_service_are_added_up() -> None:
    events, commands = {"EscalationRaised": (3, 2)}, {"AcknowledgeEscalation": 1}
    (found,) = what_if.merged([part(MORE, events=events), part(FEWER, events=events, unfounded=commands)])
    assert (found.keys, found.decisions, found.other, found.changes) == (2, 8, 2, [FEWER, MORE])
    assert (found.events, found.unfounded) == ({"EscalationRaised": (6, 4)}, commands)


def test_it_is_a_table_by_rule_a_line_a_change_and_what_nobody_can_know() -> None:
    console = Console(width=80, record=True, soft_wrap=True)
    for each in what_if.shown(what_if.answer(what_if.merged([part(MORE), part(FEWER)]))):
        console.print(each, markup=False)
    text = console.export_text()
    assert "attendance: 2 patients, 8 decisions about the same facts (the beginning to 2026-01-07 23:15:00Z)" in text
    assert "│ attendance/two-misses-in-7-days|2026.2 │ 1    │ 1     │" in text
    assert "2026-01-07 23:15:00Z  patient-1  attendance/two-misses-in-7-days|2026.2: fewer, was tier 2 (Task/1)" in text
    assert (
        "2026-01-07 23:15:00Z  patient-2  attendance/two-misses-in-7-days|2026.2: more, would be tier 2 (Task/2)"
        in text
    )
    assert all(each in text for each in what_if.UNKNOWN)


def test_places_that_count_their_seats_are_not_counted_as_patients() -> None:
    parts = [Replayed(service="intake", keys=5, others={"seats": 1}), Replayed(service="intake", keys=4)]
    (found,) = merged([*parts, Replayed(service="intake", keys=1, others={"seats": 1})])
    assert lines(found)[0] == "intake: 8 patients (seats: 2), 0 decisions made again, 0 differ"
    (supposed,) = what_if.merged([part(MORE, others={"seats": 1}), part(FEWER)])
    assert supposed.others == {"seats": 1}


@pytest.mark.parametrize("text", ["90", "0d", "d", "-1d", "90h"])
def test_the_last_days_are_a_number_and_d(text: str) -> None:
    with pytest.raises(CannotContinueError, match="--last must be a number of days like 90d"):
        days(text)
    assert days("90d") == 90
