"""A patient's course, as a person wants to see it. What fills it stands in fold.py."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Step:
    """One thing that happened: when (clinic time), the event, and what of it is worth a line."""

    at: datetime
    event: str
    summary: str = ""


@dataclass
class Session:
    start: datetime
    end: datetime
    kind: str
    outcome: str = "planned"
    minutes: int = 0


@dataclass
class Result:
    """A drug test: the last outcome of each report, by analyte; `was` holds the outcomes before a correction."""

    collected_at: datetime
    status: str
    outcomes: dict[str, str]
    was: dict[str, str] = field(default_factory=dict)
    baseline: bool = False


@dataclass
class OrderedTest:
    """A drug test that the laboratory was told of: when it took each thing, and how it stands there."""

    partner: str
    steps: list[Step] = field(default_factory=list)
    status: str = ""


@dataclass
class Raised:
    """An escalation from the day it was raised to its end; `ended` is resolved or retracted."""

    id: str
    raised_at: datetime
    category: str
    reason: str
    tier: int
    owner: str
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None
    ended: str = ""
    end_reason: str = ""


@dataclass
class Permission:
    given_at: datetime
    recipients: tuple[str, ...]
    revoked_at: datetime | None = None


@dataclass
class Referral:
    partner: str
    steps: list[Step] = field(default_factory=list)


@dataclass
class FollowUp:
    due_at: datetime
    outcome: str = "due"


@dataclass
class Chart:
    """Everything on the topics about one patient, in the order of emission."""

    patient: str
    steps: list[Step] = field(default_factory=list)
    level: str = ""
    rules: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    track: str = ""
    admitted_at: datetime | None = None
    declined_at: datetime | None = None
    discharged_at: datetime | None = None
    disposition: str = ""
    sessions: dict[str, Session] = field(default_factory=dict)
    short_weeks: list[datetime] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    ordered: dict[str, OrderedTest] = field(default_factory=dict)
    escalations: dict[str, Raised] = field(default_factory=dict)
    reviews: dict[str, Step] = field(default_factory=dict)
    consents: dict[str, Permission] = field(default_factory=dict)
    referrals: dict[str, Referral] = field(default_factory=dict)
    meetings: int = 0
    follow_ups: dict[str, FollowUp] = field(default_factory=dict)

    @property
    def stage(self) -> str:
        if self.declined_at:
            return f"declined, {self.level} fits"
        if self.discharged_at:
            return f"discharged ({self.disposition})"
        return "in the IOP" if self.admitted_at else "referred"

    @property
    def last(self) -> Step | None:
        return self.steps[-1] if self.steps else None
