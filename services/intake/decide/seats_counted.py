"""Whether a stay may begin as far as seats go: none are counted where it would be, or one is the patient's."""

from services.intake.decide.placing import known_of
from services.intake.placement import schedule
from services.intake.placement.planned import episode_id
from services.intake.seats.capacity import place_of
from services.intake.settings import Settings
from services.intake.state import State
from services.intake.table import TABLE
from shared.rules.decision import Moment, Refused


def place_for(state: State, level: str, moment: Moment[Settings]) -> str | None:
    """Where seats are counted for this patient at this level; None where they are not."""
    if not moment.settings.capacity:
        return None
    known = known_of(state, moment)
    track = schedule.choose(TABLE.track, known) or "general"
    return place_of(level, (track, *schedule.other_tracks(track, known)), moment.settings.capacity)


def may_begin(state: State, moment: Moment[Settings]) -> bool:
    """Of the stay that was signed and has not begun."""
    plan, seat = state.planned, state.seat
    if plan is None or state.referral is None:
        return False
    if seat is not None and seat.episode_id == episode_id(state.referral.id):
        return seat.given is not None
    return place_for(state, plan.level, moment) is None


NO_SEAT = Refused(
    "conflict",
    "No seat is free: the patient is in line, and the stay begins once one is theirs. More seats are counted in"
    " program.toml (capacity).",
    "EpisodeOfCare.status",
)
