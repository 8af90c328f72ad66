"""An escalation that was handed over, as the state holds it."""

from services.testing.messages import AcknowledgeEscalation, HandOverEscalation
from shared.events.escalation import EscalationHandedOver, EscalationUpdated, HandedOver
from tests.story import only
from tests.testing.given import day, report
from tests.testing.story import in_treatment


def test_the_receiver_stays_through_an_update_and_the_time_to_act_as_it_was() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"))
    (known,) = story.state.escalations
    identity = known.escalation.id
    story.then(AcknowledgeEscalation(escalation_id=identity, by="primary-therapist-1"), at=day(8))
    handing = HandOverEscalation(escalation_id=identity, to="staff/prescriber-1", reason="other-role-needed")
    (event,) = only(story.then(handing, at=day(8)), EscalationHandedOver)
    (stands,) = story.state.escalations
    assert (stands.accepted, stands.escalation.owner, stands.escalation.act_by) == (
        False,
        "prescriber",
        known.escalation.act_by,
    )
    assert stands.escalation.handed_over == HandedOver(day(8), "prescriber-1") == event.escalation.handed_over
    (updated,) = only(story.then(report("second", 8, BENZODIAZEPINES="positive"), at=day(8)), EscalationUpdated)
    assert (updated.escalation.owner, updated.escalation.person) == ("prescriber", "prescriber-1")
