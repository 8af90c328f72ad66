"""What a stay was before: the statuses it has been through, and the levels of care it was at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

import msgspec

from shared.events import codes, fhir, reading
from shared.events.intake.explanation import explained

_FORMER_LEVEL = f"{codes.HUB}/StructureDefinition/former-level"
"""Of a type of an EpisodeOfCare that is no longer its level: from when until when it was."""


class FormerStatus(msgspec.Struct, frozen=True, array_like=True):
    """A status that a stay had (FHIR's EpisodeOfCareStatus), from when until when."""

    status: str
    since: datetime
    until: datetime


class FormerLevel(msgspec.Struct, frozen=True, array_like=True):
    """A level of care that a stay was at, from when until when."""

    level: str
    since: datetime
    until: datetime


class EpisodeHistory(msgspec.Struct, frozen=True, array_like=True):
    """Former statuses and former levels of a stay, each the oldest first. In every event about the stay, for each
    writes its whole EpisodeOfCare."""

    statuses: tuple[FormerStatus, ...] = ()
    levels: tuple[FormerLevel, ...] = ()

    def status_history(self) -> list[fhir.Element]:
        return [{"status": each.status, "period": fhir.period(each.since, each.until)} for each in self.statuses]

    def former_levels(self) -> list[fhir.Element]:
        """Beside the present level, which stands before them."""
        return [
            explained(
                fhir.concept(codes.LEVEL, each.level),
                [{"url": _FORMER_LEVEL, "valuePeriod": fhir.period(each.since, each.until)}],
            )
            for each in self.levels
        ]

    @classmethod
    def read(cls, statuses: Sequence["StatusRead"], levels: Sequence["LevelRead"]) -> Self:
        return cls(
            tuple(FormerStatus(each.status, *_bounds(each.period)) for each in statuses),
            tuple(FormerLevel(each.code, *_bounds(each.former)) for each in levels if each.former is not None),
        )


NO_HISTORY = EpisodeHistory()


def _bounds(lasted: reading.Period) -> tuple[datetime, datetime]:
    return reading.utc(lasted.start), reading.utc(lasted.end)


class StatusRead(reading.Element, frozen=True):
    status: str
    period: reading.Period


class _Extension(reading.Element, frozen=True):
    url: str
    value_period: reading.Period | None = None


class LevelRead(reading.Concept, frozen=True):
    """A type of an EpisodeOfCare: its level, or a former one."""

    extension: tuple[_Extension, ...] = ()

    @property
    def former(self) -> reading.Period | None:
        return next((each.value_period for each in self.extension if each.url == _FORMER_LEVEL), None)
