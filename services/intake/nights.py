"""Nights elsewhere that last, in a stay or before one: whoever is admitted during them is in a stay that is paused."""

import msgspec

from services.intake import messages
from shared.rules.packing import instant, pack_id, seconds, unpack_id

ELSEWHERE_MOST = 4
"""Of more at once the newest are remembered: a state stays small."""


class Night(msgspec.Struct, frozen=True, array_like=True):
    """By an Encounter (a packed id), since when (seconds, UTC), and whether as an inpatient or in a residence."""

    packed: str
    since: int
    kind: messages.CareKind

    @property
    def report(self) -> messages.ReportCareElsewhere:
        return messages.ReportCareElsewhere(
            encounter_id=unpack_id(self.packed), kind=self.kind, started_at=instant(self.since)
        )


def nights_after(nights: tuple[Night, ...], command: messages.CareElsewhere) -> tuple[Night, ...]:
    """With those that last after what an Encounter says."""
    packed = pack_id(command.encounter_id)
    others = tuple(each for each in nights if each.packed != packed)
    if not isinstance(command, messages.ReportCareElsewhere) or command.kind == "emergency" or command.ended_at:
        return others
    return (*others, Night(packed, seconds(command.started_at), command.kind))[-ELSEWHERE_MOST:]
