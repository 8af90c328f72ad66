"""What happens to patients in a measurement: sequences of events as the other services emit them, one a service.

`signals`      intake consumes a miss, an unexpected positive (it raises the combined escalation and asks for a review),
               the miss resolved, the positive retracted (it takes both back), one more resolved: two of five
               events are answered, by two events each. The mixture the goal is about.
`stays`        attendance consumes a patient, the admission (about ten sessions booked) and the discharge (all
               cancelled): six events emitted for each one consumed.
`medicines`    testing consumes a patient, the admission, two medication lists and the discharge: it emits
               nothing, for no result is there to be regraded.
`permissions`  aftercare consumes a patient (and opens the part sealed for it), the admission, a consent, its
               revocation, the next one, and the discharge (plan, meeting list, referrals, all at once).
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from deploy import keys as hub_keys
from deploy.paths import REPOSITORY
from services.aftercare import app as aftercare
from services.attendance import app as attendance
from services.attendance.record import Episode as StayInGroup
from services.attendance.record import Session, SessionSlot, minute_of
from services.attendance.state import State as Stay
from services.intake import app as intake
from services.intake.record import Episode
from services.intake.state import State
from services.testing import app as testing
from shared.events import wire
from shared.events.envelope import Envelope, Event
from shared.events.escalation import (
    Category,
    Escalation,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    Signal,
)
from shared.events.intake import (
    ConsentGiven,
    ConsentRevoked,
    Digest,
    EpisodeAdmitted,
    EpisodeDischarged,
    Medication,
    MedicationsRecorded,
    PatientIdentified,
    TemplateSlot,
)
from shared.path.service import PATIENT, Service
from shared.platform.keys import Keys
from shared.platform.settings import Process

PROGRAM = "demo"
SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
DAY = timedelta(days=1)
TEMPLATE = (
    TemplateSlot("group", 0, "17:30", 180),
    TemplateSlot("individual", 1, "17:30", 60),
    TemplateSlot("group", 2, "17:30", 180),
    TemplateSlot("family", 3, "17:30", 60, 2),
    TemplateSlot("group", 4, "17:30", 180),
)
Emitted = tuple[str, Event]
"""The producer, and the event."""


@dataclass(frozen=True)
class Record:
    """One record as it lies on the topic."""

    key: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Workload:
    """A service, its settings, each patient's state before the first event, the events in order, how many a slice."""

    name: str
    service: Service
    settings: Mapping[str, Any]
    events: Callable[[str, Keys], Sequence[Emitted]]
    before: Callable[[str], Any | None]
    slice_events: int

    @property
    def keys(self) -> Keys:
        assert self.service.keys is not None
        return self.service.keys

    def records(self, patients: Sequence[str]) -> list[Record]:
        """Every patient's events in order, the patients' courses overlapping as they do in life."""
        chance = random.Random(len(patients))
        timed = []
        for patient in patients:
            begins = chance.random()
            for step, (producer, event) in enumerate(self.events(patient, self.keys)):
                timed.append((begins + step * 0.05, patient, producer, step, event))
        timed.sort(key=lambda each: each[:4])
        return [_record(patient, producer, step, event) for _, patient, producer, step, event in timed]

    def rows(self, patients: Sequence[str]) -> Iterator[tuple[str, str, int, str]]:
        """The rows of table `state` (key, program, version, body) that are there beforehand."""
        decider = self.service.deciders[PATIENT]
        for patient in patients:
            state = self.before(patient)
            if state is not None:
                yield patient, PROGRAM, decider.version, decider.write(state)


def patients(count: int, seed: int) -> list[str]:
    """So many patient ids, others for another seed."""
    return [str(UUID(int=random.Random(f"{seed}:{n}").getrandbits(128), version=4)) for n in range(count)]


def workloads(folder: Path) -> list[Workload]:
    """All four. `folder` is where keys are made."""
    return [
        _made(folder, "signals", intake, _signals, _in_care, 6_000),
        _made(folder, "stays", attendance, _stays, lambda _: None, 3_000),
        _made(folder, "medicines", testing, _medicines, lambda _: None, 10_000),
        _made(folder, "permissions", aftercare, _permissions, lambda _: None, 4_200),
    ]


def visits(folder: Path, start: datetime) -> Workload:
    """Attendance's patients of whom each has a session that begins then. Nothing is consumed: they check in."""
    return _made(folder, "visits", attendance, lambda _, _keys: (), lambda patient: _expected(patient, start), 0)


def session_of(patient: str, start: datetime) -> str:
    """The id of that session."""
    state = _expected(patient, start)
    assert state.episode is not None
    return state.episode.session_id(state.sessions[0])


def _made(folder: Path, name: str, app: Any, events: Any, before: Any, slice_events: int) -> Workload:
    made = hub_keys.make(folder)
    process = Process(
        database_url="postgresql://",
        kafka_bootstrap="127.0.0.1:9092",
        deploy=REPOSITORY / "deploy",
        keys=made,
        issuer="http://127.0.0.1:8100",
    )
    assemble = app.assemble(Keys.load(made, app.__name__.split(".")[1]))
    return Workload(name, assemble.service, assemble.settings(process), events, before, slice_events)


def _expected(patient: str, start: datetime) -> Stay:
    slot = SessionSlot("group", start.weekday(), f"{start:%H:%M}", 180)
    episode = StayInGroup(
        id=named(patient, "episode"),
        admitted_at=start - 20 * DAY,
        template=(slot,),
        flags=(),
        booked_until=start + 14 * DAY,
        week_start=start - start.weekday() * DAY,
    )
    return Stay(episode=episode, sessions=(Session(minute_of(start), 0),))


def _record(patient: str, producer: str, step: int, event: Event) -> Record:
    identity = uuid5(SPACE, f"{patient}:{step}")
    envelope = Envelope(
        id=identity,
        source=producer,
        event=type(event).__name__,
        program=PROGRAM,
        patient=patient,
        at=datetime.now(UTC),
        correlation_id=identity,
        causation_id=identity,
    )
    written = wire.write(event, envelope)
    return Record(patient, written.headers, written.body)


def named(patient: str, name: str) -> str:
    return str(uuid5(SPACE, f"{patient}:{name}"))


def _in_care(patient: str) -> State:
    return State(episode=Episode(named(patient, "episode"), datetime.now(UTC) - 20 * DAY))


def _signals(patient: str, _: Keys) -> list[Emitted]:
    now = datetime.now(UTC)
    miss = _escalation(patient, "attendance", "first-miss", "missed-session", now - 2 * DAY)
    positive = _escalation(patient, "drug-test", "unexpected-positive", "unexpected-positive", now - DAY)
    other = _escalation(patient, "drug-test", "dilute", "dilute", now - 3 * DAY)
    return [
        ("attendance", EscalationRaised(escalation=miss, at=now)),
        ("testing", EscalationRaised(escalation=positive, at=now)),
        ("attendance", EscalationResolved(escalation=miss, at=now, reason="outreach-made", by="ops")),
        ("testing", EscalationRetracted(escalation=positive, at=now, reason="result-corrected")),
        ("testing", EscalationResolved(escalation=other, at=now, reason="repeated", by="ops")),
    ]


def _escalation(patient: str, category: Category, reason: str, code: str, at: datetime) -> Escalation:
    evidence = f"{'Appointment' if category == 'attendance' else 'Observation'}/{named(patient, reason)}"
    return Escalation(
        id=named(patient, f"escalation:{reason}"),
        category=category,
        reason=reason,
        tier=2,
        owner="case-manager",
        rule=f"{category}/{reason}|1",
        raised_at=at,
        acknowledge_by=at + DAY,
        act_by=at + DAY,
        signals=(Signal(code, at, evidence),),
    )


def _stays(patient: str, _: Keys) -> list[Emitted]:
    return [_identified(patient, ()), _admitted(patient), _discharged(patient)]


def _medicines(patient: str, _: Keys) -> list[Emitted]:
    return [
        _identified(patient, ()),
        _listed(patient, ("1819",)),
        _admitted(patient),
        _listed(patient, ("1819", "42355")),
        _discharged(patient),
    ]


def _permissions(patient: str, keys: Keys) -> list[Emitted]:
    sealed = keys.seal("aftercare", {"area": "north", "language": "en", "patient": {"name": [{"family": "Synthetic"}]}})
    revoked = ConsentRevoked(consent_id=named(patient, "consent:1"), revoked_at=datetime.now(UTC))
    return [
        _identified(patient, (sealed,)),
        _admitted(patient),
        ("intake", consent(patient, "consent:1")),
        ("intake", revoked),
        ("intake", consent(patient, "consent:2")),
        _discharged(patient),
    ]


def consent(patient: str, name: str) -> ConsentGiven:
    """A permission to tell the alumni group that care has ended."""
    return ConsentGiven(
        consent_id=named(patient, name),
        recipients=("riverbend-alumni",),
        purposes=("alumni",),
        fields=("name", "phone"),
        given_at=datetime.now(UTC),
    )


def _identified(patient: str, sealed: tuple[str, ...]) -> Emitted:
    digest = Digest("bench", named(patient, "digest").replace("-", "") * 2)
    return "intake", PatientIdentified(digests=(digest,), sealed=sealed, identified_at=datetime.now(UTC))


def _listed(patient: str, rxnorm: Sequence[str]) -> Emitted:
    taken = tuple(Medication(named(patient, code), code, date(2026, 1, 5)) for code in rxnorm)
    listed = MedicationsRecorded(list_id=named(patient, "list"), recorded_at=datetime.now(UTC), medications=taken)
    return "intake", listed


def _admitted(patient: str) -> Emitted:
    admitted = EpisodeAdmitted(
        episode_id=named(patient, "episode"),
        plan_id=named(patient, "plan"),
        referral_id=named(patient, "referral"),
        level="2.1",
        track="evening",
        flags=(),
        template=TEMPLATE,
        admitted_at=datetime.now(UTC),
    )
    return "intake", admitted


def _discharged(patient: str) -> Emitted:
    discharged = EpisodeDischarged(
        episode_id=named(patient, "episode"),
        encounter_id=named(patient, "encounter"),
        disposition="completed",
        admitted_at=datetime.now(UTC) - 60 * DAY,
        discharged_at=datetime.now(UTC),
    )
    return "intake", discharged
