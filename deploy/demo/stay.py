"""One patient's stay as the people around it take part in it: referred, signed, checked in, tested, discharged."""

import asyncio
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from deploy.demo import forms
from deploy.demo.agenda import Agenda, Promises
from deploy.demo.courses import Course
from deploy.demo.laboratory import DemoLaboratory
from deploy.demo.pager import Pager
from deploy.demo.partner import Partners
from deploy.driver import Driver
from shared.events import codes, fhir

Resource = dict[str, Any]
ZONE = ZoneInfo("America/New_York")
WEEKS_IN_IOP = 10
ARRIVES_AFTER = timedelta(minutes=4)
RESTART_SECONDS_MOST = 60.0
TESTED_ON, REPORTED_ON = (1, 10, 0), (2, 10, 30)
"""Weekday and local time of the weekly specimen, and of its report."""


@dataclass
class Clinic:
    """What every stay shares. `monday` is the local midnight on which the twelve weeks begin."""

    driver: Driver
    partners: Partners
    pager: Pager
    laboratory: DemoLaboratory
    agenda: Agenda
    promises: Promises
    monday: datetime

    def local(self, week: int, weekday: int, hour: int, minute: int = 0) -> datetime:
        day = (self.monday + timedelta(weeks=week, days=weekday)).date()
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)

    def accepted(self, answer: httpx.Response, what: str) -> Resource:
        """The body of a 2xx answer. Raises Broken for any other, with its OperationOutcome."""
        promise = f"{what} is accepted" + (
            "" if answer.is_success else f"; answered {answer.status_code}: {_diagnostics(answer)}"
        )
        self.promises.expect(answer.is_success, promise)
        body: Resource = answer.json()
        return body


@dataclass
class Stay:
    """`patient` is the hub's id, known once the hub has answered the referral; `visits` the Encounter of each session
    by its start."""

    clinic: Clinic
    course: Course
    mrn: str
    patient: str = ""
    visits: dict[datetime, str] = field(default_factory=dict)

    @property
    def driver(self) -> Driver:
        return self.clinic.driver

    def expect(self, holds: bool, promise: str) -> None:
        self.clinic.promises.expect(holds, f"patient {self.course.letter}: {promise}")

    def accepted(self, answer: httpx.Response, what: str) -> Resource:
        return self.clinic.accepted(answer, f"patient {self.course.letter}: {what}")

    async def refer(self) -> None:
        """One transaction: the patient, the referral, what was assessed, medications and consents."""
        answer = self.accepted(await self.driver.post("intake", self.referral()), "the referral")
        located = [each["response"]["location"].split("/")[-4:-2] for each in answer["entry"]]
        self.patient = next(identity for kind, identity in located if kind == "Patient")

    def referral(self) -> Resource:
        course, at = self.course, self.driver.now
        patient = forms.patient(self.mrn, f"Patient {course.letter}")
        to = patient["fullUrl"]
        return forms.transaction(
            [
                patient,
                *(forms.consent(to, one.partner, one.purpose, one.fields, at, one.days) for one in course.consents),
                *(forms.medication(to, each, f"{at:%Y-%m-%d}") for each in course.medications),
                *(forms.need(to, dimension, level, at) for dimension, level in course.needs.items()),
                *(forms.fact(to, code, holds, at) for code, holds in course.facts.items()),
                forms.referral(to, at),
            ]
        )

    async def sign(self) -> None:
        """The clinician reads the recommendation on the work list, agrees and signs."""
        task = await self.one_task("intake", "requested", codes.TASK, "sign-placement")
        recommended = (await self.driver.get("intake", task["focus"]["reference"])).json()
        level, rules = fhir.code_of(recommended["code"]), fhir.codes_of(recommended["reasonCode"])
        self.expect(level == self.course.level, f"{self.course.level} is recommended, not {level}")
        self.expect(rules == self.course.rules, f"by the rules {self.course.rules}, not {rules}")
        self.accepted(
            await self.driver.put("intake", forms.signed(task, level), if_match=_version(task)), "the signature"
        )

    async def is_admitted(self) -> None:
        episodes = await self.driver.search("intake", f"EpisodeOfCare?patient={self.patient}")
        self.expect([each["status"] for each in episodes] == ["active"], "an episode is open")
        planned = await self.driver.search("attendance", f"Appointment?patient={self.patient}&status=booked")
        self.expect(len(planned) >= 8, f"two weeks of sessions are booked ({len(planned)} found)")
        self.look_ahead(0)

    async def advance(self, stage: str) -> None:
        """The stage has lasted its weeks: the therapist is asked, and says how the stay goes on."""
        task = await self.one_task("intake", "requested", codes.TASK, "advance-stage")
        self.accepted(await self.driver.put("intake", forms.advanced(task, stage)), f"the stage {stage}")
        (plan,) = await self.driver.search("intake", f"CarePlan?patient={self.patient}&status=active")
        self.expect(stage in fhir.codes_of(plan["category"]), f"its plan is in the stage {stage}")

    async def review(self) -> None:
        """The therapist's weekly review, where one is asked for: the stay goes on."""
        for task in await self.tasks("intake", "requested", codes.TASK, "weekly-review"):
            await self.answer("intake", task, "completed", "stays")

    async def tapers(self) -> None:
        """The week after has the sessions of its stage, and no others."""
        since, until = self.driver.now, self.driver.now + timedelta(days=7)
        kinds = {fhir.code_of(each["serviceType"][0]) for each in await self._sessions(since, until)}
        self.expect(kinds == {"group"}, f"its week has group sessions alone ({sorted(kinds)})")

    async def is_declined(self) -> None:
        (episode,) = await self.driver.search("intake", f"EpisodeOfCare?patient={self.patient}")
        level, *rules = episode["type"]
        self.expect(episode["status"] == "cancelled", "no episode is opened")
        self.expect(
            fhir.code_of(level) == self.course.level, f"the episode names the level that fits: {self.course.level}"
        )
        self.expect(fhir.codes_of(rules) == self.course.rules, f"the episode lists every rule: {self.course.rules}")

    def look_ahead(self, week: int) -> None:
        """Put this week's sessions and specimen on the agenda, and the look at the next week's."""
        clinic, put = self.clinic, self.clinic.agenda.put
        put(max(clinic.local(week, 0, 8, 30), self.driver.now), partial(self._plan_week, week))
        if week not in self.course.ordered:
            put(clinic.local(week, *REPORTED_ON), partial(self._test, week))
        if week + 1 < WEEKS_IN_IOP:
            put(clinic.local(week + 1, 0, 8, 0), lambda: _now(partial(self.look_ahead, week + 1)))

    async def _plan_week(self, week: int) -> None:
        for appointment in await self._sessions(self.clinic.local(week, 0, 0), self.clinic.local(week + 1, 0, 0)):
            start = datetime.fromisoformat(appointment["start"])
            end = datetime.fromisoformat(appointment["end"])
            local = start.astimezone(ZONE)
            if start < self.driver.now or (week, local.weekday()) in self.course.misses:
                continue
            if (week, local.weekday()) in self.course.excuses:
                self.clinic.agenda.put(start - timedelta(hours=18), partial(self._excuse, start))
                continue
            self.clinic.agenda.put(start + ARRIVES_AFTER, partial(self._check_in, start))
            self.clinic.agenda.put(end, partial(self._check_out, start, int((end - start).total_seconds() // 60)))

    async def _sessions(self, since: datetime, until: datetime) -> list[Resource]:
        window = f"date=ge{_utc(since)}&date=lt{_utc(until)}"
        return await self.driver.search("attendance", f"Appointment?patient={self.patient}&status=booked&{window}")

    async def _on_day(self, start: datetime) -> Resource:
        """The front desk looks up who is expected that day."""
        found = await self.driver.search("attendance", f"Appointment?patient={self.patient}&date={start:%Y-%m-%d}")
        return next(each for each in found if datetime.fromisoformat(each["start"]) == start)

    async def _check_in(self, start: datetime) -> None:
        encounter = forms.checked_in(await self._on_day(start), self.patient)
        created = self.accepted(await self.driver.post("attendance", encounter), "a check-in")
        self.visits[start] = created["id"]

    async def _check_out(self, start: datetime, minutes: int) -> None:
        """The Encounter of the check-in, finished: a second one would mark the first as an error."""
        encounter = forms.attended(await self._on_day(start), self.patient, self.visits[start], minutes)
        self.accepted(await self.driver.put("attendance", encounter), "a session")

    async def make_up(self, week: int, weekday: int, start: datetime) -> None:
        """The EHR books a session for the one that was missed that day, and the patient comes."""
        day = f"{self.clinic.local(week, weekday, 9):%Y-%m-%d}"
        missed, *_ = await self.driver.search(
            "attendance", f"Appointment?patient={self.patient}&date={day}&status=noshow"
        )
        booked = forms.makes_up(missed, self.patient, start)
        self.accepted(await self.driver.post("attendance", booked), "a make-up")
        minutes = int((datetime.fromisoformat(booked["end"]) - start).total_seconds() // 60)
        self.clinic.agenda.put(start + ARRIVES_AFTER, partial(self._check_in, start))
        self.clinic.agenda.put(start + timedelta(minutes=minutes), partial(self._check_out, start, minutes))

    async def _excuse(self, start: datetime) -> None:
        answer = await self.driver.put("attendance", forms.excused(await self._on_day(start)))
        self.accepted(answer, "an excuse beforehand")

    async def _test(self, week: int) -> None:
        await self.report(week, self.course.positive.get(week, frozenset()), "F")
        if week in self.course.testing_dies:
            await self._kill_testing()

    async def report(self, week: int, positive: Iterable[str], status: str) -> None:
        """The laboratory reports on this week's specimen, over MLLP; AA comes only after the commit."""
        found = {analyte: analyte in self.course.positive_always | set(positive) for analyte in forms.PANEL}
        collected = self.clinic.local(week, *TESTED_ON)
        message = forms.oru(self.mrn, f"{self.mrn}-{week:02}", collected, self.driver.now, found, status)
        answer = await self.driver.send_mllp(message)
        self.expect(b"\rMSA|AA|" in answer, "the laboratory's report is accepted (AA)")

    async def _kill_testing(self) -> None:
        """The report was just acknowledged: end the process as a power cut would, and wait for the runner's new one."""
        before = self.driver.pid("testing")
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(RESTART_SECONDS_MOST):
            while self.driver.pid("testing") == before:  # noqa: ASYNC110 (another process writes it, to a file)
                await asyncio.sleep(0.05)

    async def tasks(self, service: str, status: str, system: str, *wanted: str) -> list[Resource]:
        """The patient's Tasks on a work list, of these codes (of any of the system when none is named)."""
        found = await self.driver.search(service, f"Task?patient={self.patient}&status={status}")
        coded = [(each, each["code"]["coding"][0]) for each in found]
        return [each for each, code in coded if code["system"] == system and (not wanted or code["code"] in wanted)]

    async def one_task(self, service: str, status: str, system: str, code: str) -> Resource:
        found = await self.tasks(service, status, system, code)
        self.expect(len(found) == 1, f"one {code} is {status} at {service} ({len(found)} found)")
        return found[0]

    async def escalated(self, service: str, category: str) -> Resource:
        """The one open escalation of this category at its owner."""
        return await self.one_task(service, "requested", codes.ESCALATION, category)

    async def answer(self, service: str, task: Resource, status: str, end_reason: str | None = None) -> None:
        """A person accepts or completes a Task."""
        updated = forms.answered(task, status, _person_of(task), end_reason)
        self.accepted(await self.driver.put(service, updated), f"a Task {status} at {service}")

    async def status_of(self, service: str, task: Resource) -> str:
        """How a Task stands now."""
        return str((await self.driver.get(service, f"Task/{task['id']}")).json()["status"])

    async def discharge(self) -> None:
        (episode,) = await self.driver.search("intake", f"EpisodeOfCare?patient={self.patient}&status=active")
        form = forms.discharge(episode, self.course.disposition, self.driver.now)
        self.accepted(await self.driver.post("intake", form), f"the discharge, {self.course.disposition}")


def _version(task: Resource) -> str:
    return f'W/"{task["meta"]["versionId"]}"'


def _person_of(task: Resource) -> str:
    """Somebody of the demo's staff who has the role that is asked."""
    return f"{task['owner']['identifier']['value']}-1"


async def _now(plan: Any) -> None:
    plan()


def _utc(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")


def _diagnostics(answer: httpx.Response) -> str:
    try:
        issues = answer.json()["issue"]
    except (ValueError, KeyError, TypeError):
        return "no OperationOutcome"
    return "; ".join(
        f"{', '.join(each.get('expression', ()))} {each.get('diagnostics', '')}".strip() for each in issues
    )
