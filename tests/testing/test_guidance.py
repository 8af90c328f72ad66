"""What whoever opens the Task of a drug test reads there: general, and nothing that the Task does not name already."""

import re
from pathlib import Path

import pytest

from services.testing import tables
from services.testing.escalation_packing import REASONS
from services.testing.guidance import FILE, GUIDANCE, read
from shared.platform.settings import ConfigurationError
from tests.testing.receiving import ReceivingService, message

TEXT_MOST = 320
SAME_DAY = ("unexpected-positive-opioid", "opioid-with-sedative")


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_has_a_sentence_or_a_few(reason: str) -> None:
    assert 1 <= GUIDANCE[reason].count(". ") + 1 <= 4
    assert len(GUIDANCE[reason]) <= TEXT_MOST


@pytest.mark.parametrize("reason", GUIDANCE)
def test_no_text_names_an_analyte_or_a_figure(reason: str) -> None:
    words = set(re.findall(r"[a-z0-9-]+", GUIDANCE[reason].lower()))
    assert words & tables.drugs() == set()
    assert not any(each[0].isdigit() for each in words)


@pytest.mark.parametrize("reason", SAME_DAY)
def test_where_breathing_is_in_danger_it_asks_for_the_same_day_and_naloxone(reason: str) -> None:
    assert "same day" in GUIDANCE[reason] and "naloxone" in GUIDANCE[reason]


def test_only_what_the_reason_itself_says_is_of_opioids_speaks_of_overdose() -> None:
    speaking = {reason for reason, text in GUIDANCE.items() if "overdose" in text}
    assert speaking == {*SAME_DAY, "baseline-opioid-safety", "opioid-safety", "prescribed-medication-absent"}


def test_a_reason_without_a_text_stops_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "guidance.toml"
    wrong.write_text(FILE.read_text().replace("[reasons.medical-review]", "[reasons.another]"))
    with pytest.raises(ConfigurationError, match=r"reasons must have medical-review\."):
        read(wrong)


async def test_it_stands_in_the_task_as_it_is_read_and_on_no_topic(testing: ReceivingService) -> None:
    await testing.identified()
    await testing.admitted()
    await testing.receives(message("M0", "NEGATIVE", "F0").replace(b"20260112083000", b"20260106083000"))
    await testing.receives(message("M1"))
    (task,) = [each for each in await testing.found("Task") if each["code"]["coding"][0]["code"] == "drug-test"]
    assert task["description"] == GUIDANCE[task["reasonCode"]["coding"][0]["code"]]
    raised = await testing.select("SELECT body FROM outbox WHERE body LIKE '%EscalationRaised%'")
    assert raised and not any("description" in body for (body,) in raised)
