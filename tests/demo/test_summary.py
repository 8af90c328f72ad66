"""A demo that cannot fail shows nothing: what was expected and is not so ends it, in one line."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo import summary
from deploy.demo.agenda import Agenda, Broken, Promises
from deploy.driver import Driver
from deploy.queries import Count
from tests.demo import events
from tests.demo.events import FRIDAY, MONDAY, TUESDAY, chart, record

QUIET = {"intake": Count(decided=3, emitted=3)}


def test_what_holds_is_counted_and_what_does_not_ends_the_demo() -> None:
    promises = Promises()
    promises.expect(True, "an episode is open")
    with pytest.raises(Broken, match="not as expected: the miss is seen \\(1 expectations before it held\\)"):
        promises.expect(False, "the miss is seen")
    assert promises.fulfilled == ["an episode is open"]


def test_a_record_sent_again_is_counted_once_and_told() -> None:
    again = record(events.admitted())
    found = summary.tally([again, again, record(events.missed(TUESDAY))], QUIET, [])
    assert (len(found.records), found.repeated, found.clashes) == (2, 1, [])


def test_two_events_under_one_id_are_a_clash() -> None:
    found = summary.tally(
        [record(events.admitted(), name="same"), record(events.missed(TUESDAY), name="same")], QUIET, []
    )
    assert found.clashes == ["EpisodeAdmitted of intake and SessionMissed of attendance"]


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (summary.tally([], QUIET, ["testing emitted 4711, which is on no topic"]), "nothing is lost"),
        (summary.tally([], {"testing": Count(unsent=1)}, []), "every outbox is empty"),
        (summary.tally([], {"testing": Count(parked=1)}, []), "nothing is parked"),
        (summary.tally([], QUIET, []), "withheld disclosures are on the disclosures topic"),
    ],
)
def test_what_the_end_must_hold_is_looked_at(found: summary.Tally, line: str) -> None:
    charts = {letter: chart(record(events.admitted())) for letter in "ABC"}
    with pytest.raises(Broken, match=line):
        summary.verify(found, charts, Promises())


async def test_events_happen_in_order_of_time_and_those_of_one_moment_as_put_down() -> None:
    happened: list[str] = []
    agenda = Agenda()

    def note(name: str) -> None:
        async def happen() -> None:
            happened.append(name)

        agenda.put({"b": TUESDAY, "c": TUESDAY, "a": MONDAY, "d": FRIDAY}[name], happen)

    for name in ("d", "b", "c", "a"):
        note(name)
    await agenda.run(Quiet(), _nothing)
    assert happened == ["a", "b", "c", "d"]


async def test_the_clock_never_goes_back_for_an_event_put_down_late() -> None:
    hub, agenda = Quiet(), Agenda()
    agenda.put(hub.now - timedelta(days=1), _nothing)
    agenda.put(MONDAY, _nothing)
    await agenda.run(hub, _nothing)
    assert hub.stepped == [MONDAY]


async def _nothing() -> None:
    """Nothing happens."""


class Quiet(Driver):
    """A hub with nothing to do, on a clock of its own."""

    def __init__(self) -> None:
        self.stepped: list[datetime] = []

    @property
    def now(self) -> datetime:
        return self.stepped[-1] if self.stepped else datetime(2025, 1, 1, tzinfo=UTC)

    def clock_set(self, moment: datetime) -> None:
        self.stepped.append(moment)

    async def settle(self, seconds_max: float = 60.0, consumers: Collection[str] | None = None) -> None:
        """It is."""
