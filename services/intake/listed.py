"""What the list of medications says of the placement: a medication for opioid use disorder taken now."""

import csv
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from services.intake.state import ListedMedication


def codes_listed(medications: Iterable[ListedMedication], now: datetime, zone: str) -> frozenset[str]:
    """Derived facts of what is taken today, on the program's day. Naltrexone is given for alcohol too: a fact of its
    own."""
    today = now.astimezone(ZoneInfo(zone)).date()
    taken = (each for each in medications if _is_taken(each, today))
    return frozenset(_CODES[each.rxnorm] for each in taken if each.rxnorm in _CODES)


def _is_taken(medication: ListedMedication, today: date) -> bool:
    start, end = medication.start_on, medication.end_on
    return (start is None or start <= today) and (end is None or end >= today)


def _load() -> dict[str, str]:
    with (Path(__file__).parent / "data" / "moud.csv").open() as file:
        return {row["rxnorm"]: row["code"] for row in csv.DictReader(file)}


_CODES = _load()
"""RxNorm to the derived fact."""
