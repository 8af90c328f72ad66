"""A patient, a laboratory and a few memorable moments, to tell short stories with."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

from services.testing.decide import decide, react
from services.testing.laboratory import Extent, Status
from services.testing.messages import (
    Consumes,
    EpisodeAdmitted,
    EpisodeDischarged,
    MedicationsRecorded,
    Observed,
    ReportResult,
    TimePassed,
)
from services.testing.settings import Settings
from services.testing.state import State, evolve
from services.testing.tables import LOINC as TABLE
from shared.events.codes import LOINC
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import EscalationEvent
from shared.events.intake import Medication
from shared.events.testing import Condition, DrugTestEvent, ResultFinding
from shared.platform import settings as stored
from shared.rules.decision import Moment, Refused

SETTINGS: Settings = stored.load(Path("deploy"), "testing", Settings)["demo"]

ADMISSION = datetime(2025, 3, 3, 14, 0, tzinfo=UTC)
EPISODE = str(uuid5(UUID(int=1), "episode"))
PATIENT = str(uuid5(UUID(int=1), "patient"))
NAMES = UUID(int=2)

FENTANYL, FENTANYL_CONFIRMED = "59673-4", "58381-5"
COCAINE, COCAINE_CONFIRMED = "14314-9", "14315-6"
AMPHETAMINES, BENZODIAZEPINES, OPIATES = "19261-7", "14316-4", "19295-5"
CANNABINOIDS, ETG, OXYCODONE = "18282-4", "58375-7", "19642-8"
BUPRENORPHINE, NORBUPRENORPHINE = "93494-3", "82371-6"
BUPRENORPHINE_FIGURE, NORBUPRENORPHINE_FIGURE = "49752-9", "49751-1"

W = TypeVar("W", bound=Event)


def day(count: float) -> datetime:
    """So many days after admission, at the same hour."""
    return ADMISSION + timedelta(days=count)


def moment(now: datetime, cause: str = "cause") -> Moment[Settings]:
    return Moment(now, ADMISSION - timedelta(days=60), SETTINGS, uuid5(NAMES, f"{cause}{now}"), PATIENT, "demo", "lab")


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


def medications(at: datetime, *rxnorm: str, since: date | None = date(2025, 1, 1)) -> MedicationsRecorded:
    taken = tuple(Medication(name_id(NAMES, each), each, since) for each in rxnorm)
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
    )


def evidence(name: str) -> str:
    return f"DiagnosticReport/{name_id(name_id(NAMES, name), PATIENT)}"


class Story:
    """What happened so far, and what testing said to the last of it."""

    def __init__(self, *happened: Consumes | Command, settings: Settings = SETTINGS) -> None:
        self.state, self.settings, self.emitted = State(), settings, list[Event]()
        self.count = 0
        for each in happened:
            self.then(each)

    def then(self, happened: Consumes | Command, now: datetime | None = None) -> list[Event]:
        """It happens; the events said, folded into the state as the path does it."""
        self.count += 1
        at = now or _when(happened)
        if isinstance(happened, Command):
            answer = decide(self.state, happened, moment(at, str(self.count)))  # type: ignore[arg-type]
            assert not isinstance(answer, Refused), answer
            emitted = list(answer)
        else:
            emitted = react(self.state, happened, moment(at, str(self.count)))
        for event in (happened, *emitted):
            self.state = evolve(self.state, event)
        self.emitted = emitted
        return emitted

    @property
    def escalations(self) -> dict[str, int]:
        """Reason to tier of what is open."""
        return {each.escalation.reason: each.escalation.tier for each in self.state.open}


def _when(happened: Any) -> datetime:
    for name in ("issued_at", "recorded_at", "admitted_at", "discharged_at"):
        if isinstance(found := getattr(happened, name, None), datetime):
            return found
    return ADMISSION


def only(emitted: Sequence[Event], kind: type[W]) -> list[W]:
    return [each for each in emitted if isinstance(each, kind)]


def outcomes(emitted: Sequence[Event]) -> list[str]:
    """Of the last drug-test event said."""
    return [each.outcome for each in only(emitted, DrugTestEvent)[-1].results]


def raised(emitted: Sequence[Event]) -> dict[str, list[str]]:
    """Per kind of escalation event said: the reasons."""
    kinds: dict[str, list[str]] = {}
    for each in only(emitted, EscalationEvent):
        kinds.setdefault(type(each).__name__.removeprefix("Escalation"), []).append(each.escalation.reason)
    return kinds


TIME_PASSED = TimePassed()
