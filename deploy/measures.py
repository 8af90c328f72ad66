"""What a program did in a month, counted from what its services store (domain 1.1, 6.2): numbers alone, of nobody.

A month is counted as it is known now: what is reported late, or corrected, changes it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

ENGAGED_DAYS = 90
"""The least that is hoped for, over the whole continuum (domain 1.1)."""
STEP_DOWN_DAYS = (7, 30)
"""Within which the step down is kept (domain 6.2, as HEDIS FUI)."""
CELL_LEAST = 11
"""Smaller counts may name somebody outside of the program: CMS publishes none of 1 to 10."""
STEP_DOWN = "step-down"
ATTENDED = frozenset({"attended", "completed"})
ANSWERED = ATTENDED | {"received", "accepted", "scheduled", "unattended", "declined"}
"""How far a partner says that its referral is."""
CLOSED = ATTENDED | {"declined", "refused", "withdrawn"}
"""Nobody waits for such a referral any more."""


class Month(NamedTuple):
    """From its first local midnight until that of the next."""

    name: str
    since: datetime
    until: datetime


def month_of(day: datetime, zone: ZoneInfo) -> Month:
    """The month in which this instant lies in this zone."""
    local = day.astimezone(zone)
    since = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    until = (since + timedelta(days=32)).replace(day=1)
    return Month(f"{since:%Y-%m}", since, until)


class Stay(NamedTuple):
    """An EpisodeOfCare that began. `ordered_at` is when its referral was written, `first_at` its first session."""

    id: str
    patient: str
    began_at: datetime
    ended_at: datetime | None = None
    ordered_at: datetime | None = None
    first_at: datetime | None = None
    engaged_days: int | None = None


class Contact(NamedTuple):
    """A contact after a discharge; `outcome` is empty while it waits, `made_at` when it was made or ended."""

    outcome: str
    act_by: datetime
    made_at: datetime | None = None


class Referral(NamedTuple):
    """To a partner, asked for then; how far it is, and since when (of a step-down the appointment, where there is)."""

    patient: str
    kind: str
    asked_at: datetime
    step: str
    step_at: datetime


class Facts(NamedTuple):
    """Of one program: the stays that were open in the month, minutes of sessions held in it, contacts that fell due in
    it, referrals asked for in it, those that are to step down after a stay that ended in it, readmissions in it."""

    stays: Sequence[Stay]
    minutes: Sequence[float]
    contacts: Sequence[Contact]
    referrals: Sequence[Referral]
    step_downs: Sequence[Referral]
    readmitted: int


class Measure(NamedTuple):
    """A number with its unit; `of` is what it is a part of, or how many it was taken from, None where it stands by
    itself. `value` is None where there is nothing to take it from."""

    name: str
    value: float | None
    unit: str
    of: int | None = None

    @property
    def is_part(self) -> bool:
        return self.of is not None and self.unit == "1"


def counted(facts: Facts, month: Month, now: datetime) -> list[Measure]:
    """Every measure, in the order in which they are printed. Of a month that runs the census is that of now."""
    began = [each for each in facts.stays if month.since <= each.began_at < month.until]
    ended = [each for each in facts.stays if each.ended_at is not None and month.since <= each.ended_at < month.until]
    census = [
        each
        for each in facts.stays
        if each.began_at < month.until
        and each.began_at <= now
        and (each.ended_at is None or each.ended_at >= month.until or each.ended_at > now)
    ]
    engaged = [each for each in ended if (each.engaged_days or 0) >= ENGAGED_DAYS]
    return [
        Measure("census", len(census), "1"),
        Measure("admissions", len(began), "1"),
        Measure("readmissions", facts.readmitted, "1", len(began)),
        Measure("hours-delivered", round(sum(facts.minutes) / 60, 2), "h"),
        _waited(facts.stays, month),
        Measure("discharges", len(ended), "1"),
        Measure(f"engaged-{ENGAGED_DAYS}-days", len(engaged), "1", len(ended)),
        *(_stepped_down(facts.step_downs, ended, days) for days in STEP_DOWN_DAYS),
        *_contacts(facts.contacts),
        *_referrals(facts.referrals),
    ]


def _waited(stays: Sequence[Stay], month: Month) -> Measure:
    """Days from the referral to the first session, of the stays that had it in the month: the median."""
    waits = [
        (each.first_at - each.ordered_at) / timedelta(days=1)
        for each in stays
        if each.first_at is not None and each.ordered_at is not None and month.since <= each.first_at < month.until
    ]
    middle = round(median(waits), 1) if waits else None
    return Measure("referral-to-first-session", middle, "d", len(waits))


def _stepped_down(step_downs: Sequence[Referral], ended: Sequence[Stay], days: int) -> Measure:
    """Of the stays that ended and for which a partner has a step-down, those that kept it within so many days."""
    by_patient: dict[str, list[Referral]] = {}
    for each in step_downs:
        if each.kind == STEP_DOWN and each.step in {*ANSWERED, "sent"}:
            by_patient.setdefault(each.patient, []).append(each)
    sent, attended = 0, 0
    for stay in ended:
        end = stay.ended_at or stay.began_at
        referred = [each for each in by_patient.get(stay.patient, ()) if each.asked_at >= stay.began_at]
        sent += bool(referred)
        attended += any(each.step in ATTENDED and each.step_at <= end + timedelta(days=days) for each in referred)
    return Measure(f"step-down-kept-{days}-days", attended, "1", sent)


def _contacts(contacts: Sequence[Contact]) -> list[Measure]:
    """Of those that fell due and that nothing made needless."""
    due = [each for each in contacts if each.outcome in ("", "reached", "not-reached", "overtaken")]
    made = [each for each in due if each.outcome in ("reached", "not-reached")]
    in_time = [each for each in made if each.made_at is not None and each.made_at <= each.act_by]
    reached = [each for each in made if each.outcome == "reached"]
    return [
        Measure("contacts-made", len(made), "1", len(due)),
        Measure("contacts-in-time", len(in_time), "1", len(due)),
        Measure("contacts-reached", len(reached), "1", len(due)),
    ]


def _referrals(referrals: Sequence[Referral]) -> list[Measure]:
    answered = [each for each in referrals if each.step in ANSWERED]
    closed = [each for each in referrals if each.step in CLOSED]
    return [
        Measure("referrals-answered", len(answered), "1", len(referrals)),
        Measure("referrals-closed", len(closed), "1", len(referrals)),
    ]


def for_others(measures: Sequence[Measure]) -> list[Measure]:
    """For readers outside of the program: without what is of fewer than 11 persons or things, nor what is left of the
    whole where that is of fewer. Hours of so few stays are left out too."""
    least = {each.name: each.value or 0 for each in measures}
    few = least["census"] < CELL_LEAST and least["census"] + least["admissions"] + least["discharges"] > 0
    return [_for_others(each, few) for each in measures]


def _for_others(measure: Measure, few_stays: bool) -> Measure:
    value, of = measure.value, measure.of
    if measure.unit == "1":
        small = value is not None and (
            _is_small(value) or (of is not None and (_is_small(of) or _is_small(of - value)))
        )
        return measure._replace(value=None, of=None) if small else measure
    hidden = few_stays or (of is not None and _is_small(of))
    return measure._replace(value=None, of=None) if hidden else measure


def _is_small(count: float) -> bool:
    return 0 < count < CELL_LEAST
