"""One patient's way through the clinic, week after week: who of the staff answers what, and what then stands."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.events import codes, fhir
from shared.events.envelope import name_id
from tests.intake import bundles
from tests.journey.clinic import Clinic, Person, Resource, instant

THERAPIST = "primary-therapist-1"


@dataclass
class Course:
    clinic: Clinic
    person: Person

    async def answer(self, code: str, by: str, reason: str | None = None, **more: object) -> Resource:
        """The one open Task of intake with this code, as it was asked; a person completes it."""
        (asked,) = await self.clinic.tasks("intake", self.person, "requested", code)
        answer = await self.clinic.driver.put("intake", {**bundles.answered(asked, "completed", by, reason), **more})
        assert answer.status_code == 200, answer.text
        await self.clinic.driver.settle()
        return asked

    async def advance(self, stage: str, *, asked: bool) -> None:
        """The therapist's decision, in the Task that asks or in one of their own."""
        output = [
            {"type": fhir.concept(codes.INPUT, "stage"), "valueCodeableConcept": fhir.concept(codes.STAGE, stage)}
        ]
        if asked:
            await self.answer("advance-stage", THERAPIST, output=output)
            return
        own = {
            "resourceType": "Task",
            "status": "completed",
            "intent": "order",
            "code": fhir.concept(codes.TASK, "advance-stage"),
            "focus": fhir.reference("EpisodeOfCare", self.person.episode_id),
            "for": fhir.reference("Patient", self.person.id),
            "owner": fhir.staff(THERAPIST),
            "output": output,
        }
        answer = await self.clinic.driver.post("intake", own)
        assert answer.status_code == 201, answer.text
        await self.clinic.driver.settle()

    async def weeks(self, number: int) -> None:
        """From a Monday to another: every session is attended, and on Sunday the therapist reviews the week."""
        for _ in range(number):
            sunday = self.clinic.now + timedelta(days=6)
            for session in await self.clinic.sessions(self.person):
                if instant(session["start"]) < sunday:
                    await self._attend(session)
            await self.clinic.pass_to(sunday)
            await self.answer("weekly-review", THERAPIST)
            await self.clinic.pass_to(sunday + timedelta(days=1))

    async def _attend(self, session: Resource) -> None:
        for status, at in (("arrived", session["start"]), ("fulfilled", session["end"])):
            self.clinic.driver.clock_set(instant(at))
            answer = await self.clinic.driver.put("attendance", {**session, "status": status})
            assert answer.status_code == 200, answer.text

    async def sessions_of_a_week(self) -> int:
        until = self.clinic.now + timedelta(days=7)
        booked = [instant(each["start"]) for each in await self.clinic.sessions(self.person)]
        return len([each for each in booked if self.clinic.now <= each < until])

    async def episodes(self) -> dict[str, Resource]:
        """All of the patient's, by their id."""
        found = await self.clinic.driver.search("intake", f"EpisodeOfCare?patient={self.person.id}")
        return {str(each["id"]): each for each in found}

    async def episode(self) -> Resource:
        """The one that is not over; it is the person's from now on."""
        (stands,) = [each for each in (await self.episodes()).values() if each["status"] != "finished"]
        self.person.episode_id = stands["id"]
        return stands

    async def referral_states(self) -> list[str]:
        """Where the patient's referrals stand, as their Tasks have it."""
        found = await self.clinic.driver.search("intake", f"Task?patient={self.person.id}&code=referral")
        return sorted(fhir.code_of(each["businessStatus"]) for each in found)

    async def open_tasks(self, service: str) -> set[str]:
        found = await self.clinic.driver.search(service, f"Task?patient={self.person.id}&status=requested,accepted")
        return {fhir.code_of(each["code"]) for each in found}

    async def days_in_care(self) -> dict[str, int]:
        """As intake counted them last for this stay: in all, and of what."""
        name = name_id(self.person.episode_id, "engaged-days")
        counted = (await self.clinic.driver.get("intake", f"Observation/{name}")).json()
        parts = (counted, *counted["component"])
        return {fhir.code_of(each["code"]): each["valueQuantity"]["value"] for each in parts}


def monday(week: int) -> datetime:
    """Nine o'clock where the clinic is, so many weeks after the first one."""
    return datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("America/New_York")) + timedelta(weeks=week)


def coded(element: object) -> set[str]:
    """Every code and every identifier's value in it, at any depth."""
    if isinstance(element, list):
        return set().union(*map(coded, element))
    if not isinstance(element, dict):
        return set()
    own = {each for name, each in element.items() if name in ("code", "value") and isinstance(each, str)}
    return own.union(*map(coded, element.values()))
