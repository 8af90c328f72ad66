"""The numbers attendance decides with; values, units and sources stand in program.toml."""

import msgspec

from shared.rules.escalation import Times


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    timezone: str
    escalation: Times
    grace_minutes: int
    book_days: int
    miss_window_days: int
    misses_in_window: int
    consecutive_misses: int
    long_window_days: int
    misses_in_long_window: int
    early_days: int
    late_check_in_hours: int
    weekly_minimum_minutes: int
