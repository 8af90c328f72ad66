"""Whose week it is: who pays for the stay says where its weeks begin. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.attendance.settings import Settings
from shared.events.intake import PayerSpan
from shared.rules.payers import DEFAULT, Payer, payer_at


class PayerWeek(NamedTuple):
    """A whole week, [start, end) in UTC instants, and the name of the payer by whose numbers it is counted."""

    start: datetime
    end: datetime
    payer: str


def terms_of(payer: str, settings: Settings) -> Payer:
    """What this payer asks of a week; the default, where the table knows them no more."""
    return settings.payers[payer if payer in settings.payers else DEFAULT]


def week_from(paid: Sequence[PayerSpan], since: datetime, settings: Settings) -> PayerWeek:
    """The first whole week from then on: it begins at a boundary of whoever pays at that instant, and lasts until that
    payer's next one. Who pays from its middle on counts from their own boundary after its end."""
    zone, payers, at = ZoneInfo(settings.timezone), settings.payers, since
    while True:
        payer = payer_at(paid, at, payers)
        start = payers[payer].boundary_from(at, zone)
        if payer_at(paid, start, payers) == payer:
            return PayerWeek(start, payers[payer].boundary_from(start + timedelta(days=1), zone), payer)
        at = min(edge for each in paid for edge in (each.since, each.until) if edge is not None and edge > at)
