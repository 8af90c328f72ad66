"""The numbers aftercare decides with (unit and source stand in deploy/program.toml), and its partners."""

import msgspec

from shared.rules.consent import Partner
from shared.rules.escalation import Times
from shared.rules.numbers import Count, Days, DaysOrNone, Hours, Miles, MinutesOrNone, Percent
from shared.rules.staff import Staff

PARTNERS_MOST = 12
"""Of one program, without laboratories: a patient has at most one open referral to each, and the state holds them
all."""
FOLLOW_UPS_MOST = 10
BANDS_MOST = 5


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one program's aftercare decides with. `partners` are the program's."""

    timezone: str
    ahead_minutes: MinutesOrNone
    """How far a sender's clock may be ahead of the hub's."""
    escalation: Times
    staff: Staff
    follow_up_days: tuple[Days, ...]
    follow_up_window_days: tuple[DaysOrNone, ...]
    readmission_days: Days
    """A stay that begins so soon after another one ended is a readmission."""
    step_down_days: Days
    """Within how long after a discharge the next level of care sees the patient."""
    re_engagement_not_reached: Count
    """So many contacts in a row that did not reach the patient, and they are asked back."""
    re_engagement_days: tuple[Days, ...]
    re_engagement_window_days: Days
    re_engagement_ends_days: Days
    feed_percent_least: Percent
    """A feed with a smaller part of the meetings of its last good copy is looked at by a person; 0 trusts any."""
    meetings_most: Count
    near_miles: tuple[Miles, ...]
    """Within how many miles of the patient a meeting is near, in bands."""
    hold_days: Days
    """How long a referral waits on hold."""
    hold_answer_hours: Hours
    """Within how long a case manager answers a referral on hold."""
    full_again_hours: Hours
    """After how long a partner that had no place left is asked again."""
    sent_again_days: DaysOrNone
    """A partner is sent nothing again of itself for so long."""
    partners: tuple[Partner, ...] = ()

    def __post_init__(self) -> None:
        if len(self.follow_up_days) != len(self.follow_up_window_days):
            raise ValueError("follow_up_window_days must name one window for each of follow_up_days")
        if len(self.follow_up_days) > FOLLOW_UPS_MOST or list(self.follow_up_days) != sorted(set(self.follow_up_days)):
            raise ValueError(f"follow_up_days must rise, at most {FOLLOW_UPS_MOST} of them")
        rising = list(self.re_engagement_days) == sorted(set(self.re_engagement_days))
        if not rising or len(self.re_engagement_days) > FOLLOW_UPS_MOST:
            raise ValueError(f"re_engagement_days must rise, at most {FOLLOW_UPS_MOST} of them")
        if any(each >= self.re_engagement_ends_days for each in self.re_engagement_days):
            raise ValueError("re_engagement_days must lie before re_engagement_ends_days")
        if not 1 <= len(self.near_miles) <= BANDS_MOST or list(self.near_miles) != sorted(set(self.near_miles)):
            raise ValueError(f"near_miles must rise, 1 to {BANDS_MOST} of them")
        if sum(each.kind != "laboratory" for each in self.partners) > PARTNERS_MOST:
            raise ValueError(f"a program has at most {PARTNERS_MOST} partners")
