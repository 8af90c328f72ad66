"""Testing's facts and commands: a patient, a laboratory and a few memorable moments."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

from services.testing.messages import (
    EpisodeAdmitted,
    EpisodeDischarged,
    MedicationsRecorded,
    Observed,
    ReportResult,
    TimePassed,
)
from services.testing.reading.laboratory import Extent, Status
from services.testing.settings import Settings
from services.testing.tables import LOINC as TABLE
from shared.events.codes import LOINC
from shared.events.envelope import name_id
from shared.events.intake import Medication
from shared.events.testing import Condition, ResultFinding
from shared.platform import settings as stored
from shared.rules.decision import Moment

SETTINGS: Settings = stored.load(Path("deploy"), "testing", Settings)["demo"]

ADMISSION = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)
EPISODE = str(uuid5(UUID(int=1), "episode"))
PATIENT = str(uuid5(UUID(int=1), "patient"))
LONG_AGO = ADMISSION - timedelta(days=60)
NAMES = UUID(int=2)
TIME_PASSED = TimePassed()

FENTANYL, FENTANYL_CONFIRMED = "59673-4", "58381-5"
COCAINE, COCAINE_CONFIRMED = "14314-9", "14315-6"
AMPHETAMINE_CONFIRMED = "16234-7"
AMPHETAMINES, BENZODIAZEPINES, OPIATES = "19261-7", "14316-4", "19295-5"
CANNABINOIDS, ETG, ETS, OXYCODONE = "18282-4", "58375-7", "58425-0", "19642-8"
BUPRENORPHINE, NORBUPRENORPHINE = "93494-3", "82371-6"
METHADONE = "19550-3"
CODEINE, MORPHINE, HEROIN = "16250-3", "16251-1", "19593-3"
PH, CREATININE = "5803-2", "2161-8"
BUPRENORPHINE_FIGURE, NORBUPRENORPHINE_FIGURE = "49752-9", "49751-1"


def day(count: float) -> datetime:
    """So many days after admission, at the same hour."""
    return ADMISSION + timedelta(days=count)


def moment(now: datetime, cause: str = "cause") -> Moment[Settings]:
    return Moment(now, LONG_AGO, SETTINGS, uuid5(NAMES, f"{cause}{now}"), PATIENT, "demo", "lab")


def admitted(at: datetime = ADMISSION, episode: str = EPISODE) -> EpisodeAdmitted:
    identity = name_id(NAMES, "plan")
    return EpisodeAdmitted(
        episode_id=episode,
        plan_id=identity,
        referral_id=identity,
        level="2.1",
        track="standard",
        flags=(),
        template=(),
        admitted_at=at,
    )


def discharged(at: datetime) -> EpisodeDischarged:
    return EpisodeDischarged(
        episode_id=EPISODE,
        encounter_id=name_id(NAMES, "encounter"),
        disposition="completed",
        admitted_at=ADMISSION,
        discharged_at=at,
    )


def medications(
    at: datetime, *rxnorm: str, since: date | None = date(2025, 1, 1), route: str | None = None
) -> MedicationsRecorded:
    taken = tuple(Medication(name_id(NAMES, each), each, since, route=route) for each in rxnorm)
    return MedicationsRecorded(list_id=name_id(NAMES, f"list{at}"), recorded_at=at, medications=taken)


def observed(code: str, finding: ResultFinding) -> Observed:
    return Observed(code, LOINC, TABLE[code].analyte, finding, TABLE[code].definitive)


def report(
    name: str,
    collected: float | datetime,
    *,
    specimen: str = "",
    status: Status = "final",
    condition: Condition = "valid",
    issued: float | None = None,
    matched: bool = False,
    unmapped: str = "",
    extent: Extent = "report",
    matrix: str = "",
    **found: ResultFinding,
) -> ReportResult:
    """A report, its findings by the names above: `report("weekly", 7, FENTANYL="positive")`."""
    at = collected if isinstance(collected, datetime) else day(collected)
    results = [observed(globals()[measure], finding) for measure, finding in found.items()]
    if unmapped:
        results.append(Observed(unmapped, "", "unmapped", "positive", False))
    return ReportResult(
        report_id=name_id(NAMES, name),
        specimen_id=name_id(NAMES, f"specimen {specimen or name}"),
        collected_at=at,
        issued_at=at + timedelta(days=1) if issued is None else day(issued),
        status=status,
        condition=condition,
        results=tuple(results),
        matched=matched,
        extent=extent,
        matrix=matrix,
    )


def evidence(name: str) -> str:
    return f"DiagnosticReport/{name_id(name_id(NAMES, name), PATIENT)}"
