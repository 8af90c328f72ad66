"""What happens to patients in a measurement: courses of words, as the services say them, in a natural order.

`together`   intake hears of a miss, of an unexpected positive (it raises the combined escalation and asks for a review),
             of the miss resolved, of the positive retracted (it takes both back), of one more escalation resolved:
             of five words two are answered, by two words each.
`stay`       attendance hears of a patient, the admission (about ten sessions booked) and the discharge (all cancelled).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from deploy.places import REPOSITORY
from services.attendance import decide as attendance
from services.attendance import state as attendance_state
from services.attendance.settings import Settings as AttendanceSettings
from services.intake import decide as intake
from services.intake import state as intake_state
from services.intake.settings import Settings as IntakeSettings
from shared.path.service import Service
from shared.path.settings import load
from shared.words import wire
from shared.words.envelope import Envelope, Word
from shared.words.escalation import (
    Category,
    Escalation,
    EscalationRaised,
    EscalationResolved,
    EscalationRetracted,
    Signal,
)
from shared.words.intake import Digest, EpisodeAdmitted, EpisodeDischarged, PatientIdentified, Slot

PROGRAM = "demo"
SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
DAY = timedelta(days=1)
TEMPLATE = (
    Slot("group", 0, "17:30", 180),
    Slot("individual", 1, "17:30", 60),
    Slot("group", 2, "17:30", 180),
    Slot("family", 3, "17:30", 60, 2),
    Slot("group", 4, "17:30", 180),
)


@dataclass(frozen=True)
class Record:
    """One record as it lies on the topic."""

    key: str
    head: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Course:
    """A service, its settings, what each patient's state is before the first word, and the words."""

    name: str
    service: Service
    settings: dict[str, Any]
    before: Callable[[str], Any | None]
    words: Callable[[str], Sequence[tuple[str, Word]]]
    """Who says what, of one patient, in order."""

    def patients(self, count: int, seed: int) -> list[str]:
        return [str(UUID(int=random.Random(f"{seed}:{n}").getrandbits(128), version=4)) for n in range(count)]

    def records(self, patients: Sequence[str]) -> Iterator[Record]:
        """Every patient's words in order, the patients' courses overlapping as they do in life."""
        chance = random.Random(len(patients))
        timed = []
        for patient in patients:
            begins = chance.random()
            for step, (said_by, word) in enumerate(self.words(patient)):
                timed.append((begins + step * 0.05, patient, said_by, step, word))
        for _, patient, said_by, step, word in sorted(timed, key=lambda each: each[:4]):
            yield _record(patient, said_by, step, word)


def _record(patient: str, said_by: str, step: int, word: Word) -> Record:
    identity = uuid5(SPACE, f"{patient}:{step}")
    envelope = Envelope(
        id=identity,
        source=said_by,
        word=type(word).__name__,
        program=PROGRAM,
        patient=patient,
        at=datetime.now(UTC),
        correlation_id=identity,
        causation_id=identity,
    )
    written = wire.write(word, envelope)
    return Record(patient, written.head, written.body)


def _named(patient: str, name: str) -> str:
    return str(uuid5(SPACE, f"{patient}:{name}"))


def together() -> Course:
    service = Service(
        name="intake",
        state_type=intake_state.State,
        version=intake_state.VERSION,
        hear=intake.hear,
        tell=intake.tell,
        evolve=intake_state.evolve,
        due=intake_state.due,
    )
    return Course("together", service, load(REPOSITORY / "deploy", "intake", IntakeSettings), _in_care, _signals)


def _in_care(patient: str) -> intake_state.State:
    admitted_at = datetime.now(UTC) - 20 * DAY
    return intake_state.State(episode=intake_state.Episode(_named(patient, "episode"), admitted_at))


def _signals(patient: str) -> list[tuple[str, Word]]:
    now = datetime.now(UTC)
    miss = _escalation(patient, "attendance", "first-miss", "missed-session", now - 2 * DAY)
    positive = _escalation(patient, "drug-test", "unexpected-positive", "unexpected-positive", now - DAY)
    other = _escalation(patient, "drug-test", "dilute", "dilute", now - 3 * DAY)
    return [
        ("attendance", EscalationRaised(escalation=miss, at=now)),
        ("testing", EscalationRaised(escalation=positive, at=now)),
        ("attendance", EscalationResolved(escalation=miss, at=now, because="outreach-made", by="ops")),
        ("testing", EscalationRetracted(escalation=positive, at=now, because="result-corrected")),
        ("testing", EscalationResolved(escalation=other, at=now, because="repeated", by="ops")),
    ]


def _escalation(patient: str, category: Category, reason: str, code: str, at: datetime) -> Escalation:
    evidence = f"{'Appointment' if category == 'attendance' else 'Observation'}/{_named(patient, reason)}"
    return Escalation(
        id=_named(patient, f"escalation:{reason}"),
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


def stay() -> Course:
    service = Service(
        name="attendance",
        state_type=attendance_state.State,
        version=attendance_state.VERSION,
        hear=attendance.hear,
        tell=attendance.tell,
        evolve=attendance_state.evolve,
        due=attendance_state.due,
    )
    settings = load(REPOSITORY / "deploy", "attendance", AttendanceSettings)
    return Course("stay", service, settings, lambda _: None, _stay)


def _stay(patient: str) -> list[tuple[str, Word]]:
    now, episode = datetime.now(UTC), _named(patient, "episode")
    digest = Digest("bench", _named(patient, "digest").replace("-", "") * 2)
    return [
        ("intake", PatientIdentified(digests=(digest,), sealed=(), identified_at=now)),
        (
            "intake",
            EpisodeAdmitted(
                episode_id=episode,
                plan_id=_named(patient, "plan"),
                referral_id=_named(patient, "referral"),
                level="2.1",
                track="evening",
                flags=(),
                template=TEMPLATE,
                admitted_at=now,
            ),
        ),
        (
            "intake",
            EpisodeDischarged(
                episode_id=episode,
                encounter_id=_named(patient, "encounter"),
                disposition="completed",
                admitted_at=now,
                discharged_at=now,
            ),
        ),
    ]
