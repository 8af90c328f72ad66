"""Attendance and testing as they decide, intake as it listens: what it counts is what both of them hold."""

from collections.abc import Sequence
from datetime import datetime
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import DeathWithdrawn, DischargeWithdrawn, PatientDied
from services.intake import messages as w
from services.intake.signals import MISS, key_of
from services.testing.grading import grade
from services.testing.grading.triggers import causes
from shared.events.envelope import Event
from shared.events.escalation import COMBINING, Signal
from tests.attendance import given as attendance
from tests.attendance.story import Story as AttendanceStory
from tests.intake.story import admitted
from tests.laws import examples
from tests.testing import given as testing
from tests.testing.story import Story as LaboratoryStory

SESSIONS = [attendance.evening(week, weekday) for week in range(4) for weekday in (0, 2, 4)]
MEASURES = ("OPIATES", "COCAINE", "FENTANYL", "COCAINE_CONFIRMED", "BENZODIAZEPINES")
CONSUMED = (
    w.EscalationRaised,
    w.EscalationUpdated,
    w.EscalationResolved,
    w.EscalationRetracted,
    w.SignalsCorrected,
)


def ended_and_not(chance: Random, at: datetime) -> tuple[Event, Event]:
    """The end of the stay as it is reported, and taken back."""
    discharge = attendance.discharged(at)
    back = DischargeWithdrawn(
        episode_id=discharge.episode_id,
        encounter_id=discharge.encounter_id,
        plan_id="",
        admitted_at=discharge.admitted_at,
        withdrawn_at=at,
        client="ehr",
    )
    died = PatientDied(died_at=None, reported_at=at), DeathWithdrawn(withdrawn_at=at)
    return chance.choice(((discharge, back), died))


def test_a_miss_that_an_escalation_named_before_the_stay_ended_is_none_once_they_came() -> None:
    """The end of the stay closed it, the stay goes on, and the check-in is told late."""
    for number in range(4):
        story, first = AttendanceStory(attendance.admitted()), SESSIONS[0]
        story.until(first + attendance.GRACE)
        story.then(*ended_and_not(Random(number), story.now), at=story.now)
        assert [each.reason for each in story.still_open] == ["missed-session"]
        story.then(attendance.check_in(first))
        assert story.still_open == []
        arrived = as_they_arrive(Random(number), [story.all_emitted])
        assert admitted().and_then(*arrived).state.signals.signals == ()


def test_a_silence_that_is_over_names_no_miss_that_is_none_by_then() -> None:
    """The late check-in that takes a miss back is the sign of the patient that ends the silence, too."""
    story = AttendanceStory(attendance.admitted())
    for start in SESSIONS[:3]:
        story.until(start + attendance.GRACE)
    assert "no-contact-after-miss" in {each.reason for each in story.still_open}
    story.then(attendance.check_in(SESSIONS[2]))
    assert "no-contact-after-miss" not in {each.reason for each in story.still_open}
    counted = admitted().and_then(*as_they_arrive(Random(1), [story.all_emitted])).state.signals.signals
    assert [each.signal.at for each in counted] == SESSIONS[:2]


def four_weeks(chance: Random) -> tuple[list[Signal], list[Event]]:
    """Sessions missed, attended, checked in to late, check-ins that were wrong, ends of the stay that were none: the
    misses that stand at the end."""
    story = AttendanceStory(attendance.admitted())
    came: set[datetime] = set()
    for start in SESSIONS:
        story.until(start + attendance.GRACE)
        if chance.random() < 0.2:
            story.then(*ended_and_not(chance, story.now), at=story.now)
        earlier = chance.choice(SESSIONS[: SESSIONS.index(start) + 1])
        if earlier in came and chance.random() < 0.5:
            story.then(attendance.in_error(earlier))
            came.remove(earlier)
        elif chance.random() < 0.4:
            story.then(attendance.check_in(earlier))
            came.add(earlier)
        elif chance.random() < 0.3:
            story.then(attendance.excused(earlier, chance.choice(("illness", ""))))
        _resolved(chance, story)
    episode = story.state.episode
    assert episode is not None
    missed = [each for each in story.state.sessions if each.counts_as_missed]
    return [Signal(MISS, each.start, f"Appointment/{episode.session_id(each)}") for each in missed], story.all_emitted


def _resolved(chance: Random, story: AttendanceStory | LaboratoryStory) -> None:
    """Now and then a person has acted on some of what is open."""
    still_open = (
        story.still_open
        if isinstance(story, AttendanceStory)
        else [each.escalation for each in story.state.escalations]
    )
    for each in still_open:
        if chance.random() < 0.3:
            reason = chance.choice(("acted-on", "illness"))
            story.then(w.ResolveEscalation(escalation_id=each.id, reason=reason), at=story.now)


def five_weeks(chance: Random) -> tuple[list[Signal], list[Event]]:
    """Reports in any order of collection, corrected and taken back: the signals that stand at the end."""
    story = LaboratoryStory(testing.admitted())
    collected: dict[str, int] = {}
    for number in range(chance.randint(6, 12)):
        found = {each: chance.choice(("negative", "positive")) for each in chance.sample(MEASURES, 2)}
        if collected and chance.random() < 0.3:
            name = chance.choice(sorted(collected))
            collected[name] = chance.choice((collected[name], chance.randint(0, 35)))
            story.then(testing.report(name, collected[name], issued=60 + number, status="corrected", **found))  # type: ignore[arg-type]
        else:
            name, collected[f"report {number}"] = f"report {number}", chance.randint(0, 35)
            condition = chance.choice(("valid", "dilute", "dilute", "substituted"))
            story.then(testing.report(name, collected[name], issued=40, condition=condition, **found))  # type: ignore[arg-type]
        _resolved(chance, story)
    standing = causes(grade(story.state, story.settings), story.settings)
    return [each.signal for each in standing if each.signal.code in COMBINING], story.all_emitted


def as_they_arrive(chance: Random, topics: Sequence[Sequence[Event]]) -> list[Event]:
    """Each topic in its own order."""
    left = [[each for each in events if isinstance(each, CONSUMED)] for events in topics]
    arrived: list[Event] = []
    while waiting := [each for each in left if each]:
        arrived.append(chance.choice(waiting).pop(0))
    return arrived


@settings(max_examples=examples(25))
@given(some.integers(0, 10**6).map(Random))
def test_what_intake_counts_is_what_attendance_and_testing_hold(chance: Random) -> None:
    """However many signals an escalation has, shows or loses, and whatever was known late."""
    misses, attended = four_weeks(chance)
    results, reported = five_weeks(chance)

    story = admitted().and_then(*as_they_arrive(chance, (attended, reported)))

    counted = {each.key for each in story.state.signals.signals}
    assert counted == {key_of(each) for each in (*misses, *results)}
