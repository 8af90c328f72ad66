"""A laboratory reports, corrects, promotes or takes back: the specimen as it is then known, and what that changes."""

from datetime import UTC

from msgspec.structs import replace

from services.testing.decide.regrading import fields, regrade
from services.testing.grading import Graded, grade
from services.testing.messages import DrugTestCorrected, Emits, ReportResult, ResultMatched, SpecimenReported
from services.testing.settings import Settings
from services.testing.specimens import Specimen
from services.testing.specimens.reporting import versions_of
from services.testing.specimens.same_specimen import key, keys, of_patient, same, united
from services.testing.specimens.versions import is_known, joined, without_rows_of
from services.testing.state import State, put, residual
from shared.events.testing import DrugTestEvent
from shared.rules.decision import Moment, Refused
from shared.rules.packing import DAY, pack_id, seconds, unpack_id

OF_EARLIER = ("corrected", "entered-in-error")
"""Statuses that only what was reported before has. A row that is cancelled may never have been measured."""
NOTHING_TO_PROMOTE = Refused(
    "not-found", "Only a known preliminary report becomes final: send the report itself.", "DiagnosticReport.status"
)
LIES_TOO_FAR_BACK = Refused(
    "business-rule",
    "Its specimen has left what is decided by, and alone this would stand for all of it: a person has to read it.",
    "DiagnosticReport.specimen",
)


def reported(state: State, result: ReportResult, moment: Moment[Settings]) -> list[Emits] | Refused:
    """What the report changes of its specimen; repeated, in whatever form, it emits nothing."""
    command = of_patient(result, moment.patient)
    known = same(state.specimens, keys(command))
    if command.status == "promoted" and not (known or command.results):
        return NOTHING_TO_PROMOTE
    if not known and _speaks_of_another(state, command) and _may_have_left(state, command):
        return LIES_TOO_FAR_BACK
    specimen = _with(command, known)
    replaced = _stand_in(command, specimen)
    if len(known) == 1 and is_known(specimen, known[0]):
        return replaced
    gone = tuple(each.id for each in known if each.id != specimen.id)
    after = put(state, specimen, gone)
    grading = grade(after, moment.settings)
    graded = grading[specimen.id]
    stored = SpecimenReported(specimen=_marked(graded), gone=gone)
    regraded = regrade(state, grading, _reason(specimen, known), moment)
    emitted = [_numbered(each, graded, command) for each in regraded]
    plain = specimen.status == "registered" or (graded.graded and not command.matched)
    matched = [] if plain else [_numbered(_matched(graded, moment), graded, command)]
    return [*matched, *emitted, *replaced, stored]


def _speaks_of_another(state: State, command: ReportResult) -> bool:
    """Whether a report of this specimen came before, by what it says: rows are read again, or one of them is corrected
    or was a mistake. What was collected after all that is known has not left."""
    if command.again:
        return True
    newest = max((each.collected_at for each in state.specimens), default=None)
    is_newest = newest is not None and seconds(command.collected_at) > newest
    statuses = {command.status, *(each.status for each in command.results)}
    return not is_newest and not statuses.isdisjoint(OF_EARLIER)


def _may_have_left(state: State, command: ReportResult) -> bool:
    """Whether specimens of its time have left the state: then it was decided whole, and some rows are read again."""
    first = state.first_evicted_at
    return first is not None and seconds(command.collected_at) >= first - (0 if command.to_minute else DAY)


def _stand_in(command: ReportResult, specimen: Specimen) -> list[Emits]:
    """What was listed while the report waited is no report of its own where its specimen was known already."""
    if not command.matched or command.listed_as in ("", unpack_id(specimen.id)):
        return []
    return [
        DrugTestCorrected(
            report_id=command.listed_as,
            specimen_id=unpack_id(specimen.id),
            collected_at=command.collected_at.astimezone(UTC),
            issued_at=command.issued_at.astimezone(UTC),
            status="entered-in-error",
            baseline=False,
            results=(),
            condition=specimen.condition,
        )
    ]


def _numbered(emitted: Emits, graded: Graded, command: ReportResult) -> Emits:
    """With the numbers that it is found by at its laboratory: they are in no state, the read model remembers them."""
    if not isinstance(emitted, DrugTestEvent) or emitted.report_id != unpack_id(graded.specimen.id):
        return emitted
    return replace(emitted, numbers=command.numbers)


def _with(command: ReportResult, known: list[Specimen]) -> Specimen:
    """The specimen after this report. One that nobody knew is named by its first report."""
    names = keys(command)
    versions = versions_of(command, key(command.report_id), known=bool(known))
    if not known:
        listed = command.listed_as if command.matched else ""
        first = Specimen(
            pack_id(listed or command.report_id), names, (), matrix=command.matrix, doubted=command.doubted
        )
        return joined(first, versions)
    one = united(known, names)
    one = replace(one, matrix=max(one.matrix, command.matrix), doubted=one.doubted or command.doubted)
    return joined(without_rows_of(one, versions) if command.again else one, versions)


def _marked(graded: Graded) -> Specimen:
    """With the groups whose positive can't show new use, for the time when the specimen is evicted."""
    return replace(graded.specimen, residual=residual(graded.results))


def _reason(specimen: Specimen, known: list[Specimen]) -> str:
    """Why an earlier conclusion may be withdrawn."""
    if not known:
        return "earlier-specimen-reported"
    if specimen.voided:
        return "result-voided"
    unfinished = {each.status for each in known} & {"registered", "preliminary", "partial"}
    return "result-finalized" if unfinished else "result-corrected"


def _matched(graded: Graded, moment: Moment[Settings]) -> ResultMatched:
    provenance_id = moment.new_id(f"matched:{unpack_id(graded.specimen.id)}")
    return ResultMatched(**fields(graded, moment.patient), provenance_id=provenance_id, matched_at=moment.now)
