"""Public messages and drug screens of others: what each is answered, and where each of its rows went."""

import json
from pathlib import Path

import pytest

from services.testing.hl7 import Nak, decode, parse
from tests.testing.fates import Fates, fates
from tests.testing.test_hl7 import LATER
from tests.testing.test_hl7 import SAMPLES as MESSAGES
from tests.testing.test_interpret import SAMPLES as SCREENS
from tests.testing.test_interpret import YEARS_LATER, entry, interpreted

WITHOUT_RESULT = ("AE 101", Fates(0, 0, 0, 0, 0))
"""An order without any row: it was cut off."""
ASKED_ABOUT = ("AA", Fates(rows=1, graded=0, excluded=0, listed=1, nowhere=0))
"""Its code may be of a drug test for all anybody knows."""


def of_another_field(rows: int) -> tuple[str, Fates]:
    return "AA", Fates(rows, graded=0, excluded=rows, listed=0, nowhere=0)


EXPECTED = {
    "OBX-to-Observation-ce-value": ASKED_ABOUT,
    "OBX-to-Observation-dr-value": ASKED_ABOUT,
    "OBX-to-Observation-is-value": ASKED_ABOUT,
    "OBX-to-Observation-obx-33-no-extension": ASKED_ABOUT,
    "annotation_author_string_resource_test_file": ASKED_ABOUT,
    "elims_29_5065302_35227_NoPII_CANCELED-expected": of_another_field(17),
    "elims_47_1_32361_04608646_11034_mega_case": of_another_field(4),
    "elims_47_2_04608646_11024_mega_specimen-expected": of_another_field(4),
    "mars_unwanted_condition_to_notes": of_another_field(6),
    "monkeypox-20221110": of_another_field(1),
    "sample_CA_20240729-0001": of_another_field(3),
    "sample_MT_20240614-0001": of_another_field(3),
    "sample_NH_202407016-0001": of_another_field(6),
    "sample_OK_20240628-0001": of_another_field(6),
    "sample_PR_20240624-0001": of_another_field(6),
    "sample_SC_20240305-0001": of_another_field(8),
    "sample_SR_ENTEREDINERROR_20240904-0001": of_another_field(1),
    "sample_VI_20231228-0001": of_another_field(8),
    "sample_VT_20240628-0001": of_another_field(3),
}
"""The other messages of the folder have no row."""
SCREENED = {
    "amphetamine": ("amphetamines", "positive"),
    "barbiturate": ("barbiturates", "negative"),
    "benzodiazepine": ("benzodiazepines", "negative"),
    "buprenorphine": ("buprenorphine", "negative"),
    "cannabinoid": ("cannabinoids", "negative"),
    "cocaine": ("benzoylecgonine", "negative"),
    "fentanyl": ("fentanyl-analogue", "negative"),
    "heroin": ("6-acetylmorphine", "negative"),
    "methadone": ("methadone", "negative"),
    "opiate": ("opiates", "positive"),
    "oxycodone": ("noroxymorphone", "negative"),
    "pcp": ("phencyclidine", "negative"),
}
"""By the codes in them: what is called a screen for fentanyl is of acetyl fentanyl, for oxycodone of a metabolite."""


def answered(content: bytes) -> tuple[str, Fates]:
    try:
        message = parse(decode(content), LATER)
    except Nak as refused:
        return f"{refused.code} {refused.fault.number}", Fates(0, 0, 0, 0, 0)
    return "AA", fates(report for group in message.groups for report in group.reports)


@pytest.mark.skipif(not MESSAGES.exists(), reason="public sample messages are not on this machine")
def test_each_row_of_each_public_message_went_where_it_belongs() -> None:
    found = {each.stem: answered(each.read_bytes()) for each in MESSAGES.glob("*.hl7")}
    assert found == {name: EXPECTED.get(name, WITHOUT_RESULT) for name in found} and len(found) == 40
    assert sum(of.rows for _, of in found.values()) == sum(of.excluded + of.listed for _, of in found.values()) == 81


@pytest.mark.skipif(not SCREENS.exists(), reason="public sample Observations are not on this machine")
def test_each_public_drug_screen_means_what_a_toxicologist_reads_in_it() -> None:
    found = {}
    for each in SCREENS.glob("Observation-*.json"):
        ((command,), _) = interpreted(entry(json.loads(Path(each).read_text()), each.stem), now=YEARS_LATER)
        (row,) = command.results
        found[each.stem.split("-")[1]] = (row.analyte, row.finding)
    assert found == SCREENED
