"""Nothing that was said of a stay is lost by a later event: its resources as the read model has them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.intake import messages as w
from shared.events.envelope import Command, Event
from tests.intake.decide.test_stepping import STAGES, WORSE
from tests.intake.given import IOP_NEEDS, MONDAY, PATIENT, assessment, referral, settings, sign
from tests.intake.story import Story
from tests.story import PatientStory

WARD, ENDS = "8b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e", "8b1f5a0e-6666-4c5a-9e0e-3f0c5a0e5a0e"
TYPES = frozenset({"EpisodeOfCare", "CarePlan", "ServiceRequest", "Task"})
MOVES = frozenset(
    {
        "status",
        "_status",
        "statusReason",
        "businessStatus",
        "lastModified",
        "owner",
        "performerType",
        "period",
        "restriction",
    }
    | {"output", "activity", "category", "priority", "meta"}
)
"""What a later event may say otherwise; it may not leave it out."""
ENDED = frozenset({"restriction", "statusReason", "output"})
"""Of a Task what was asked until its state changed."""
DAY = timedelta(days=1)


class ReadModel(Story):
    """A story whose resources are stored as the transaction stores them: amended, or whole."""

    def __init__(self, *happened: Event | Command, **changed: Any) -> None:
        self.resources: dict[tuple[str, str], dict[str, Any]] = {}
        self.lost: list[tuple[str, str, str]] = []
        super().__init__(*happened, settings=settings(**changed))

    def _step(self, happened: Event | Command, at: datetime | None) -> list[Event]:
        emitted = PatientStory._step(self, happened, at)
        self.emitted = emitted
        for event in emitted:
            for resource in event.write(PATIENT) if isinstance(event, Event) else ():
                self._store(event, resource)
        return emitted

    def _store(self, event: Event, resource: Any) -> None:
        name = (resource["resourceType"], resource["id"])
        before = self.resources.get(name, {})
        now = before | resource if name[0] in event.amends else resource
        if name[0] in TYPES:
            self.lost += [(type(event).__name__, name[0], each) for each in before if is_lost(each, before, now)]
        self.resources[name] = now


def is_lost(element: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether it is left out, or holds no longer what it held."""
    if element in ENDED:
        return False
    if element not in now:
        return True
    if element in MOVES:
        return False
    earlier, later = before[element], now[element]
    if element == "statusHistory":
        return any(status(each) not in map(status, later) for each in earlier)
    if element == "type":
        return any(code(each) not in map(code, later) for each in earlier)
    if isinstance(earlier, list):
        return any(each not in later for each in earlier)
    return bool(earlier != later)


def status(entry: Any) -> tuple[str, Any]:
    """The one that lasts has no end yet."""
    return entry["status"], entry["period"].get("start")


def code(concept: Any) -> str:
    return str(concept["coding"][0]["code"])


def stay() -> ReadModel:
    story = ReadModel(assessment(IOP_NEEDS, "safe-housing"), referral(), offers=("1.5", "2.1", "2.5"), stages=STAGES)
    story.then(sign(story.state))
    return story


def stepped_and_paused(story: ReadModel) -> None:
    story.at(MONDAY + 4 * DAY).then(assessment(WORSE, "safe-housing", at=MONDAY + 4 * DAY))
    story.then(sign(story.state, "2.5"))
    nights = w.ReportCareElsewhere(encounter_id=WARD, kind="inpatient", started_at=MONDAY + 5 * DAY)
    story.at(MONDAY + 6 * DAY).then(nights)
    story.then(w.EndCareElsewhere(encounter_id=WARD, ended_at=MONDAY + 6 * DAY))


def discharge(story: ReadModel) -> w.Discharge:
    assert story.state.episode is not None
    return w.Discharge(
        episode_id=story.state.episode.id, encounter_id=ENDS, disposition="completed", at=MONDAY + 8 * DAY
    )


def test_admitted_stepped_paused_resumed_discharged_corrected_and_taken_back_nothing_is_lost() -> None:
    story = stay()
    stepped_and_paused(story)
    story.at(MONDAY + 9 * DAY).then(discharge(story))
    story.then(w.CorrectDischarge(encounter_id=ENDS, disposition="ama", at=MONDAY + 7 * DAY))
    assert story.lost == []
    story.then(w.WithdrawDischarge())
    assert {each[2] for each in story.lost} <= {"statusHistory"}  # that it ended was never so
    (episode,) = [each for (kind, _), each in story.resources.items() if kind == "EpisodeOfCare"]
    assert [code(each) for each in episode["type"]] == ["2.5", "2.1"]
    assert [each["status"] for each in episode["statusHistory"]] == ["active", "onhold"]
    assert episode["status"] == "active" and episode["referralRequest"]


def test_an_event_that_would_forget_the_former_level_is_found() -> None:
    story = stay()
    stepped_and_paused(story)
    stepped = [each for each in story.all_emitted if isinstance(each, w.EpisodeStepped)]
    forgetful = w.EpisodePaused(
        episode_id=stepped[0].episode_id, level="2.5", referral_id="", admitted_at=MONDAY, at=MONDAY + 9 * DAY
    )
    for resource in forgetful.write(PATIENT):
        story._store(forgetful, resource)
    assert {each[2] for each in story.lost} == {"type", "referralRequest", "statusHistory"}


@pytest.mark.parametrize("reason", ["referral-revoked", "referral-in-error"])
def test_a_referral_taken_back_before_its_signature_is_written_whole(reason: str) -> None:
    story = ReadModel(assessment(IOP_NEEDS, "safe-housing"), referral())
    assert story.state.referral is not None
    story.then(w.RevokeReferral(referral_id=story.state.referral.id, reason=reason, at=MONDAY))
    assert story.lost == []


def test_a_declined_referral_and_a_needed_discharge_are_written_whole() -> None:
    declined = ReadModel(assessment(IOP_NEEDS | {"recovery-environment": "3.5"}, "safe-housing"), referral())
    declined.then(sign(declined.state, "3.5"))
    story = stay()
    worst = assessment(IOP_NEEDS | {"recovery-environment": "3.5"}, "safe-housing", at=MONDAY + 2 * DAY)
    story.at(MONDAY + 2 * DAY).then(worst)
    story.then(sign(story.state, "3.5"))
    story.at(MONDAY + 9 * DAY).then(discharge(story))
    assert declined.lost == story.lost == []
