"""Whose week it is: it begins, and has its hours and its days, as who pays asks."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance import spans, weeks
from services.attendance.messages import CallOffSession, CoverageRecorded, WeeklyHoursCorrected, WeeklyHoursFellShort
from services.attendance.record import Week
from shared.events import codes, fhir
from shared.events.envelope import name_id
from shared.events.intake import PayerSpan
from tests.attendance.given import (
    ADMISSION,
    NAMES,
    NEW_YORK,
    PATIENT,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    SETTINGS,
    admitted,
    check_in,
    discharged,
    evening,
    paying,
    session,
)
from tests.attendance.story import Story
from tests.laws import examples
from tests.story import only

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def paid(*spans: tuple[str, datetime | None, datetime | None]) -> CoverageRecorded:
    payers = tuple(PayerSpan(*each) for each in spans)
    return CoverageRecorded(list_id=name_id(NAMES, "payers"), recorded_at=ADMISSION, payers=payers)


MEDICAID = paid(("medicaid", None, None))
"""Its weeks begin on Sunday; it asks for three days of three hours."""


def bounds(story: Story) -> list[tuple[datetime, datetime, str]]:
    found = (weeks.week_holding(story.state, each, story.settings) for each in days())
    return [each for each in dict.fromkeys(found) if each is not None]


def days() -> list[datetime]:
    return [evening(0, day, 12) for day in range(35)]


def test_a_week_begins_where_that_of_who_pays_does() -> None:
    story = Story(MEDICAID, admitted())
    story.attending_until(evening(0, 5))
    story.missing(SECOND_MONDAY)
    (short,) = only(story.attending_until(evening(2, 0, 12)), WeeklyHoursFellShort)
    assert (short.week_start, short.week_end) == (evening(0, 6, 0), evening(1, 6, 0))
    assert (short.minutes, short.minimum_minutes, short.days, short.minimum_days) == (360, 540, 2, 3)


def test_where_nobody_knows_who_pays_the_default_counts_and_asks_for_no_days() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    (short,) = only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort)
    assert (short.week_start, short.minimum_days) == (evening(1, 0, 0), 0)
    assert "evidence" not in short.write(PATIENT)[0]


def test_a_payer_that_the_table_names_no_more_counts_as_the_default() -> None:
    story = Story(paid(("renamed-since", None, None)), admitted())
    story.attending_until(evening(2, 2))
    assert [each.payer for each in story.state.weeks] == ["default"]


@pytest.mark.parametrize(("minutes", "is_short"), [(135, False), (134, True)])
def test_a_session_counts_for_its_day_from_three_quarters_on(minutes: int, is_short: bool) -> None:
    story = Story(admitted(), payers=paying(least_minutes=300, least_days=3, day_minutes=120))
    story.attending_until(SECOND_MONDAY)
    story.until(SECOND_MONDAY + 4 * HOUR)
    story.then(check_in(SECOND_MONDAY, minutes))
    found = only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort)
    assert [(each.minutes, each.days) for each in found] == ([(360 + minutes, 2)] if is_short else [])


def test_a_day_counts_from_its_minutes_on_and_every_minute_counts_for_the_week() -> None:
    story = Story(admitted(), payers=paying(least_minutes=300, least_days=3))
    story.attending_until(SECOND_MONDAY)
    story.until(SECOND_MONDAY + 4 * HOUR)
    story.then(check_in(SECOND_MONDAY, 179))
    (short,) = only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort)
    assert (short.minutes, short.days) == (539, 2)
    (issue,) = short.write(PATIENT)
    days_attended = fhir.concept(codes.ESCALATION, "days-attended") | {"text": "2 of 3 days"}
    assert (issue["detail"], issue["evidence"]) == ("539 of 300 minutes", [{"code": [days_attended]}])
    (back,) = only(story.then(check_in(SECOND_MONDAY, 180)), WeeklyHoursCorrected)
    assert (back.minutes, back.days) == (540, 3)


def test_days_that_nobody_could_attend_are_not_asked_for() -> None:
    story = Story(admitted(template=admitted().template[:2]), payers=paying(least_minutes=300, least_days=3))
    assert only(story.attending_until(evening(3, 0)), WeeklyHoursFellShort) == []
    story.missing(evening(3, 0))
    (short,) = only(story.attending_until(evening(4, 1, 12)), WeeklyHoursFellShort)
    assert short.minutes == 180


def test_who_pays_from_the_middle_of_a_week_on_counts_from_their_own_boundary_after_it() -> None:
    """Monday's weeks until the second Wednesday, Sunday's from then on: six days are in no week."""
    story = Story(admitted(), paid(("medicare", None, SECOND_WEDNESDAY), ("medicaid", SECOND_WEDNESDAY, None)))
    story.attending_until(evening(4, 0))
    assert bounds(story)[:3] == [
        (evening(1, 0, 0), evening(2, 0, 0), "medicare"),
        (evening(2, 6, 0), evening(3, 6, 0), "medicaid"),
        (evening(3, 6, 0), evening(4, 6, 0), "medicaid"),
    ]
    assert weeks.week_holding(story.state, evening(2, 3), story.settings) is None


def test_a_finding_of_a_week_that_was_none_is_taken_back_when_it_is_known_who_paid() -> None:
    story = Story(admitted())
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    (wrong,) = only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort)
    emitted = story.then(MEDICAID)
    assert [each.issue_id for each in only(emitted, WeeklyHoursCorrected)] == [wrong.issue_id]
    (short,) = only(story.until(story.now), WeeklyHoursFellShort)
    assert (short.week_start, short.minutes) == (evening(0, 6, 0), 360)


def test_a_week_of_another_payer_with_the_same_boundary_is_counted_anew_by_their_numbers() -> None:
    story = Story(admitted(), payers=paying(least_minutes=300))
    story.attending_until(SECOND_MONDAY)
    story.missing(SECOND_MONDAY)
    assert only(story.attending_until(evening(2, 1, 12)), WeeklyHoursFellShort) == []
    story.then(paid(("medicare", evening(1, 0, 0), None)))
    (short,) = only(story.until(story.now), WeeklyHoursFellShort)
    assert (short.week_start, short.minutes, short.minimum_minutes) == (evening(1, 0, 0), 360, 540)


def test_the_same_coverage_again_changes_nothing() -> None:
    story = Story(MEDICAID, admitted())
    story.attending_until(evening(3, 0))
    assert story.then(MEDICAID) == []


def test_who_pays_is_known_before_the_stay_and_after_it() -> None:
    story = Story(MEDICAID, admitted())
    story.attending_until(evening(2, 0))
    story.then(discharged(story.now))
    story.until(story.now + 40 * DAY)
    assert story.state.left and story.state.paid == MEDICAID.payers
    later = name_id(NAMES, "later")
    story.then(admitted(at=story.now, episode=later))
    assert story.state.episode is not None and story.state.episode.week_payer == "medicaid"


@pytest.mark.parametrize(("admission", "hours"), [(datetime(2026, 2, 23), 167), (datetime(2026, 10, 19), 169)])
def test_a_week_with_a_clock_change_begins_and_ends_at_its_local_hour(admission: datetime, hours: int) -> None:
    begins = admission.replace(hour=14, tzinfo=ADMISSION.tzinfo)
    story = Story()
    story.now = begins
    story.then(MEDICAID, admitted(at=begins))
    found = [weeks.week_holding(story.state, begins + day * DAY, story.settings) for day in range(6, 28)]
    lengths = {(each.end - each.start) // HOUR for each in found if each is not None}
    assert lengths == {168, hours}
    assert {each.start.astimezone(NEW_YORK).hour for each in found if each} == {0}


EDGES = [evening(0, 0, 9), evening(1, 2, 18), evening(1, 6, 0), evening(2, 0, 0), evening(2, 3, 5)]
NAMED = some.sampled_from(["medicaid", "medicare", "renamed-since"])


@some.composite
def coverages(draw: some.DrawFn) -> CoverageRecorded:
    """Who pays when, at no instant more than one."""
    edges = sorted(draw(some.sets(some.sampled_from(EDGES), max_size=4)))
    spans = list(zip([None, *edges], [*edges, None], strict=True))
    held = draw(some.lists(some.none() | NAMED, min_size=len(spans), max_size=len(spans)))
    return paid(*((name, *span) for name, span in zip(held, spans, strict=True) if name is not None))


def found(story: Story) -> list[Week]:
    return sorted(story.state.weeks, key=lambda each: each.start)


MISSED = some.sets(some.integers(0, 12), max_size=5)


def lived(final: CoverageRecorded, missed: set[int], *earlier: tuple[int, CoverageRecorded]) -> Story:
    """Five weeks, of which some sessions are missed; what is known of the coverage comes on these days."""
    story = Story(admitted())
    known = sorted(((ADMISSION + day * DAY, each) for day, each in earlier), key=lambda each: each[0])
    for at, coverage in [*known, (evening(4, 0), final)]:
        _attend(story, at, missed)
        story.then(coverage)
    story.until(evening(4, 4))
    return story


def _attend(story: Story, until: datetime, missed: set[int]) -> None:
    while ahead := [each.start for each in story.planned if each.start < until]:
        start = min(ahead)
        story.until(start)
        if (start - ADMISSION).days // 2 % 13 not in missed:
            story.then(check_in(start))
        story.until(start + 12 * HOUR)
    story.until(until)


EARLIER = some.lists(some.tuples(some.integers(0, 27), coverages()), max_size=3)


@settings(max_examples=examples(40))
@given(coverages(), MISSED, EARLIER)
def test_whenever_it_becomes_known_who_pays_the_weeks_are_the_same(
    final: CoverageRecorded, missed: set[int], earlier: list[tuple[int, CoverageRecorded]]
) -> None:
    first = lived(final, missed, (0, final))
    story = lived(final, missed, *earlier)
    assert found(story) == found(first)
    assert bounds(story) == bounds(first)


@settings(max_examples=examples(40))
@given(coverages(), MISSED, EARLIER)
def test_no_minute_is_in_two_weeks_and_none_is_more_than_was_planned(
    final: CoverageRecorded, missed: set[int], earlier: list[tuple[int, CoverageRecorded]]
) -> None:
    story = lived(final, missed, *earlier)
    episode, here = story.state.episode, found(story)
    assert episode is not None
    assert all(one.end <= other.start for one, other in pairwise(here))
    assert all(6 * 24 * 60 < each.end - each.start <= 7 * 24 * 60 + 60 for each in here)
    inside = [one for each in here for one in story.state.sessions if each.holds(one)]
    assert sum(each.minutes for each in here) == spans.minutes_of_all(episode, inside)
    for each in here:
        held = [one for one in inside if each.holds(one)]
        could = weeks.offered(episode, held, each, SETTINGS.timezone)
        assert each.minutes <= could.minutes and each.days <= could.days


def test_a_week_of_a_session_that_was_called_off_is_asked_for_what_is_left() -> None:
    """The counter-example of a week that could not have its days."""
    story = Story(MEDICAID, admitted())
    story.attending_until(SECOND_MONDAY - DAY)
    story.then(CallOffSession(session_id=session(SECOND_MONDAY)))
    assert only(story.attending_until(evening(2, 0, 12)), WeeklyHoursFellShort) == []
