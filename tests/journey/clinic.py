"""The clinic as a story tells it: a person is referred, admitted, comes or doesn't, is tested, is discharged.

Everything goes through the public edges; everything seen comes from the topics and FHIR reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.partner import Partners
from deploy.driver import Driver
from deploy.evidence import Record
from shared.events import codes
from shared.events.catalogue import OPEN_ESCALATIONS
from tests.intake import bundles

FIRST_MONDAY = datetime(2026, 1, 5, 14, 0, tzinfo=UTC)
MARIJUANA, COCAINE, FENTANYL, BUPRENORPHINE = "18282-4", "14314-9", "59673-4", "93494-3"
Resource = dict[str, Any]


@dataclass
class Person:
    """A patient as the EHR knows them, and as the hub does."""

    mrn: str
    id: str = ""
    episode_id: str = ""


class Clinic:
    def __init__(self, driver: Driver, partners: Partners) -> None:
        self.driver = driver
        self.partners = partners

    @property
    def now(self) -> datetime:
        return self.driver.now

    async def pass_to(self, moment: datetime) -> None:
        """The clock is set forward, and everything that follows has happened."""
        self.driver.clock_set(moment)
        await self.driver.settle()

    async def pass_by(self, **time: float) -> None:
        await self.pass_to(self.now + timedelta(**time))

    async def refer(self, mrn: str | None = None, **intake: Any) -> Person:
        """A referral with its assessment, in one transaction."""
        person = Person(mrn or f"MRN-{uuid4().hex[:12]}")
        answer = await self.driver.post("intake", bundles.intake(person.mrn, self.now, **intake))
        assert answer.status_code == 200, answer.text
        location: str = answer.json()["entry"][0]["response"]["location"]
        person.id = location.split("/")[1]
        await self.driver.settle()
        return person

    async def sign(
        self, person: Person, level: str = "2.1", reason: str | None = None, start: datetime | None = None
    ) -> httpx.Response:
        """At once, or for a stay that is to begin then."""
        (task,) = await self.tasks("intake", person, "requested", "sign-placement")
        signed = bundles.signed(task, level, reason)
        if start is not None:
            named = {"type": {"coding": [{"system": codes.INPUT, "code": "start"}]}, "valueDateTime": start.isoformat()}
            signed["output"].append(named)
        answer = await self.driver.put("intake", signed)
        await self.driver.settle()
        return answer

    async def admit(self, **intake: Any) -> Person:
        """Referred, fit for the IOP, signed and admitted."""
        person = await self.refer(**intake)
        answer = await self.sign(person)
        assert answer.status_code == 200, answer.text
        (episode,) = await self.driver.search("intake", f"EpisodeOfCare?patient={person.id}&status=active")
        person.episode_id = episode["id"]
        return person

    async def sessions(self, person: Person, status: str = "booked") -> list[Resource]:
        """The person's sessions, earliest first."""
        found = await self.driver.search("attendance", f"Appointment?patient={person.id}&status={status}")
        return sorted(found, key=lambda each: str(each["start"]))

    async def attend(self, person: Person, session: Resource, minutes: int | None = None) -> httpx.Response:
        """An Encounter for this session, reported once it is over: held, with its minutes."""
        start, end = instant(session["start"]), instant(session["end"])
        if self.now < end:
            await self.pass_to(end)
        encounter: Resource = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": codes.ACT, "code": "AMB"},
            "subject": {"reference": f"Patient/{person.id}"},
            "appointment": [{"reference": f"Appointment/{session['id']}"}],
            "period": {"start": start.isoformat(), "end": end.isoformat()},
        }
        if minutes is not None:
            encounter["length"] = {
                "value": minutes,
                "code": "min",
                "system": "http://unitsofmeasure.org",
                "unit": "min",
            }
        answer = await self.driver.post("attendance", encounter)
        await self.driver.settle()
        return answer

    async def miss(self, person: Person) -> Resource:
        """The next session passes, and nobody says anything."""
        session = (await self.sessions(person))[0]
        await self.pass_to(instant(session["start"]) + timedelta(minutes=16))
        return session

    async def test(self, person: Person, *positive: str, **oru: Any) -> bytes:
        """A laboratory's report over MLLP; the analytes named are positive, the others negative."""
        acknowledgement = await self.driver.send_mllp(report(person.mrn, self.now, positive, **oru))
        await self.driver.settle()
        return acknowledgement

    async def discharge(self, person: Person, disposition: str = "completed", **headers: str) -> None:
        answer = await self.driver.get("intake", f"EpisodeOfCare/{person.episode_id}")
        ended = bundles.discharge(answer.json(), disposition, self.now)
        answer = await self.driver.post("intake", ended, **headers)
        assert answer.status_code == 200, answer.text
        await self.driver.settle()

    async def consent(self, person: Person, partner: str, **consent: Any) -> str:
        """A consent that names the partner; its id."""
        given = bundles.consent(
            partner,
            who=f"Patient/{person.id}",
            given=self.now.isoformat(),
            until=(self.now + timedelta(days=365)).isoformat(),
            **consent,
        )
        answer = await self.driver.post("intake", given)
        assert answer.status_code == 201, answer.text
        await self.driver.settle()
        return answer.headers["Location"].partition("/Consent/")[2].partition("/")[0]

    async def revoke(self, consent_id: str) -> httpx.Response:
        consent = (await self.driver.get("intake", f"Consent/{consent_id}")).json()
        answer = await self.driver.put("intake", {**consent, "status": "inactive"})
        await self.driver.settle()
        return answer

    async def ask_referral(self, person: Person, partner: str, kind: str) -> httpx.Response:
        """A case manager asks aftercare to refer the person to a partner, once more where it was: the patient asks."""
        answer = await self.driver.post(
            "aftercare",
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "code": {"coding": [{"system": codes.TASK, "code": kind}]},
                "subject": {"reference": f"Patient/{person.id}"},
                "performer": [{"identifier": {"system": codes.PARTNER, "value": partner}}],
                "requester": {"identifier": {"system": codes.STAFF, "value": "case-manager-1"}},
                "reasonCode": [{"coding": [{"system": codes.REASON, "code": "patient-asks"}]}],
            },
        )
        await self.driver.settle()
        return answer

    async def tasks(self, service: str, person: Person, status: str, code: str | None = None) -> list[Resource]:
        found = await self.driver.search(service, f"Task?patient={person.id}&status={status}")
        return [each for each in found if code is None or each["code"]["coding"][0]["code"] == code]

    async def records(self, person: Person, *topics: str) -> list[Record]:
        return [each for each in await self.driver.records(*topics) if each.patient == person.id]

    async def events(self, person: Person, *topics: str) -> list[str]:
        """The names of the events said of this person, in the order of their topic."""
        return [each.event for each in await self.records(person, *topics)]

    async def open_tasks(self) -> dict[str, Resource]:
        """The escalations that wait for a person, as GET Task of all owners answers them, by their id."""
        found: list[Resource] = []
        for service in self.driver.hub.services:
            found += await self.driver.search(service, "Task?status=requested,accepted")
        return {each["id"]: _as_emitted(each) for each in found if _system(each) == codes.ESCALATION}

    async def open_on_topic(self) -> dict[str, Resource]:
        """The same as a fresh reader of the compacted topic sees them."""
        newest = {each.patient: each for each in await self.driver.records(OPEN_ESCALATIONS)}
        ours = [each for each in newest.values() if each.bundle and each.headers["ce_program"] == "demo"]
        return {each.patient: _as_emitted(each.resources[0]) for each in ours}

    async def escalations(self, person: Person) -> list[tuple[str, str]]:
        """(event, reason) of every escalation event about this person."""
        found = [(each.event, each.resources[0]) for each in await self.records(person, "iop.escalations")]
        return [(event, task["reasonCode"]["coding"][0]["code"]) for event, task in found if "reasonCode" in task]


def _system(task: Resource) -> str:
    system: str = task["code"]["coding"][0]["system"]
    return system


def _as_emitted(task: Resource) -> Resource:
    """Without its version and what to do about it: only the read model has them."""
    return {name: value for name, value in task.items() if name not in ("meta", "description")}


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def report(
    mrn: str,
    collected: datetime,
    positive: Sequence[str] = (),
    *,
    negative: Sequence[str] = (MARIJUANA,),
    filler: str | None = None,
    status: str = "F",
    control: str | None = None,
) -> bytes:
    """An ORU^R01 2.5.1 of a urine drug screen, as a laboratory sends it."""
    moment = collected.strftime("%Y%m%d%H%M%S+0000")
    number, control = filler or uuid4().hex[:10], control or uuid4().hex[:12]
    segments = [
        f"MSH|^~\\&|LIS|LAB|HUB|demo|{moment}||ORU^R01^ORU_R01|{control}|P|2.5.1",
        f"PID|1||{mrn}^^^IOPDEMO^MR||DOE^SYNTHETIC||19880412|U",
        f"OBR|1||{number}^LAB|DRUG^Urine drug screen^L|||{moment}|||||||||||||||{moment}|||{status}",
    ]
    for code in (*positive, *negative):
        found = "POSITIVE" if code in positive else "NEGATIVE"
        segments.append(f"OBX|{len(segments) - 2}|ST|{code}^^LN||{found}||||||{status}|||{moment}")
    return "\r".join(segments).encode() + b"\r"
