"""Whom a block grant has treated first: the pregnant and those who inject, and what was done for them meanwhile."""

from datetime import datetime
from typing import Self

import msgspec

from services.intake import messages
from services.intake.record import Referral
from shared.events.intake import ADMIT_BY, INTERIM, REFER_TO_STATE
from shared.rules.packing import instant, seconds

PRIORITY = (ADMIT_BY, INTERIM, REFER_TO_STATE)
"""Why a person is asked something about them; each has its clock."""
INTERIM_SERVICES = (
    "hiv-and-tb-education",
    "needle-sharing-risks",
    "transmission-risks",
    "transmission-prevention",
    "hiv-or-tb-referral",
    "fetal-effects",
    "prenatal-referral",
)
"""Interim services (45 CFR 96.121): what counselling and education was given, and which referral made."""
OF_PREGNANCY = frozenset({"fetal-effects", "prenatal-referral"})
"""Those that a pregnant woman is owed besides (45 CFR 96.121, interim services, (2))."""
AT_LEAST = frozenset(INTERIM_SERVICES) - OF_PREGNANCY - {"hiv-or-tb-referral"}
"""Those that everybody is owed; a referral for HIV or TB services where it is necessary."""


class Priority(msgspec.Struct, frozen=True, array_like=True):
    """Of one referral (its packed id), in seconds (UTC): when interim services were recorded, whether the State was
    asked for a place, and when half of the next clock is over."""

    referral: str
    interim: int | None = None
    is_referred: bool = False
    half: int | None = None

    @property
    def half_at(self) -> datetime | None:
        return instant(self.half)

    @property
    def interim_at(self) -> datetime | None:
        return instant(self.interim)

    def looked_at(self, half_at: datetime | None) -> Self:
        return msgspec.structs.replace(self, half=seconds(half_at))

    def completed(self, event: messages.PlacementReviewCompleted) -> Self:
        if event.review.reason == INTERIM:
            return msgspec.structs.replace(self, interim=seconds(event.completed_at))
        return msgspec.structs.replace(self, is_referred=self.is_referred or event.review.reason == REFER_TO_STATE)


def priority_of(known: Priority | None, referral: Referral) -> Priority:
    """What was done for this referral's patient meanwhile; what is known of another one says nothing."""
    return known if known is not None and known.referral == referral.packed else Priority(referral.packed)
