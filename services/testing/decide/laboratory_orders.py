"""The laboratory is told of each test that stands ordered, of its new window, and that it is not asked for any more.

Of one test one telling at a time is on its way: what came meanwhile is told once its answer is there, so that nothing
is cancelled before it was ordered, and nothing is told that stands no more.
"""

from collections.abc import Iterator
from typing import Any, assert_never

from msgspec.structs import replace

from services.testing.messages import (
    DisclosureEnd,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureRefused,
    DisclosureWithheld,
    LaboratoryOrderEvent,
    LaboratoryOrderFailed,
    LaboratoryOrderPrepared,
    LaboratoryOrderSent,
    SendOrderAgain,
)
from services.testing.orders.dispatch import FAILED, HAS, HAS_NOT, PREPARED, Dispatch
from services.testing.orders.ordered import OrderedTest, Orders
from services.testing.settings import Settings
from shared.events.aftercare import GAVE_UP
from shared.events.laboratory_order import ACTIONS, Action, task_id
from shared.rules.decision import Moment, Refused
from shared.rules.laboratory_partner import DRUG_TEST
from shared.rules.packing import instant, seconds, unpack_id

UNKNOWN_TASK = Refused("not-found", "No order to a laboratory has this Task, or it lies too far back.", "Task.id")
NO_LABORATORY = Refused("business-rule", "The program's orders go to no laboratory (partners.toml).", "Task.status")
NOTHING_TO_SEND = Refused(
    "conflict", "The laboratory knows how this order stands, or needs to know no more of it.", "Task.status"
)


def dispatched(orders: Orders, moment: Moment[Settings]) -> Orders:
    """With what the laboratory is to be told now that it was not told yet."""
    for test in orders.tests:
        known = _settled(test)
        action = _news(known, seconds(moment.now)) if moment.settings.laboratory else None
        known = known if action is None else _with(known, action, moment)
        orders = orders if known is test else orders.with_test(known)
    return orders


def prepared(before: Orders, orders: Orders, partner: str) -> Iterator[LaboratoryOrderPrepared]:
    """What goes on its way by this."""
    for test in orders.tests:
        known = before.test(test.id)
        is_new = known is None or known.dispatch != test.dispatch
        if is_new and test.dispatch is not None and test.dispatch.standing == PREPARED:
            yield LaboratoryOrderPrepared(**_fields(test, partner))


def dispatched_again(orders: Orders, command: SendOrderAgain, moment: Moment[Settings]) -> Orders | Refused:
    """As it is to be told now, after it was not taken; what is on its way is waited for."""
    test = next(
        (each for each in orders.tests if each.dispatch and task_id(unpack_id(each.id)) == command.task_id), None
    )
    if test is None or test.dispatch is None:
        return UNKNOWN_TASK
    if test.dispatch.standing == PREPARED:
        return orders
    action = _owed(test)
    if test.dispatch.standing != FAILED or action is None:
        return NOTHING_TO_SEND
    if not moment.settings.laboratory:
        return NO_LABORATORY
    return orders.with_test(_with(test, action, moment))


def came_of(
    orders: Orders, event: DisclosureEnd, moment: Moment[Settings]
) -> tuple[Orders, list[LaboratoryOrderEvent]]:
    """What the laboratory made of what it was told. The answer to anything but the last makes nothing of it."""
    kind, _, identity = event.focus.partition("/")
    about = (each for each in orders.tests if each.dispatch is not None and task_id(unpack_id(each.id)) == identity)
    test = next(about, None) if kind == "Task" else None
    if (
        test is None
        or test.dispatch is None
        or (test.dispatch.attempt, test.dispatch.standing) != (event.attempt, PREPARED)
    ):
        return orders, []
    now, its = seconds(moment.now), _fields(test, event.partner)
    match event:
        case DisclosureMade(consent_id=consent_id):
            ended = test.dispatch.taken()
            emitted: LaboratoryOrderEvent = LaboratoryOrderSent(**its, sent_at=moment.now, consent_id=consent_id)
        case DisclosureRefused(reason=reason):
            ended = test.dispatch.failed(now, refused=True, received=True)
            emitted = LaboratoryOrderFailed(**its, reason=reason, failed_at=moment.now)
        case DisclosureWithheld(may_have_been_received=received) | DisclosureGaveUp(may_have_been_received=received):
            ended = test.dispatch.failed(now, refused=False, received=received)
            reason = event.reason if isinstance(event, DisclosureWithheld) else GAVE_UP
            emitted = LaboratoryOrderFailed(**its, reason=reason, failed_at=moment.now, may_have_been_received=received)
        case _:
            assert_never(event)
    return orders.with_test(replace(test, dispatch=ended)), [emitted]


def _settled(test: OrderedTest) -> OrderedTest:
    """Of a test that was cancelled before the laboratory knew of it, or of which nobody gave a specimen, there is
    nothing to tell and nobody to ask."""
    dispatch = test.dispatch
    if dispatch is None or dispatch.standing != FAILED:
        return test
    never_known = bool(test.cancelled) and dispatch.has == HAS_NOT
    not_given = test.outcome in ("refused", "missed") and not test.given_at
    return replace(test, dispatch=dispatch.forgotten()) if never_known or not_given else test


def _news(test: OrderedTest, now: int) -> Action | None:
    """What the laboratory does not know yet. Of a specimen that nobody gave it is told nothing; of a test whose window
    was over before the program had a laboratory neither."""
    dispatch = test.dispatch
    if dispatch is None:
        is_new = test.outcome == "awaited" and max(test.closes_at, test.announced_at) >= now
        return "new" if is_new else None
    if dispatch.standing == PREPARED or _states(dispatch) == _stands(test):
        return None
    return _owed(test) if test.outcome in ("awaited", "collected", "cancelled") else None


def _owed(test: OrderedTest) -> Action | None:
    """What has to be told for the laboratory to know how the test stands; None once a result has come."""
    if test.resulted:
        return None
    if test.cancelled:
        return "cancel"
    return "change" if test.dispatch is not None and test.dispatch.has == HAS else "new"


def _states(dispatch: Dispatch) -> tuple[object, ...]:
    return () if dispatch.acts == "cancel" else (dispatch.opens_at, dispatch.closes_at, dispatch.panel)


def _stands(test: OrderedTest) -> tuple[object, ...]:
    return () if test.cancelled else (test.opens_at, test.closes_at, test.panel)


def _with(test: OrderedTest, action: Action, moment: Moment[Settings]) -> OrderedTest:
    """The test, about which the laboratory is being told this."""
    before = test.dispatch
    dispatch = Dispatch(
        attempt=1 if before is None else before.attempt + 1,
        action=ACTIONS.index(action),
        standing=PREPARED,
        opens_at=test.opens_at,
        closes_at=test.closes_at,
        at=seconds(moment.now),
        has=HAS_NOT if before is None else before.has,
        failed_at=0 if before is None else before.failed_at,
        panel=test.panel,
    )
    return replace(test, dispatch=dispatch)


def _fields(test: OrderedTest, partner: str) -> dict[str, Any]:
    dispatch, order_id = test.dispatch, unpack_id(test.id)
    assert dispatch is not None
    return {
        "order_id": order_id,
        "task_id": task_id(order_id),
        "partner": partner,
        "action": dispatch.acts,
        "attempt": dispatch.attempt,
        "number": test.id,
        "panel": dispatch.panel or DRUG_TEST,
        "opens_at": instant(dispatch.opens_at),
        "closes_at": instant(dispatch.closes_at),
        "prepared_at": instant(dispatch.at),
        "random": test.random,
    }
