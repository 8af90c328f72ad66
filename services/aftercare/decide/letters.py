"""The letter of a plan: listed where one begins, changes or is over."""

from collections.abc import Sequence

from services.aftercare.letter.listed import status_after
from services.aftercare.messages import AftercareEnded, AftercarePlanned, AftercareRevised, Emits, LetterListed
from services.aftercare.settings import Settings
from shared.rules.decision import Moment


def listed(emitted: Sequence[Emits], moment: Moment[Settings]) -> list[LetterListed]:
    """Once a plan, as it stands behind the last that was emitted of it."""
    plans = [each for each in emitted if isinstance(each, AftercarePlanned | AftercareRevised | AftercareEnded)]
    return [
        LetterListed(plan_id=plan_id, planned_at=last.planned_at or moment.now, status=status_after(last))
        for plan_id, last in {each.plan_id: each for each in plans}.items()
    ]
