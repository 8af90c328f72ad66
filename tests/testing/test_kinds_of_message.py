"""ORU^R30 and R32 are read as R01 is; OUL^R22, oriented by specimen, means the same as its ORU^R01."""

import pytest

from services.testing.hl7 import Message, Nak, decode, parse
from tests.testing.test_hl7 import MSH as ORU
from tests.testing.test_hl7 import OBR, OBX, PID, TIME, message, only_report

OUL = ORU.replace("ORU^R01^ORU_R01", "OUL^R22^OUL_R22")
ORC = "ORC|RE|P7^EHR|F7^TOXLAB"
SPM = "SPM|1|S9&EHR^S9F&TOXLAB||UR|||||||||||||202503090800-0400"
OTHER_SPM = SPM.replace("S9", "S8").replace("SPM|1", "SPM|2")
SAC = "SAC|||C1"
OTHER_OBR, OTHER_OBX = OBR.replace("F7", "F8"), OBX.replace("14314-9^Benzoylecgonine", "19295-5^Opiates")
OF_SPECIMEN = "OBX|1|NM|2161-8^Creatinine^LN||1.0|mg/dL|||||F"


def read(*segments: str) -> Message:
    return parse(decode(message(*segments)), TIME)


@pytest.mark.parametrize("event", ["R30", "R32"])
def test_a_result_of_a_point_of_care_is_read_as_any(event: str) -> None:
    of_care = ORU.replace("ORU^R01^ORU_R01", f"ORU^{event}^ORU_R30")
    assert only_report(of_care, PID, ORC, OBR, OBX) == only_report(ORU, PID, ORC, OBR, OBX)


def test_a_specimen_ahead_of_its_orders_means_what_it_means_behind_them() -> None:
    by_specimen = read(OUL, PID, SPM, SAC, OBR, ORC, OBX, OTHER_OBR, OTHER_OBX, OTHER_SPM, OBR, OBX)
    by_order = read(ORU, PID, OBR, OBX, SPM, OTHER_OBR, OTHER_OBX, SPM, OBR, OBX, OTHER_SPM)
    assert [each.reports for each in by_specimen.groups] == [each.reports for each in by_order.groups]
    assert [each.specimen.value for each in by_specimen.groups[0].reports] == ["S9F", "S9F", "S8F"]


def test_what_is_stored_of_it_is_as_it_came() -> None:
    came = (OUL, PID, SPM, SAC, OF_SPECIMEN, OBR, ORC, OBX, OTHER_SPM, OTHER_OBR, OTHER_OBX)
    assert read(*came).groups[0].content == message(*came)


def test_rows_of_the_specimen_itself_are_of_its_first_order_and_are_counted_as_they_came() -> None:
    first, second = read(OUL, PID, SPM, OF_SPECIMEN, OBR, OBX, OTHER_OBR, OTHER_OBX).groups[0].reports
    assert [each.place for each in first.components] == ["OBX^1^5", "OBX^2^5"]
    assert [each.place for each in second.components] == ["OBX^3^5"]
    assert [each.codes[0].code for each in first.components] == ["2161-8", "14314-9"]


@pytest.mark.parametrize(
    "segments",
    [
        (OUL, PID, SPM, OBX),
        (OUL, PID, SPM, OBR, OBX, OTHER_SPM, OF_SPECIMEN),
        (OUL, PID, SPM, OBR, OBX, OTHER_SPM),
        (OUL, PID, SPM, OTHER_SPM, OBR, OBX),
    ],
)
def test_a_specimen_without_an_order_is_refused_for_nobody_would_read_it(segments: tuple[str, ...]) -> None:
    with pytest.raises(Nak) as refusal:
        read(*segments)
    assert (refusal.value.code, refusal.value.fault.location, refusal.value.fault.number) == ("AE", "OBR", 100)


def test_several_patients_keep_their_own_specimens() -> None:
    second = PID.replace("A123", "B456")
    found = read(OUL, PID, SPM, OBR, OBX, second, OTHER_SPM, OTHER_OBR, OTHER_OBX)
    assert [[each.specimen.value for each in group.reports] for group in found.groups] == [["S9F"], ["S8F"]]
