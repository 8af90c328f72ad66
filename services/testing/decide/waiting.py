"""What an ordered test waits for: its collection, then its result. Only silence that was listened to counts."""

from msgspec.structs import replace

from services.testing.orders.ordered import OrderedTest
from services.testing.orders.schedule import Schedule
from services.testing.settings import Settings
from shared.rules.decision import Moment
from shared.rules.packing import DAY, seconds

HOUR = 3600
AGAIN = HOUR
"""While nothing is reported of the program, so often it is looked again; each day once a person was asked."""


def waits(test: OrderedTest, schedule: Schedule) -> OrderedTest:
    """The test with its next look. What came in time waits for its result, what came late does too."""
    result_by = test.given_at + schedule.result_days * DAY if test.awaits_result else 0
    look_at = 0 if test.overdue else result_by
    if test.outcome == "awaited":
        look_at = test.closes_at + schedule.report_hours * HOUR
    return replace(test, look_at=look_at, result_by=result_by)


def looked_at(test: OrderedTest, reported_at: int, moment: Moment[Settings]) -> OrderedTest:
    """After a look that is due. `reported_at` is when any collection of the program was reported last."""
    now = seconds(moment.now)
    if not test.look_at or test.look_at > now:
        return test
    if test.outcome != "awaited":
        return replace(test, look_at=0, overdue=test.awaits_result)
    schedule = moment.settings.schedule
    listened = max(test.closes_at, test.announced_at, seconds(moment.listening_since)) + schedule.report_hours * HOUR
    if listened > now:
        return replace(test, look_at=listened)
    if reported_at >= test.opens_at:
        return replace(test, silent=True, look_at=0)
    asked = test.asked or now >= listened + schedule.unreported_hours * HOUR
    return replace(test, asked=asked, look_at=now + (DAY if asked else AGAIN))
