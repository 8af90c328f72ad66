"""A program's month, counted from the databases of three services: each is asked for its part alone."""

from datetime import datetime
from typing import NamedTuple

from deploy import queries
from deploy.measures import Facts, Measure, Month, counted


class Opened(NamedTuple):
    """The databases that are counted from, each read-only."""

    intake: queries.Connection
    attendance: queries.Connection
    aftercare: queries.Connection


async def measured(opened: Opened, program: str, month: Month, now: datetime) -> list[Measure]:
    """What one program did in this month, as these databases know it."""
    stays = await queries.stays(opened.intake, opened.attendance, program, month)
    facts = Facts(
        stays=stays,
        minutes=await queries.minutes_held(opened.attendance, program, month),
        contacts=await queries.contacts(opened.aftercare, program, month),
        referrals=await queries.partner_referrals(opened.aftercare, program, month),
        step_downs=await queries.partner_referrals_of(opened.aftercare, program, (each.patient for each in stays)),
        readmitted=await queries.readmitted(opened.aftercare, program, month),
    )
    return counted(facts, month, now)
