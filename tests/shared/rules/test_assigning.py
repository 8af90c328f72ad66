"""What any service asks of a role names who of the patient's team has it."""

from datetime import datetime
from typing import Any

import pytest

from shared.events.envelope import Event
from shared.events.escalation import EscalationRaised
from shared.events.intake import CareTeamChanged, TeamMember
from tests.aftercare.decide.test_answers import THIRD_DAY
from tests.aftercare.story import on_hold_for_alumni
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


@pytest.mark.parametrize("raise_one", [missed, positive, unanswered])
def test_who_has_left_the_team_is_named_no_more(raise_one: Any) -> None:
    (raised,) = only(raise_one(TEAM, CareTeamChanged(members=(), changed_at=NOW)), EscalationRaised)
    assert raised.assigned == ""
