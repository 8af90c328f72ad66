"""Combining needs, domain 2.3: each line of the text is a row here."""

from itertools import product
from pathlib import Path
from shutil import copytree

import pytest

from deploy.paths import SETTINGS as DEPLOY
from services.intake import app
from services.intake.placement.levels import LEVELS, Combined, combine
from shared.platform.settings import ConfigurationError, Process
from tests.intake.given import settings


@pytest.mark.parametrize(
    ("needs", "level"),
    [
        (["4", "1.0"], "4"),
        (["4-psych", "2.1"], "4-psych"),
        (["4-psych", "4"], "4"),
        (["3.7-BIO", "1.5-COE"], "4"),
        (["3.7-BIO", "2.1"], "3.7-BIO"),
        (["1.7", "3.1"], "3.7"),
        (["2.7", "3.5"], "3.7"),
        (["3.7"], "3.7"),
        (["1.7", "2.1"], "2.7"),
        (["1.7", "2.5"], "2.7"),
        (["2.7", "1.0"], "2.7"),
        (["1.7", "1.5"], "1.7"),
        (["3.1", "2.1"], "3.1"),
        (["3.1", "2.5"], "3.5"),
        (["3.5"], "3.5"),
        (["2.5", "2.1"], "2.5"),
        (["2.1", "1.5", "none"], "2.1"),
        (["1.5", "1.0"], "1.5"),
        (["1.0"], "1.0"),
        (["none"], "none"),
        ([], "none"),
    ],
)
def test_the_needs_combine_from_the_top_down(needs: list[str], level: str) -> None:
    assert combine(needs).level == level


@pytest.mark.parametrize(
    ("needs", "level"),
    [
        (["1.5-COE"], "1.5-COE"),
        (["1.5-COE", "1.7"], "1.7-COE"),
        (["2.5-COE", "2.1"], "2.5-COE"),
        (["2.5-COE", "1.7"], "2.7-COE"),
        (["1.5-COE", "3.1"], "3.5-COE"),
        (["3.5-COE", "2.1"], "3.5-COE"),
        (["3.7-COE"], "3.7-COE"),
        (["1.5-COE", "4"], "4"),
        (["1.5-COE", "2.1"], "2.5-COE"),
    ],
)
def test_a_co_occurring_need_enhances_the_result(needs: list[str], level: str) -> None:
    assert combine(needs).level == level


def test_an_attested_program_keeps_a_co_occurring_need_at_2_1_under_a_condition() -> None:
    assert combine(["1.5-COE", "2.1"], co_occurring_attested=True) == Combined(
        "2.1", ("co-occurring-capability-attested",)
    )


def test_a_need_for_co_occurring_2_5_is_not_lowered_by_the_attestation() -> None:
    assert combine(["2.5-COE", "2.1"], co_occurring_attested=True).level == "2.5-COE"


def test_the_order_of_the_needs_does_not_matter() -> None:
    for one, other in product(LEVELS, repeat=2):
        assert combine([one, other]) == combine([other, one])


def test_a_further_need_never_lowers_the_result() -> None:
    families = ("none", "1", "2", "3", "4")

    def family(level: str) -> int:
        return families.index(level if level == "none" else level[0])

    for one, other in product(LEVELS, repeat=2):
        assert family(combine([one, other]).level) >= max(family(one), family(other))


def test_what_a_partner_offers_is_a_level_of_care_or_intake_does_not_start(tmp_path: Path) -> None:
    copytree(DEPLOY, tmp_path, dirs_exist_ok=True)
    process = Process(
        database_url="postgresql://",
        kafka_bootstrap="127.0.0.1:9092",
        deploy=tmp_path,
        keys=tmp_path,
        issuer="http://127.0.0.1:8100",
    )
    assert app.settings(process)
    file = tmp_path / "partners.toml"
    file.write_text(file.read_text().replace('offers = ["1.0", "1.5"]', 'offers = ["residential"]'))
    with pytest.raises(ConfigurationError, match=r"partners\.toml: partner\.riverbend-outpatient\.offers: must be"):
        app.settings(process)


@pytest.mark.parametrize("meant", [{"H0015": "2.1"}, {"urn:oid:1|H0015": "intensive"}])
def test_what_a_code_of_a_referral_asks_for_is_a_level_of_care(meant: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="referral_levels"):
        settings(referral_levels=meant)
