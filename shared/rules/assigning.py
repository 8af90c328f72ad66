"""Who of a patient's team is asked: the person who has the role that owns an escalation stands in its Task beside that
role. Whom it rings follows from the role and the rota alone."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from shared.events.escalation import EscalationEvent
from shared.events.intake import TeamMember

Emitted = TypeVar("Emitted", bound=msgspec.Struct)
Team = tuple[TeamMember, ...]
"""As `CareTeamChanged` says it."""


def person_of(team: Sequence[TeamMember], role: str) -> str:
    """Who has this role, by their id in the program's staff; empty where nobody of the team does."""
    return next((each.person for each in team if each.role == role), "")


def assigned(emitted: Sequence[Emitted], team: Sequence[TeamMember]) -> list[Emitted]:
    """The same, each escalation with who has its role now."""
    return [_assigned(each, team) for each in emitted] if team else [*emitted]


def _assigned(event: Emitted, team: Sequence[TeamMember]) -> Emitted:
    person = person_of(team, event.escalation.owner) if isinstance(event, EscalationEvent) else ""
    return msgspec.structs.replace(event, assigned=person) if person else event
