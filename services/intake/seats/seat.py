"""The seat of one patient: asked for, waited for, given; as the patient's own state remembers it."""

from datetime import datetime

import msgspec

from services.intake import messages
from shared.rules.packing import instant, pack_id, seconds, unpack_id


class Seat(msgspec.Struct, frozen=True, array_like=True):
    """Times are seconds (UTC), the id of the stay is packed. `given` is when the place gave it; until then it is waited
    for, and `full` once the place answered that none is free. `passed`: it went to the next, for the patient could not
    be admitted in time; it is asked for again once they can."""

    episode: str
    place: str
    rank: int
    since: int
    given: int | None = None
    until: int | None = None
    full: bool = False
    ask: int | None = None
    start: int | None = None
    passed: bool = False

    @property
    def episode_id(self) -> str:
        return unpack_id(self.episode)

    @property
    def is_awaited(self) -> bool:
        """In line, for none was free."""
        return self.full and self.given is None

    def is_answered_by(self, event: messages.SeatAnswers) -> bool:
        return (self.episode_id, self.since) == (event.episode_id, seconds(event.since))

    @property
    def asked_since(self) -> datetime:
        return instant(self.since)

    @property
    def given_at(self) -> datetime | None:
        return instant(self.given)

    @property
    def start_at(self) -> datetime | None:
        return instant(self.start)

    @property
    def looked_at_again(self) -> datetime | None:
        """When it goes to the next, or is asked for again."""
        at = self.until if self.given is not None else self.ask
        return instant(at)


def seat_after(known: Seat | None, event: messages.OfOwnSeat) -> Seat | None:
    """The seat after this event."""
    match event:
        case messages.SeatSought():
            packed, since = pack_id(event.episode_id), seconds(event.since)
            again = known is not None and known.episode == packed and known.place == event.place
            asked = Seat(packed, event.place, event.rank, since, given=since if event.stays else None)
            if not again or known is None:
                return asked
            return msgspec.structs.replace(asked, full=known.full, start=known.start)
        case messages.SeatReturned():
            return None
        case _ if known is None:
            return None
        case messages.SeatPassed():
            return msgspec.structs.replace(known, given=None, until=None, passed=True)
        case messages.SeatAnswered():
            given, until, ask, start = (
                seconds(each) for each in (event.given_at, event.until, event.ask_at, event.start)
            )
            full = known.full or given is None
            return msgspec.structs.replace(known, given=given, until=until, ask=ask, full=full, start=start)
