"""FHIR and HL7 v2 files from elsewhere, sent through the public edges, and the result of each."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from deploy.demo import forms
from deploy.demo.agenda import Promises
from deploy.driver import Driver
from deploy.evidence import Record

SCREENS = 12
FIT = {
    "withdrawal": "none",
    "biomedical": "1.0",
    "psychiatric-cognitive": "1.5",
    "substance-use-risk": "2.1",
    "recovery-environment": "1.5",
}
Resource = dict[str, Any]


@dataclass
class Visit:
    """One sending of a folder of samples: a row for each kind, and what is expected of it."""

    driver: Driver
    promises: Promises
    folder: Path
    rows: list[tuple[str, str]] = field(default_factory=list)

    def files(self, pattern: str) -> Iterator[Path]:
        found = sorted(self.folder.glob(pattern))
        self.promises.expect(bool(found), f"the folder of samples has files like {pattern}")
        yield from found

    def read(self, pattern: str) -> list[Resource]:
        return [json.loads(each.read_text()) for each in self.files(pattern)]

    def note(self, sent: str, result: str) -> None:
        self.rows.append((sent, result))


async def show(driver: Driver, console: Console, promises: Promises, real: Path) -> None:
    """Send it and print the results. Raises Broken where a result is not the expected one."""
    visit = Visit(driver, promises, real)
    await _screens_of_nobody(visit)
    await _laboratory_messages(visit)
    await _referral_message(visit)
    await _screenings(visit)
    await _discharge(visit, await _admit_the_screened(visit))
    console.print(_table(visit.rows))


async def _screens_of_nobody(visit: Visit) -> None:
    """Sent as the EHR, whose literal reference means its own patient; the hub does not know this patient yet."""
    for screen in visit.read("fhir/drug-screens/Observation-*.json"):
        answer = await visit.driver.post("testing", screen)
        visit.promises.expect(answer.status_code == 201, "a drug screen of an unknown patient is accepted")
    unmatched = await visit.driver.search("testing", "Observation?patient:missing=true")
    visit.promises.expect(
        len(unmatched) == SCREENS, "all twelve drug screens are unmatched, none is assigned to a patient"
    )
    visit.note(
        f"{SCREENS} drug screens, patient unknown", "stored and listed as unmatched; none is assigned to a patient"
    )


async def _laboratory_messages(visit: Visit) -> None:
    before = await _records_of(visit, "iop.testing.events", "iop.escalations")
    answers: Counter[int] = Counter()
    for file in visit.files("hl7v2/reportstream/*.hl7"):
        answers[(await visit.driver.post_hl7(file.read_bytes())).status_code] += 1
    await visit.driver.settle()
    visit.promises.expect(set(answers) <= {200, 204}, "every public laboratory message is taken")
    after = await _records_of(visit, "iop.testing.events", "iop.escalations")
    visit.promises.expect(len(after) == len(before), "no public laboratory message is a drug test or an escalation")
    visit.note(
        f"{answers.total()} ORU messages over HTTP",
        f"taken, {answers[204]} of which ask for no answer; none is a drug test, so none is graded or escalated",
    )


async def _referral_message(visit: Visit) -> None:
    for message in visit.read("fhir/referrals/Bundle-*.json"):
        answer = await visit.driver.post("intake", message)
        visit.promises.expect(answer.status_code == 200, "a referral message is accepted by $process-message")
    await visit.driver.settle()
    events = Counter(each.event for each in await _records_of(visit, "iop.intake.events"))
    visit.promises.expect(events["ReferralReceived"] == 1, "the referral in the message is received")
    visit.note("a referral message (BSeR)", f"{', '.join(sorted(events))}: no placement without an assessment")


async def _screenings(visit: Visit) -> None:
    """US Core: the patient first, then the screenings, by the EHR's own references."""
    (patient,) = visit.read("fhir/assessments/Patient-example.json")
    answer = await visit.driver.post("intake", forms.transaction([_known_as(patient)]))
    visit.promises.expect(answer.status_code == 200, "the screened patient is known")
    await visit.driver.settle()
    kinds: Counter[str] = Counter()
    for pattern in ("Observation-*.json", "QuestionnaireResponse-*.json"):
        for resource in visit.read(f"fhir/assessments/{pattern}"):
            answer = await visit.driver.post("intake", resource)
            visit.promises.expect(answer.status_code == 201, f"a screening's {resource['resourceType']} is accepted")
            kinds[resource["resourceType"]] += 1
    visit.note(
        f"{kinds['Observation']} screening Observations, {kinds['QuestionnaireResponse']} QuestionnaireResponses",
        "stored as received; what intake's rules use is read, and is too old for a placement",
    )


async def _admit_the_screened(visit: Visit) -> str:
    """The hub's id of the patient, now in the IOP."""
    (patient,) = visit.read("fhir/drug-screens/Patient-*.json")
    named = _known_as(patient)
    answer = await visit.driver.post("intake", forms.transaction([named, *_intake(named["fullUrl"], visit.driver.now)]))
    visit.promises.expect(answer.status_code == 200, "the patient of the drug screens is referred")
    hub_id: str = answer.json()["entry"][0]["response"]["location"].split("/")[1]
    await visit.driver.settle()
    (task,) = await visit.driver.search("intake", f"Task?patient={hub_id}&status=requested")
    signed = await visit.driver.put("intake", forms.signed(task, "2.1"))
    visit.promises.expect(signed.status_code == 200, "the placement is signed")
    await visit.driver.settle()
    records = [each for each in await _records_of(visit, "iop.testing.events") if each.patient == hub_id]
    events = Counter(each.event for each in records)
    visit.promises.expect(events["ResultMatched"] == SCREENS, "the twelve are matched")
    visit.promises.expect(events["DrugTestResulted"] == SCREENS, "the twelve are graded once the patient is admitted")
    first_graded = min(place for place, each in enumerate(records) if each.event == "DrugTestResulted")
    visit.promises.expect(first_graded == SCREENS, "all are matched before the first is graded")
    baseline = sum("conclusionCode" in each.resources[0] for each in records if each.event == "DrugTestResulted")
    visit.promises.expect(baseline == SCREENS, "the twelve are the baseline")
    unmatched = await visit.driver.search("testing", "Observation?patient:missing=true")
    visit.promises.expect(unmatched == [], "nothing is left unmatched")
    visit.note("their patient admitted", f"{SCREENS} matched in order, {baseline} graded as baseline, none left over")
    return hub_id


async def _discharge(visit: Visit, patient: str) -> None:
    """The story goes on without this patient: left in the IOP, each session would be missed."""
    (episode,) = await visit.driver.search("intake", f"EpisodeOfCare?patient={patient}&status=active")
    answer = await visit.driver.post("intake", forms.discharge(episode, "other", visit.driver.now))
    visit.promises.expect(answer.status_code == 200, "the patient of the drug screens is discharged again")
    await visit.driver.settle()


def _known_as(patient: Resource) -> Resource:
    """With the EHR's own id, by which its other resources mean this patient."""
    return {**patient, "fullUrl": f"urn:uuid:{uuid4()}"}


def _intake(subject: str, at: datetime) -> list[Resource]:
    """An assessment that fits the IOP, and the referral."""
    needs = [forms.need(subject, dimension, level, at) for dimension, level in FIT.items()]
    return [*needs, forms.fact(subject, "safe-housing", True, at), forms.referral(subject, at)]


async def _records_of(visit: Visit, *topics: str) -> list[Record]:
    return await visit.driver.records(*topics)


def _table(rows: list[tuple[str, str]]) -> Table:
    table = Table(title="the samples and their results", title_justify="left")
    table.add_column("sent")
    table.add_column("result")
    for row in rows:
        table.add_row(*row)
    return table
