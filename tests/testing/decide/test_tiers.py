"""The tier of an unexpected positive."""

from shared.events.escalation import EscalationRaised
from tests.story import only
from tests.testing.given import admitted, day, evidence, medications, report
from tests.testing.story import BASELINE, Story, in_treatment


def test_an_opioid_even_presumptive_is_tier_three() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive"))
    assert story.escalations == {"unexpected-positive-opioid": 3}


def test_a_presumptive_positive_of_another_kind_is_tier_two() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE="positive"))
    assert story.escalations == {"unexpected-positive-presumptive": 2}


def test_every_unexpected_positive_carries_the_signal_that_intake_combines() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, COCAINE_CONFIRMED="positive", FENTANYL="positive"))
    signals = {
        (each.code, each.at, each.evidence) for open_ in story.state.escalations for each in open_.escalation.signals
    }
    assert signals == {("unexpected-positive", day(7), evidence("weekly"))}


def test_two_confirmed_in_thirty_days_are_tier_three() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2}
    story.then(report("fourth week", 28, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2, "repeated-unexpected-positive": 3}


def test_two_confirmed_further_apart_than_thirty_days_are_not_a_repetition() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE_CONFIRMED="positive"))
    story.then(report("sixth week", 38, COCAINE_CONFIRMED="positive"))
    assert story.escalations == {"unexpected-positive-confirmed": 2}


def test_a_residual_positive_does_not_count_as_the_second() -> None:
    story = in_treatment()
    story.then(report("second week", 7, COCAINE_CONFIRMED="positive"))
    story.then(report("soon after", 9, COCAINE_CONFIRMED="positive"))
    assert "repeated-unexpected-positive" not in story.escalations


def test_an_opioid_with_a_sedative_is_tier_three_under_its_own_reason() -> None:
    story = in_treatment()
    story.then(report("weekly", 7, FENTANYL="positive", BENZODIAZEPINES="positive"))
    assert story.escalations == {
        "unexpected-positive-opioid": 3,
        "opioid-with-sedative": 3,
        "unexpected-positive-presumptive": 2,
    }


def test_a_sedative_beside_prescribed_buprenorphine_is_dangerous_all_the_same() -> None:
    story = Story(medications(day(-1), "351267"), admitted(), BASELINE)
    story.then(report("weekly", 7, BUPRENORPHINE="positive", BENZODIAZEPINES="positive"))
    assert story.escalations["opioid-with-sedative"] == 3


def test_no_analyte_stands_in_an_escalation() -> None:
    story = in_treatment()
    emitted = story.then(report("weekly", 7, FENTANYL="positive", COCAINE="positive"))
    written = str([each.write("patient") for each in only(emitted, EscalationRaised)])
    assert "fentanyl" not in written and "cocaine" not in written and "benzoylecgonine" not in written
