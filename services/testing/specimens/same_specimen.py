"""Which reports are about one specimen: they share a name of it. Pure.

One laboratory's same number is one specimen; so is the same collection time of minute precision and the same type of
specimen. A day alone joins nothing.
"""

from collections.abc import Iterable, Sequence

import msgspec

from services.testing.messages import ReportResult
from services.testing.specimens import Specimen
from services.testing.specimens.versions import joined
from shared.events.envelope import name_id
from shared.rules.packing import pack_id

KEY_CHARACTERS = 8
"""48 bits, among the few specimens of one patient."""


def of_patient(command: ReportResult, patient: str) -> ReportResult:
    """Under ids of this patient's own: a number reported for the wrong patient, or used again, meets nobody else's."""
    return msgspec.structs.replace(
        command,
        report_id=name_id(command.report_id, patient),
        specimen_id=name_id(command.specimen_id, patient),
        same_as=tuple(name_id(each, patient) for each in command.same_as),
    )


def key(identity: str) -> str:
    return pack_id(identity)[:KEY_CHARACTERS]


def keys(command: ReportResult) -> tuple[str, ...]:
    """Of the report's number, of the specimen's, and of when and what was collected."""
    return tuple(sorted({key(each) for each in (command.report_id, command.specimen_id, *command.same_as)}))


def same(specimens: Iterable[Specimen], names: Sequence[str]) -> list[Specimen]:
    """Those that share a name with it: several, where only now it turns out that they are one."""
    return [each for each in specimens if not set(names).isdisjoint(each.keys)]


def united(specimens: Sequence[Specimen], names: Sequence[str]) -> Specimen:
    """One specimen of these, under all their names and the id of the one that was collected first."""
    first, *others = sorted(specimens, key=lambda each: (each.collected_at, each.id))
    every = sorted({*names, *(name for each in specimens for name in each.keys)})
    one = msgspec.structs.replace(
        first,
        keys=tuple(every),
        evicted_until=max(each.evicted_until for each in specimens),
        residual=tuple(sorted({group for each in specimens for group in each.residual})),
        matrix=max(each.matrix for each in specimens),
        doubted=any(each.doubted for each in specimens),
    )
    return joined(one, [version for each in others for version in each.versions])
