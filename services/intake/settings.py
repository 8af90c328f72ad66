"""The numbers intake decides with; value, unit and source stand in deploy/program.toml."""

from typing import Literal

import msgspec

from services.intake.instruments import is_meaning
from services.intake.placement.levels import LEVELS
from services.intake.seats.capacity import SeatCount, require_places
from services.intake.stages import WEEK_MINUTES, Sessions, Stage, first_of, require_stages
from services.intake.table import TRACKS
from shared.events.intake import ACTIVITIES, GOAL_AIMS, TEAM_ROLES, TOPICS
from shared.rules.consent import Partner
from shared.rules.escalation import Times
from shared.rules.numbers import Count, Days, DaysOrNone, Hours, MinutesOrNone, Percent, Tier
from shared.rules.payers import Payer, require_payers
from shared.rules.staff import Staff

PLANNED = frozenset({*TEAM_ROLES, *GOAL_AIMS, *ACTIVITIES, *TOPICS[1:]})
"""What a code of a sender's may mean in a plan."""
Capability = Literal["co-occurring", "block-grant"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timezone: str
    ahead_minutes: MinutesOrNone
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    referral_codes: tuple[str, ...]
    """What an order asks for, by code or category (`system|code`), where it is a referral to this program."""
    referral_performers: tuple[str, ...]
    """Who an order names as performer (`system|value`), where it is a referral to this program."""
    offers: tuple[str, ...]
    """Levels of care this program gives itself."""
    attests: tuple[Capability, ...]
    """Capabilities the program attests: `co-occurring`, `block-grant`."""
    partner_prescriber: str
    """Who starts medication for opioid use disorder beside the IOP; empty where nobody is attested."""
    assessment_days: Days
    sign_hours: Hours
    review_hours: Hours
    reassess_hours: Hours
    declined_review_days: Days
    weekly_review_days: DaysOrNone
    """From one review of a stay by its therapist to the next; 0 where the program asks for none."""
    weekly_review_ask_days: Days
    """So long before it is due its Task is there."""
    weekly_reviews_missed: Count
    """So many in a row, and the team hears."""
    start_ahead_days: Days
    """How far ahead the start of a stay may be planned."""
    step_down_days: Days
    """How soon after nights elsewhere the first session is."""
    waiting_contact_days: Days
    """How often somebody gets in touch with a patient who waits for a seat."""
    waiting_contact_tier: Tier
    """How grave it is that nobody did."""
    elsewhere_follow_up_days: Days
    """By when somebody has seen a patient whose care elsewhere ended."""
    chain_gap_days: DaysOrNone
    """Days without care that part two chains of days in care, where they are more."""
    combine_days: Days
    combine_tier: Tier
    """Signals of two kinds that meet count from this tier on."""
    medication_days: DaysOrNone
    """A medication that ended longer ago leaves the list."""
    retention_days: DaysOrNone
    """How long a closed placement stays in the state, once nothing of it is open."""
    injecting_days: Days
    """Of a block-grant program: whoever injects is admitted so many days after the request."""
    injecting_interim_days: Days
    """The same, where no seat is free and interim services were given in time."""
    interim_hours: Hours
    """So long after the request interim services are given to whom the block grant has treated first."""
    state_referral_hours: Hours
    """How soon the State is asked for a place for a pregnant woman."""
    seat_hours: Hours
    """How long a seat stays with whoever can't be admitted yet, before it is offered to the next."""
    capacity_percent: Percent
    """From so many percent of its seats on operations are warned."""
    stage_answer_days: Days
    """By when a therapist answers in which stage the stay goes on."""
    stage_again_days: Days
    """After so long the same is asked again, where it goes on in the same stage or at the same level."""
    sessions: Sessions
    payers: dict[str, Payer]
    """Who may pay, by name; `default` where nobody knows who does."""
    stages: dict[str, Stage]
    """In the order in which a stay goes through them."""
    capacity: dict[str, SeatCount] = {}
    """Seats by level (`2.1`), or by level and track (`2.1|dual-diagnosis`); what is not named is not counted."""
    local_codes: dict[str, str] = {}
    """What an EHR's own codes ask or answer (`system|code`), and the items of its forms ask (`questionnaire|linkId`):
    LOINC's code or the hub's own, of a fact, a score, an item of a score, a need or a level; an answer's code, word or
    points; of a Condition's code ICD-10-CM's."""
    plan_codes: dict[str, str] = {}
    """What an EHR's own codes (`system|code`) of a CareTeam, a Goal or a CarePlan mean: a role of the team, an aim, an
    activity or the topic of a workshop, as the hub names them."""
    referral_levels: dict[str, str] = {}
    """Which level of care an order asks for (`system|code`), where it names none itself."""
    identifiers: tuple[str, ...] = ()
    """The program's own (`system|value`), of its organization: by them a Consent names who discloses."""
    partners: tuple[Partner, ...] = ()
    """The program's, of partners.toml: a Consent is answered with what it opens for each."""

    def __post_init__(self) -> None:
        require_payers(self.payers)
        require_places(self.capacity, self.offers, TRACKS)
        if 0 < self.weekly_review_days < self.weekly_review_ask_days:
            raise ValueError("weekly_review_ask_days: must not be more than weekly_review_days")
        for level in self.offers:
            if level not in WEEK_MINUTES:
                raise ValueError("offers: a level without hours of the week can't be given; leave it out")
            if not first_of(self.stages, level):
                raise ValueError(f"offers: no stage is of level {level}; leave it out, or write the stage")
        require_stages(self.stages, self.sessions, TRACKS)
        if not all("|" in code and level in LEVELS for code, level in self.referral_levels.items()):
            raise ValueError("referral_levels: must map system|code to a level of care")
        if not all("|" in own and code in PLANNED for own, code in self.plan_codes.items()):
            raise ValueError("plan_codes: must map system|code to a role of the team, an aim, an activity or a topic")
        for own, code in self.local_codes.items():
            if "|" not in own or not is_meaning(code):
                raise ValueError("local_codes: must map system|code or questionnaire|linkId to a code that is read")
