"""The numbers attendance decides with; values, units and sources stand in program.toml."""

from typing import Annotated

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
    late_check_in_hours: int
    weekly_minimum_minutes: int
    outreach_hours: int
    retention_days: int
    """How long an ended stay remains in the state."""
