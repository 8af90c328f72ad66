"""The files in deploy/ say what aftercare needs, and a wrong number is refused before anything starts."""

from pathlib import Path

import msgspec
import pytest

from services.aftercare.settings import Settings
from shared.platform.settings import load, partners
from tests.aftercare.given import SETTINGS
from tests.shared.rules.partners import ALUMNI

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_demo_program_follows_up_from_72_hours_to_180_days() -> None:
    assert load(DEPLOY, "aftercare", Settings)["demo"].follow_up_days == (3, 7, 14, 30, 60, 90, 180)


@pytest.mark.parametrize(
    "wrong",
    [
        {"follow_up_days": (3, 7)},
        {"follow_up_days": (7, 3, 14, 30, 60, 90, 180)},
        {"follow_up_days": (3, 3, 14, 30, 60, 90, 180)},
        {"partners": (ALUMNI,) * 13},
        {"near_miles": ()},
        {"near_miles": (10, 5)},
        {"near_miles": (1, 2, 3, 4, 5, 6)},
        {"follow_up_days": tuple(range(1, 12)), "follow_up_window_days": (1,) * 11},
    ],
)
def test_a_setting_that_contradicts_another_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Settings(**{**msgspec.structs.asdict(SETTINGS), **wrong})


def test_each_partners_name_is_the_identifier_a_consent_names() -> None:
    """Tasks name their owner by it; a second spelling would make two partners of one."""
    assert {name: each.identifier for name, each in partners(DEPLOY).items()} == {
        name: name for name in partners(DEPLOY)
    }


def test_a_mutual_help_group_has_no_address_no_fields_and_takes_no_referral() -> None:
    groups = [each for each in partners(DEPLOY).values() if each.kind == "mutual-help-group"]
    assert len(groups) == 2
    assert all((each.url, each.fields, each.serves) == ("", (), ()) for each in groups)


def test_no_partner_is_required_to_be_told_more_than_it_may() -> None:
    assert all(set(each.required) <= set(each.fields) for each in partners(DEPLOY).values())
