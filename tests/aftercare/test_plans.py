"""A plan that a case manager sends back: what the patient wants and refuses, or why it can't be read."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.aftercare.edge import interpret
from services.aftercare.messages import AgreePlan
from shared.edge.contract import Context, Interpretation, StoredResource
from shared.edge.fhir import BundleEntry
from shared.edge.outcome import HttpRefusal
from shared.events import codes, fhir
from shared.events.aftercare_plan import PlanActivity
from shared.rules.consent import require_narrow
from tests.aftercare.given import SETTINGS
from tests.aftercare.test_interpret import CALLER, SAM
from tests.shared.rules.partners import CLINIC, HOUSE

CONTACT = {"detail": {"code": fhir.concept(codes.TASK, "follow-up"), "status": "scheduled"}}
REFUSED = {"statusReason": fhir.concept(codes.REASON, "patient-declined")}


def activity(code: str, status: str = "not-started", **more: Any) -> dict[str, Any]:
    return {"detail": {"code": fhir.concept(codes.AFTERCARE, code), "status": status, **more}}


def chosen(partner: str) -> dict[str, Any]:
    return {"performer": [fhir.logical(codes.PARTNER, partner)]}


def read(*activities: dict[str, Any], house: Any = HOUSE, **more: Any) -> Interpretation:
    """What this plan means, of which the stored one has one contact."""
    plan = {"resourceType": "CarePlan", "status": "active", "author": SAM, "activity": [*activities], **more}
    entry = BundleEntry("PUT", "CarePlan", "c1", plan, None, None, None, "CarePlan")
    stored = {("CarePlan", "c1"): StoredResource("patient", {"activity": [CONTACT]})}
    settings = msgspec.structs.replace(SETTINGS, partners=(CLINIC, house))
    return interpret([entry], Context(CALLER, "patient", "demo", settings, datetime(2025, 4, 1, tzinfo=UTC), stored))


def test_each_activity_is_read_by_its_code_its_status_and_whom_was_chosen() -> None:
    (command,) = read(
        CONTACT,
        activity("mutual-help"),
        activity("step-down", "scheduled", **chosen("riverbend-outpatient")),
        activity("naloxone", "completed"),
        activity("alumni", "cancelled", **REFUSED),
    ).commands
    assert command == AgreePlan(
        plan_id="c1",
        by="case-manager-1",
        activities=(
            PlanActivity("mutual-help"),
            PlanActivity("step-down", "scheduled", "riverbend-outpatient"),
            PlanActivity("naloxone", "completed"),
            PlanActivity("alumni", "declined"),
        ),
    )


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"activities": (activity("alumni"),)}, "CarePlan.activity"),
        ({"activities": (CONTACT, activity("alumni", "cancelled"))}, r"activity\[1\].detail.statusReason"),
        ({"activities": (CONTACT, activity("no-such-code"))}, r"activity\[1\].detail.code"),
        ({"activities": (CONTACT, activity("alumni", "unknown"))}, r"activity\[1\].detail.status"),
        ({"activities": (CONTACT, activity("alumni"), activity("alumni"))}, "CarePlan.activity"),
        ({"activities": (CONTACT, activity("alumni", **chosen("riverbend-house")))}, r"activity\[1\].detail.performer"),
        ({"activities": (CONTACT, activity("alumni", performer=[{"display": "x"}]))}, r"detail.performer"),
        ({"activities": (CONTACT,), "status": "revoked"}, "CarePlan.status"),
        ({"activities": (CONTACT,), "author": {}}, "CarePlan.author"),
    ],
)
def test_what_can_not_be_read_is_refused_at_its_place(wrong: dict[str, Any], place: str) -> None:
    activities = wrong.pop("activities")
    with pytest.raises(HttpRefusal, match=place):
        read(*activities, **wrong)


@pytest.mark.parametrize(("accepts", "warned"), [(None, True), (False, True), (True, False)])
def test_that_a_residence_accepts_medication_is_never_assumed(accepts: bool | None, warned: bool) -> None:
    house = msgspec.structs.replace(HOUSE, accepts_moud=accepts)
    residence = activity("recovery-residence", "scheduled", **chosen("riverbend-house"))
    remarks = read(CONTACT, activity("moud-continuity"), residence, house=house).remarks
    assert bool(remarks) is warned
    assert not read(CONTACT, residence, house=house).remarks


def test_only_a_recovery_residence_has_a_level_of_its_own() -> None:
    assert require_narrow(msgspec.structs.replace(HOUSE, narr_level="III", accepts_moud=False))
    with pytest.raises(ValueError, match="narr_level"):
        require_narrow(msgspec.structs.replace(CLINIC, narr_level="III"))
