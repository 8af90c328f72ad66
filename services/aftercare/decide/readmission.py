"""A patient who comes back soon: the new stay knows the old one (domain 6.2: within 30 days)."""

from zoneinfo import ZoneInfo

from services.aftercare.messages import EpisodeAdmitted, PatientReadmitted
from services.aftercare.record import Discharged
from services.aftercare.settings import Settings
from services.aftercare.state import State
from shared.rules.decision import Moment


def found(state: State, event: EpisodeAdmitted, moment: Moment[Settings]) -> list[PatientReadmitted]:
    """Where the stay before ended so few local days ago. One that began before the other ended is none: it is late
    news, or one of the two is wrong."""
    before, zone = state.episode, ZoneInfo(moment.settings.timezone)
    if not isinstance(before, Discharged) or before.discharged_at is None or event.admitted_at < before.discharged_at:
        return []
    days = (event.admitted_at.astimezone(zone).date() - before.discharged_at.astimezone(zone).date()).days
    if days > moment.settings.readmission_days:
        return []
    readmitted = PatientReadmitted(
        episode_id=event.episode_id,
        earlier_episode_id=before.episode_id,
        admitted_at=event.admitted_at,
        days=days,
    )
    return [readmitted]
