"""A patient who comes back within 30 days: the new stay knows the old one, and after how many days."""

from datetime import timedelta

from msgspec.structs import replace

from services.aftercare.messages import AftercareEnded, PatientReadmitted
from tests.aftercare.given import DISCHARGED, EPISODE, SECOND_EPISODE, admitted, discharged
from tests.aftercare.story import in_care
from tests.story import only

DAY = timedelta(days=1)


def readmitted(days: float) -> list[PatientReadmitted]:
    """What is emitted when the patient, discharged on 31 March at 16:00 in New York, is admitted so many days later."""
    patient = in_care()
    patient.then(discharged())
    again = replace(admitted(SECOND_EPISODE), admitted_at=DISCHARGED + days * DAY)
    emitted = patient.then(again, at=again.admitted_at)
    assert only(emitted, AftercareEnded)
    assert patient.then(again, at=again.admitted_at) == []
    return only(emitted, PatientReadmitted)


def test_within_thirty_days_it_names_both_stays_and_the_days_between_them() -> None:
    (found,) = readmitted(12)
    assert (found.episode_id, found.earlier_episode_id, found.days) == (SECOND_EPISODE, EPISODE, 12)
    assert [each.days for each in readmitted(30)] == [30]


def test_days_are_those_of_the_clinic() -> None:
    """Half a day later it is the next morning there."""
    assert [each.days for each in readmitted(0.25)] == [0]
    assert [each.days for each in readmitted(0.5)] == [1]


def test_later_it_is_a_stay_like_any_other() -> None:
    assert readmitted(31) == []


def test_a_stay_that_began_before_the_other_ended_is_no_readmission() -> None:
    assert readmitted(-1) == []


def test_a_first_stay_is_none() -> None:
    assert only(in_care().all_emitted, PatientReadmitted) == []
