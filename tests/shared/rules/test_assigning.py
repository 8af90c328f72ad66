"""What any service asks of a role names who of the patient's team has it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.aftercare.messages import CompleteFollowUp
from shared.events.aftercare import FollowUpCompleted, FollowUpFellDue
from shared.events.envelope import Event
from shared.events.escalation import EscalationRaised
from shared.events.intake import CareTeamChanged, TeamMember
from tests.aftercare.decide.test_answers import THIRD_DAY
from tests.aftercare.given import DISCHARGED, discharged
from tests.aftercare.story import in_care, on_hold_for_alumni
from tests.attendance.given import SETTLED
from tests.attendance.story import in_treatment
from tests.story import only
from tests.testing.given import report
from tests.testing.story import in_treatment as in_testing

NOW = datetime.fromisoformat("2026-01-05T14:00:00Z")
TEAM = CareTeamChanged(
    members=tuple(TeamMember(each, f"{each}-1") for each in ("case-manager", "primary-therapist", "prescriber")),
    changed_at=NOW,
)


def missed(*team: Event) -> list[Event]:
    story = in_treatment()
    story.then(*team)
    return story.missing(SETTLED[0])


def positive(*team: Event) -> list[Event]:
    story = in_testing()
    story.then(*team)
    return story.then(report("positive", 3, COCAINE="positive"))


def unanswered(*team: Event) -> list[Event]:
    story, _ = on_hold_for_alumni()
    story.then(*team)
    return story.until(THIRD_DAY)


@pytest.mark.parametrize("raise_one", [missed, positive, unanswered])
def test_every_service_names_who_of_the_team_has_the_role_that_it_asks(raise_one: Any) -> None:
    (raised,) = only(raise_one(TEAM), EscalationRaised)
    assert raised.assigned == f"{raised.escalation.owner}-1"
    (unnamed,) = only(raise_one(), EscalationRaised)
    assert unnamed.assigned == "" and unnamed.escalation.owner == raised.escalation.owner


def test_who_follows_up_is_named_too_also_once_that_is_done() -> None:
    story = in_care()
    story.then(TEAM)
    story.then(discharged())
    (due,) = only(story.until(DISCHARGED + timedelta(days=4)), FollowUpFellDue)
    (done,) = only(story.then(CompleteFollowUp(task_id=due.follow_up_id, by="case-manager-1")), FollowUpCompleted)
    assert (due.assigned, done.assigned) == ("case-manager-1", "case-manager-1")


@pytest.mark.parametrize("raise_one", [missed, positive, unanswered])
def test_who_has_left_the_team_is_named_no_more(raise_one: Any) -> None:
    (raised,) = only(raise_one(TEAM, CareTeamChanged(members=(), changed_at=NOW)), EscalationRaised)
    assert raised.assigned == ""
