"""What a stay was before stands in its EpisodeOfCare, after every later event."""

from datetime import datetime, timedelta
from typing import Any

from services.intake import messages as w
from shared.events.envelope import Event
from tests.intake.given import MONDAY, PATIENT
from tests.intake.story import Story, admitted
from tests.story import only

WARD = "8b1f5a0e-5555-4c5a-9e0e-3f0c5a0e5a0e"
DISCHARGE = "8b1f5a0e-6666-4c5a-9e0e-3f0c5a0e5a0e"
NIGHT, MORNING, FRIDAY = (MONDAY + timedelta(days=days) for days in (1, 2, 4))


def nights(begin: datetime = NIGHT) -> w.ReportCareElsewhere:
    return w.ReportCareElsewhere(encounter_id=WARD, kind="inpatient", started_at=begin)


def home() -> w.EndCareElsewhere:
    return w.EndCareElsewhere(encounter_id=WARD, ended_at=MORNING)


def discharge(story: Story, at: datetime = FRIDAY) -> w.Discharge:
    assert story.state.episode is not None
    return w.Discharge(episode_id=story.state.episode.id, encounter_id=DISCHARGE, disposition="completed", at=at)


def statuses(event: Event) -> list[tuple[str, Any, Any]]:
    episode: Any = event.write(PATIENT)[0]
    found = episode.get("statusHistory", ())
    return [(each["status"], each["period"].get("start"), each["period"].get("end")) for each in found]


def test_a_stay_that_was_paused_shows_it_to_its_end() -> None:
    story = admitted().at(FRIDAY).and_then(nights())
    (paused,) = only(story.emitted, w.EpisodePaused)
    assert statuses(paused) == [("active", MONDAY, NIGHT), ("onhold", NIGHT, None)]
    (resumed,) = only(story.and_then(home()).emitted, w.EpisodeResumed)
    assert statuses(resumed) == [("active", MONDAY, NIGHT), ("onhold", NIGHT, MORNING)]
    (ended,) = only(story.and_then(discharge(story)).emitted, w.EpisodeDischarged)
    assert statuses(ended) == [("active", MONDAY, NIGHT), ("onhold", NIGHT, MORNING), ("active", MORNING, FRIDAY)]


def test_a_corrected_discharge_moves_the_end_of_the_last_status_alone() -> None:
    story = admitted().at(FRIDAY).and_then(nights(), home())
    story.and_then(discharge(story))
    earlier = FRIDAY - timedelta(hours=2)
    story.and_then(w.CorrectDischarge(encounter_id=DISCHARGE, disposition="completed", at=earlier))
    (ended,) = only(story.emitted, w.EpisodeDischarged)
    assert statuses(ended)[1:] == [("onhold", NIGHT, MORNING), ("active", MORNING, earlier)]


def test_a_discharge_taken_back_leaves_no_trace_and_the_pause_before_it_stands() -> None:
    story = admitted().at(FRIDAY).and_then(nights(), home())
    before = story.state.episode
    story.and_then(discharge(story), w.WithdrawDischarge())
    (back,) = only(story.emitted, w.DischargeWithdrawn)
    assert statuses(back) == [("active", MONDAY, NIGHT), ("onhold", NIGHT, MORNING)]
    assert story.state.episode == before


def test_nights_that_never_were_are_no_pause() -> None:
    story = admitted().at(FRIDAY).and_then(nights(), w.WithdrawCareElsewhere(encounter_id=WARD))
    (ended,) = only(story.and_then(discharge(story)).emitted, w.EpisodeDischarged)
    assert statuses(ended) == [("active", MONDAY, FRIDAY)]
