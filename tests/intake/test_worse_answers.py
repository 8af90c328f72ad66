"""A worse answer never gives a milder recommendation: any need, any fact, any score (domain 2.3, 2.8)."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.placement.assessment import Assessment
from services.intake.placement.evidence import Evidence, merged
from services.intake.placement.levels import LEVELS, combine
from services.intake.placement.recommendation import Recommendation, recommend
from services.intake.settings import Settings
from services.intake.table import SAFETY_CODES, TABLE, window_of
from tests.intake import given as intake
from tests.intake.given import MONDAY
from tests.laws import examples

BASE_LEVELS = ("none", "1.0", "1.5", "1.7", "2.1", "2.5", "2.7", "3.1", "3.5", "3.7", "4")
MILDER = {"stable-remission", "delivery-due"}
"""Facts that are no worse for being true."""
WORSE_IF_DENIED = {"safe-housing", "available-day", "available-evening"}
FACTS = sorted((TABLE.facts() | TABLE.disorders()) - MILDER)
BOUNDS = {"ciwa-ar": 67, "cows": 48, "phq-9": 27, "gad-7": 21, "phq-9-item-9": 3, "c-ssrs-risk": 3, "audit": 40}
SETTINGS = [intake.settings(attests=attests) for attests in ((), ("co-occurring",), ("block-grant",))]
"""Without a partner prescriber, to whom medication that is to be started may be left."""

facts = some.sampled_from(FACTS).flatmap(lambda fact: some.sampled_from([fact, f"not {fact}"]))
scores = some.sampled_from(sorted(BOUNDS)).flatmap(
    lambda code: some.integers(0, BOUNDS[code]).map(lambda points: f"{code}={points}")
)
codes = some.sampled_from(sorted(SAFETY_CODES)) | some.sampled_from([*FACTS, *BOUNDS])
answers = some.lists(facts | scores | some.just("stable-remission"), max_size=6, unique_by=lambda each: code_of(each))
levels = some.sampled_from(LEVELS[:10]) | some.sampled_from(LEVELS)
needs = some.fixed_dictionaries({dimension: levels for dimension in TABLE.dimensions})


def code_of(answer: str) -> str:
    return answer.removeprefix("not ").partition("=")[0]


def intensity(level: str) -> int:
    """Without its form."""
    return BASE_LEVELS.index(level.removesuffix("-psych").removesuffix("-COE").removesuffix("-BIO"))


def is_no_milder(now: Recommendation, before: Recommendation) -> bool:
    """Where the rules place nobody, a person looks: that is no milder than any level, and danger goes before it."""
    if before.level is None or now.level is None:
        return True
    asked_of_persons = now.hold >= before.hold and {*now.reviews} >= {*before.reviews}
    return intensity(now.level) >= intensity(before.level) and asked_of_persons


@settings(max_examples=examples(300))
@given(needs, answers, some.sampled_from(TABLE.dimensions), some.sampled_from(LEVELS), some.sampled_from(SETTINGS))
def test_a_worse_need_of_any_dimension_is_never_placed_milder(
    stated: dict[str, str], answered: list[str], dimension: str, level: str, program: Settings
) -> None:
    if combine([stated[dimension], level]).level != level:
        return
    before = recommend(intake.known(stated, *answered), program)
    assert is_no_milder(recommend(intake.known({**stated, dimension: level}, *answered), program), before)


@settings(max_examples=examples(300))
@given(needs, answers, some.sampled_from(FACTS), some.sampled_from(SETTINGS))
def test_a_worse_fact_is_never_placed_milder(
    stated: dict[str, str], answered: list[str], fact: str, program: Settings
) -> None:
    others = [each for each in answered if code_of(each) != fact]
    before = recommend(intake.known(stated, *answered), program)
    worse = f"not {fact}" if fact in WORSE_IF_DENIED else fact
    assert is_no_milder(recommend(intake.known(stated, *others, worse), program), before)


@settings(max_examples=examples(300))
@given(needs, answers, scores, some.sampled_from(SETTINGS))
def test_a_higher_score_is_never_placed_milder(
    stated: dict[str, str], answered: list[str], score: str, program: Settings
) -> None:
    code, _, points = score.partition("=")
    known = [int(each.partition("=")[2]) for each in answered if code_of(each) == code]
    others = [each for each in answered if code_of(each) != code]
    before = recommend(intake.known(stated, *answered), program)
    higher = f"{code}={max([int(points), *known])}"
    assert is_no_milder(recommend(intake.known(stated, *others, higher), program), before)


UNREADABLE = some.sampled_from(["screen-unreadable", "lasting-screen-unreadable"])


@settings(max_examples=examples(300))
@given(needs, answers, UNREADABLE, some.sampled_from([*SETTINGS, intake.settings(partner_prescriber="harbor-clinic")]))
def test_a_screen_that_nobody_can_read_is_never_placed_milder_and_always_waits_for_a_person(
    stated: dict[str, str], answered: list[str], code: str, program: Settings
) -> None:
    """Nor higher: what it may have said is for a person."""
    before = recommend(intake.known(stated, *answered), program)
    now = recommend(intake.known(stated, *answered, code), program)
    assert (now.level, now.track, now.reviews) == (before.level, before.track, before.reviews)
    assert now.level is None or now.hold


@some.composite
def reports(draw: some.DrawFn) -> list[w.ReportedFinding]:
    """Of many sources, some of them the same, over up to hundred days."""
    among = draw(some.lists(codes, min_size=1, max_size=5, unique=True))
    return [
        w.ReportedFinding(
            code,
            draw(some.integers(0, BOUNDS.get(code, 1))),
            MONDAY - timedelta(hours=draw(some.integers(0, 2400))),
            f"Observation/{draw(some.integers(0, 9))}",
        )
        for code in draw(some.lists(some.sampled_from(among), max_size=40))
    ]


@settings(max_examples=examples(200))
@given(reports(), some.integers(0, 2400), some.data())
def test_one_more_report_of_another_source_takes_nothing_away(
    reported: list[w.ReportedFinding], hours: int, data: some.DataObject
) -> None:
    """However much is known, and however late it becomes known. What the newest answer decides is worse in the newest;
    a "no" takes the place of a "yes" that had grown old, unless such a "yes" ends by itself."""
    code = data.draw(some.sampled_from([each.code for each in reported] or FACTS) | codes)
    window, most = window_of(code), BOUNDS.get(code, 1)
    another = w.ReportedFinding(code, most, MONDAY - timedelta(hours=hours), "Observation/another")
    if code in WORSE_IF_DENIED:
        another = replace(another, value=0, at=MONDAY)
    elif window.answer == "newest":
        another = replace(another, at=MONDAY)
    elif window.after == "ends":
        another = replace(another, value=data.draw(some.integers(0, most)))
    known = merged(merged({}, intake.found()), reported)
    assert is_no_milder(_placed(merged(known, [another])), _placed(known))


def _placed(evidence: Evidence) -> Recommendation:
    return recommend(Assessment(intake.stated(intake.IOP_NEEDS), evidence, MONDAY), SETTINGS[0])
