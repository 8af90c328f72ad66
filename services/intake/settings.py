"""The numbers intake decides with; value, unit and source stand in deploy/program.toml."""

import msgspec

from shared.rules.consent import Partner
from shared.rules.escalation import Times
from shared.rules.staff import Staff

IOP_MINUTES_LEAST = 540
"""9 hours a week (domain 2.2, 2.9)."""
IOP_MINUTES_BELOW = 1200
"""20 hours a week are partial hospitalisation, another level (domain 2.2)."""


class Week(msgspec.Struct, frozen=True, kw_only=True):
    """The default weekly template (domain 2.9): weekday 0 is Monday, starts are local HH:MM."""

    group_weekdays: tuple[int, ...]
    group_minutes: int
    individual_weekday: int
    individual_minutes: int
    family_weekday: int
    family_minutes: int
    family_every_weeks: int
    day_start: str
    evening_start: str

    def __post_init__(self) -> None:
        minutes = len(self.group_weekdays) * self.group_minutes + self.individual_minutes
        busiest = minutes + self.family_minutes
        if not IOP_MINUTES_LEAST <= minutes <= busiest < IOP_MINUTES_BELOW:
            raise ValueError("the weekly template of level 2.1 must hold at least 9 and less than 20 hours")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    timezone: str
    ahead_minutes: int
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    offers: tuple[str, ...]
    """Levels of care this program gives itself."""
    attests: tuple[str, ...]
    """Capabilities the program attests: `co-occurring`, `block-grant`."""
    partner_prescriber: str
    """Who starts medication for opioid use disorder beside the IOP; empty where nobody is attested."""
    assessment_days: int
    sign_hours: int
    review_hours: int
    reassess_hours: int
    declined_review_days: int
    combine_days: int
    medication_days: int
    """A medication that ended longer ago leaves the list."""
    retention_days: int
    """How long a closed placement stays in the state, once nothing of it is open."""
    week: Week
    partners: tuple[Partner, ...] = ()
    """The program's, of partners.toml: a Consent is answered with what it opens for each."""
