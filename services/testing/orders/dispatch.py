"""What a laboratory was told of an ordered test, as the state holds it. Pure."""

import msgspec

from shared.events.laboratory_order import ACTIONS, Action

PREPARED, SENT, FAILED, UNPERMITTED, LACKING = range(5)
"""How the last telling stands: on its way, taken, not taken; withheld for want of a consent, or of something in the
Patient, which may come."""
NOT_TAKEN = (FAILED, UNPERMITTED, LACKING)
HAS_NOT, MAY_HAVE, HAS = range(3)
"""Whether an order of this number stands at the laboratory; it may, where nobody knows what it made of a send."""


class Dispatch(msgspec.Struct, frozen=True, array_like=True):
    """The last that was told of a test, `action` by its place in ACTIONS, instants in seconds.

    `has` is what is known of the laboratory without what is on its way. `failed_at`: since when a person is asked
    because it does not know how the test stands; 0 where nobody is. `again_at` is when a consent begins that permits
    what was withheld; `has_news`: since it is on its way the patient's consents, or the Patient, came anew, which the
    gate may have been asked before.
    """

    attempt: int
    action: int
    standing: int
    opens_at: int
    closes_at: int
    at: int
    has: int = HAS_NOT
    failed_at: int = 0
    panel: str = ""
    again_at: int = 0
    has_news: bool = False

    @property
    def acts(self) -> Action:
        return ACTIONS[self.action]

    def taken(self) -> "Dispatch":
        """The laboratory has done what it was told: nobody is asked any more."""
        has = HAS_NOT if self.acts == "cancel" else HAS
        return msgspec.structs.replace(self, standing=SENT, has=has, failed_at=0, has_news=False)

    def failed(self, at: int, *, refused: bool, received: bool) -> "Dispatch":
        """It was not taken. Whoever said no to a change or a cancellation may have no such order; what may have been
        received may have been done."""
        unsure = self.acts != "new" if refused else received and self.acts != "change"
        has = MAY_HAVE if unsure else self.has
        return msgspec.structs.replace(self, standing=FAILED, has=has, failed_at=self.failed_at or at, has_news=False)

    def parked(self, at: int) -> "Dispatch":
        """It is on its way still, and goes on once a person has mended what stops it."""
        return msgspec.structs.replace(self, failed_at=self.failed_at or at)

    def withheld(self, at: int, standing: int, again_at: int) -> "Dispatch":
        """Nothing of it went out: it is told once what it waits for is there."""
        return msgspec.structs.replace(
            self, standing=standing, failed_at=self.failed_at or at, again_at=again_at, has_news=False
        )

    def forgotten(self) -> "Dispatch":
        """There is nothing to tell of it, and nobody to ask: as if it were cancelled there."""
        return msgspec.structs.replace(self, action=ACTIONS.index("cancel"), standing=SENT, failed_at=0, again_at=0)
