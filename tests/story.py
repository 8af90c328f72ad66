"""What happened to one patient, folded as the path folds it; each service's `story.py` has its own decisions.

story = Story(admitted(), check_in(MONDAY))     # an event is reacted to, a command decided
emitted = story.then(discharged(FRIDAY))        # what the service emits to that
emitted = story.until(FRIDAY + WEEK)            # and by itself, each deadline at its own moment
assert story.refused is None
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID, uuid5

from shared.events.envelope import Command, Event
from shared.events.internal import RetentionBegan, To
from shared.rules.decision import Moment, Refused

S = TypeVar("S")
P = TypeVar("P")
E = TypeVar("E", bound=Event)
STEPS = UUID(int=5)
DEADLINES_MOST = 10_000


@dataclass(frozen=True)
class Decisions:
    """A service's pure functions, and the event that says that time has passed."""

    react: Callable[[Any, Any, Moment[Any]], Sequence[Event | To]]
    decide: Callable[[Any, Any, Moment[Any]], Sequence[Event | To] | Refused]
    evolve: Callable[[Any, Any], Any]
    due: Callable[[Any], datetime | None]
    time_passed: Event


class PatientStory(Generic[S, P]):
    """The state after everything that happened; `emitted` and `refused` are of the last step."""

    decisions: ClassVar[Decisions]
    patient: ClassVar[str]
    client: ClassVar[str]

    def __init__(
        self, *happened: Event | Command, state: S, settings: P, now: datetime, listening_since: datetime | None = None
    ) -> None:
        self.state, self.settings, self.now, self.listening_since = state, settings, now, listening_since
        self.refused: Refused | None = None
        self.emitted: list[Event] = []
        self.all_emitted: list[Event] = []
        self.to_others: list[To] = []
        self._steps = 0
        self.then(*happened)

    def then(self, *happened: Event | Command, at: datetime | None = None) -> list[Event]:
        """What the service emits to these, but for how long its record is kept: that is no part of the story."""
        return [event for each in happened for event in self._step(each, at)]

    def until(self, now: datetime) -> list[Event]:
        """What it emits by itself until then."""
        emitted: list[Event] = []
        for _ in range(DEADLINES_MOST):
            deadline = self.decisions.due(self.state)
            if deadline is None or deadline > now:
                self.now = now
                return emitted
            emitted += self.then(self.decisions.time_passed, at=max(self.now, deadline))
        raise AssertionError("a deadline that never ends")

    def refusal(self, command: Command, at: datetime | None = None) -> Refused:
        """How the command is refused."""
        self.then(command, at=at)
        assert self.refused is not None
        return self.refused

    def names(self) -> list[str]:
        return names(self.emitted)

    def happens_at(self, happened: Event | Command) -> datetime:
        """The moment of what happens, unless it is said."""
        return self.now

    def _step(self, happened: Event | Command, at: datetime | None) -> list[Event]:
        self._steps += 1
        self.now = at or self.happens_at(happened)
        function = self.decisions.decide if isinstance(happened, Command) else self.decisions.react
        answer = function(self.state, happened, self._moment())
        self.refused, emitted = (answer, list(answer.asks)) if isinstance(answer, Refused) else (None, list(answer))
        self.to_others += [each for each in emitted if isinstance(each, To)]
        events = [each for each in emitted if not isinstance(each, To)]
        self.emitted = [each for each in events if not isinstance(each, RetentionBegan)]
        self.all_emitted += self.emitted
        for each in events if self.refused is not None else (happened, *events):
            self.state = self.decisions.evolve(self.state, each)
        return self.emitted

    def _moment(self) -> Moment[P]:
        cause = uuid5(STEPS, str(self._steps))
        since = self.listening_since or self.now
        return Moment(self.now, since, self.settings, cause, self.patient, "demo", self.client)


def only(emitted: Sequence[Event], kind: type[E]) -> list[E]:
    return [each for each in emitted if isinstance(each, kind)]


def names(emitted: Sequence[Event | To]) -> list[str]:
    return [type(each).__name__ for each in emitted]
