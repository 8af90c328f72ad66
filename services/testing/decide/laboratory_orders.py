"""The laboratory is told of each test that stands ordered, of its new window, and that it is not asked for any more.

Of one test one telling at a time is on its way: what came meanwhile is told once its answer is there, so that nothing
is cancelled before it was ordered, and nothing is told that stands no more. What the gate withheld for want of a
consent, or of something in the Patient, goes to it again by itself once that has come.
"""

from collections.abc import Iterator
from typing import Any, assert_never

from msgspec.structs import replace

from services.testing.messages import (
    DisclosureEnd,
    DisclosureGaveUp,
    DisclosureMade,
    DisclosureParked,
    DisclosureRefused,
    DisclosureWithheld,
    LaboratoryOrderEvent,
    LaboratoryOrderFailed,
    LaboratoryOrderPrepared,
    LaboratoryOrderSent,
    SendOrderAgain,
)
from services.testing.orders.dispatch import (
    FAILED,
    HAS,
    HAS_NOT,
    LACKING,
    NOT_TAKEN,
    PREPARED,
    SENT,
    UNPERMITTED,
    Dispatch,
)
from services.testing.orders.ordered import OrderedTest, Orders
from services.testing.settings import Settings
from shared.events.aftercare import GAVE_UP
from shared.events.disclosed import HUB_CANNOT_SEND
from shared.events.laboratory_order import ACTIONS, Action, task_id
from shared.rules.consent import LACKS, OF_CONSENTS
from shared.rules.decision import Moment, Refused
from shared.rules.laboratory_partner import DRUG_TEST
from shared.rules.packing import instant, seconds, unpack_id

FORGOTTEN = "forgotten"
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
        former = known.dispatch.attempt if known is not None and known.dispatch is not None else 0
        if test.dispatch is not None and test.dispatch.attempt != former and test.dispatch.standing == PREPARED:
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
    if test.dispatch.standing not in NOT_TAKEN or action is None:
        return NOTHING_TO_SEND
    if not moment.settings.laboratory:
        return NO_LABORATORY
    return orders.with_test(_with(test, action, moment))


def reconsidered(orders: Orders, waiting: int, moment: Moment[Settings]) -> Orders:
    """Once a consent of the patient's (UNPERMITTED) or the Patient (LACKING) has come: what waited for it goes to the
    gate again. What is on its way may have been withheld already, by what the gate knew before."""
    for test in orders.tests:
        if (dispatch := test.dispatch) is None:
            continue
        if dispatch.standing == PREPARED:
            orders = orders.with_test(replace(test, dispatch=replace(dispatch, has_news=True)))
        elif dispatch.standing == waiting and (action := _still_owed(test, moment)) is not None:
            orders = orders.with_test(_with(test, action, moment))
    return orders


def begun(test: OrderedTest, moment: Moment[Settings]) -> OrderedTest:
    """The test once the consent has begun that permits what was withheld: to the gate again."""
    dispatch = test.dispatch
    if dispatch is None or not dispatch.again_at or dispatch.again_at > seconds(moment.now):
        return test
    action = _still_owed(test, moment)
    return replace(test, dispatch=replace(dispatch, again_at=0)) if action is None else _with(test, action, moment)


def _still_owed(test: OrderedTest, moment: Moment[Settings]) -> Action | None:
    """What the laboratory is told without anybody asking: of a window that has passed nothing any more, but that its
    test is cancelled."""
    if not moment.settings.laboratory or test.outcome not in ("awaited", "collected", "cancelled"):
        return None
    return _owed(test) if test.cancelled or test.closes_at >= seconds(moment.now) else None


def came_of(
    orders: Orders, event: DisclosureEnd | DisclosureParked, moment: Moment[Settings]
) -> tuple[Orders, list[LaboratoryOrderEvent]]:
    """What the laboratory made of what it was told. The answer to anything but the last makes nothing of it. What the
    hub can't send stays on its way, and a person is asked meanwhile."""
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
        case DisclosureWithheld() if (again := _at_once(test, event, moment)) is not None:
            return orders.with_test(again), []
        case DisclosureWithheld(reason=reason, may_have_been_received=received):
            ended = _withheld(test, test.dispatch, event, now)
            emitted = LaboratoryOrderFailed(**its, reason=reason, failed_at=moment.now, may_have_been_received=received)
        case DisclosureParked(may_have_been_received=received):
            ended = test.dispatch.parked(now)
            emitted = LaboratoryOrderFailed(
                **its, reason=HUB_CANNOT_SEND, failed_at=moment.now, may_have_been_received=received
            )
        case DisclosureGaveUp(may_have_been_received=received):
            ended = test.dispatch.failed(now, refused=False, received=received)
            emitted = LaboratoryOrderFailed(
                **its, reason=GAVE_UP, failed_at=moment.now, may_have_been_received=received
            )
        case _:
            assert_never(event)
    return orders.with_test(replace(test, dispatch=ended)), [emitted]


def _at_once(test: OrderedTest, event: DisclosureWithheld, moment: Moment[Settings]) -> OrderedTest | None:
    """To the gate again, where what it lacked may have come since it was asked."""
    has_news = test.dispatch is not None and test.dispatch.has_news
    if not has_news or _waits_as(event) == FAILED or (action := _still_owed(test, moment)) is None:
        return None
    return _with(test, action, moment)


def _withheld(test: OrderedTest, dispatch: Dispatch, event: DisclosureWithheld, now: int) -> Dispatch:
    """What a consent that begins before the window is over will permit is told then; a second later, for an instant of
    the state has no fraction."""
    if (standing := _waits_as(event)) == FAILED:
        return dispatch.failed(now, refused=False, received=event.may_have_been_received)
    begins_at = 0 if event.until is None else seconds(event.until) + 1
    return dispatch.withheld(now, standing, begins_at if begins_at <= test.closes_at else 0)


def _waits_as(event: DisclosureWithheld) -> int:
    """For what it waits. Where an earlier send of it may have been received, a person says whether it goes again."""
    if event.may_have_been_received:
        return FAILED
    if event.reason.startswith(LACKS):
        return LACKING
    return UNPERMITTED if event.reason.startswith(OF_CONSENTS) else FAILED


def _settled(test: OrderedTest) -> OrderedTest:
    """Of a test that was cancelled before the laboratory knew of it, or of which nobody gave a specimen, there is
    nothing to tell and nobody to ask."""
    dispatch = test.dispatch
    if dispatch is None or dispatch.standing not in NOT_TAKEN:
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
    """What it was told last. Of what was forgotten, though the laboratory may have it, nothing stands for certain."""
    if dispatch.acts == "cancel" and dispatch.standing == SENT and dispatch.has != HAS_NOT:
        return (FORGOTTEN,)
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
