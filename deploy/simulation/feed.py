"""The EHR of the simulated program: sends what happened through the public edges, and again until it is accepted."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from deploy.demo import forms
from deploy.demo.courses import IOP_NEEDS
from deploy.driver import Driver
from deploy.failure import CannotContinueError
from deploy.simulation.meetings import Change, Meeting
from deploy.simulation.people import Person
from deploy.simulation.visits import ILLNESS, Act, Session
from shared.events import codes, fhir

Resource = dict[str, Any]
VISIT = "https://ehr.demo.iop-hub.org/visit"
"""The system of the EHR's own numbers of visits, by which an Encounter that is sent twice is created once."""
ABSENCE = "https://ehr.demo.iop-hub.org/fhir/CodeSystem/absence"
"""The system of its own reasons for an absence."""
LAST_STAGE = "maintenance"
"""Of the level: as many hours in groups, and nothing beside them."""
PAYERS = {"medicaid": ("https://nahdo.org/sopt", "2")}
TRIED_SECONDS_MOST = 120.0
BETWEEN_TRIES_SECONDS = 0.2
TRY_AGAIN = frozenset({429, 502, 503, 504})


class RefusedError(CannotContinueError):
    """The hub understands what it was sent, and does not take it."""


@dataclass
class Chart:
    """What the EHR knows of a person at the hub: their id, their Appointments, and by name their Encounters as they
    were sent last."""

    person: Person
    id: str = ""
    appointments: dict[tuple[datetime, str], Resource] = field(default_factory=dict)
    encounters: dict[str, Resource] = field(default_factory=dict)
    discharged_at: datetime | None = None
    off: set[tuple[datetime, str]] = field(default_factory=set)
    """Sessions that their group does not hold then: nobody comes, and nothing is reported."""

    choice: str = ""
    """What the therapist has chosen instead of a group."""
    is_in_last_stage: bool = False
    has_seat: bool = False
    """As far as sessions of a group were seen since then."""

    @property
    def is_here(self) -> bool:
        return self.id != "" and self.discharged_at is None

    @property
    def waits_for_seat(self) -> bool:
        return not self.has_seat and not self.choice

    def know(self, session: Session, appointment: Resource) -> None:
        """It is booked. What the EHR has booked itself, a make-up say, is no seat in the group that would hold it."""
        self.appointments[session.start, session.kind] = appointment
        self.off.discard((session.start, session.kind))
        self.has_seat = self.has_seat or group_of(appointment) != ""


class Feed:
    """Everything raises CannotContinueError where the hub refuses it, or answers nothing for too long."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    async def refer(self, chart: Chart) -> None:
        """The referral with its assessment, in one transaction."""
        patient = forms.patient(chart.person.mrn, f"Patient {chart.person.number}")
        who, at = patient["fullUrl"], self.driver.now
        facts = {"safe-housing": True, **({"works-days": True} if chart.person.evening else {})}
        bundle = forms.transaction(
            [
                patient,
                *(forms.need(who, dimension, level, at) for dimension, level in IOP_NEEDS.items()),
                *(forms.fact(who, code, holds, at) for code, holds in facts.items()),
                *coverages(chart.person, who),
                forms.referral(who, at),
            ]
        )
        answer = await self._accepted(lambda: self.driver.post("intake", bundle))
        located = [each["response"]["location"].split("/")[-4:-2] for each in answer["entry"]]
        chart.id = next(identity for kind, identity in located if kind == "Patient")

    async def sign(self, chart: Chart) -> None:
        """The clinician signs what is recommended: the patient is admitted."""
        asked = await self.driver.search("intake", f"Task?patient={chart.id}&status=requested")
        tasks = [each for each in asked if fhir.code_of(each["code"]) == "sign-placement"]
        if len(tasks) != 1:
            raise CannotContinueError(f"one placement to sign was expected, not {len(tasks)}")
        task, version = tasks[0], tasks[0]["meta"]["versionId"]
        form = forms.signed(task, "2.1")
        await self._accepted(lambda: self.driver.put("intake", form, If_Match=f'W/"{version}"'))

    async def discharge(self, chart: Chart, left: datetime) -> None:
        (episode,) = await self.driver.search("intake", f"EpisodeOfCare?patient={chart.id}&status=active")
        form = forms.discharge(episode, "completed", left)
        await self._accepted(lambda: self.driver.post("intake", form))
        chart.discharged_at = left

    async def choose(self, chart: Chart, choice: str) -> None:
        """The therapist takes the patient out of the groups, or back into them."""
        form = await self._by_therapist(chart, "choose-group", "group-choice", fhir.concept(codes.GROUP_CHOICE, choice))
        await self._accepted(lambda: self.driver.post("attendance", form))
        chart.choice, chart.has_seat = choice if choice != "any" else "", False
        now = self.driver.now
        tagged = [place for place, each in chart.appointments.items() if place[0] > now and is_shared(each, place[1])]
        chart.off.update(tagged)

    async def advance(self, chart: Chart) -> None:
        """The therapist lets the stay go on in the last stage of its level."""
        form = await self._by_therapist(chart, "advance-stage", "stage", fhir.concept(codes.STAGE, LAST_STAGE))
        await self._accepted(lambda: self.driver.post("intake", form))
        chart.is_in_last_stage = True

    async def drop(self, chart: Chart, since: datetime, until: datetime) -> None:
        """What is not booked in [since, until) any more."""
        booked = {(each.start, each.kind) for each in await self.look_up(chart, since, until)}
        chart.off.update(place for place in chart.appointments if since <= place[0] < until and place not in booked)

    async def _by_therapist(self, chart: Chart, code: str, output: str, value: fhir.Element) -> Resource:
        (episode,) = await self.driver.search("intake", f"EpisodeOfCare?patient={chart.id}&status=active")
        return {
            "resourceType": "Task",
            "status": "completed",
            "intent": "order",
            "code": fhir.concept(codes.TASK, code),
            "for": fhir.reference("Patient", chart.id),
            "focus": fhir.reference("EpisodeOfCare", episode["id"]),
            "owner": fhir.staff("primary-therapist-1"),
            "output": [{"type": fhir.concept(codes.INPUT, output), "valueCodeableConcept": value}],
        }

    async def look_up(self, chart: Chart, since: datetime, until: datetime) -> list[Session]:
        """The sessions that are booked in [since, until)."""
        window = f"date=ge{_utc(since)}&date=lt{_utc(until)}"
        found = await self.driver.search("attendance", f"Appointment?patient={chart.id}&status=booked&{window}")
        sessions = []
        for each in found:
            session = _session_of(each)
            chart.know(session, each)
            sessions.append(session)
        return sorted(sessions, key=lambda each: each.start)

    async def missed(self, since: datetime, until: datetime) -> list[tuple[str, Session]]:
        """Of all patients, by their id: sessions of [since, until) that are known as missed."""
        found = await self.driver.search(
            "attendance", f"Appointment?status=noshow&date=ge{_utc(since)}&date=lt{_utc(until)}"
        )
        return [(_patient_of(each), _session_of(each)) for each in found]

    async def send(self, chart: Chart, act: Act) -> None:
        if act.did == "book":
            await self._book(chart, act)
            return
        appointment = chart.appointments[act.session.start, act.session.kind]
        match act.did:
            case "move":
                await self._move(chart, appointment, act)
            case "encounter":
                await self._report(chart, act, encounter(chart, appointment, act))
            case "withdraw":
                await self._report(chart, act, {**chart.encounters[act.name], "status": "entered-in-error"})
            case "decline":
                await self._accepted(lambda: self.driver.post("attendance", declined(chart, appointment)))
            case "appointment":
                form = with_status(appointment, act.status, act.reason)
                await self._accepted(lambda: self.driver.put("attendance", form))

    async def _report(self, chart: Chart, act: Act, form: Resource) -> None:
        if (known := chart.encounters.get(act.name)) is not None:
            updated = {**form, "id": known["id"]}
            await self._accepted(lambda: self.driver.put("attendance", updated))
        else:
            once = f"identifier={VISIT}|{form['identifier'][0]['value']}"
            headers = {"If_None_Exist": once, "Prefer": "return=representation"}
            created = await self._accepted(lambda: self.driver.post("attendance", form, **headers))
            updated = {**form, "id": created["id"]}
        chart.encounters[act.name] = updated

    async def _book(self, chart: Chart, act: Act) -> None:
        session = act.session
        missed = None if act.makes_up is None else chart.appointments[act.makes_up, session.kind]
        form = booking(chart, session, missed)
        once = f"identifier={VISIT}|{form['identifier'][0]['value']}"
        headers = {"If_None_Exist": once, "Prefer": "return=representation"}
        booked = await self._accepted(lambda: self.driver.post("attendance", form, **headers))
        chart.know(session, booked)

    async def _move(self, chart: Chart, appointment: Resource, act: Act) -> None:
        assert act.to is not None
        times = {"start": act.to.isoformat(), "end": (act.to + (act.session.end - act.session.start)).isoformat()}
        form = with_status(appointment, "booked", "") | times
        await self._accepted(lambda: self.driver.put("attendance", form))
        await self.look_up(chart, act.to, act.to + timedelta(minutes=1))

    async def meetings(self, since: datetime, until: datetime) -> list[Meeting]:
        """The sessions of all groups that take place in [since, until)."""
        window = f"start=ge{_utc(since)}&start=lt{_utc(until)}"
        found = await self.driver.search("attendance", f"Slot?status=free,busy&{window}")
        return [
            Meeting(each["schedule"]["identifier"]["value"], each["id"], _instant(each["start"]), _instant(each["end"]))
            for each in found
        ]

    async def change(self, change: Change) -> None:
        """A group's session is called off, or moved, for all its members."""
        slot = (await self.driver.get("attendance", f"Slot/{change.meeting.id}")).raise_for_status().json()
        if change.to is None:
            form = slot | {"status": "busy-unavailable"}
        else:
            length = change.meeting.end - change.meeting.start
            form = slot | {"start": change.to.isoformat(), "end": (change.to + length).isoformat()}
        await self._accepted(lambda: self.driver.put("attendance", form))

    async def open_tasks(self) -> list[Resource]:
        """What attendance asks of persons."""
        return await self.driver.search("attendance", "Task?status=requested,accepted&_count=200")

    async def session_of(self, task: Resource) -> datetime:
        """When the session begins that an escalation is about first."""
        issue = (await self.driver.get("attendance", task["focus"]["reference"])).raise_for_status().json()
        about = await self.driver.get("attendance", issue["implicated"][0]["reference"])
        return _instant(about.raise_for_status().json()["start"])

    async def answer(self, task: Resource, reason: str) -> None:
        """Somebody of the role that is asked resolves it."""
        person = f"{task['owner']['identifier']['value']}-1"
        form = forms.answered(task, "completed", person, reason)
        await self._accepted(lambda: self.driver.put("attendance", form))

    async def _accepted(self, send: Callable[[], Awaitable[httpx.Response]]) -> Resource:
        """The body of the 2xx: an EHR sends again what was not answered, or is to be sent later."""
        until = asyncio.get_running_loop().time() + TRIED_SECONDS_MOST
        while True:
            try:
                answer = await send()
                problem = f"{answer.status_code}: {answer.text}"
                if answer.is_success and answer.status_code != httpx.codes.ACCEPTED:
                    body: Resource = answer.json()
                    return body
                if answer.status_code not in TRY_AGAIN:
                    raise RefusedError(f"the hub refuses what it was sent, {problem}")
            except httpx.TransportError as failure:
                problem = type(failure).__name__
            if asyncio.get_running_loop().time() > until:
                raise CannotContinueError(f"the hub accepts nothing for {TRIED_SECONDS_MOST:.0f} s: {problem}")
            await asyncio.sleep(BETWEEN_TRIES_SECONDS)


def encounter(chart: Chart, appointment: Resource, act: Act) -> Resource:
    """In progress while nobody has entered when they left."""
    period = {"start": act.came, "end": act.left}
    return {
        "resourceType": "Encounter",
        "identifier": [{"system": VISIT, "value": f"{chart.person.mrn}-{act.name}"}],
        "status": "in-progress" if act.left is None else "finished",
        "class": fhir.coding(codes.ACT, "AMB"),
        "subject": fhir.reference("Patient", chart.id),
        "appointment": [fhir.reference("Appointment", appointment["id"])],
        "period": {name: moment.isoformat() for name, moment in period.items() if moment is not None},
    }


def group_of(appointment: Resource) -> str:
    """The program's name of the group whose session it is; "" where it is nobody else's."""
    actors = (each["actor"].get("reference", "") for each in appointment["participant"])
    return next((each.partition("/")[2] for each in actors if each.startswith("HealthcareService/")), "")


def is_shared(appointment: Resource, kind: str) -> bool:
    """A session of a group, or what is held alone in its place: nothing else individual is as long."""
    length = _instant(appointment["end"]) - _instant(appointment["start"])
    return kind == "group" or (kind == "individual" and length > timedelta(hours=1))


def coverages(person: Person, who: str) -> list[Resource]:
    """Of who pays, by the codes that program.toml gives them; nobody's numbers but the default ones without."""
    if person.payer not in PAYERS:
        return []
    paid_by = {"type": fhir.concept(*PAYERS[person.payer]), "payor": [{"display": "A synthetic payer"}]}
    return [forms.new("Coverage", status="active", beneficiary={"reference": who}, **paid_by)]


def booking(chart: Chart, session: Session, missed: Resource | None) -> Resource:
    participant = {"actor": fhir.reference("Patient", chart.id), "status": "accepted"}
    made_up = {} if missed is None else {"supportingInformation": [fhir.reference("Appointment", missed["id"])]}
    return made_up | {
        "resourceType": "Appointment",
        "identifier": [{"system": VISIT, "value": f"{chart.person.mrn}-{session.name}"}],
        "status": "booked",
        "serviceType": [fhir.concept(codes.SESSION, session.kind)],
        "start": session.start.isoformat(),
        "end": session.end.isoformat(),
        "participant": [participant],
    }


def declined(chart: Chart, appointment: Resource) -> Resource:
    return {
        "resourceType": "AppointmentResponse",
        "appointment": fhir.reference("Appointment", appointment["id"]),
        "actor": fhir.reference("Patient", chart.id),
        "participantStatus": "declined",
    }


def with_status(appointment: Resource, status: str, reason: str) -> Resource:
    system = ABSENCE if reason == ILLNESS else codes.CANCELLATION
    coded = {"cancelationReason": fhir.concept(system, reason)} if reason else {}
    plain = {name: value for name, value in appointment.items() if name not in ("meta", "cancelationReason")}
    return plain | {"status": status} | coded


def _session_of(appointment: Resource) -> Session:
    start, end = (_instant(appointment[each]) for each in ("start", "end"))
    return Session(start, end, fhir.code_of(appointment["serviceType"][0]))


def _patient_of(appointment: Resource) -> str:
    actors = (str(each["actor"].get("reference", "")) for each in appointment["participant"])
    return next(each.partition("/")[2] for each in actors if each.startswith("Patient/"))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
