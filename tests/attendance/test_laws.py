"""Laws that hold for every story: total, deaf to repeats, small, awake only when something is due, read as written."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from joserfc.jwk import ECKey

from services.attendance import spans
from services.attendance.app import assemble
from services.attendance.messages import (
    AcceptSession,
    AcknowledgeEscalation,
    ActOnEscalation,
    BookReportedSession,
    BookSession,
    CallOffSession,
    CancelSession,
    CheckIn,
    ConfirmAttendance,
    CoverageRecorded,
    DeathWithdrawn,
    EpisodePaused,
    EpisodeResumed,
    FlagsChanged,
    HandOverEscalation,
    MakeUpMiss,
    MarkMissed,
    MoveSession,
    PatientDied,
    PatientIdentified,
    RecordOutreach,
    ReinstateSession,
    ResolveEscalation,
    SessionMissed,
    StageAdvanced,
    WithdrawBooking,
    WithdrawCheckIn,
)
from services.attendance.record import BY_ITSELF, Episode, Session, SessionOutcome, SessionSlot
from services.attendance.settings import Settings
from services.attendance.state import VERSION, State, due, evolve
from shared.events.attendance import SESSION_KINDS
from shared.events.envelope import Command, Event, name_id
from shared.events.escalation import (
    Escalation,
    EscalationAcknowledged,
    EscalationEvent,
    EscalationOverdue,
    EscalationRaised,
    EscalationUpdated,
)
from shared.events.intake import PayerSpan, TemplateSlot
from shared.events.internal import StandsFor
from shared.events.outreach import OutreachOutcome
from shared.path.service import PATIENT as PATIENT_KIND
from shared.path.service import STATE_BYTES_MOST
from shared.platform.keys import Keys
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    EVENINGS,
    GRACE,
    NAMES,
    SETTINGS,
    TIME_PASSED,
    admitted,
    discharged,
)
from tests.attendance.story import MAKE_UPS, Story
from tests.laws import examples
from tests.story import only

STORED = Path(__file__).parent / "states"
DECIDER = assemble(Keys("attendance", (), ECKey.generate_key("P-256"), {}, b"")).service.deciders[PATIENT_KIND]
FULL_WEEK = (
    *(TemplateSlot("group", weekday, "09:00", 180) for weekday in range(5)),
    TemplateSlot("individual", 1, "13:00", 60),
    TemplateSlot("family", 3, "17:30", 60, 2),
)
"""More than any template of intake's: five days, an individual session and the family every second week."""

episodes = some.sampled_from([EPISODE, name_id(NAMES, "second"), name_id(NAMES, "third")])
TAPERED = tuple(TemplateSlot("individual", weekday, "19:00", 60) for weekday in (0, 2, 4))
TEMPLATES = [EVENINGS, FULL_WEEK, TAPERED, ()]
flags = some.lists(some.sampled_from(["suicide-risk", "overdose-risk", "opioid-history", "pregnant"]), max_size=2)
moments = some.integers(-200, 3000).map(lambda hours: ADMISSION + timedelta(hours=hours))


def template_of(episode: str) -> some.SearchStrategy[Sequence[TemplateSlot]]:
    """An episode has one template, whatever is told of it."""
    return some.shared(some.sampled_from(TEMPLATES), key=episode)


def replanned(episode: str, template: Sequence[TemplateSlot], at: datetime) -> StageAdvanced:
    return StageAdvanced(
        episode_id=episode,
        plan_id=name_id(NAMES, "plan"),
        stage="maintenance",
        former="engagement",
        template=tuple(template),
        admitted_at=ADMISSION,
        advanced_at=at,
    )


payers = some.sampled_from(["medicaid", "medicare", "default"])


def paid(payer: str, since: datetime) -> CoverageRecorded:
    """Somebody pays until then, and this payer from then on."""
    spans = (PayerSpan("medicare", until=since), PayerSpan(payer, since))
    return CoverageRecorded(list_id=name_id(NAMES, "payers"), recorded_at=ADMISSION, payers=spans)


ADMISSIONS = episodes.flatmap(
    lambda episode: some.builds(
        lambda at, template, flagged: admitted(*flagged, at=at, template=template, episode=episode),
        moments,
        template_of(episode),
        flags,
    )
)
FACTS: some.SearchStrategy[Event] = some.one_of(
    ADMISSIONS,
    some.builds(discharged, moments, episodes),
    some.builds(PatientDied, died_at=some.none() | moments, reported_at=moments),
    some.builds(DeathWithdrawn, withdrawn_at=moments),
    *(
        some.builds(
            kind,
            episode_id=episodes,
            level=some.just("2.1"),
            referral_id=some.just(""),
            admitted_at=moments,
            at=moments,
        )
        for kind in (EpisodePaused, EpisodeResumed)
    ),
    some.builds(FlagsChanged, flags=flags.map(tuple), ended=some.just(()), changed_at=moments),
    some.builds(
        lambda episode, template, at: replanned(episode, template, at), episodes, some.sampled_from(TEMPLATES), moments
    ),
    some.builds(paid, payers, moments),
    some.just(PatientIdentified(digests=(), sealed=(), identified_at=ADMISSION)),
)
Attempt = tuple[str, int, int | None]
"""What is done, to which of the sessions or escalations of the moment, and with how many minutes."""
SELDOM = (
    "come late",
    "come again",
    "withdraw",
    "reinstate",
    "accept session",
    "arrive",
    "cancel",
    "decline",
    "reach",
    "move",
    "book",
    "book held",
    "withdraw booking",
    "make up",
    "come unnamed",
)
ATTEMPTS: some.SearchStrategy[Attempt] = some.tuples(
    some.sampled_from(["come", "come", "excuse", "call off", "miss", "accept", "act", "hand over", "resolve", *SELDOM]),
    some.integers(0, 40),
    some.none() | some.integers(0, 1000),
)
HOURS = some.sampled_from([0, 1, 3, 12, 24, 24, 48, 100, 400])
STEPS = some.lists(some.tuples(HOURS, some.one_of(ATTEMPTS, ATTEMPTS, ATTEMPTS, FACTS)), max_size=40)


def command(story: Story, attempt: Attempt) -> Command:
    done, place, minutes = attempt
    sessions, still_open = story.state.sessions, story.state.escalations
    episode = story.state.episode
    chosen = sessions[place] if place < len(sessions) else None
    named = episode.session_id(chosen) if episode is not None and chosen is not None else name_id(NAMES, "nothing")
    raised = still_open[place % len(still_open)].id if still_open else name_id(NAMES, "nothing")
    came_at = chosen.start if chosen is not None else story.now
    match done:
        case "come" | "come late" | "come again":
            late = timedelta(hours=20 if done == "come late" else 0)
            encounter = name_id(NAMES, named + done[4:])
            until = None if minutes is None else came_at + late + timedelta(minutes=minutes)
            return CheckIn(session_ids=(named,), encounter_id=encounter, periods=((came_at + late, until),))
        case "come unnamed":
            identity = name_id(NAMES, f"unnamed {place}")
            until = None if minutes is None else came_at + timedelta(minutes=minutes)
            kind = ("", *SESSION_KINDS)[place % 4]
            return CheckIn(session_ids=(), encounter_id=identity, periods=((came_at, until),), kind=kind)
        case "withdraw":
            return WithdrawCheckIn(encounter_id=name_id(NAMES, named))
        case "arrive":
            return ConfirmAttendance(session_id=named, held=bool(minutes))
        case "accept session":
            return AcceptSession(session_id=named)
        case "cancel" | "decline":
            return CancelSession(session_id=named, declined=done == "decline")
        case "reinstate":
            return ReinstateSession(session_id=named)
        case "excuse":
            return CancelSession(session_id=named, reason="illness")
        case "call off":
            return CallOffSession(session_id=named)
        case "move":
            return MoveSession(session_id=named, start=came_at + timedelta(minutes=(minutes or 60) * 60))
        case "book" | "book held":
            start = (came_at + timedelta(minutes=15 * (minutes or 0))).replace(second=0, microsecond=0)
            return booking(start, place, is_held=done == "book held")
        case "make up":
            missed = [each for each in sessions if each.counts_as_missed]
            other = missed[(minutes or 0) % len(missed)] if missed else chosen
            of = name_id(NAMES, "nothing") if episode is None or other is None else episode.session_id(other)
            return MakeUpMiss(session_id=named, missed_id=of)
        case "withdraw booking":
            return WithdrawBooking(session_id=named)
        case "miss":
            return MarkMissed(session_id=named)
        case "accept":
            return AcknowledgeEscalation(escalation_id=raised)
        case "hand over":
            to = ("staff/clinician-1", "staff/prescriber-1", "case-manager")[(minutes or 0) % 3]
            by = "" if minutes is None else "clinician-1"
            return HandOverEscalation(escalation_id=raised, to=to, reason="shift-ended", by=by)
        case "reach":
            outcome: OutreachOutcome = "no-answer" if minutes is None else "reached"
            return RecordOutreach(escalation_id=raised, channel="PHONE", outcome=outcome, at=story.now)
        case "act":
            return ActOnEscalation(escalation_id=raised, act="visited" if minutes else "called")
        case _:
            return ResolveEscalation(escalation_id=raised, reason="reached")


def booking(start: datetime, number: int, *, is_held: bool) -> BookSession:
    """By the EHR, of one of a few kinds and lengths."""
    kind, minutes = SESSION_KINDS[number % 3], 30 + 30 * (number % 4)
    slot = SessionSlot(kind, BY_ITSELF, "", minutes, room=f"room-{number}")
    identity = name_id(NAMES, f"booking {start} {number}")
    if is_held:
        held = ConfirmAttendance(session_id="", held=True)
        return BookReportedSession(appointment_id=identity, start=start, slot=slot, report=held)
    return BookSession(appointment_id=identity, start=start, slot=slot, report=ReinstateSession(session_id=""))


@some.composite
def stories(draw: some.DrawFn, /, **changed: Any) -> Story:
    """Any course of a stay; what falls due is decided on the way, sometimes after hours in which nobody listened."""
    books = draw(some.sampled_from(["hub", "hub", "ehr"]))
    story = Story(admitted(*draw(flags), template=draw(template_of(EPISODE))), books=books, **MAKE_UPS, **changed)
    for hours, step in draw(STEPS):
        live(story, hours, step, deaf=draw(some.booleans()) and hours >= 24)
    return story


def live(story: Story, hours: int, step: Attempt | Event, deaf: bool) -> None:
    later = story.now + timedelta(hours=hours)
    if deaf:
        story.now = story.listening_since = later
    story.until(later)
    story.then(command(story, step) if isinstance(step, tuple) else step)


def size(state: State) -> int:
    return len(msgspec.json.encode(state))


@settings(max_examples=examples(50))
@given(stories())
def test_any_story_is_decided_and_its_state_is_small_and_read_back_as_written(story: Story) -> None:
    body = msgspec.json.encode(story.state)
    assert len(body) <= STATE_BYTES_MOST
    assert msgspec.json.decode(body, type=State) == story.state


@settings(max_examples=examples(50))
@given(stories(), FACTS)
def test_hearing_the_same_again_says_nothing(story: Story, fact: Event) -> None:
    story.then(fact)
    state = story.state
    assert story.then(fact) == []
    assert story.state == state


@settings(max_examples=examples(50))
@given(stories(), ATTEMPTS)
def test_being_told_the_same_again_says_nothing(story: Story, attempt: Attempt) -> None:
    same = command(story, attempt)
    story.then(same)
    state = story.state
    assert [each for each in story.then(same) if not isinstance(each, StandsFor)] == []
    assert story.state == state


@settings(max_examples=examples(50))
@given(stories(), some.integers(0, 2000), some.booleans())
def test_once_time_has_passed_nothing_is_due_until_later(story: Story, hours: int, deaf: bool) -> None:
    story.now += timedelta(hours=hours)
    if deaf:
        story.listening_since = story.now
    story.then(TIME_PASSED)
    deadline = due(story.state)
    assert deadline is None or deadline > story.now
    assert story.then(TIME_PASSED) == []


@settings(max_examples=examples(50))
@given(stories(), stories())
def test_the_events_of_any_other_story_fold_into_any_state(one: Story, other: Story) -> None:
    emitted = [*other.then(admitted(at=other.now, episode=name_id(NAMES, "later"))), *other.until(other.now)]
    emitted += other.until(other.now + timedelta(days=3))
    state = one.state
    for event in emitted:
        state = evolve(state, event)
    one.state = state
    one.until(one.now)


@settings(max_examples=examples(50))
@given(stories())
def test_whatever_is_asked_leaves_time_to_act(story: Story) -> None:
    """Its tier's own, or what outreach is given at least."""
    for raised in only(story.all_emitted, EscalationRaised):
        minutes = SETTINGS.escalation.act_minutes[raised.escalation.tier - 1]
        least = min(timedelta(minutes=minutes), timedelta(hours=SETTINGS.outreach_least_hours))
        assert raised.escalation.act_by >= raised.at.replace(microsecond=0) + least


@settings(max_examples=examples(50))
@given(stories())
def test_a_rise_asks_anew_and_never_leaves_more_time(story: Story) -> None:
    """Whoever took on the milder one is asked again. What is still waited for only comes nearer."""
    before: dict[str, Escalation] = {}
    for event in only(story.all_emitted, EscalationEvent):
        escalation = event.escalation
        known = before.get(escalation.id)
        if isinstance(event, EscalationUpdated) and known is not None and escalation.tier > known.tier:
            assert not event.accepted
            assert escalation.act_by <= known.act_by or known.act_by <= event.at
        before[escalation.id] = escalation


@settings(max_examples=examples(50))
@given(stories())
def test_overdue_once_an_asking(story: Story) -> None:
    """Asked is whoever is asked first, whoever took it on, and everybody anew where the time to acknowledge begins
    anew."""
    may_be_overdue: dict[str, bool] = {}
    before: dict[str, Escalation] = {}
    for event in only(story.all_emitted, EscalationEvent):
        escalation = event.escalation
        known = before.get(escalation.id)
        anew = known is None or known.acknowledge_by != escalation.acknowledge_by
        if isinstance(event, EscalationOverdue):
            assert may_be_overdue[escalation.id]
            may_be_overdue[escalation.id] = False
        elif anew or isinstance(event, EscalationAcknowledged):
            may_be_overdue[escalation.id] = True
        before[escalation.id] = escalation


@settings(max_examples=examples(50))
@given(stories(), some.integers(1, 600))
def test_no_session_is_missed_before_its_whole_window_was_listened_to(story: Story, hours: int) -> None:
    story.now += timedelta(hours=hours)
    story.listening_since = story.now - GRACE + timedelta(seconds=1)
    assert only(story.then(TIME_PASSED), SessionMissed) == []


@settings(max_examples=examples(50))
@given(stories())
def test_every_open_escalation_rests_on_evidence_of_its_own(story: Story) -> None:
    """Each signal of what is asked about misses is a session still counted as one."""
    counted = {each.start for each in story.state.sessions if each.counts_as_missed}
    for asked in story.still_open:
        assert asked.signals
        assert asked.signals[0].code != "missed-session" or {each.at for each in asked.signals} <= counted


@settings(max_examples=examples(100))
@given(stories(), some.sampled_from(TEMPLATES), some.integers(0, 4))
def test_another_week_touches_nothing_that_has_begun_and_books_nobody_twice(
    story: Story, template: Sequence[TemplateSlot], sessions: int
) -> None:
    """However often the stay advances, also within a session, whatever was reported, paused or ended meanwhile."""
    for _ in range(sessions):
        next_at = min((each.start for each in story.planned), default=story.now)
        story.until(max(story.now, next_at + timedelta(minutes=30)))
    begun = [each for each in story.state.sessions if each.start <= story.now or each.presences]
    story.then(replanned(EPISODE, template, story.now))
    episode, known = story.state.episode, {each.place: each for each in story.state.sessions}
    assert [known.get(each.place) for each in begun] == begun
    if episode is None:
        return
    assert overlapping(episode, story.state.sessions, story.now) == []
    held = [each for each in story.state.sessions if each.outcome != "cancelled" or each.presences]
    assert spans.minutes_of_all(episode, held) <= spans.minutes_planned(episode, held)


def overlapping(episode: Episode, sessions: Sequence[Session], now: datetime) -> list[tuple[Session, Session]]:
    """Pairs of sessions that take place, of which one is ahead: nobody is in two rooms."""
    held = sorted((each for each in sessions if takes_place(each)), key=lambda each: each.place)
    return [
        (one, other)
        for place, one in enumerate(held)
        for other in held[place + 1 :]
        if other.start > now and other.start < episode.end(one)
    ]


def takes_place(session: Session) -> bool:
    return session.outcome not in ("cancelled", "excused", "cancelled-late")


def test_the_worst_realistic_state_fits() -> None:
    """A full week, nobody takes anything on, listening breaks off at every session, instants have microseconds."""
    story = Story(
        admitted("suicide-risk", "overdose-risk", "opioid-history", "pregnant", template=FULL_WEEK), **MAKE_UPS
    )
    soon, largest = timedelta(microseconds=123456), 0
    for _ in range(90):
        start = min(each.start for each in story.planned)
        story.until(start + soon)
        story.listening_since = start + soon
        story.until(start + GRACE)
        largest = max(largest, size(story.state))
        story.until(start + GRACE + timedelta(seconds=1))
        largest = max(largest, size(story.state))
    assert len(story.state.escalations) == 22
    assert largest <= STATE_BYTES_MOST, f"{largest} bytes"


@settings(max_examples=examples(50))
@given(stories())
def test_a_week_that_was_looked_at_has_the_minutes_of_its_sessions(story: Story) -> None:
    episode = story.state.episode
    for week in story.state.weeks if episode is not None else ():
        sessions = [each for each in story.state.sessions if week.holds(each)]
        assert episode is not None and week.minutes == spans.minutes_of_all(episode, sessions)


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_state_stored_by_each_version_holds_what_it_held(version: int) -> None:
    stored = (STORED / f"v{version}.json").read_text().strip()
    state: State = DECIDER.read(version, stored)
    assert state.episode is not None and state.episode.id == EPISODE
    outcomes = {each.outcome for each in state.sessions}
    assert outcomes >= set(get_args(SessionOutcome)) - ({"cancelled-late"} if version < 4 else set())
    assert any(each.deferred_until for each in state.sessions)
    assert [each.kind for each in state.escalations] == ["missed"]
    if version > 1:
        assert [each.finding for each in state.weeks] == ["short"]


def test_a_program_that_books_too_few_days_ahead_cannot_start() -> None:
    """It would wake at once, book nothing and wake again."""
    written = msgspec.to_builtins(SETTINGS) | {"book_days": 13}
    with pytest.raises(msgspec.ValidationError, match="book_days"):
        msgspec.convert(written, Settings)
