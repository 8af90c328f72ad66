"""Whatever is stated, corrected and stated again: evidence of danger stands exactly while its source says so within its
window (domain 2.7, 5.2). Counted here once more, from what each source says now, without the service's own tables."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.decide.placing import known_of
from services.intake.placement.recommendation import asked_by_danger
from shared.rules.decision import Moment
from tests.intake import story
from tests.intake.given import MONDAY, PATIENT, SETTINGS
from tests.laws import examples


class Bound(NamedTuple):
    reason: str
    code: str
    least: int
    days: int


BOUNDS = (
    *(Bound("suicide-risk", each, 1, 30) for each in ("c-ssrs-q4", "c-ssrs-q5", "imminent-harm")),
    Bound("suicide-risk", "c-ssrs-behavior", 1, 90),
    *(Bound("suicide-screen", each, 1, 30) for each in ("c-ssrs-q3", "c-ssrs-lifetime", "phq-9-item-9")),
    Bound("medical-emergency", "withdrawal-seizure", 1, 7),
    Bound("severe-withdrawal", "ciwa-ar", 19, 7),
    Bound("same-day-medical-evaluation", "ciwa-ar", 10, 7),
    Bound("same-day-medical-evaluation", "cows", 13, 7),
)
COVERED = {"suicide-screen": "suicide-risk", "same-day-medical-evaluation": "severe-withdrawal"}
OF_SAFETY = {"suicide-risk", "medical-emergency", "severe-withdrawal"}
MOST = {"ciwa-ar": 67, "cows": 48, "phq-9-item-9": 3}
Answers = tuple[w.ReportedFinding, ...]

CODES = some.lists(some.sampled_from(sorted({each.code for each in BOUNDS})), min_size=1, max_size=2)


def statements(codes: list[str]) -> some.SearchStrategy[list[tuple[str, int, list[tuple[str, int]]]]]:
    """What sources say, one after the other: which, how many hours ago, its answers. Of few codes, so that they
    meet."""
    answers = some.tuples(some.sampled_from(codes), some.sampled_from([0, 1, 9, 10, 12, 13, 18, 19, 67]))
    sources = some.sampled_from([f"QuestionnaireResponse/{number}" for number in range(5)])
    ages = some.sampled_from([0, 24, 48, 6 * 24, 8 * 24, 29 * 24, 31 * 24, 89 * 24, 91 * 24])
    return some.lists(some.tuples(sources, ages, some.lists(answers, min_size=1, max_size=2)), min_size=2, max_size=6)


def held_up(stated: dict[str, Answers], now: datetime | None) -> set[str]:
    """The reasons that these answers hold up at this time; without one, however old they are."""
    return {
        bound.reason
        for bound in BOUNDS
        for source in stated.values()
        for each in source
        if each.code == bound.code and each.value >= bound.least
        if now is None or each.at >= now - timedelta(days=bound.days)
    }


@settings(max_examples=examples(300))
@given(CODES.flatmap(statements), some.booleans())
def test_danger_stands_exactly_while_a_source_says_so_within_its_window(
    reported: list[tuple[str, int, list[tuple[str, int]]]], safety_first: bool
) -> None:
    patient, stated = story.given(), dict[str, Answers]()
    for hour, (source, hours_ago, answered) in enumerate(reported):
        now = MONDAY + timedelta(hours=hour)
        at = now - timedelta(hours=hours_ago)
        found = tuple(w.ReportedFinding(code, min(value, MOST.get(code, 1)), at, source) for code, value in answered)
        if safety_first and found:
            patient.at(now).and_then(w.ReportFindings(findings=found))
        again = (source,) if source in stated else ()
        patient.at(now).and_then(w.RecordAssessment(findings=found, sources=again))
        stated[source] = found

        now_held = held_up(stated, now)
        still_open = {each.escalation.reason for each in patient.state.escalations}
        assert {each for each in now_held if not {each, COVERED.get(each)} & still_open} == set()
        assert still_open <= held_up(stated, None)
        moment = Moment(now, now, SETTINGS, UUID(PATIENT), PATIENT, "demo", "ehr")
        assert (asked_by_danger(known_of(patient.state, moment)) != "none") == bool(now_held & OF_SAFETY)
