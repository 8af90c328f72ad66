"""An Encounter of an emergency department, a hospital or a residence, as an EHR or a notification sends it."""

from datetime import datetime
from typing import Any

import pytest

from services.intake import messages as w
from shared.events import codes
from shared.platform.keys import Keys
from tests.intake.bundles import ICD10
from tests.intake.test_interpret import WHO, commands_of, keys, one, remarks_of

__all__ = ["keys"]
Json = dict[str, Any]
V2 = "http://terminology.hl7.org/CodeSystem/v2-0004"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
NIGHT, MORNING = "2026-01-04T23:10:00Z", "2026-01-05T06:30:00Z"
HEROIN = {"reasonCode": [{"coding": [{"system": ICD10, "code": "T40.1X1A"}]}]}


def encounter(code: str = "EMER", status: str = "in-progress", *, system: str = codes.ACT, **changed: Any) -> Json:
    period = {"start": NIGHT} | ({"end": MORNING} if status == "finished" else {})
    return {
        "resourceType": "Encounter",
        "status": status,
        "class": {"system": system, "code": code},
        "subject": {"reference": WHO},
        "period": period,
        **changed,
    }


def kinds(found: tuple[Any, ...]) -> list[str]:
    return [type(each).__name__ for each in found]


@pytest.mark.parametrize(
    ("code", "system", "kind"),
    [
        ("EMER", codes.ACT, "emergency"),
        ("IMP", codes.ACT, "inpatient"),
        ("OBSENC", codes.ACT, "inpatient"),
        ("E", V2, "emergency"),
        ("I", V2, "inpatient"),
    ],
)
def test_care_elsewhere_is_known_by_the_class(keys: Keys, code: str, system: str, kind: str) -> None:
    report = one(commands_of(keys, encounter(code, system=system)), w.ReportCareElsewhere)
    assert (report.kind, report.started_at.isoformat(), report.ended_at) == (kind, "2026-01-04T23:10:00+00:00", None)


def test_a_class_without_a_system_or_in_small_letters_is_one_all_the_same(keys: Keys) -> None:
    for stated in ({"code": "EMER"}, {"system": codes.ACT, "code": "emer"}, {"system": V2, "code": "e"}):
        found = commands_of(keys, encounter() | {"class": stated})
        assert one(found, w.ReportCareElsewhere).kind == "emergency"
    assert commands_of(keys, encounter() | {"class": {"display": "Emergency"}}) == ()


def test_its_type_is_more_precise_than_its_class(keys: Keys) -> None:
    detoxification = encounter("IMP", type=[{"coding": [{"system": HCPCS, "code": "H0010"}]}])
    assert one(commands_of(keys, detoxification), w.ReportCareElsewhere).kind == "residential"


@pytest.mark.parametrize("code", ["AMB", "VR", "PRENC"])
def test_what_is_no_care_elsewhere_is_stored_in_silence(keys: Keys, code: str) -> None:
    assert commands_of(keys, encounter(code)) == ()
    assert remarks_of(keys, encounter(code)) == []


def test_a_class_that_nobody_knows_is_stored_and_its_sender_learns_of_it(keys: Keys) -> None:
    odd = encounter("ward-7", system="https://ehr.example.org/class")
    assert commands_of(keys, odd) == ()
    assert remarks_of(keys, odd) == ["not read: class unknown; send its code of v3-ActCode"]


def test_what_is_planned_has_not_happened(keys: Keys) -> None:
    assert commands_of(keys, encounter("IMP", "planned")) == ()


def test_one_that_is_over_when_it_comes_began_and_ended(keys: Keys) -> None:
    assert kinds(commands_of(keys, encounter(status="finished"))) == ["ReportCareElsewhere", "EndCareElsewhere"]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (encounter(), encounter(), []),
        (encounter(), encounter(status="finished"), ["EndCareElsewhere"]),
        (encounter(status="finished"), encounter(status="finished"), []),
        (encounter(status="finished"), encounter(), ["ReportCareElsewhere"]),
        (encounter(status="finished"), encounter("IMP", "finished"), ["ReportCareElsewhere", "EndCareElsewhere"]),
        (encounter("EMER"), encounter("IMP"), ["ReportCareElsewhere"]),
        (encounter("AMB"), encounter("EMER"), ["ReportCareElsewhere"]),
        (encounter("IMP", "planned"), encounter("IMP"), ["ReportCareElsewhere"]),
        (encounter(), encounter(status="cancelled"), ["WithdrawCareElsewhere"]),
        (encounter(), encounter(status="entered-in-error"), ["WithdrawCareElsewhere"]),
        (encounter("EMER"), encounter("AMB"), ["WithdrawCareElsewhere"]),
        (encounter("IMP", "planned"), encounter("IMP", "cancelled"), []),
    ],
)
def test_sent_again_only_what_is_new_counts(keys: Keys, before: Json, now: Json, found: list[str]) -> None:
    commands = commands_of(keys, now, method="PUT", before=before)
    assert [each for each in kinds(commands) if each.endswith("CareElsewhere")] == found


def test_an_overdose_is_present_while_the_care_lasts_and_recent_afterwards(keys: Keys) -> None:
    def evident(status: str) -> set[str]:
        return {
            each.code for each in one(commands_of(keys, encounter(status=status) | HEROIN), w.RecordConditions).findings
        }

    assert evident("in-progress") == {"current-overdose", "recent-overdose", "overdose-history"}
    assert evident("finished") == {"recent-overdose", "overdose-history"}


def test_a_reason_of_an_encounter_taken_back_is_evidence_of_nothing_any_more(keys: Keys) -> None:
    before, wrong = encounter() | HEROIN, encounter(status="entered-in-error") | HEROIN
    recorded = one(commands_of(keys, wrong, method="PUT", before=before), w.RecordConditions)
    assert recorded.findings == ()
    assert [each.partition("/")[0] for each in recorded.sources] == ["Encounter"]
    assert remarks_of(keys, wrong, before) == ["read as care elsewhere taken back"]


def test_the_end_of_the_care_takes_back_nothing_of_what_called_a_person(keys: Keys) -> None:
    over = commands_of(keys, encounter(status="finished") | HEROIN, method="PUT", before=encounter() | HEROIN)
    assert kinds(over) == ["EndCareElsewhere"]


def test_another_reason_takes_the_place_of_the_one_before(keys: Keys) -> None:
    other = {"reasonCode": [{"coding": [{"system": ICD10, "code": "S52.5"}]}]}
    recorded = one(
        commands_of(keys, encounter() | other, method="PUT", before=encounter() | HEROIN), w.RecordConditions
    )
    assert recorded.findings == () and len(recorded.sources) == 1


def test_a_death_elsewhere_is_reported_once(keys: Keys) -> None:
    died = {"hospitalization": {"dischargeDisposition": {"coding": [{"system": codes.DISCHARGE, "code": "exp"}]}}}
    over = encounter("IMP", "finished") | died
    report = one(commands_of(keys, over), w.ReportDeath)
    assert report.died_at is not None and report.died_at.isoformat() == "2026-01-05T06:30:00+00:00"
    assert kinds(commands_of(keys, over, method="PUT", before=over)) == []
    assert "ReportDeath" not in kinds(commands_of(keys, encounter("IMP", "finished")))


def test_how_care_elsewhere_ended_ends_no_stay_here_and_is_never_refused(keys: Keys) -> None:
    rehabilitation = {"dischargeDisposition": {"coding": [{"system": codes.DISCHARGE, "code": "rehab"}]}}
    before = encounter("IMP") | {"hospitalization": rehabilitation}
    over = encounter("IMP", "finished") | {"hospitalization": rehabilitation}
    assert kinds(commands_of(keys, over, method="PUT", before=before)) == ["RecordConditions", "EndCareElsewhere"]


def test_nights_elsewhere_that_ended_are_what_the_patient_steps_down_from_once_for_each_end(keys: Keys) -> None:
    over = encounter("IMP", "finished")
    for before in (None, encounter("IMP"), {**over, "period": {"start": NIGHT, "end": NIGHT}}):
        recorded = one(commands_of(keys, over, method="PUT" if before else "POST", before=before), w.RecordConditions)
        (stepped,) = recorded.findings
        assert (stepped.code, stepped.value, f"{stepped.at:%FT%H:%M}") == ("step-down", 1, "2026-01-05T06:30")
    again = commands_of(keys, over, method="PUT", before=over)
    assert "RecordConditions" not in kinds(again) + kinds(commands_of(keys, encounter("EMER", "finished")))
    wrong = commands_of(keys, {**over, "status": "entered-in-error"}, method="PUT", before=over)
    assert one(wrong, w.RecordConditions).sources and one(wrong, w.RecordConditions).findings == ()


def test_the_encounter_of_a_stay_here_is_no_care_elsewhere_whatever_its_class(keys: Keys) -> None:
    of_stay = {"episodeOfCare": [{"reference": "EpisodeOfCare/3f0c5a0e-0000-4c5a-9e0e-3f0c5a0e5a0e"}]}
    assert commands_of(keys, encounter("IMP"), method="PUT", before=encounter("AMB") | of_stay) == ()


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ({"type": [{"coding": [{"system": HCPCS, "code": "H0018"}]}]}, True),
        ({"type": [{"coding": [{"system": HCPCS, "code": "H0009"}]}]}, True),
        ({"reasonCode": [{"coding": [{"system": ICD10, "code": "F11.23"}]}]}, True),
        ({"reasonCode": [{"coding": [{"system": ICD10, "code": "K35.80"}]}]}, False),
        ({}, False),
    ],
)
def test_nights_for_substance_use_are_days_in_care_and_others_are_none(keys: Keys, changed: Json, counts: bool) -> None:
    found = commands_of(keys, encounter("IMP", "finished", **changed))
    days = [(each.counts, each.ended_at) for each in found if isinstance(each, w.RecordCareDays)]
    assert days == ([(True, datetime.fromisoformat(MORNING))] if counts else [])


def test_an_emergency_visit_for_an_overdose_is_no_night(keys: Keys) -> None:
    heroin = {"reasonCode": [{"coding": [{"system": ICD10, "code": "F11.20"}]}]}
    assert "RecordCareDays" not in kinds(commands_of(keys, encounter("EMER") | heroin))
