"""Laws that hold for every story: total, deaf to repeats, small, and read back as written."""

from datetime import date, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.testing import tables
from services.testing.decide import decide, react
from services.testing.messages import (
    AcknowledgeEscalation,
    CancelDrugTest,
    EpisodePaused,
    EpisodeResumed,
    MedicationsRecorded,
    Observed,
    OrderDrugTest,
    PatientDied,
    PatientIdentified,
    RandomDayDrawn,
    ReportCollection,
    ReportResult,
    ResolveEscalation,
)
from services.testing.specimens.versions import joined, thinned
from services.testing.state import State, due, evolve
from shared.events.codes import LOINC
from shared.events.envelope import Command, Event, name_id
from shared.events.intake import Medication
from shared.events.internal import Lookup, StateEvent
from shared.events.testing import Number
from shared.path.service import STATE_BYTES_MOST
from shared.rules.decision import Refused
from tests.laws import examples
from tests.testing.given import EPISODE, NAMES, TIME_PASSED, admitted, day, discharged, moment

KNOWN = sorted(code for code, each in tables.LOINC.items() if each.kind not in ("cutoff", "panel", "method"))
FINDINGS = ("positive", "negative", "indeterminate", "unsatisfactory", "pending", "valid")
CODES = st.sampled_from(KNOWN)
OBSERVED = st.builds(
    lambda code, found, cancelled: Observed(
        code, LOINC, tables.LOINC[code].analyte, found, tables.LOINC[code].definitive, cancelled
    ),
    CODES,
    st.sampled_from(FINDINGS),
    st.booleans(),
)
FOREIGN = st.builds(
    Observed, st.text(max_size=40), st.text(max_size=60), st.just("unmapped"), st.sampled_from(FINDINGS), st.booleans()
)
DAYS = st.integers(-20, 130)
REPORTS = st.builds(
    lambda name, specimen, collected, later, status, condition, results, matched, extent: ReportResult(
        report_id=name_id(NAMES, f"report {name}"),
        specimen_id=name_id(NAMES, f"specimen {specimen}"),
        collected_at=day(collected),
        issued_at=day(collected + later),
        status=status,
        condition=condition,
        results=tuple(results),
        matched=matched,
        extent=extent,
    ),
    st.integers(0, 30),
    st.integers(0, 20),
    DAYS,
    st.integers(0, 5),
    st.sampled_from(
        ["registered", "preliminary", "final", "corrected", "cancelled", "entered-in-error", "promoted", "unknown"]
    ),
    st.sampled_from(
        [
            "valid",
            "dilute",
            "substituted",
            "adulterated",
            "invalid",
            "temperature-out-of-range",
            "rejected-unsatisfactory",
        ]
    ),
    st.lists(OBSERVED | FOREIGN, max_size=70),
    st.booleans(),
    st.sampled_from(("report", "message", "component")),
)
RXNORM = st.sampled_from(
    [*tables.INGREDIENTS, *tables.ORDINARY, *tables.CROSS_REACTIVE, *list(tables.PRODUCTS)[:40], "999999", "888888"]
)
DATES = st.none() | st.dates(date(2024, 12, 1), date(2025, 8, 1))
MEDICATIONS = st.builds(
    lambda at, taken: MedicationsRecorded(
        list_id=name_id(NAMES, f"list {at}"),
        recorded_at=day(at),
        medications=tuple(Medication(name_id(NAMES, str(place)), *each) for place, each in enumerate(taken)),
    ),
    DAYS,
    st.lists(st.tuples(RXNORM, DATES, DATES), max_size=25),
)
EPISODES = st.builds(
    lambda at, which: admitted(day(at), name_id(NAMES, f"episode {which}")), st.integers(0, 3), st.integers(0, 1)
)
ORDER_IDS = st.integers(0, 2).map(lambda which: name_id(NAMES, f"order {which}"))
PLACED = st.builds(
    lambda order, opens, hours, number: OrderDrugTest(
        order_id=order,
        opens_at=day(opens),
        closes_at=day(opens) + timedelta(hours=hours),
        numbers=tuple(number),
    ),
    ORDER_IDS,
    DAYS,
    st.integers(1, 48),
    st.lists(st.sampled_from([Number("", "1"), Number("", "2")]), max_size=1),
)
CANCELLED = st.builds(CancelDrugTest, order_id=ORDER_IDS, in_error=st.booleans())
COLLECTIONS = st.builds(
    lambda order, specimen, kind, at: ReportCollection(
        order_id=order, collection_id=name_id(NAMES, f"specimen {specimen}"), kind=kind, at=day(at)
    ),
    ORDER_IDS,
    st.integers(0, 3),
    st.sampled_from(["collected", "refused", "missed", None]),
    DAYS,
)
STAYS = st.builds(
    lambda kind, at: kind(episode_id=EPISODE, level="2.1", referral_id=EPISODE, admitted_at=day(0), at=day(at)),
    st.sampled_from([EpisodePaused, EpisodeResumed]),
    DAYS,
) | st.builds(lambda at: PatientDied(died_at=day(at), reported_at=day(at)), DAYS)
ORDERED = (
    PLACED
    | CANCELLED
    | COLLECTIONS
    | STAYS
    | st.builds(
        RandomDayDrawn,
        ordinal=st.integers(0, 2),
        day=st.dates(date(2025, 3, 1), date(2025, 8, 1)),
        is_due=st.booleans(),
    )
)
HAPPENED: st.SearchStrategy[Event | Command] = st.one_of(
    REPORTS,
    REPORTS,
    REPORTS,
    MEDICATIONS,
    EPISODES,
    ORDERED,
    ORDERED,
    st.just(admitted()),
    st.just(discharged(day(84))),
    st.just(TIME_PASSED),
    st.just(PatientIdentified(digests=(), sealed=(), identified_at=day(0))),
    st.builds(AcknowledgeEscalation, escalation_id=st.uuids().map(str)),
    st.builds(ResolveEscalation, escalation_id=st.uuids().map(str), reason=st.just("done")),
)
STORIES = st.lists(HAPPENED, max_size=25)


def step(state: State, happened: Event | Command, place: int) -> tuple[State, list[Event]]:
    now = moment(day(130) + timedelta(minutes=place), str(place))
    if isinstance(happened, Command):
        answer = decide(state, happened, now)  # type: ignore[arg-type]
        emitted: list[Event] = [] if isinstance(answer, Refused) else list(answer)
    else:
        emitted = list(react(state, happened, now))  # type: ignore[arg-type]
    for event in (happened, *emitted):
        state = evolve(state, event)
    return state, emitted


def live(story: list[Event | Command]) -> State:
    state = State()
    for place, each in enumerate(story):
        state, _ = step(state, each, place)
    return state


@settings(deadline=None, max_examples=examples(150))
@given(STORIES)
def test_total_small_and_read_back_as_written(story: list[Event | Command]) -> None:
    state = State()
    for place, each in enumerate(story):
        state, emitted = step(state, each, place)
        body = msgspec.json.encode(state)
        assert len(body) <= STATE_BYTES_MOST
        assert msgspec.json.decode(body, type=State) == state
        due(state)
        for event in emitted:
            assert isinstance(event, StateEvent | Lookup) or event.write("patient")


@settings(deadline=None, max_examples=examples(100))
@given(STORIES, REPORTS | MEDICATIONS | EPISODES | ORDERED | st.just(discharged(day(84))))
def test_deaf_to_repeats(story: list[Event | Command], last: Event | Command) -> None:
    state, _ = step(live(story), last, 100)
    again, emitted = step(state, last, 101)
    assert emitted == []
    assert again == state


@settings(deadline=None, max_examples=examples(50))
@given(STORIES)
def test_at_most_one_escalation_is_open_for_a_reason(story: list[Event | Command]) -> None:
    reasons = [each.escalation.reason for each in live(story).escalations]
    assert len(reasons) == len(set(reasons))


@settings(deadline=None, max_examples=examples(100))
@given(STORIES)
def test_a_specimen_without_its_plain_rows_is_as_thin_as_it_gets(story: list[Event | Command]) -> None:
    for each in live(story).specimens:
        assert joined(thinned(each)) == thinned(each)
        assert joined(each) == each


def test_a_long_stay_with_two_specimens_a_week_fits_and_keeps_the_newest() -> None:
    state, count = live([admitted()]), 0
    for week in range(26):
        for part in (0, 3):
            results = tuple(
                Observed(code, LOINC, tables.LOINC[code].analyte, "negative", tables.LOINC[code].definitive)
                for code in KNOWN[:14]
            )
            command = ReportResult(
                report_id=name_id(NAMES, f"long {week} {part}"),
                specimen_id=name_id(NAMES, f"long {week} {part}"),
                collected_at=day(week * 7 + part),
                issued_at=day(week * 7 + part + 1),
                status="final",
                condition="valid",
                results=results,
            )
            state, count = step(state, command, count)[0], count + 1
    assert len(msgspec.json.encode(state)) <= STATE_BYTES_MOST
    assert len(state.specimens) >= 10
    assert len(state.specimens[-1].rows) == 14
