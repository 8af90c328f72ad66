"""The partners that referred, as a state remembers them: which referral, and what was emitted of it last. Pure."""

from collections.abc import Sequence
from typing import Self

import msgspec

from services.intake import messages
from shared.events.intake.referrer import ENDED
from shared.rules.packing import pack_id, unpack_id

REFERRERS_MOST = 8
"""More than a patient has open referrals, waiting for a start or a seat among them."""


class Referrer(msgspec.Struct, frozen=True, array_like=True):
    """Of one referral (a packed id) the partner that made it, by its name in partners.toml."""

    packed: str
    partner: str
    state: str

    @classmethod
    def of(cls, event: messages.PartnerReferralChanged) -> Self:
        return cls(pack_id(event.referral_id), event.partner, event.state)

    @property
    def referral_id(self) -> str:
        return unpack_id(self.packed)


def after_change(referrers: Sequence[Referrer], event: messages.PartnerReferralChanged) -> tuple[Referrer, ...]:
    """With the newest of this referral, while it is open and a partner made it."""
    changed = Referrer.of(event)
    others = tuple(each for each in referrers if each.packed != changed.packed)
    lasts = changed.partner != "" and changed.state not in ENDED
    return (*others, changed)[-REFERRERS_MOST:] if lasts else others
