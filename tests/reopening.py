"""The command that reopens what was resolved, as the edge makes it of the stored Task."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as some
from msgspec.structs import replace

from shared.events.envelope import Command
from shared.events.escalation import Escalation, EscalationResolved, is_client
from shared.rules.escalation import ReopenEscalation
from tests.story import PatientStory, only


def reopening(resolved: EscalationResolved, **otherwise: Any) -> ReopenEscalation:
    """By who resolved it."""
    by = resolved.by or ""
    made = ReopenEscalation(
        escalation=resolved.escalation,
        resolution=resolved.reason,
        resolved_at=resolved.at,
        reason="resolved-by-mistake",
        by="" if is_client(by) else by,
        by_the_same=True,
    )
    return replace(made, **otherwise)


NEVER = EscalationResolved(
    escalation=Escalation(
        id="5f0c9e7e-1c1b-4c59-9f0e-0e2f6a3f6c11",
        category="placement",
        reason="never-raised",
        tier=1,
        owner="case-manager",
        rule="intake/never-raised|1",
        raised_at=datetime(2026, 1, 5, tzinfo=UTC),
        acknowledge_by=datetime(2026, 1, 6, tzinfo=UTC),
        act_by=datetime(2026, 1, 7, tzinfo=UTC),
        signals=(),
    ),
    at=datetime(2026, 1, 5, tzinfo=UTC),
    reason="acted-on",
    by="clinician-1",
)


def reopenings(story: PatientStory[Any, Any]) -> some.SearchStrategy[Command]:
    """Of each that ended in this story, as if a person had resolved it just now; and of one that nobody knows."""
    ended = only(story.all_emitted, EscalationResolved)
    now = [replace(each, at=story.now, reason="acted-on", by="clinician-1") for each in (*ended, NEVER)]
    return some.sampled_from([reopening(each) for each in now])
