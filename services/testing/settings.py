"""The numbers this service decides with, per program; values, units and sources stand in deploy/program.toml."""

import msgspec

from services.testing import tables
from shared.rules.escalation import Times
from shared.rules.staff import Staff

IGNORED = "ignored"


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of specimen validity, urine (domain 4.3). Where the laboratory states the validity itself, that stands."""

    substituted_creatinine_mg_dl: float
    dilute_creatinine_mg_dl: float
    substituted_gravity_low: float
    substituted_gravity_high: float
    dilute_gravity: float
    adulterated_ph_low: float
    adulterated_ph_high: float
    adulterated_nitrite_ug_ml: float
    invalid_ph_low: float
    invalid_ph_high: float
    temperature_low_f: float
    temperature_high_f: float


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    timezone: str
    ahead_minutes: int
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    baseline_days_before: int
    """Specimens collected so many days before admission still belong to the episode."""
    repeat_window_days: int
    incidental_etg_ng_ml: int
    """Ethyl glucuronide below it is never confirmed drinking: incidental exposure may explain it."""
    residual_days: dict[str, int]
    """Per metabolite group: how long after a positive another one cannot show new use."""
    validity: Validity
    retention_days: int
    """How long an ended episode stays in the state, after its last open item."""
    local_codes: dict[str, str] = {}
    """A laboratory's own codes, `client|code` or `code`: the LOINC code they stand for, an analyte with its method
    (`xylazine definitive`), or `ignored`."""

    def __post_init__(self) -> None:
        """A meaning that no table knows would leave the code unread for ever."""
        for own, meaning in self.local_codes.items():
            if meaning != IGNORED and tables.meant(meaning) is None:
                raise ValueError(
                    f"local_codes: {own!r} must be a LOINC code of data/loinc.csv, an analyte of data/analytes.csv with"
                    f" 'presumptive' or 'definitive' behind it, or {IGNORED!r}"
                )
