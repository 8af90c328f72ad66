"""Four weeks of sixty patients: the hub and whoever counts again agree, on every session, week and open reason."""

from tests.year.conftest import PATIENTS
from tests.year.simulated import Simulated


def test_a_month_is_counted_as_the_hub_counts_it(month: Simulated) -> None:
    assert not month.found, "\n".join(month.lines)


def test_the_month_holds_what_there_is_to_be_counted(month: Simulated) -> None:
    assert month.patients == PATIENTS
    assert month.visits > 500 and month.misses > 50 and month.weeks > 10 and month.reasons > 100
    assert month.waited > 5
    happened = {
        "encounter",
        "withdraw",
        "appointment",
        "decline",
        "answered",
        "discharged",
        "killed",
        "outage",
        "silent",
        "meeting",
        "chose",
        "advanced",
    }
    assert happened <= month.did
