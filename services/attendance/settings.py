"""The numbers attendance decides with; values, units and sources stand in program.toml."""

from typing import Annotated, Literal

import msgspec

from shared.rules.escalation import Times
from shared.rules.staff import Staff


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    timezone: str
    ahead_minutes: int
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    grace_minutes: int
    book_days: Annotated[int, msgspec.Meta(ge=14)]
    """Fewer would be booked on before they are used up: `state.BOOK_AHEAD_DAYS` is one less."""
    miss_window_days: int
    misses_in_window: int
    consecutive_misses: int
    long_window_days: int
    misses_in_long_window: int
    early_days: int
    early_arrival_minutes: int
    correction_days: Annotated[int, msgspec.Meta(ge=1, le=35)]
    """More sessions would not fit into a state."""
    notice_hours: int
    excuse_reasons: tuple[str, ...]
    appointment_counts_as: Literal["nothing", "arrival", "minutes"]
    weekly_minimum_minutes: int
    week_closes_hours: int
    week_unknown_hours: int
    report_minutes_hours: int
    outreach_hours: int
    outreach_least_hours: int
    retention_days: int
    """How long an ended stay remains in the state."""
