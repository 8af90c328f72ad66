"""The numbers attendance decides with; values, units and sources stand in program.toml."""

from typing import Annotated, Literal

import msgspec

from services.attendance.groups.plan import Groups, require_apart
from services.attendance.record import MINUTES_MOST
from shared.events.attendance import MODALITIES, SESSION_KINDS
from shared.events.intake import TOPICS
from shared.rules.calendar import OPEN, Calendar
from shared.rules.escalation import Times
from shared.rules.numbers import DaysOrNone, Hours, HoursOrNone, MinutesOrNone, Weekday
from shared.rules.payers import Payer, require_payers
from shared.rules.staff import Staff

Misses = Annotated[int, msgspec.Meta(ge=2, le=100)]
"""One miss asks for its own outreach; only several ask for more."""
Window = Annotated[int, msgspec.Meta(ge=1, le=35)]
"""Days in which misses are counted together: longer, they would not fit into a state."""


SESSION_MEANINGS = frozenset({*SESSION_KINDS, *MODALITIES, *TOPICS[1:]})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timezone: str
    ahead_minutes: MinutesOrNone
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    grace_minutes: MinutesOrNone
    book_days: Annotated[int, msgspec.Meta(ge=14, le=35)]
    """Fewer would be booked on before they are used up: `state.BOOK_AHEAD_DAYS` is one less."""
    miss_window_days: Window
    misses_in_window: Misses
    consecutive_misses: Misses
    long_window_days: Window
    misses_in_long_window: Misses
    misses_cap: Annotated[int, msgspec.Meta(ge=0, le=30)]
    """More would not fit into a state; 0: none."""
    misses_cap_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    early_days: DaysOrNone
    early_arrival_minutes: MinutesOrNone
    correction_days: Annotated[int, msgspec.Meta(ge=1, le=35)]
    """More sessions would not fit into a state."""
    notice_hours: HoursOrNone
    excuse_reasons: tuple[str, ...]
    appointment_counts_as: Literal["nothing", "arrival", "minutes"]
    partial_below_percent: Annotated[int, msgspec.Meta(ge=0, le=100)]
    shortfall_window_days: Window
    shortfalls_in_window: Misses
    projection_weekday: Weekday
    projection_hour: Annotated[int, msgspec.Meta(ge=0, le=23)]
    make_up_weekdays: tuple[Weekday, ...]
    make_up_day_minutes: MinutesOrNone
    make_up_slots_most: Annotated[int, msgspec.Meta(ge=0, le=20)]
    """More would not fit into a state."""
    week_closes_hours: HoursOrNone
    week_unknown_hours: HoursOrNone
    report_minutes_hours: HoursOrNone
    outreach_hours: Hours
    outreach_least_hours: HoursOrNone
    no_contact_hours: Hours
    no_attendance_days: Annotated[int, msgspec.Meta(ge=1, le=35)]
    """More sessions would not fit into a state."""
    silent_sessions: Annotated[int, msgspec.Meta(ge=0, le=60)]
    """More would not fit into a state; 0: silence always counts."""
    silent_day_sessions: Annotated[int, msgspec.Meta(ge=0, le=60)]
    feed_catch_up_hours: HoursOrNone
    retention_days: DaysOrNone
    """How long an ended stay remains in the state."""
    books: Literal["hub", "ehr"]
    """Who books the sessions of the week: the hub by its plan, or the EHR alone, by Appointments and Encounters."""
    unplanned_minutes: Annotated[int, msgspec.Meta(ge=1, le=MINUTES_MOST)]
    """Of a session that only an Encounter reports, as long as that does not tell when it ended."""
    same_session_minutes: MinutesOrNone
    """Two sessions of one kind that begin no further apart are one."""
    walk_out_window_days: Window
    walk_outs_in_window: Misses
    seat_held_days: DaysOrNone
    """Of a stay that is paused, its seat in a group."""
    payers: dict[str, Payer]
    """What who pays asks of a week, by name; `default` where nobody knows who does."""
    calendar: Calendar = OPEN
    """Days without sessions, and those that replace them."""
    groups: Groups = msgspec.field(default_factory=dict)
    """By name; without one, everybody's group sessions are those of their own week."""
    session_codes: dict[str, str] = {}
    """What an EHR's own codes (`system|code`) of an Appointment or an Encounter mean: a kind of session, a modality or
    a topic, as the hub names them."""

    def __post_init__(self) -> None:
        """Raises ValueError, which names the setting."""
        require_payers(self.payers)
        require_apart(self.groups)
        for own, meaning in self.session_codes.items():
            if "|" not in own or meaning not in SESSION_MEANINGS:
                raise ValueError(
                    f'session_codes: "{own}" must be system|code, and mean a kind of session, a modality or a topic'
                )
