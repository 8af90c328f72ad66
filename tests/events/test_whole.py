"""Every event writes its resources whole: whoever reads one record alone knows what was said before, too."""

import pytest

from shared.events import intake
from shared.events.envelope import Event
from tests.events.examples import EXAMPLES, PATIENT

LATER: dict[type[Event], tuple[type[Event], ...]] = {
    intake.LevelOfCareRecommended: (intake.RecommendationWithdrawn, intake.PlacementSigned),
    intake.EpisodeAdmitted: (intake.EpisodeDischarged,),
    intake.PlacementReviewRequested: (intake.PlacementReviewWithdrawn, intake.PlacementReviewCompleted),
}
"""Which events are about what another one began, by that one."""


@pytest.mark.parametrize(("first", "later"), [(first, each) for first, those in LATER.items() for each in those])
def test_a_later_event_loses_nothing_that_was_said_before(first: type[Event], later: type[Event]) -> None:
    before, after = elements(first), elements(later)
    whole = {name for name in before.keys() & after.keys() if name.partition("/")[0] not in later.amends}
    assert whole
    assert [(name, before[name] - after[name]) for name in whole if before[name] - after[name]] == []


def elements(kind: type[Event]) -> dict[str, set[str]]:
    """Of each resource (Type/id) the names of its elements, as the example of this event writes them."""
    (example,) = [each for each in EXAMPLES if isinstance(each, kind)]
    return {f"{each['resourceType']}/{each['id']}": set(each) for each in example.write(PATIENT)}
