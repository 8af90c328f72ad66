"""Laws of every decision: total, deaf to repeats, small, and blind to the order in which two topics arrive."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.intake import messages as w
from services.intake.care import GOALS_MOST
from services.intake.combined import REASON
from services.intake.coverage import COVERAGES_MOST
from services.intake.decide.signals import UNCOUNTED
from services.intake.listed import MEDICATIONS_MOST
from services.intake.placement.levels import LEVELS
from services.intake.signals import ESCALATIONS_MOST, MISS
from services.intake.signals import SIGNALS_MOST as SIGNALS_REMEMBERED
from services.intake.state import State, due
from services.intake.table import TABLE
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import AS_POSITIVE, COMBINING, Escalation, Signal
from shared.events.intake import TEAM_ROLES
from shared.path.service import STATE_BYTES_MOST
from shared.rules.escalation import SIGNALS_MOST
from tests.intake.given import (
    IOP_NEEDS,
    MONDAY,
    PATIENT,
    assessment,
    escalated,
    found,
    referral,
    resolved,
    retracted,
    stated,
    updated,
)
from tests.intake.story import Story, admitted
from tests.laws import examples

ids = some.sampled_from([str(uuid5(UUID(PATIENT), str(number))) for number in range(4)])
moments = some.integers(-40 * 24, 40 * 24).map(lambda hours: MONDAY + timedelta(hours=hours))
findings = some.builds(
    w.ReportedFinding,
    some.sampled_from(sorted(TABLE.facts() | set(TABLE.evidence.scores) | TABLE.disorders())),
    some.integers(0, 40),
    moments,
    some.just("Observation/1"),
)
needs = some.builds(w.StatedNeed, some.sampled_from(TABLE.dimensions), some.sampled_from([*LEVELS, "9.9"]), moments)
signals = some.builds(
    Signal,
    some.sampled_from(["missed-session", "unexpected-positive", "overdose-safety"]),
    moments,
    some.sampled_from(["Appointment/1", "Appointment/2", "DiagnosticReport/1"]),
)
corrected = some.lists(signals, max_size=2).map(tuple)
escalations = some.builds(
    Escalation,
    id=ids,
    category=some.sampled_from(["attendance", "drug-test", "combined", "safety", "hub-hold"]),
    reason=some.sampled_from(["first-miss", REASON, "suicide-risk"]),
    tier=some.integers(1, 4),
    owner=some.just("clinician"),
    rule=some.just("rule|1"),
    raised_at=moments,
    acknowledge_by=moments,
    act_by=moments,
    signals=some.lists(signals, min_size=1, max_size=SIGNALS_MOST).map(tuple),
)
facts: some.SearchStrategy[Event] = some.one_of(
    some.builds(w.EscalationRaised, escalation=escalations, at=moments),
    some.builds(w.EscalationUpdated, escalation=escalations, at=moments, accepted=some.booleans()),
    some.builds(w.EscalationRetracted, escalation=escalations, at=moments, reason=some.just("late")),
    some.builds(w.EscalationResolved, escalation=escalations, at=moments, reason=some.just("done")),
    some.builds(w.SignalsCorrected, gone=corrected, moved=corrected),
    some.just(w.TimePassed()),
)
prescribed = some.builds(
    w.Prescribed,
    ids,
    some.sampled_from(["1819", ""]),
    some.dates(date(2025, 1, 1), date(2026, 1, 1)),
    some.none() | some.dates(date(2025, 6, 1), date(2026, 6, 1)),
    some.sampled_from([None, "oral"]),
    some.booleans(),
)
commands: some.SearchStrategy[Command] = some.one_of(
    some.builds(w.RecordPatient, digests=some.just(()), sealed=some.just(())),
    some.builds(w.RevokeConsent, consent_id=ids),
    some.builds(w.RecordMedications, medications=some.lists(prescribed, max_size=4).map(tuple)),
    some.builds(w.RecordConditions, findings=some.lists(findings, max_size=4).map(tuple)),
    some.builds(w.ReportFindings, findings=some.lists(findings, max_size=4).map(tuple)),
    some.builds(
        w.RecordAssessment,
        needs=some.lists(needs, max_size=6).map(tuple),
        findings=some.lists(findings, max_size=6).map(tuple),
    ),
    some.just(assessment(IOP_NEEDS)),
    some.builds(
        w.ReceiveReferral,
        referral_id=ids,
        task_id=ids,
        authored_at=moments,
        referrer=some.sampled_from(["", "riverbend-hospital"]),
    ),
    some.builds(w.CompleteReview, task_id=ids),
    some.builds(w.Discharge, episode_id=ids, encounter_id=ids, disposition=some.just("ama"), at=moments),
    some.builds(
        w.EndEvidence,
        escalation_id=ids,
        finding=some.sampled_from(["suicide-risk", "severe-withdrawal", "first-miss"]),
        reason=some.sampled_from(["mistaken", "reassessed-lower-risk"]),
        by=some.just("clinician-1"),
    ),
    some.builds(w.AcknowledgeEscalation, escalation_id=ids),
    some.builds(w.ResolveEscalation, escalation_id=ids, reason=some.just("done")),
)


def signed(story: Story, level: str) -> Story:
    if story.state.referral is None:
        return story
    waiting = story.state.recommended
    task_id = waiting.task_id if waiting else story.state.referral.review_id
    return story.and_then(w.SignPlacement(task_id=task_id, level=level, reason="clinical-judgment", by="clinician-1"))


@some.composite
def stories(draw: some.DrawFn) -> Story:
    story = Story(now=MONDAY)
    for step in draw(some.lists(some.one_of(facts, commands, some.sampled_from(["2.1", "3.5"])), max_size=12)):
        story.now += timedelta(hours=draw(some.integers(0, 48)))
        match step:
            case str():
                signed(story, step)
            case w.TimePassed() if due(story.state) is None or story.now < (due(story.state) or MONDAY):
                continue
            case Command():
                story.and_then(step)
            case _:
                story.and_then(step)
    return story


@settings(max_examples=examples(300))
@given(stories())
def test_any_story_is_decided_and_its_state_stays_small_and_readable(story: Story) -> None:
    body = msgspec.json.encode(story.state)
    assert len(body) <= STATE_BYTES_MOST
    assert msgspec.json.decode(body, type=State) == story.state
    due(story.state)


@settings(max_examples=examples(200))
@given(stories(), facts)
def test_hearing_the_same_again_says_nothing(story: Story, fact: Event) -> None:
    if isinstance(fact, w.TimePassed):
        return
    once = story.and_then(fact)
    state = once.state
    again = once.and_then(fact)
    assert again.emitted == []
    assert again.state == state


@settings(max_examples=examples(100))
@given(stories(), some.one_of(findings, findings))
def test_reporting_the_same_findings_again_says_nothing(story: Story, finding: w.ReportedFinding) -> None:
    story.and_then(w.ReportFindings(findings=(finding,)))
    assert story.and_then(w.ReportFindings(findings=(finding,))).emitted == []


@settings(max_examples=examples(100))
@given(stories())
def test_every_deadline_that_falls_due_moves(story: Story) -> None:
    for _ in range(12):
        deadline = due(story.state)
        if deadline is None:
            return
        story.now = max(story.now, deadline)
        story.and_then(w.TimePassed())
    deadline = due(story.state)
    assert deadline is None or deadline > story.now


def in_some_order(draw: some.DrawFn, lives: Sequence[Sequence[Event]]) -> list[Event]:
    """Each life in its own order, as its topic has it; otherwise any."""
    turns = [number for number, life in enumerate(lives) for _ in life]
    left = [list(life) for life in lives]
    return [left[number].pop(0) for number in draw(some.permutations(turns))]


days = some.integers(-45, 45)


@some.composite
def lives(draw: some.DrawFn) -> list[list[Event]]:
    """Up to thirty escalations of other services, of all kinds and tiers: raised with one signal or a few, some of them
    under several escalations, often updated and retracted."""
    found = []
    for number in range(draw(some.integers(2, 30))):
        code = draw(some.sampled_from([*COMBINING, MISS, *AS_POSITIVE, "baseline-safety"]))
        first, *more = draw(some.lists(days, min_size=1, max_size=SIGNALS_MOST, unique=True))
        signals = [(code, MONDAY + timedelta(days=day)) for day in more]
        raised = escalated(str(number), code, MONDAY + timedelta(days=first), *signals, tier=draw(some.integers(1, 3)))
        life: list[Event] = [raised]
        if draw(some.booleans()) and more:
            life.append(updated(raised, *raised.escalation.signals[: draw(some.integers(1, len(more)))]))
        if draw(some.booleans()):
            life.append(retracted(raised))
        found.append(life)
    return found


@some.composite
def two_orders(draw: some.DrawFn) -> tuple[list[Event], list[Event]]:
    drawn = draw(lives())
    return in_some_order(draw, drawn), in_some_order(draw, drawn)


@some.composite
def answered_lives(draw: some.DrawFn) -> list[list[Event]]:
    """Of each fact one escalation, or two that name it; some a person resolved. Of some the time is known better later,
    and some were wrong."""
    found = []
    for number in range(draw(some.integers(2, 12))):
        code, at = draw(some.sampled_from(COMBINING)), MONDAY + timedelta(days=draw(days))
        signal = Signal(code, at, f"Appointment/{number}")
        life: list[Event] = []
        for name in range(draw(some.integers(1, 2))):
            raised = escalated(f"{number} {name}", code, at, tier=draw(some.integers(1, 3)))
            raised = replace(raised, escalation=replace(raised.escalation, signals=(signal,)))
            life += [raised, resolved(raised)][: draw(some.integers(1, 2))]
        if draw(some.booleans()):
            life.append(w.SignalsCorrected(moved=(replace(signal, at=MONDAY + timedelta(days=draw(days))),)))
        if draw(some.booleans()):
            life.append(w.SignalsCorrected(gone=(signal,)))
        found.append(life)
    return found


def outcome(story: Story) -> tuple[object, ...]:
    """What is open, with everything but the ids: those are made from their cause."""
    unnamed = [(replace(each.escalation, id=""), each.accepted, each.overdue) for each in story.state.escalations]
    return (
        unnamed,
        [replace(each, escalations=each.escalations[1:]) for each in story.state.reviews],
        story.state.signals,
    )


@settings(max_examples=examples(300))
@given(two_orders())
def test_whatever_the_order_of_arrival_the_same_is_open_at_the_same_tier_and_due_at_the_same_time(
    orders: tuple[list[Event], list[Event]],
) -> None:
    one, other = orders
    assert outcome(admitted().and_then(*one)) == outcome(admitted().and_then(*other))


@some.composite
def arrived_and_right(draw: some.DrawFn) -> tuple[list[Event], list[Event]]:
    """All that arrives, in some order; and, in another one, what is about facts that were right."""
    drawn = draw(answered_lives())
    right = [life for life in drawn if not any(isinstance(each, w.SignalsCorrected) and each.gone for each in life)]
    return in_some_order(draw, drawn), in_some_order(draw, right)


@settings(max_examples=examples(200))
@given(arrived_and_right())
def test_a_signal_that_was_wrong_leaves_the_same_as_if_it_had_never_come_whoever_answered_it_and_when(
    orders: tuple[list[Event], list[Event]],
) -> None:
    arrived, right = orders
    assert outcome(admitted().and_then(*arrived)) == outcome(admitted().and_then(*right))


@settings(max_examples=examples(200))
@given(two_orders())
def test_what_was_taken_back_leaves_the_same_as_if_it_had_never_come(orders: tuple[list[Event], list[Event]]) -> None:
    events, _ = orders
    taken_back = {each.escalation.id for each in events if isinstance(each, w.EscalationRetracted)}
    left = [each for each in events if isinstance(each, w.EscalationEvent) and each.escalation.id not in taken_back]
    assert outcome(admitted().and_then(*events)) == outcome(admitted().and_then(*left))


@settings(max_examples=examples(100))
@given(two_orders(), some.integers(0, 29), some.integers(1, 3))
def test_a_worse_part_never_leaves_less_open(orders: tuple[list[Event], list[Event]], number: int, tier: int) -> None:
    """One of the escalations a tier or two worse: what was open is open all the same, and nothing beyond T3."""
    events, _ = orders
    worst = [_worse(each, str(uuid5(NAMESPACE_URL, str(number))), tier) for each in events]
    before, after = admitted().and_then(*events), admitted().and_then(*worst)
    assert len(before.state.escalations) <= len(after.state.escalations)
    assert [each.escalation.tier for each in after.state.escalations] in ([], [3])


def _worse(event: Event, escalation_id: str, tier: int) -> Event:
    if not isinstance(event, w.EscalationEvent) or event.escalation.id != escalation_id:
        return event
    return replace(event, escalation=replace(event.escalation, tier=max(tier, event.escalation.tier)))


def test_eight_positives_taken_back_leave_the_one_that_a_late_miss_meets() -> None:
    positives = [escalated(f"positive {day}", AS_POSITIVE[day % 2], MONDAY + timedelta(days=day)) for day in range(8)]
    miss = escalated("late miss", MISS, MONDAY - timedelta(days=6))
    late = admitted().and_then(*positives, miss, *map(retracted, positives[1:]))
    early = admitted().and_then(miss, positives[0], *[each for one in positives[1:] for each in (one, retracted(one))])
    assert [each.escalation.reason for each in late.state.escalations] == [REASON]
    assert outcome(late) == outcome(early)


def test_where_more_signals_stand_than_are_remembered_a_person_hears_of_it_once() -> None:
    story = admitted()
    for day in range(SIGNALS_REMEMBERED):
        story.and_then(escalated(f"miss {day}", MISS, MONDAY + timedelta(days=day)))
    assert story.state.escalations == ()
    story.and_then(escalated("one more", MISS, MONDAY + timedelta(days=SIGNALS_REMEMBERED)))
    (raised,) = story.emitted
    assert isinstance(raised, w.EscalationRaised)
    assert (raised.escalation.reason, raised.escalation.tier) == (UNCOUNTED, 1)
    assert story.and_then(escalated("yet one more", MISS, MONDAY + timedelta(days=90))).emitted == []
    assert story.state.signals.lost == 2


def test_the_worst_realistic_state_fits() -> None:
    """A form with every fact answered, a third of them yes, every score, a full list of medications, T4 and T3 open."""
    story = Story()
    every = [each if number % 3 == 0 else f"not {each}" for number, each in enumerate(sorted(TABLE.facts()))]
    medications = tuple(
        w.Prescribed(str(uuid5(UUID(PATIENT), str(each))), "1819000", MONDAY.date(), MONDAY.date(), "sublingual")
        for each in range(MEDICATIONS_MOST)
    )
    scores = [f"{each}=9" for each in TABLE.evidence.scores]
    story.and_then(
        w.RecordMedications(medications=medications),
        w.ReportFindings(findings=found("c-ssrs-q4", "c-ssrs-q5", "current-overdose")),
        assessment(IOP_NEEDS, *every, *scores),
        referral(),
    )
    assert len(msgspec.json.encode(story.state)) <= STATE_BYTES_MOST


def test_four_whole_assessments_by_four_people_fit() -> None:
    """Each answers a third of all questions with yes, and scores everything."""
    story = Story()
    medications = tuple(
        w.Prescribed(str(uuid5(UUID(PATIENT), str(each))), "1819000", MONDAY.date(), MONDAY.date(), "sublingual")
        for each in range(MEDICATIONS_MOST)
    )
    story.and_then(w.RecordMedications(medications=medications), referral())
    asked = [*sorted(TABLE.facts())[::3], *(f"{score}=9" for score in TABLE.evidence.scores)]
    for hour in range(4):
        at = MONDAY - timedelta(hours=hour)
        answers = tuple(
            msgspec.structs.replace(each, evidence=f"Observation/{uuid5(UUID(PATIENT), f'{each.code}{hour}')}")
            for each in found(*asked, at=at)
        )
        story.and_then(w.RecordAssessment(needs=stated(IOP_NEEDS, at), findings=answers))
    assert len(msgspec.json.encode(story.state)) <= STATE_BYTES_MOST


def test_the_worst_realistic_state_of_an_episode_fits() -> None:
    """A bad week: five misses under three escalations, three positives under two, a safety escalation, a full list."""
    story = given_in_an_episode()
    misses = [("missed-session", MONDAY + timedelta(days=day)) for day in range(5)]
    positives = [("unexpected-positive", MONDAY + timedelta(days=day)) for day in (0, 2, 4)]
    for name, signals in (("1", misses), ("2", misses), ("3", misses), ("4", positives), ("5", positives)):
        (code, at), *more = signals[-SIGNALS_MOST:]
        story.and_then(escalated(name, code, at, *more))
    assert story.state.escalation_of(REASON) is not None
    assert len(msgspec.json.encode(story.state)) <= STATE_BYTES_MOST - 3 * UUID_LENGTH


def test_the_worst_of_all_stays_fits() -> None:
    """Four people answer every question, a third with yes, while five referrals wait and one more came, danger of every
    kind is open, treated elsewhere five times, and a full list is taken: nobody is parked for being worst off."""
    story = given_in_an_episode()
    asked = [*sorted(TABLE.facts())[::3], "c-ssrs-q4", "c-ssrs-q5", "current-overdose"]
    asked += [f"{score}=27" for score in TABLE.evidence.scores]
    for hour in range(4):
        at = MONDAY - timedelta(hours=hour)
        answers = tuple(
            msgspec.structs.replace(each, evidence=f"Observation/{uuid5(UUID(PATIENT), f'{each.code}{hour}')}")
            for each in found(*dict.fromkeys(asked), at=at)
        )
        story.and_then(w.RecordAssessment(needs=stated(IOP_NEEDS, at), findings=answers))
    for number in range(6):
        referral_id, task_id = (str(uuid5(UUID(PATIENT), f"{each}{number}")) for each in ("referral", "task"))
        came = w.ReceiveReferral(referral_id=referral_id, task_id=task_id, authored_at=MONDAY, level="2.7-BIO")
        story.and_then(msgspec.structs.replace(came, referrer="a-partner-with-a-rather-long-name", number="sealed"))
    assert len(story.state.referrals) == len(story.state.referrers) == 5 and len(story.state.reviews) == 6
    for number in range(5):
        visit = str(uuid5(UUID(PATIENT), f"visit{number}"))
        story.and_then(
            w.ReportCareElsewhere(encounter_id=visit, kind="inpatient", started_at=MONDAY),
            w.EndCareElsewhere(encounter_id=visit, ended_at=MONDAY),
            w.ReportCareElsewhere(encounter_id=name_id(visit, 2), kind="residential", started_at=MONDAY),
        )
    for event in full_window():
        story.and_then(event)
    story.and_then(*as_much_as_can_be_planned(), *as_many_as_can_pay())
    window = story.state.signals
    assert (len(window.signals), len(window.escalations), window.lost) == (SIGNALS_REMEMBERED, ESCALATIONS_MOST, 0)
    assert 12_000 < len(msgspec.json.encode(story.state)) <= STATE_BYTES_MOST * 4 // 5


def as_much_as_can_be_planned() -> list[Command]:
    """A team, more goals and activities than are remembered, and a question about what nobody can read."""
    source, roles = str(uuid5(UUID(PATIENT), "plan")), TEAM_ROLES
    members = tuple(w.NamedMember(each, "p" * 30, f"participant[{place}]") for place, each in enumerate(roles))
    unread = tuple(
        w.Unread("unknown-activity", f"CarePlan/{source}", f"activity[{place}].detail") for place in range(9)
    )
    goals = [str(uuid5(UUID(PATIENT), f"goal{number}")) for number in range(GOALS_MOST + 1)]
    return [
        w.RecordTeam(source=source, members=members),
        w.RevisePlan(
            source=source, activities=(w.PlannedActivity("workshop", "declined", "stress"),) * 41, unread=unread
        ),
        *(w.RevisePlan(source=each, is_goal=True, goal=w.PlannedGoal(each, "work", "active")) for each in goals),
    ]


def as_many_as_can_pay() -> list[Command]:
    """More Coverages than are remembered, each of another time; a person is asked about as many as they can be."""
    starts = [MONDAY + timedelta(days=number) for number in range(COVERAGES_MOST + 3)]
    return [
        w.RecordCoverage(
            coverage_id=str(uuid5(UUID(PATIENT), f"coverage{since}")),
            payer="" if number > COVERAGES_MOST - 1 else f"{'p' * 30}-{number % 2}",
            since=since,
            until=since + timedelta(days=1),
        )
        for number, since in enumerate(starts)
    ]


def full_window() -> list[Event]:
    """As many signals as are remembered under as many escalations, some under two; all evidence is of the hub's own."""
    events: list[Event] = []
    for number in range(SIGNALS_REMEMBERED):
        code = COMBINING[number % 2]
        evidence = f"{'Appointment' if code == MISS else 'DiagnosticReport'}/{uuid5(UUID(PATIENT), str(number))}"
        signal = Signal(code, MONDAY + timedelta(days=number), evidence)
        for name in (f"{number}", f"{number} again")[: 1 if number % 3 else 2]:
            raised = escalated(name, code, MONDAY)
            events.append(replace(raised, escalation=replace(raised.escalation, signals=(signal,))))
    return events


UUID_LENGTH = 36
"""Evidence in these tests is shorter than a real reference, in up to this many places of the escalations."""


def given_in_an_episode() -> Story:
    story = admitted()
    medications = tuple(
        w.Prescribed(str(uuid5(UUID(PATIENT), str(each))), "1819000", MONDAY.date(), MONDAY.date(), "sublingual")
        for each in range(MEDICATIONS_MOST)
    )
    story.and_then(w.RecordMedications(medications=medications))
    return story.and_then(w.ReportFindings(findings=found("c-ssrs-q4")))
