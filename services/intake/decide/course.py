"""One decision as it goes: what it emits, and the state after each of it."""

from collections.abc import Iterable
from functools import reduce
from types import UnionType

from services.intake import messages
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.events.envelope import Event
from shared.rules.decision import Moment


class Course:
    """Of one patient: `before` is the state that was decided on, `cause` what on (None of what a refusal asks: it
    changes nothing), `emitted` all so far. What follows from it is asked of one rule after another, each of which knows
    what those before it emitted."""

    def __init__(
        self,
        before: State,
        cause: messages.Cause | None,
        decided: Iterable[messages.Emits],
        moment: Moment[Settings],
    ) -> None:
        self.before = before
        self.cause = cause
        self.moment = moment
        self.emitted = [*decided]
        self._after: State | None = None
        self._known = 0

    @property
    def after(self) -> State:
        """The state after the cause and all that was emitted; made when somebody asks for it."""
        if self._after is None:
            self._after = self.before if self.cause is None else evolve(self.before, self.cause)
        self._after = reduce(evolve, self.emitted[self._known :], self._after)
        self._known = len(self.emitted)
        return self._after

    def emit(self, events: Iterable[messages.Emits]) -> None:
        self.emitted += events

    def emits(self, kinds: UnionType | type[Event]) -> bool:
        """Whether anything of these kinds is among it."""
        return any(isinstance(each, kinds) for each in self.emitted)
