"""What waits for a partner names the resource by whose end it is taken back: the one that its end writes."""

from typing import Any

import msgspec
import pytest

from shared.events.aftercare import ReferralPrepared, ReferralWithdrawn
from shared.events.drug_test_order import (
    CollectionMissed,
    CollectionRefused,
    CollectionWithdrawn,
    DrugTestCancelled,
    DrugTestOrdered,
)
from shared.events.envelope import Event
from shared.events.laboratory_order import LaboratoryOrderPrepared
from shared.events.partner_answer import AnswerPrepared, AnswerWithdrawn
from shared.path.outbound.destinations import Disclosed
from tests.events.examples import EXAMPLES, PATIENT

OF_TYPE: dict[type[Event], Any] = {type(each): each for each in EXAMPLES}


def reason(prepared: Disclosed, later: Event) -> str | None:
    """Why it is withheld once the later event is written; None where it goes."""
    ended_by = prepared.ended_by
    if ended_by is None:
        return None
    written = {(each["resourceType"], each["id"]): each["status"] for each in later.write(PATIENT)}
    return ended_by.reasons.get(str(written[ended_by.type, ended_by.id]))


@pytest.mark.parametrize(
    ("prepared", "later", "expected"),
    [
        (ReferralPrepared, ReferralWithdrawn, "referral-withdrawn"),
        (ReferralPrepared, ReferralPrepared, None),
        (AnswerPrepared, AnswerWithdrawn, "answer-withdrawn"),
        (AnswerPrepared, AnswerPrepared, None),
        (LaboratoryOrderPrepared, DrugTestCancelled, "order-ended"),
        (LaboratoryOrderPrepared, CollectionRefused, "order-ended"),
        (LaboratoryOrderPrepared, CollectionMissed, "order-ended"),
        (LaboratoryOrderPrepared, CollectionWithdrawn, None),
        (LaboratoryOrderPrepared, DrugTestOrdered, None),
    ],
)
def test_it_is_taken_back_by_its_end_alone(prepared: type[Disclosed], later: type[Event], expected: str | None) -> None:
    assert reason(OF_TYPE[prepared], OF_TYPE[later]) == expected


def test_that_a_test_was_cancelled_is_told_all_the_same() -> None:
    cancels = msgspec.structs.replace(OF_TYPE[LaboratoryOrderPrepared], action="cancel")
    assert reason(cancels, OF_TYPE[DrugTestCancelled]) is None
