"""A small clinic for the tests of aftercare: named moments, partners, meetings, and a patient who hears and is told."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.aftercare import decide
from services.aftercare import state as memory
from services.aftercare.meetings import Meeting
from services.aftercare.messages import (
    Commands,
    ConsentRevoked,
    Consumes,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
    ReferralPrepared,
    TimePassed,
)
from services.aftercare.settings import Settings
from services.aftercare.state import Referral, State
from shared.events.envelope import Event
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Times
from tests.shared.rules.partners import ALUMNI, CLINIC, FELLOWSHIP, HOUSE, consent_to

ADMITTED = datetime(2025, 1, 6, 14, 0, tzinfo=UTC)
DISCHARGED = datetime(2025, 3, 31, 20, 0, tzinfo=UTC)
NEXT_DAY = DISCHARGED + timedelta(days=1)
EPISODE, SECOND_EPISODE = "0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a01", "0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a02"
PLAN = "0d2d7e0c-0b1f-4c4e-9b55-0e6a3d0f1a03"


def meeting(slug: str, day: int, start: str, *types: str, **more: Any) -> Meeting:
    return Meeting(
        feed="riverbend",
        slug=slug,
        name=slug,
        weekdays=(day,),
        start=start,
        types=types,
        **{"venues": ("in-person",), "places": ("Riverbend",), **more},
    )


MEETINGS = (
    meeting("newcomers", 1, "18:30", "O", "BE"),
    meeting("two-sided", 2, "19:00", "O", "DD"),
    meeting("big-book", 3, "12:00", "C", "B"),
)
SETTINGS = Settings(
    timezone="America/New_York",
    escalation=Times(acknowledge_minutes=(4320, 1440, 60, 15), act_minutes=(4320, 1440, 240, 60)),
    follow_up_days=(3, 7, 14, 30, 60, 90, 180),
    follow_up_window_days=(1, 2, 3, 7, 7, 14, 14),
    feeds=("riverbend",),
    meetings_most=2,
    partners=(ALUMNI, CLINIC, HOUSE, FELLOWSHIP),
    meetings=MEETINGS,
)

IDENTIFIED = PatientIdentified(digests=(), sealed=(), identified_at=ADMITTED)
CONSENT = consent_to(ALUMNI, NEXT_DAY)
REVOKED = ConsentRevoked(consent_id="consent", revoked_at=NEXT_DAY)


def admitted(episode_id: str = EPISODE, track: str = "alcohol", flags: tuple[str, ...] = ()) -> EpisodeAdmitted:
    return EpisodeAdmitted(
        episode_id=episode_id,
        plan_id=PLAN,
        referral_id="referral",
        level="2.1",
        track=track,
        flags=flags,
        template=(),
        admitted_at=ADMITTED,
    )


def discharged(disposition: str = "completed", episode_id: str = EPISODE) -> EpisodeDischarged:
    return EpisodeDischarged(
        episode_id=episode_id,
        encounter_id="encounter",
        disposition=disposition,
        admitted_at=ADMITTED,
        discharged_at=DISCHARGED,
    )


class Patient:
    """One patient's state as the path would carry it: each event said is folded in before the next is heard."""

    def __init__(self, *consumed: Consumes, settings: Settings = SETTINGS) -> None:
        self.state, self.settings, self.count = State(), settings, 0
        for event in consumed:
            self.consumes(event)

    def consumes(self, event: Consumes, at: datetime = DISCHARGED) -> list[Event]:
        emitted = decide.react(self.state, event, self._moment(at))
        self._fold(event, emitted)
        return emitted

    def told(self, command: Commands, at: datetime = NEXT_DAY) -> list[Event] | Refused:
        emitted = decide.decide(self.state, command, self._moment(at))
        if not isinstance(emitted, Refused):
            self._fold(command, emitted)
        return emitted

    def until(self, at: datetime) -> list[Event]:
        """Time passes until then: every deadline on the way is heard at its own moment."""
        emitted: list[Event] = []
        for _ in range(100):
            due = memory.due(self.state)
            if due is None or due > at:
                return emitted
            emitted += self.consumes(TimePassed(), at=due)
        raise AssertionError("a deadline that never ends")

    def _moment(self, at: datetime) -> Moment[Settings]:
        self.count += 1
        return Moment(
            now=at,
            listening_since=ADMITTED,
            settings=self.settings,
            cause=uuid5(UUID(EPISODE), str(self.count)),
            patient="patient",
            program="demo",
            by="case-manager",
        )

    def _fold(self, cause: Any, emitted: list[Event]) -> None:
        for event in (cause, *emitted):
            self.state = memory.evolve(self.state, event)


def made(referral: ReferralPrepared | Referral, consent_id: str = "consent") -> DisclosureMade:
    return DisclosureMade(**_about(referral), consent_id=consent_id)


def withheld(
    referral: ReferralPrepared | Referral,
    ledger_version: int = 0,
    reason: str = "no-consent-names-this-partner",
    until: datetime | None = None,
) -> DisclosureWithheld:
    return DisclosureWithheld(**_about(referral), reason=reason, ledger_version=ledger_version, until=until)


def refused(referral: ReferralPrepared | Referral) -> DisclosureRefused:
    return DisclosureRefused(**_about(referral), reason="http-422")


def gave_up(referral: ReferralPrepared | Referral) -> DisclosureGaveUp:
    return DisclosureGaveUp(**_about(referral))


def _about(referral: ReferralPrepared | Referral) -> dict[str, Any]:
    return {
        "partner": referral.partner,
        "focus": f"ServiceRequest/{referral.referral_id}",
        "attempt": referral.attempt,
    }


def of(kind: type[Event], emitted: list[Event] | Refused) -> list[Any]:
    assert not isinstance(emitted, Refused)
    return [each for each in emitted if type(each) is kind]


def names(emitted: list[Event] | Refused) -> list[str]:
    assert not isinstance(emitted, Refused)
    return [type(each).__name__ for each in emitted]
