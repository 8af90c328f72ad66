"""Every command of testing, as it may be asked of any story."""

from collections.abc import Callable, Sequence

import msgspec
from hypothesis import strategies as some

from services.testing import messages as w
from shared.events.codes import ACTS, HAND_OVER_REASONS
from shared.events.envelope import Command, Event, name_id
from shared.events.laboratory_order import task_id
from shared.rules.packing import unpack_id
from tests.reopening import reopenings
from tests.story import PatientStory
from tests.testing.given import NAMES, SETTINGS, day
from tests.testing.story import Story
from tests.testing.test_laws import CANCELLED, COLLECTIONS, PLACED, REPORTS
from tests.testing.test_laws import STORIES as HAPPENED


def _lived(happened: Sequence[Event | Command]) -> Story:
    """A story in which a command may be refused."""
    story = Story(settings=msgspec.structs.replace(SETTINGS, laboratory="riverbend-laboratory"))
    for each in happened:
        PatientStory.then(story, each, at=day(130))
    return story


def _escalations(story: Story) -> some.SearchStrategy[str]:
    return some.sampled_from([*(each.escalation.id for each in story.state.escalations), name_id(NAMES, "none")])


def _laboratory_tasks(story: Story) -> some.SearchStrategy[str]:
    orders = [unpack_id(each.id) for each in story.state.orders.tests]
    return some.sampled_from([task_id(each) for each in (*orders, name_id(NAMES, "none"))])


STORIES = HAPPENED.map(_lived)
COMMANDS: dict[type[Command], Callable[[Story], some.SearchStrategy[Command]]] = {
    w.ReportResult: lambda story: REPORTS,
    w.OrderDrugTest: lambda story: PLACED,
    w.CancelDrugTest: lambda story: CANCELLED,
    w.ReportCollection: lambda story: COLLECTIONS,
    w.SendOrderAgain: lambda story: some.builds(w.SendOrderAgain, task_id=_laboratory_tasks(story)),
    w.AcknowledgeEscalation: lambda story: some.builds(w.AcknowledgeEscalation, escalation_id=_escalations(story)),
    w.ActOnEscalation: lambda story: some.builds(
        w.ActOnEscalation, escalation_id=_escalations(story), act=some.sampled_from(sorted(ACTS))
    ),
    w.HandOverEscalation: lambda story: some.builds(
        w.HandOverEscalation,
        escalation_id=_escalations(story),
        to=some.sampled_from(["staff/clinician-1", "staff/prescriber-1", "case-manager"]),
        reason=some.sampled_from(sorted(HAND_OVER_REASONS)),
        by=some.sampled_from(["", "clinician-1"]),
    ),
    w.ReopenEscalation: reopenings,
    w.ResolveEscalation: lambda story: some.builds(
        w.ResolveEscalation, escalation_id=_escalations(story), reason=some.just("done")
    ),
}
