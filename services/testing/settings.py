"""The numbers this service decides with, per program; values, units and sources stand in deploy/program.toml."""

from typing import Annotated

import msgspec

from services.testing import tables
from services.testing.orders.schedule import Schedule
from shared.rules.calendar import OPEN, Calendar
from shared.rules.escalation import Times
from shared.rules.numbers import Count, Days, DaysOrNone, Hours, Measured, MinutesOrNone
from shared.rules.staff import Staff

WITHOUT_RESULT = ("ignored", "comment", "document", "no-drug-test")
"""What a laboratory's own code may mean besides a measure: none of it is a result, nor a question to anyone."""

MEANINGS = (
    "a LOINC code of data/loinc.csv, an analyte of data/analytes.csv with 'presumptive' or 'definitive' behind it, a"
    f" check of the specimen with its unit, or one of {', '.join(WITHOUT_RESULT)}"
)
"""What a laboratory's own code may mean, for whoever has to say it."""


class Validity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of specimen validity, urine (domain 4.3). Where the laboratory states the validity itself, that stands."""

    substituted_creatinine_mg_dl: Measured
    dilute_creatinine_mg_dl: Measured
    substituted_gravity_low: Measured
    substituted_gravity_high: Measured
    dilute_gravity: Measured
    adulterated_ph_low: Measured
    adulterated_ph_high: Measured
    adulterated_nitrite_ug_ml: Measured
    invalid_ph_low: Measured
    invalid_ph_high: Measured
    temperature_low_f: Measured
    temperature_high_f: Measured


class WorkList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When what waits on the laboratories' work list is reported to operations, twice, and when the laboratory is to be
    called."""

    report_hours: Hours
    report_again_hours: Hours
    call_days: Days

    def __post_init__(self) -> None:
        if not self.report_hours < self.report_again_hours < self.call_days * 24:
            raise ValueError("report_hours must be less than report_again_hours, and that less than call_days")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timezone: str
    ahead_minutes: MinutesOrNone
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    baseline_days_before: DaysOrNone
    """Specimens collected so many days before admission still belong to the episode."""
    repeat_window_days: Days
    depot_days: Annotated[int, msgspec.Meta(ge=0, le=730)]
    """For how long after its end a depot of buprenorphine may still be found."""
    refusal_window_days: Days
    """A refused collection and another signal within so many days ask for more than either."""
    expected_in_a_row: Count
    """So many specimens in a row that show nothing but what was expected are to be praised."""
    incidental_etg_ng_ml: Annotated[int, msgspec.Meta(ge=0, le=100_000)]
    """Ethyl glucuronide below it is never confirmed drinking: incidental exposure may explain it."""
    residual_days: dict[str, Days]
    """Per metabolite group: how long after a positive another one cannot show new use."""
    validity: Validity
    retention_days: DaysOrNone
    """How long an ended episode stays in the state, after its last open item."""
    work_list: WorkList
    schedule: Schedule
    calendar: Calendar = OPEN
    """Days on which the program is closed, as for its sessions, and those that replace them."""
    laboratory: str = ""
    """The partner to which this program's orders go (its name in partners.toml); empty: they go to none."""
    local_codes: dict[str, str] = {}
    """A laboratory's own codes, `client|code` or `code`: the LOINC code they stand for, an analyte with its method
    (`xylazine definitive`) or, of a check of the specimen, its unit (`creatinine mg/dL`), or one of WITHOUT_RESULT."""

    def __post_init__(self) -> None:
        """A group or a meaning that no table knows would be asked for by nothing, or leave a code unread for ever."""
        for group in self.residual_days:
            if all(group != each.metabolite_group for each in tables.ANALYTES.values()):
                raise ValueError(f"residual_days: {group!r} must be a metabolite_group of data/analytes.csv")
        for own, meaning in self.local_codes.items():
            if not is_understood(meaning):
                raise ValueError(
                    f"local_codes: {own!r} must be a LOINC code of data/loinc.csv, an analyte of data/analytes.csv with"
                    f" 'presumptive', 'definitive' or, of a check, its unit behind it, or one of {WITHOUT_RESULT}"
                )


def is_understood(meaning: str) -> bool:
    """Whether a laboratory's own code may be mapped to it."""
    return meaning in WITHOUT_RESULT or tables.meant(meaning) is not None
