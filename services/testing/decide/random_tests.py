"""Random tests: each day it is asked whether the notice of the next one has come; then, and not before, it is ordered.

The answer comes by a lookup: the secret by which days are drawn is in no state, no event and no setting.
"""

from datetime import date
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from services.testing.decide.waiting import HOUR, waits
from services.testing.messages import RandomDayAsked, RandomDayDrawn
from services.testing.orders.ordered import Draws, OrderedTest, Orders
from services.testing.orders.schedule import next_notice, noticed, open_days
from services.testing.settings import Settings
from services.testing.state import State, in_treatment
from shared.rules.decision import Moment
from shared.rules.packing import day_in, instant, pack_id, seconds


def begun(orders: Orders, admitted_at: int, moment: Moment[Settings]) -> Orders:
    """A new stay: its first test is drawn from the admission on."""
    if not moment.settings.schedule.draws:
        return replace(orders, draws=None)
    drawn = 0 if orders.draws is None else orders.draws.drawn
    return looking(replace(orders, draws=Draws(drawn, _local_day(admitted_at, moment).toordinal())), moment)


def looking(orders: Orders, moment: Moment[Settings]) -> Orders:
    """With the next look, at the next notice that an open day may have; none while nothing is asked of the patient."""
    if orders.draws is None:
        return orders
    settings = moment.settings
    at = next_notice(moment.now, settings.schedule, settings.calendar, ZoneInfo(settings.timezone))
    look_at = 0 if at is None or orders.stopped else seconds(at)
    return replace(orders, draws=replace(orders.draws, look_at=look_at))


def asked(state: State, orders: Orders, moment: Moment[Settings]) -> tuple[Orders, list[RandomDayAsked]]:
    """Whether the day of the next test has come, once its look is due."""
    draws, schedule = orders.draws, moment.settings.schedule
    if draws is None or not draws.look_at or instant(draws.look_at) > moment.now or not in_treatment(state):
        return orders, []
    if not schedule.draws:
        return replace(orders, draws=None), []
    orders = looking(orders, moment)
    day = noticed(moment.now, schedule, moment.settings.calendar, ZoneInfo(moment.settings.timezone))
    if orders.stopped or day is None or day.toordinal() <= draws.after:
        return orders, []
    after = date.fromordinal(draws.after)
    days = open_days(after, _gap(state, after, moment), schedule, moment.settings.calendar)
    return orders, [RandomDayAsked(patient=moment.patient, ordinal=draws.drawn, day=day, days=days)]


def _gap(state: State, after: date, moment: Moment[Settings]) -> int:
    admitted_at = 0 if state.episode is None else state.episode.admitted_at
    in_days = (after - _local_day(admitted_at, moment)).days
    return moment.settings.schedule.gap(in_days, state.orders.stage)


def ordered_by(state: State, answer: RandomDayDrawn, moment: Moment[Settings]) -> Orders:
    """The test of this day, where its notice has come. An answer that comes twice, or once the patient is asked nothing
    any more, orders none; nor does one that comes after the day: that day is asked about again."""
    orders, schedule, zone = state.orders, moment.settings.schedule, ZoneInfo(moment.settings.timezone)
    draws = orders.draws
    if draws is None or answer.ordinal != draws.drawn or not answer.is_due:
        return orders
    opens_at, now = seconds(schedule.opens(answer.day, zone)), seconds(moment.now)
    window = schedule.window_hours * HOUR
    if orders.stopped or not in_treatment(state) or now >= opens_at + window:
        return orders
    opens_at, identity = max(opens_at, now), pack_id(moment.new_id(f"drug-test:{answer.ordinal}"))
    test = OrderedTest(identity, opens_at, opens_at + window, announced_at=now, random=True)
    after = replace(draws, drawn=draws.drawn + 1, after=answer.day.toordinal())
    return replace(orders.with_test(waits(test, schedule)), draws=after)


def _local_day(at: int, moment: Moment[Settings]) -> date:
    return day_in(moment.settings.timezone, at)
