"""The list of medications: what is remembered of it, and what it says of the placement (a medication for opioid use
disorder taken now)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from services.intake.messages import Medication, MedicationsRecorded, Prescribed
from shared.events.envelope import name_id
from shared.platform.tables import by_key

MEDICATIONS_MOST = 20


class ListedMedication(msgspec.Struct, frozen=True, array_like=True):
    """A medication of the list; `key` is the head of its source's id, enough within one patient."""

    key: str
    rxnorm: str
    start_on: date | None
    end_on: date | None
    route: str | None


def merged_list(known: Sequence[ListedMedication], reported: Sequence[Prescribed]) -> tuple[ListedMedication, ...]:
    """The list after these reports: each replaces what its source reported before."""
    by_key = {each.key: each for each in known}
    for medication in reported:
        key = medication.source[:8]
        if medication.taken:
            by_key[key] = ListedMedication(
                key, medication.rxnorm, medication.start_on, medication.end_on, medication.route
            )
        else:
            by_key.pop(key, None)
    return tuple(by_key.values())


def taken_since(since: date, medications: Iterable[ListedMedication]) -> tuple[ListedMedication, ...]:
    return tuple(each for each in medications if each.end_on is None or each.end_on >= since)


def newest(medications: Sequence[ListedMedication]) -> tuple[ListedMedication, ...]:
    """As many as a list holds: those that ended first leave first."""
    by_end = sorted(medications, key=lambda each: each.end_on or date.max, reverse=True)
    fit = {each.key for each in by_end[:MEDICATIONS_MOST]}
    return tuple(each for each in medications if each.key in fit)


def _medication_id(list_id: str, taken: ListedMedication) -> str:
    return name_id(list_id, taken.key)


def medications_listed(list_id: str, taken: Sequence[ListedMedication]) -> tuple[Medication, ...]:
    return tuple(
        Medication(_medication_id(list_id, each), each.rxnorm, each.start_on, each.end_on, each.route) for each in taken
    )


def still_listed(known: Sequence[ListedMedication], event: MedicationsRecorded) -> tuple[ListedMedication, ...]:
    """Those that the list as recorded still holds."""
    listed = {each.id for each in event.medications}
    return tuple(each for each in known if _medication_id(event.list_id, each) in listed)


def codes_listed(medications: Iterable[ListedMedication], now: datetime, zone: str) -> frozenset[str]:
    """Derived facts of what is taken today, on the program's day. Naltrexone is given for alcohol too: a fact of its
    own."""
    today = now.astimezone(ZoneInfo(zone)).date()
    taken = (each for each in medications if _is_taken(each, today))
    return frozenset(_CODES[each.rxnorm] for each in taken if each.rxnorm in _CODES)


def _is_taken(medication: ListedMedication, today: date) -> bool:
    start, end = medication.start_on, medication.end_on
    return (start is None or start <= today) and (end is None or end >= today)


_CODES = by_key(Path(__file__).parent / "data" / "moud.csv", "rxnorm", lambda row: row["code"])
"""RxNorm to the derived fact."""
