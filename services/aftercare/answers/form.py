"""What a partner that referred is answered: where its own referral stands, and since when; of the patient nothing more.

No level, rule, need, reason or medication can come into it: it is built of a state, a time and the referrer's own
number. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from services.aftercare.answers.partner_answers import FIELDS_OF_COURT
from shared.events import codes, fhir
from shared.events.envelope import Resource
from shared.events.partner_answer import AnswerPrepared
from shared.path.destination import Release
from shared.path.outbound.accompanied import REFERRAL, Accompanied, identifier
from shared.rules.consent import Withheld
from shared.rules.organization import Organization

Opened = Callable[[Sequence[str]], Mapping[str, Any] | None]
"""The part that is sealed for this service, opened; None where it can't be."""
STATUSES = {
    "received": "received",
    "in-review": "received",
    "wait-listed": "on-hold",
    "planned": "accepted",
    "admitted": "completed",
    "declined": "rejected",
    "withdrawn": "cancelled",
    "closed": "completed",
    "completed": "completed",
    "not-completed": "failed",
}
"""The Task's status by where the referral stands, its businessStatus (FHIR R4, task-status: who has received it is
evaluating whether to perform it)."""
UNKNOWN_STATE, UNREADABLE_NUMBER = "referral-state-unknown", "referral-number-unreadable"
"""Why nothing is sent though it is permitted: a person looks, nobody guesses."""


def answer(
    event: AnswerPrepared, release: Release, sender: Organization, zone: ZoneInfo, opened: Opened
) -> Resource | Withheld:
    """The transaction Bundle for one state of one referral; withheld where the hub can't say it."""
    if event.state not in STATUSES:
        return Withheld(UNKNOWN_STATE)
    if event.of_stay and FIELDS_OF_COURT.get(event.state) not in release.permitted.fields:
        return Withheld("consent-lacks-a-field")
    number = opened([event.number]) if event.number else {}
    if number is None:
        return Withheld(UNREADABLE_NUMBER)
    form = _Answer(release, sender, zone)
    return form.bundle(form.task(event, number.get("identifier") or identifier(REFERRAL, event.referral_id)))


class _Answer(Accompanied):
    about = "Task"
    purport = "where its referral stands, and nothing else"
    replaced = frozenset({"Task"})

    def task(self, event: AnswerPrepared, numbers: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """One for each referral, whose status moves. `numbers` are the referrer's own, else the hub's id of it."""
        own = [{"type": "ServiceRequest", "identifier": each} for each in numbers]
        return {
            "resourceType": "Task",
            "identifier": identifier(REFERRAL, event.referral_id),
            "basedOn": own,
            "status": STATUSES[event.state],
            "businessStatus": fhir.concept(codes.REFERRAL, event.state),
            "intent": "order",
            "code": fhir.concept(codes.TASK, "referral"),
            "focus": own[0],
            "lastModified": event.changed_at,
            "requester": fhir.logical(codes.PARTNER, self.partner.identifier),
            "owner": self.sender,
        }
