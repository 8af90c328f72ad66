"""A feed that stands still for a morning: eight patients come, nobody reports it, and nobody is accused."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from deploy.demo import forms
from deploy.demo.courses import MEMBER
from deploy.demo.stay import ZONE, Clinic, Stay
from deploy.driver import Resource
from shared.events import codes

WEEK = 11
MEMBERS = 8
"""As many sessions in a row as are held for a silent feed (`silent_sessions`)."""


def begin(clinic: Clinic, run: str) -> None:
    """They are admitted on a Thursday evening; on Friday morning the interface stands still until noon."""
    stays = [Stay(clinic, MEMBER, f"{run}-{MEMBER.letter}{number}") for number in range(MEMBERS)]
    put, local = clinic.agenda.put, partial(clinic.local, WEEK)
    for stay in stays:
        put(local(3, 18, 40), stay.refer)
        put(local(3, 18, 50), stay.sign)
    put(local(4, 9, 40), partial(_nobody_is_accused, clinic, "requested"))
    put(local(4, 12, 30), partial(_reported, stays))
    put(local(4, 12, 50), partial(_nobody_is_accused, clinic, "completed"))
    put(local(4, 18), partial(_nobody_is_accused, clinic, "completed"))


async def _nobody_is_accused(clinic: Clinic, status: str) -> None:
    """One Task asks an operator, and no session of the day is missed."""
    day = f"{clinic.local(WEEK, 4, 9):%Y-%m-%d}"
    missed = await clinic.driver.search("attendance", f"Appointment?date={day}&status=noshow")
    clinic.promises.expect(not missed, f"a silent feed accuses nobody ({len(missed)} sessions are missed)")
    asked = await clinic.driver.search("attendance", f"Task?code={codes.TASK}|feed-silent&status={status}")
    clinic.promises.expect(len(asked) == 1, f"one Task about the silent feed is {status} ({len(asked)} found)")


async def _reported(stays: Sequence[Stay]) -> None:
    """The interface speaks again, and sends all that it had waiting."""
    for stay in stays:
        for session in await _of_the_morning(stay):
            encounter = forms.attended(session, stay.patient, "", _minutes(session))
            sent = {name: value for name, value in encounter.items() if name != "id"}
            stay.accepted(await stay.driver.post("attendance", sent), "a session that was reported late")


async def _of_the_morning(stay: Stay) -> list[Resource]:
    day = f"{stay.clinic.local(WEEK, 4, 9):%Y-%m-%d}"
    found = await stay.driver.search("attendance", f"Appointment?patient={stay.patient}&date={day}")
    stay.expect(found != [], "a session is planned for the morning")
    return [each for each in found if datetime.fromisoformat(each["end"]).astimezone(ZONE).hour <= 12]


def _minutes(session: Resource) -> int:
    lasted: timedelta = datetime.fromisoformat(session["end"]) - datetime.fromisoformat(session["start"])
    return int(lasted.total_seconds() // 60)
