"""Each miss asks for its own outreach, in time, whatever else happens (domain 5.2): counted a second time, from the
story alone."""

from datetime import datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.messages import AcknowledgeEscalation, FlagsChanged, ResolveEscalation
from shared.events.escalation import Escalation
from tests.attendance.given import ADMISSION, GRACE, admitted, check_in, evening, in_error
from tests.attendance.story import Story
from tests.laws import examples

STARTS = [evening(week, weekday) for week in range(4) for weekday in (0, 2, 4)]
RISKS = {"suicide-risk", "overdose-risk"}
FLAGS = [*sorted(RISKS), "opioid-history"]
HOURS_TO_ACT = {1: 72, 2: 24, 3: 4}


class Expected:
    """Since when each miss is known that nobody has answered, today's flags, and for which misses they changed when."""

    def __init__(self) -> None:
        self.known: dict[datetime, datetime] = {}
        self.flags: set[str] = set()
        self.flagged_at: dict[datetime, datetime] = {}

    def least_tier(self, start: datetime) -> int:
        if self.flags & RISKS:
            return 3
        return 2 if "opioid-history" in self.flags or start < ADMISSION + timedelta(days=14) else 1

    def latest(self, start: datetime, tier: int) -> datetime:
        """A day after its start, four hours after it became known; late when it rose, its tier's time from then."""
        due = max(start + timedelta(hours=24), self.known[start] + timedelta(hours=4))
        rose = self.flagged_at.get(start, self.known[start])
        return rose + timedelta(hours=HOURS_TO_ACT[tier]) if rose >= due else due


def asked(story: Story) -> dict[datetime, Escalation]:
    """By the session's start; two about one would be one too many."""
    outreach = [each for each in story.still_open if each.reason == "missed-session"]
    by_start = {each.signals[0].at: each for each in outreach}
    assert len(by_start) == len(outreach)
    return by_start


def happen(chance: Random, story: Story, expected: Expected) -> None:
    """Somebody takes one on or answers it, another flag is set, a late check-in comes, or one was wrong."""
    what = chance.choice(("accept", "resolve", "flags", "late", "wrong", "wait"))
    came = [each.start for each in story.state.sessions if each.presences]
    if what == "accept" and story.still_open:
        story.then(AcknowledgeEscalation(escalation_id=chance.choice(story.still_open).id))
    elif what == "resolve" and story.still_open:
        answered = chance.choice(story.still_open)
        story.then(ResolveEscalation(escalation_id=answered.id, reason="contacted"))
        if answered.reason == "missed-session":
            del expected.known[answered.signals[0].at]
    elif what == "flags":
        expected.flags = set(chance.sample(FLAGS, chance.randint(0, 2)))
        expected.flagged_at = dict.fromkeys(expected.known, story.now)
        story.then(FlagsChanged(flags=tuple(sorted(expected.flags)), ended=(), changed_at=story.now))
    elif what == "late" and (over := [each for each in expected.known if each + timedelta(hours=3) <= story.now]):
        del expected.known[(start := chance.choice(over))]
        story.then(check_in(start))
    elif what == "wrong" and came:
        story.then(in_error(start := chance.choice(came)))
        story.until(story.now + GRACE)
        expected.known[start] = story.now
    elif what == "wait":
        story.until(story.now + timedelta(hours=chance.randint(1, 20)))


@settings(max_examples=examples(40))
@given(some.integers(0, 10**6).map(Random))
def test_each_miss_asks_for_its_own_outreach_in_time_and_is_overdue_once_that_has_passed(chance: Random) -> None:
    story, expected = Story(admitted()), Expected()
    for start in STARTS:
        story.until(start)
        if chance.random() < 0.4:
            story.then(check_in(start))
        else:
            story.until(start + GRACE)
            expected.known[start] = story.now
        for _ in range(chance.randint(0, 3)):
            happen(chance, story, expected)
            found = asked(story)
            assert found.keys() == expected.known.keys()
            overdue = {each.id for each in story.state.escalations if each.is_overdue}
            for missed, escalation in found.items():
                assert escalation.tier >= expected.least_tier(missed)
                assert escalation.act_by <= expected.latest(missed, escalation.tier)
                assert story.now < escalation.act_by or escalation.id in overdue
