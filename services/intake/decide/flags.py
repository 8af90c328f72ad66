"""The flags of a stay: those of the admission hold until what stands behind them changes."""

from collections.abc import Sequence

from services.intake import messages, schedule
from services.intake.decide.recording import known_of
from services.intake.settings import Settings
from services.intake.state import State, evolve
from shared.rules.decision import Moment

Changing = messages.RecordAssessment | messages.RecordConditions | messages.RecordMedications | messages.EndEvidence


def changed(
    state: State, command: Changing, emitted: Sequence[messages.Emits], moment: Moment[Settings]
) -> list[messages.Emits]:
    """During a stay, attendance grades a miss by the flags of its day: they are emitted whole when they change."""
    if state.episode is None:
        return []
    after = evolve(state, command)
    for event in emitted:
        after = evolve(after, event)
    before, now = schedule.flags(known_of(state, moment)), schedule.flags(known_of(after, moment))
    if set(before) == set(now):
        return []
    ended = tuple(each for each in before if each not in now)
    return [messages.FlagsChanged(flags=now, ended=ended, changed_at=moment.now)]
