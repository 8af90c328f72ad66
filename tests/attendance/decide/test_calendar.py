"""What the program's calendar closes counts against nobody; what it opens again is booked."""

import shutil
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.attendance.decide.sessions import closed_for
from services.attendance.hours import sessions_between
from services.attendance.messages import (
    CallOffSession,
    ReinstateSession,
    SessionCancelled,
    SessionEvent,
    SessionMissed,
    SessionScheduled,
    WeeklyHoursFellShort,
)
from services.attendance.settings import Settings
from shared.events import codes
from shared.events.attendance import Coding
from shared.events.envelope import name_id
from shared.events.intake import DischargeWithdrawn, TemplateSlot
from shared.platform.settings import ConfigurationError, load
from shared.rules.calendar import REASONS, Calendar
from tests.attendance.given import (
    ADMISSION,
    EPISODE,
    EVENINGS,
    GRACE,
    MONDAY,
    NAMES,
    NEW_YORK,
    SECOND_MONDAY,
    SECOND_WEDNESDAY,
    TIME_PASSED,
    WEDNESDAY,
    admitted,
    check_in,
    discharged,
    evening,
    in_error,
    session,
)
from tests.attendance.story import UNHURRIED, Story, in_treatment, refusal, starts
from tests.attendance.test_laws import overlapping, stories, takes_place
from tests.laws import examples
from tests.service import DEPLOY
from tests.story import only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SATURDAY = evening(1, 5)


def day(moment: datetime) -> str:
    return str(moment.astimezone(NEW_YORK).date())


def closing(*days: datetime, instead: Mapping[datetime, datetime] | None = None) -> Calendar:
    """These days are holidays; those of `instead` are replaced."""
    replaced: dict[str, object] = {day(one): day(other) for one, other in (instead or {}).items()}
    return Calendar(closed={day(each): "holiday" for each in days}, replaced=replaced)


def learns(story: Story, calendar: Calendar) -> None:
    """The services start again with another program.toml."""
    story.settings = msgspec.structs.replace(story.settings, calendar=calendar)


def test_no_session_is_booked_on_a_closed_day() -> None:
    emitted = Story(calendar=closing(SECOND_MONDAY)).then(admitted())
    assert SECOND_MONDAY not in starts(emitted, SessionScheduled)
    assert SECOND_WEDNESDAY in starts(emitted, SessionScheduled)


def test_a_day_that_replaces_it_has_its_sessions_at_their_hour() -> None:
    calendar = closing(SECOND_MONDAY, instead={SECOND_MONDAY: SATURDAY})
    emitted = Story(calendar=calendar).then(admitted())
    assert SATURDAY in starts(emitted, SessionScheduled)
    assert SECOND_MONDAY not in starts(emitted, SessionScheduled)


def test_who_has_a_session_then_already_is_in_one_room() -> None:
    calendar = closing(SECOND_MONDAY, instead={SECOND_MONDAY: SECOND_WEDNESDAY})
    emitted = Story(calendar=calendar).then(admitted())
    assert starts(emitted, SessionScheduled).count(SECOND_WEDNESDAY) == 1


def test_what_was_booked_before_is_called_off_for_the_reason_of_its_line() -> None:
    story = Story(admitted(), **UNHURRIED)
    learns(story, closing(SECOND_MONDAY))
    (gone,) = only(story.until(story.now + DAY), SessionCancelled)
    assert (gone.start, gone.reason, gone.stated) == (
        SECOND_MONDAY,
        "program-closed",
        (Coding(codes.REASON, "holiday"),),
    )
    assert SECOND_MONDAY not in starts(story.attending_until(SECOND_MONDAY + DAY), SessionMissed)


def test_a_day_that_is_closed_at_its_morning_is_missed_by_nobody() -> None:
    """Before anything else falls due: the deadline of the session itself is the first to know."""
    story = in_treatment()
    story.until(evening(2, 0, 17, 59))
    learns(story, closing(evening(2, 0)))
    emitted = story.until(evening(2, 0) + GRACE)
    assert starts(emitted, SessionMissed) == []
    assert starts(emitted, SessionCancelled) == [evening(2, 0)]


def test_a_day_that_is_closed_afterwards_takes_back_its_miss() -> None:
    story = in_treatment()
    story.missing(evening(2, 0))
    assert "missed-session" in story.escalations
    learns(story, closing(evening(2, 0)))
    story.until(story.now + DAY)
    assert story.outcome(evening(2, 0)) == "cancelled"
    assert story.escalations == {}


def test_who_was_there_was_there() -> None:
    story = in_treatment()
    story.until(evening(2, 0))
    story.then(check_in(evening(2, 0)))
    learns(story, closing(evening(2, 0)))
    emitted = story.until(story.now + DAY)
    assert [each for each in only(emitted, SessionEvent) if each.start == evening(2, 0)] == []
    assert story.outcome(evening(2, 0)) == "attended"


def test_an_encounter_in_error_of_a_closed_day_accuses_nobody() -> None:
    story = in_treatment()
    story.until(evening(2, 0))
    story.then(check_in(evening(2, 0)))
    learns(story, closing(evening(2, 0)))
    story.then(TIME_PASSED, in_error(evening(2, 0)))
    assert starts(story.until(story.now + DAY), SessionMissed) == []
    assert story.outcome(evening(2, 0)) == "cancelled"


def test_a_line_that_is_taken_out_brings_the_session_back_under_its_id() -> None:
    story = Story(admitted(), **UNHURRIED)
    learns(story, closing(SECOND_MONDAY))
    story.until(story.now + HOUR)
    story.then(TIME_PASSED)
    learns(story, Calendar())
    (back,) = only(story.then(TIME_PASSED), SessionScheduled)
    assert (back.start, back.session_id) == (SECOND_MONDAY, session(SECOND_MONDAY))


def test_a_session_that_was_never_booked_is_booked_once_its_line_is_taken_out() -> None:
    story = Story(admitted(), calendar=closing(SECOND_MONDAY))
    story.then(TIME_PASSED)
    learns(story, Calendar())
    assert starts(story.then(TIME_PASSED), SessionScheduled) == [SECOND_MONDAY]


def test_a_day_that_replaces_no_more_is_called_off() -> None:
    story = Story(admitted(), calendar=closing(SECOND_MONDAY, instead={SECOND_MONDAY: SATURDAY}))
    story.then(TIME_PASSED)
    learns(story, closing(SECOND_MONDAY))
    (gone,) = only(story.then(TIME_PASSED), SessionCancelled)
    assert (gone.start, gone.stated) == (SATURDAY, (Coding(codes.REASON, "replacement-withdrawn"),))


def test_a_week_is_judged_by_what_was_owed() -> None:
    """Six hours could not be nine; with the day instead they could, and were not."""
    for instead, fell_short in (({}, False), ({SECOND_MONDAY: SATURDAY}, True)):
        story = Story(admitted(), calendar=closing(SECOND_MONDAY, instead=instead), **UNHURRIED)
        story.attending_until(SECOND_WEDNESDAY + HOUR)
        emitted = story.until(evening(2, 1, 12))
        assert [each.minutes for each in only(emitted, WeeklyHoursFellShort)] == ([180] if fell_short else [])


def test_a_session_of_a_closed_day_is_not_booked_again_by_hand() -> None:
    story = Story(admitted())
    story.then(CallOffSession(session_id=session(SECOND_MONDAY)))
    learns(story, closing(SECOND_MONDAY))
    story.then(ReinstateSession(session_id=session(SECOND_MONDAY)))
    assert refusal(story) == ("conflict", "Appointment.status")


def test_a_discharge_that_is_withdrawn_opens_no_closed_day() -> None:
    story = Story(admitted(), **UNHURRIED)
    story.then(discharged(story.now))
    learns(story, closing(SECOND_MONDAY))
    withdrawn = DischargeWithdrawn(
        episode_id=EPISODE,
        encounter_id=name_id(NAMES, "stay"),
        plan_id="p",
        admitted_at=ADMISSION,
        withdrawn_at=story.now,
        client="ehr",
    )
    emitted = story.then(withdrawn)
    assert SECOND_MONDAY not in starts(emitted, SessionScheduled)
    assert SECOND_WEDNESDAY in starts(emitted, SessionScheduled)


DAYS = some.integers(0, 27).map(lambda number: evening(0, number))
CALENDARS = some.builds(
    lambda days, instead: closing(*days, instead={one: other for one, other in instead.items() if one in days}),
    some.sets(DAYS, max_size=5),
    some.dictionaries(DAYS, some.integers(28, 31).map(lambda number: evening(0, number)), max_size=2),
)


@settings(max_examples=examples(50))
@given(stories(), some.lists(CALENDARS, min_size=1, max_size=3))
def test_any_calendar_is_followed_at_any_time_of_any_story(story: Story, calendars: list[Calendar]) -> None:
    """Nothing waits on a closed day, nobody is booked twice, who was there was there; and it is followed once."""
    there = {each.place: each.outcome for each in story.state.sessions if each.presences}
    for calendar in calendars:
        learns(story, calendar)
        story.then(TIME_PASSED)
        assert story.then(TIME_PASSED) == []
    state = story.state
    assert [each for each in state.sessions if each.waits and closed_for(each, story.settings)] == []
    assert {each.place: each.outcome for each in state.sessions if each.place in there} == there
    assert state.episode is None or overlapping(state.episode, state.sessions, story.now) == []


@settings(max_examples=examples(50))
@given(
    some.sets(some.sampled_from([MONDAY, WEDNESDAY, SECOND_MONDAY, SECOND_WEDNESDAY])), CALENDARS, some.integers(0, 20)
)
def test_whenever_it_is_known_the_same_calendar_ends_in_the_same(
    attended: set[datetime], calendar: Calendar, known_after: int
) -> None:
    """Before the admission, or after so many days: the same sessions take place ahead, the same misses are counted."""
    endings = []
    for early in (True, False):
        story = Story(admitted(), **UNHURRIED, **({"calendar": calendar} if early else {}))
        for number in range(22):
            if number == known_after:
                learns(story, calendar)
            story.until(evening(0, number))
            if evening(0, number) in attended and day(evening(0, number)) not in calendar.closed:
                story.then(check_in(evening(0, number)))
        story.until(evening(3, 1, 12))
        held = {each.start: each.outcome for each in story.state.sessions if takes_place(each)}
        endings.append((held, sorted(story.escalations), [each.finding for each in story.state.weeks]))
    assert endings[0] == endings[1]


@given(CALENDARS)
def test_between_two_days_there_is_every_session_that_is_owed_once(calendar: Calendar) -> None:
    story = Story(admitted(template=(*EVENINGS, TemplateSlot("family", 3, "17:00", 60, 2))))
    episode = story.state.episode
    assert episode is not None
    found = list(sessions_between(episode, MONDAY - HOUR, evening(6, 0), "America/New_York", calendar))
    plain = list(sessions_between(episode, MONDAY - HOUR, evening(6, 0), "America/New_York"))
    stays = [each for each in plain if each.start.astimezone(NEW_YORK).date() not in calendar.days]
    assert {each.place for each in stays} <= {each.place for each in found}
    assert len({each.place for each in found}) == len(found) <= len(plain)
    assert all(each.start.astimezone(NEW_YORK).date() not in calendar.days for each in found)


WRONG = [
    ('closed."2026-02-30" = { value = "holiday" }', "2026-02-30"),
    ('closed."2026-W01-1" = { value = "holiday" }', "2026-W01-1"),
    ('closed."2026-12-26/2026-12-24" = { value = "holiday" }', "the first day must not be after the last one"),
    ('closed."2026-12-24/2027-12-26" = { value = "holiday" }', "must be at most 366 days"),
    ('closed."2026-12-24" = { value = "strike" }', ", ".join(REASONS)),
    ('closed."2026-12-24" = { value = 1 }', ", ".join(REASONS)),
    (
        'closed."2026-12-24/2026-12-26" = { value = "holiday" }\nclosed."2026-12-25" = { value = "staff" }',
        "another line closes 2026-12-25 already",
    ),
    ('replaced."2026-12-24" = { value = "2026-12-23" }', "only a day in calendar.closed"),
    (
        'closed."2026-12-24" = { value = "holiday" }\nreplaced."2026-12-24" = { value = "2026-12-24" }',
        "closed on the day instead",
    ),
    (
        'closed."2026-12-24" = { value = "holiday" }\nreplaced."2026-12-24" = { value = "2027-12-23" }',
        "at most 31 days away",
    ),
    ('shut."2026-12-24" = { value = "holiday" }', "shut"),
]


def with_calendar(folder: Path, lines: str) -> Settings:
    """As at a start, from a program.toml with these lines in its calendar."""
    deploy = Path(shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("*.py", "__pycache__")))
    file, table = deploy / "program.toml", "[program.demo.attendance.calendar"
    others = [each for each in file.read_text().splitlines() if not each.startswith(table)]
    place = others.index("[program.demo.aftercare]")
    file.write_text("\n".join([*others[:place], f"{table}]", lines, *others[place:]]))
    return load(deploy, "attendance", Settings)["demo"]


@pytest.mark.parametrize(("lines", "remedy"), WRONG)
def test_a_calendar_that_cannot_be_stops_the_start_with_its_line(tmp_path: Path, lines: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=r"program\.toml: program\.demo \(attendance\): .*") as wrong:
        with_calendar(tmp_path, lines)
    assert remedy in str(wrong.value)
    assert "calendar" in str(wrong.value)


def test_a_day_of_toml_is_read_as_one_between_quotes(tmp_path: Path) -> None:
    lines = 'closed.2026-12-24 = { value = "holiday" }\nreplaced.2026-12-24 = { value = 2026-12-28 }'
    calendar = with_calendar(tmp_path, lines).calendar
    assert calendar.owed_on(date(2026, 12, 28)) == (date(2026, 12, 28), date(2026, 12, 24))
    assert msgspec.convert(msgspec.to_builtins(calendar), Calendar).short_form() == calendar.short_form()
