"""One decision as it goes: what it emits, and the state after each of it."""

from collections.abc import Sequence

from services.attendance import requests, weeks
from services.attendance.messages import Emits, RequestsChanged, SessionsChanged
from services.attendance.misses import undone
from services.attendance.record import Episode, Request, Session
from services.attendance.settings import Settings
from services.attendance.state import State, evolve
from shared.events.escalation import EscalationEvent
from shared.events.internal import To
from shared.rules.decision import Moment


class Course:
    """Of one patient in a stay; `state` already holds what the cause itself changed."""

    def __init__(self, state: State, moment: Moment[Settings]) -> None:
        self.state = state
        self.moment = moment
        self.emitted: list[Emits] = []

    @property
    def episode(self) -> Episode:
        assert self.state.episode is not None
        return self.state.episode

    def emit(self, *events: Emits) -> None:
        """What goes to another key changes that one."""
        for event in events:
            if not isinstance(event, To):
                self.state = evolve(self.state, event)
        self.emitted += events

    def change(self, sessions: Sequence[Session], events: Sequence[Emits], reason: str) -> None:
        """Sessions as they are known now, what is emitted of them, and what follows for persons and weeks.

        `reason` is why something that was asked is taken back.
        """
        before = self.state
        self.emit(*events)
        self.know(sessions)
        self.follow(before, reason)
        self._withdraw(before)
        self.emit(*weeks.recounted(self.state, sessions, self.moment.settings))

    def know(self, sessions: Sequence[Session]) -> None:
        if sessions:
            self.emit(SessionsChanged(episode_id=self.episode.id, sessions=tuple(sessions)))

    def follow(self, before: State, reason: str) -> None:
        """What persons are asked after all that has changed since `before`."""
        asked = requests.followed(before, self.state, self.moment, reason)
        self.ask(asked.emitted, asked.requests)
        self.know(asked.sessions)

    def _withdraw(self, before: State) -> None:
        """Misses that are none any more, for whoever counts them, where what is closed names them: a person had
        answered, or the stay had ended, for good or not. Should one be a miss again, it is asked about anew."""
        wrong, ended = undone(before, self.state), self.episode.is_over or self.episode.reopened
        closed = [now for was, now in wrong if ended or requests.unanswered([was])]
        if closed:
            self.emit(requests.withdrawn(self.episode, closed))
            self.know(requests.unanswered(closed))

    def ask(self, emitted: Sequence[EscalationEvent], now_open: tuple[Request, ...]) -> None:
        self.emit(*emitted)
        if now_open != self.state.escalations:
            self.emit(RequestsChanged(requests=now_open))
