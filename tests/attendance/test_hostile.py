"""Whatever an EHR writes of a visit or an appointment: refused with its place, or decided and, where it is not
understood, asked of a person. Never an error of ours, never a minute that nobody spent."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance import spans
from services.attendance.edge import EDGE
from services.attendance.messages import CheckIn
from services.attendance.record import moment_of
from shared.edge import fhir
from shared.edge.outcome import HttpRefusal
from shared.events import codes
from shared.events.envelope import Command, name_id
from shared.events.intake import TemplateSlot
from tests.attendance.given import EVENINGS, NAMES, SETTINGS, admitted
from tests.attendance.story import Story
from tests.attendance.test_edge import CONTEXT, SUBJECT, Json
from tests.laws import examples

ZONES = ("America/New_York", "America/Los_Angeles")
CLOCK_CHANGES = (datetime(2026, 3, 2, 15, 0, tzinfo=UTC), datetime(2026, 10, 26, 15, 0, tzinfo=UTC))
"""Mondays; the second Sunday night after each has an hour less or more."""
NIGHTS = (*EVENINGS, TemplateSlot("group", 6, "01:00", 180), TemplateSlot("group", 5, "23:00", 180))
"""Two that are in the night of the clock change, one past midnight."""
OVERLAPPING = (*NIGHTS, TemplateSlot("individual", 0, "19:00", 60))
STATUSES = (*["finished"] * 4, *["in-progress"] * 2, "arrived", "onleave", "planned", "cancelled", "entered-in-error")
APPOINTED = ("booked", "arrived", "checked-in", "fulfilled", "noshow", "cancelled", "waitlist")
ODD_TIMES = (
    "1900-01-01T00:00:00Z",
    "9998-12-31T23:59:59-05:00",
    "1899-01-01T00:00:00Z",
    "2026-03-08",
    "2026-03-08T02:30",
)
OFFSETS = some.integers(-400, 400) | some.integers(-60 * 24 * 40, 60 * 24 * 2)
"""Minutes from a session's start."""
AHEAD = timedelta(minutes=SETTINGS.ahead_minutes)


def text(draw: some.DrawFn, start: datetime) -> str:
    if draw(some.integers(0, 9)) == 0:
        return draw(some.sampled_from(ODD_TIMES))
    at = start + timedelta(minutes=draw(OFFSETS), seconds=draw(some.integers(0, 59)))
    return at.isoformat()


def period(draw: some.DrawFn, start: datetime) -> Json:
    found = {}
    if draw(some.integers(0, 9)):
        found["start"] = text(draw, start)
    if draw(some.integers(0, 9)):
        found["end"] = text(draw, start)
    return found


@some.composite
def encounters(draw: some.DrawFn, story: Story) -> Json:
    start = draw(some.sampled_from([each.start for each in story.state.sessions]))
    known = [story.state.episode.session_id(each) for each in story.state.sessions]  # type: ignore[union-attr]
    named = draw(some.lists(some.sampled_from([*known, name_id(NAMES, "nobody's")]), min_size=0, max_size=3))
    nearest = [one for each, one in zip(story.state.sessions, known, strict=True) if each.start == start]
    if draw(some.integers(0, 3)):
        named = [*nearest, *named]
    found: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": name_id(NAMES, f"visit {draw(some.integers(0, 4))}"),
        "status": draw(some.sampled_from(STATUSES)),
        "class": {"system": codes.ACT, "code": draw(some.sampled_from(["AMB", "VR", "HH"]))},
        "subject": SUBJECT,
        "appointment": [{"reference": f"Appointment/{each}"} for each in named],
        "period": period(draw, start),
    }
    if draw(some.integers(0, 3)) == 0:
        unit = draw(some.sampled_from(["min", "h", "s", "d", "wk", "mo"]))
        found["length"] = {"value": draw(some.integers(-5, 10**9) | some.floats(0, 1e300)), "code": unit}
        found["length"] |= {"system": codes.UCUM, "unit": unit}
    if draw(some.integers(0, 3)) == 0:
        found["statusHistory"] = [{"status": "onleave", "period": period(draw, start)}]
    return {name: each for name, each in found.items() if each not in ([], {})}


@some.composite
def appointments(draw: some.DrawFn, story: Story) -> Json:
    chosen = draw(some.sampled_from(story.state.sessions))
    status = draw(
        some.sampled_from(["booked", "arrived", "checked-in", "fulfilled", "noshow", "cancelled", "waitlist"])
    )
    assert story.state.episode is not None
    found: dict[str, Any] = {
        "resourceType": "Appointment",
        "id": story.state.episode.session_id(chosen),
        "status": status,
        "participant": [{"actor": SUBJECT, "status": "accepted"}],
    }
    if draw(some.booleans()):
        found |= {"start": text(draw, chosen.start), "end": text(draw, chosen.start)}
    if draw(some.booleans()):
        reason = draw(some.sampled_from(["pat", "prov", "maint", "illness", "nothing"]))
        found["cancelationReason"] = {"coding": [{"code": reason}]}
    return found


@some.composite
def hostile_stories(draw: some.DrawFn) -> Story:
    """A stay over a clock change, in which anything is reported, repeated and withdrawn."""
    begins = draw(some.sampled_from(CLOCK_CHANGES))
    template = draw(some.sampled_from([NIGHTS, OVERLAPPING]))
    counts_as = draw(some.sampled_from(["nothing", "arrival", "minutes"]))
    zone = draw(some.sampled_from(ZONES))
    story = Story(timezone=zone, appointment_counts_as=counts_as)
    story.now = begins
    story.then(admitted(at=begins, template=template))
    for _ in range(draw(some.integers(1, 12))):
        story.until(story.now + timedelta(hours=draw(some.sampled_from([0, 3, 24, 24 * 7, 24 * 20]))))
        resource = draw(encounters(story) | encounters(story) | appointments(story))
        for _ in range(draw(some.integers(1, 2))):
            submit(story, resource)
    return story


def submit(story: Story, resource: Json) -> None:
    """As one PUT: read at the edge, decided, and looked at."""
    try:
        commands = read(story, resource)
    except HttpRefusal as refused:
        assert 400 <= refused.status < 500
        return
    for command in commands:
        story.then(command)
        if story.refused is None and isinstance(command, CheckIn):
            require_understood(story, command)


def read(story: Story, resource: Json) -> tuple[Command, ...]:
    parsed = fhir.parse(json.dumps(resource).encode())
    fhir.require_valid(parsed)
    entry = fhir.single("PUT", resource["resourceType"], resource["id"], parsed, {})
    return EDGE.read([entry], replace(CONTEXT, settings=story.settings, now=story.now)).commands


def require_understood(story: Story, command: CheckIn) -> None:
    """It stands in every session that it names, or a person is asked about it."""
    episode = story.state.episode
    assert episode is not None
    named = {episode.session_id(each) for each in story.state.sessions}
    asked = any(each.about == f"Encounter/{command.encounter_id}" for each in story.state.escalations)
    counted = any(
        one.encounter == command.encounter_id.replace("-", "")[:12]
        for each in story.state.sessions
        for one in each.presences
    )
    assert asked or (counted and set(command.session_ids) <= named)


@settings(max_examples=examples(12))
@given(hostile_stories())
def test_no_minute_is_counted_that_nobody_spent(story: Story) -> None:
    episode = story.state.episode
    assert episode is not None
    for each in story.state.sessions:
        assert 0 <= spans.minutes(episode, each) <= episode.minutes(each)
        for one in each.presences:
            assert all(0 <= start <= (start if end is None else end) for start, end in one.spans)
            assert all(moment_of(each.minute * 60 + (end or 0)) <= story.now + AHEAD for _, end in one.spans)
    for week in story.state.weeks:
        held = [each for each in story.state.sessions if week.holds(each)]
        assert week.minutes <= spans.minutes_planned(episode, held)
