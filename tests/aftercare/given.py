"""Aftercare's facts: named moments, partners, meetings, and what a lane says of a referral."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.aftercare.meetings.meeting import Meeting
from services.aftercare.messages import (
    AnswerReferral,
    AskReferral,
    ConsentRevoked,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    EpisodeAdmitted,
    EpisodeDischarged,
    PatientIdentified,
    ReferralPrepared,
)
from services.aftercare.record import Referral
from services.aftercare.settings import Settings
from shared.events.aftercare import AnswerStep
from shared.rules.escalation import Times
from shared.rules.staff import Member
from tests.shared.rules.partners import ALUMNI, CLINIC, FELLOWSHIP, HOSPITAL, HOUSE, consent_to

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
    ahead_minutes=60,
    escalation=Times(acknowledge_minutes=(4320, 1440, 60, 15), act_minutes=(4320, 1440, 240, 60)),
    staff={"case-manager-1": Member(roles=("case-manager",))},
    follow_up_days=(3, 7, 14, 30, 60, 90, 180),
    follow_up_window_days=(1, 2, 3, 7, 7, 14, 14),
    readmission_days=30,
    step_down_days=7,
    re_engagement_not_reached=2,
    re_engagement_days=(1, 2, 5, 10, 18, 25),
    re_engagement_window_days=1,
    re_engagement_ends_days=30,
    feed_percent_least=50,
    meetings_most=2,
    near_miles=(5, 10, 25),
    hold_days=60,
    hold_answer_hours=72,
    full_again_hours=24,
    sent_again_days=30,
    partners=(ALUMNI, CLINIC, HOUSE, FELLOWSHIP, HOSPITAL),
)

IDENTIFIED = PatientIdentified(digests=(), sealed=(), identified_at=ADMITTED)
CONSENT = consent_to(ALUMNI, NEXT_DAY)
REVOKED = ConsentRevoked(consent_id="consent", revoked_at=NEXT_DAY)
AGAIN = AskReferral(
    referral_id="6f0f4f63-54f8-4d3d-8a1c-3a9e0d5b7c12",
    partner="riverbend-alumni",
    kind="alumni",
    asked_by="case-manager-1",
    send_again_reason="not-received",
)


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


def answer(referral: ReferralPrepared, step: AnswerStep, at: datetime, reason: str = "") -> AnswerReferral:
    """The partner says so at this time; of an appointment that it is on the next day."""
    return AnswerReferral(
        task_id=referral.task_id,
        partner=referral.partner,
        step=step,
        answered_at=at,
        appointment_at=at + timedelta(days=1) if step == "scheduled" else None,
        reason=reason,
    )


def accepted(referral: ReferralPrepared, at: datetime = NEXT_DAY) -> AnswerReferral:
    return answer(referral, "accepted", at)


def _about(referral: ReferralPrepared | Referral) -> dict[str, Any]:
    return {
        "partner": referral.partner,
        "focus": f"ServiceRequest/{referral.referral_id}",
        "attempt": referral.attempt,
    }
