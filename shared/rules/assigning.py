"""Who of a patient's team is asked: the person who has the role that owns an escalation stands in its Task beside that
role. Whom it rings follows from the role and the rota alone."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from shared.events.escalation import EscalationEvent

Emitted = TypeVar("Emitted", bound=msgspec.Struct)
PersonOf = Callable[[str], str]
"""By role the id of a member of the staff; empty where nobody of the team has it."""


def assigned(emitted: Iterable[Emitted], person_of: PersonOf) -> list[Emitted]:
    """The same, each escalation with who has its role now."""
    return [_assigned(each, person_of) for each in emitted]


def _assigned(event: Emitted, person_of: PersonOf) -> Emitted:
    person = person_of(event.escalation.owner) if isinstance(event, EscalationEvent) else ""
    return msgspec.structs.replace(event, assigned=person) if person else event
