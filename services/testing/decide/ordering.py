"""A test is ordered, drawn, moved or cancelled; its specimen is given, refused or does not come; its result is late.

What follows of all that happens for what is ordered: computed anew, and the difference is emitted.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial, reduce
from typing import Literal

from msgspec.structs import replace

from services.testing.decide import laboratory_orders, random_tests, waiting
from services.testing.decide.order_events import changes
from services.testing.decide.praising import with_interruptions
from services.testing.decide.regrading import escalate, signals_corrected
from services.testing.messages import (
    CancelDrugTest,
    Commands,
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    Consumes,
    DeathWithdrawn,
    DischargeWithdrawn,
    DisclosureEnd,
    DisclosureMade,
    DisclosureOutcome,
    DisclosureParked,
    DrugTestOrderEvent,
    Emits,
    EpisodeAdmitted,
    EpisodeDischarged,
    EpisodePaused,
    EpisodeResumed,
    EpisodeStepped,
    OrderDrugTest,
    OrdersChanged,
    PatientDied,
    PatientIdentified,
    RandomDayAsked,
    RandomDayDrawn,
    ReportCollection,
    ReportResult,
    SendOrderAgain,
    SpecimenReported,
    StageAdvanced,
    TimePassed,
)
from services.testing.orders.causes import order_causes
from services.testing.orders.dispatch import LACKING, UNPERMITTED
from services.testing.orders.ordered import KINDS, Evidence, OrderedTest, Orders, of_specimen, reported
from services.testing.reading.laboratory import REPORTS as NUMBERS
from services.testing.settings import Settings
from services.testing.specimens import Specimen
from services.testing.specimens.same_specimen import keys, of_patient, same
from services.testing.state import State, evolve, in_treatment
from shared.events.envelope import name_id
from shared.events.testing import DrugTestEvent
from shared.rules.decision import Moment, Refused
from shared.rules.packing import DAY, pack_id, seconds, unpack_id

_NUMBER_CHARACTERS = 8
OF_STAY = (
    EpisodeAdmitted,
    StageAdvanced,
    EpisodeStepped,
    EpisodePaused,
    EpisodeResumed,
    EpisodeDischarged,
    DischargeWithdrawn,
    PatientDied,
    DeathWithdrawn,
    RandomDayDrawn,
)
"""Events by which what is ordered may change."""
OF_CONSENT = (ConsentGiven, ConsentDenied, ConsentRevoked)
"""Each may permit what was withheld: a no that is taken back, or said anew of some fields alone, does too."""
NOT_IN_TREATMENT = Refused("business-rule", "A test is ordered of a patient whose stay is open.", "ServiceRequest")
UNKNOWN_ORDER = Refused("not-found", "No ordered test has this id, or it lies too far back.", "ServiceRequest.id")


def followed(
    before: State, cause: Consumes | Commands, emitted: Sequence[Emits], moment: Moment[Settings]
) -> Sequence[Emits]:
    """What was emitted, and what follows from it and its cause for what is ordered of the patient."""
    everything = _with_orders(before, cause, emitted, moment)
    return _based_on(before.orders, with_interruptions(before, cause, everything, moment))


def _based_on(orders: Orders, emitted: Sequence[Emits]) -> Sequence[Emits]:
    """Each drug test with the order that it answers, as it is known after this."""
    for each in emitted:
        orders = each.orders if isinstance(each, OrdersChanged) else orders
    answered = {found.id: test.id for test in orders.tests for found in test.evidence}
    return [_with_order(each, answered) for each in emitted] if answered else emitted


def _with_order(emitted: Emits, answered: Mapping[str, str]) -> Emits:
    if not isinstance(emitted, DrugTestEvent) or (order := answered.get(pack_id(emitted.report_id))) is None:
        return emitted
    return replace(emitted, order_id=unpack_id(order))


def _with_orders(
    before: State, cause: Consumes | Commands, emitted: Sequence[Emits], moment: Moment[Settings]
) -> Sequence[Emits]:
    if not _concerns(before, cause):
        return emitted
    state = reduce(evolve, emitted, evolve(before, cause))
    if isinstance(cause, ReportResult):
        return [*emitted, *_emitted(state, _with_result(state, cause, emitted, moment), cause, moment, before)]
    if isinstance(cause, DisclosureEnd | DisclosureParked):
        orders, ended = laboratory_orders.came_of(state.orders, cause, moment)
        return [*emitted, *ended, *_emitted(state, orders, cause, moment, before)]
    orders, asks = _after(state, cause, before, moment)
    return [*emitted, *_emitted(state, orders, cause, moment, before), *asks]


def placed(state: State, command: OrderDrugTest, moment: Moment[Settings]) -> list[Emits] | Refused:
    """In another window nothing that was concluded of the first one stands; what was reported of it does, so that no
    refusal is unsaid by moving its test."""
    if not in_treatment(state):
        return NOT_IN_TREATMENT
    packed, numbers = pack_id(command.order_id), tuple(number_key(each.value) for each in command.numbers)
    opens_at, closes_at = seconds(command.opens_at), seconds(command.closes_at)
    known, now = state.orders.test(packed), seconds(moment.now)
    if known is None:
        test = OrderedTest(packed, opens_at, closes_at, now, numbers=numbers, panel=command.panel)
    elif (known.opens_at, known.closes_at) == (opens_at, closes_at):
        test = replace(known, cancelled="", numbers=numbers or known.numbers, panel=command.panel or known.panel)
    else:
        moved = replace(known, opens_at=opens_at, closes_at=closes_at, announced_at=now)
        test = replace(moved, cancelled="", silent=False, asked=False, panel=command.panel or known.panel)
    orders = state.orders.with_test(waiting.waits(test, moment.settings.schedule))
    for specimen in state.specimens if known is None else ():
        orders = _belonging(orders, specimen, (), moment)
    return [_found_by(each, command) for each in _emitted(state, orders, command, moment)]


def _found_by(emitted: Emits, command: OrderDrugTest) -> Emits:
    """With the numbers that it is found by: the state holds no number, the read model remembers them."""
    if not isinstance(emitted, DrugTestOrderEvent) or emitted.order_id != command.order_id:
        return emitted
    return replace(emitted, numbers=command.numbers)


def cancelled(state: State, command: CancelDrugTest, moment: Moment[Settings]) -> list[Emits] | Refused:
    known = state.orders.test(pack_id(command.order_id))
    if known is None:
        return UNKNOWN_ORDER
    test = replace(known, cancelled="entered-in-error" if command.in_error else "revoked")
    return _emitted(state, state.orders.with_test(waiting.waits(test, moment.settings.schedule)), command, moment)


def sent_again(state: State, command: SendOrderAgain, moment: Moment[Settings]) -> list[Emits] | Refused:
    orders = laboratory_orders.dispatched_again(state.orders, command, moment)
    return orders if isinstance(orders, Refused) else _emitted(state, orders, command, moment)


def collected(state: State, command: ReportCollection, moment: Moment[Settings]) -> list[Emits] | Refused:
    """What was reported last of a collection of this id stands."""
    known, identity = state.orders.test(pack_id(command.order_id)), pack_id(command.collection_id)
    if known is None:
        return UNKNOWN_ORDER
    test = known.without_evidence([identity])
    if command.kind is not None:
        test = test.with_evidence(Evidence(identity, KINDS.index(command.kind), seconds(command.at)))
    return _emitted(state, state.orders.with_test(waiting.waits(test, moment.settings.schedule)), command, moment)


def number_key(number: str) -> str:
    """A short digest of the number of an order: the state holds no number."""
    return pack_id(name_id(NUMBERS, f"order|{number}"))[:_NUMBER_CHARACTERS]


def _concerns(state: State, cause: Consumes | Commands) -> bool:
    """Most reports are of patients of whom nothing is ordered."""
    match cause:
        case ReportResult() | TimePassed() | DisclosureOutcome() | DisclosureParked() | PatientIdentified():
            return state.orders != Orders()
        case _:
            return isinstance(cause, OF_STAY) or (isinstance(cause, OF_CONSENT) and state.orders != Orders())


def _after(
    state: State, cause: Consumes | Commands, before: State, moment: Moment[Settings]
) -> tuple[Orders, Sequence[RandomDayAsked]]:
    """What is ordered after this, and what is to be looked up for it."""
    match cause:
        case TimePassed(reported_at=reported_at):
            reported = moment.now if reported_at is None else reported_at
            orders = _each(state.orders, lambda test: waiting.looked_at(test, seconds(reported), moment))
            orders = _each(orders, lambda test: laboratory_orders.begun(test, moment))
            return random_tests.asked(state, orders, moment)
        case ConsentGiven() | ConsentDenied() | ConsentRevoked():
            return laboratory_orders.reconsidered(state.orders, UNPERMITTED, moment), []
        case PatientIdentified():
            return laboratory_orders.reconsidered(state.orders, LACKING, moment), []
        case RandomDayDrawn():
            return random_tests.ordered_by(state, cause, moment), []
        case _:
            return _course(state, cause, before, moment), []


def _course(state: State, cause: Consumes | Commands, before: State, moment: Moment[Settings]) -> Orders:
    """How the stay goes on, as far as it matters for what is ordered."""
    orders = state.orders
    match cause:
        case EpisodeAdmitted(episode_id=episode_id, stage=stage) if not _is_known(before, episode_id):
            return random_tests.begun(replace(orders, stage=stage), seconds(cause.admitted_at), moment)
        case StageAdvanced(stage=stage) | EpisodeStepped(stage=stage) if stage:
            return replace(orders, stage=stage)
        case EpisodePaused(at=at):
            return replace(_ended(orders, seconds(at), "stay-paused"), paused=True)
        case PatientDied():
            return replace(_ended(orders, seconds(cause.died_at or cause.reported_at), "stay-over"), died=True)
        case EpisodeDischarged(episode_id=episode_id) if _is_known(state, episode_id):
            return _ended(orders, seconds(cause.discharged_at), "stay-over")
        case EpisodeResumed(paused_at=paused_at):
            orders = replace(orders, paused=False)
            orders = _asked_again(state, orders, moment) if paused_at is None else _settled(orders)
            return random_tests.looking(orders, moment)
        case DeathWithdrawn():
            return random_tests.looking(_asked_again(state, replace(orders, died=False), moment), moment)
        case DischargeWithdrawn():
            return random_tests.looking(_asked_again(state, orders, moment), moment)
        case _:
            return orders


def _with_result(state: State, command: ReportResult, emitted: Sequence[Emits], moment: Moment[Settings]) -> Orders:
    """The specimen as it stands now, with the tests that it belongs to; what turned out to be it is it."""
    named = {name for each in command.numbers if each.kind == "PLAC" for name in (each.value, number_key(each.value))}
    gone = {identity for each in emitted if isinstance(each, SpecimenReported) for identity in each.gone}
    orders = state.orders
    for specimen in same(state.specimens, keys(of_patient(command, moment.patient))):
        orders = _each(orders, partial(_renamed, gone, specimen.id))
        orders = _belonging(orders, specimen, named, moment)
    return orders


def _renamed(gone: Collection[str], now: str, test: OrderedTest) -> OrderedTest:
    theirs = [each for each in test.evidence if each.id in gone]
    renamed = test.without_evidence(gone)
    for each in theirs:
        renamed = renamed.with_evidence(replace(each, id=now))
    return renamed


def _belonging(orders: Orders, specimen: Specimen, named: Collection[str], moment: Moment[Settings]) -> Orders:
    """What was taken back belongs to none."""
    theirs = [] if specimen.voided else [each.id for each in of_specimen(orders, specimen, named)]

    def changed(test: OrderedTest) -> OrderedTest:
        found = test.without_evidence([specimen.id])
        found = found.with_evidence(reported(specimen)) if test.id in theirs else found
        return test if found == test else waiting.waits(found, moment.settings.schedule)

    return _each(orders, changed)


def _is_known(state: State, episode_id: str) -> bool:
    return state.episode is not None and state.episode.id == episode_id


def _ended(orders: Orders, since: int, by: Literal["stay-over", "stay-paused"]) -> Orders:
    """Nothing more is asked of the patient from then on; what they did not do since was not theirs to do."""

    def ended(test: OrderedTest) -> OrderedTest:
        open_then = test.closes_at > since and test.outcome in ("awaited", "missed")
        return replace(test, cancelled=by, look_at=0) if open_then else test

    return _each(orders, ended)


def _asked_again(state: State, orders: Orders, moment: Moment[Settings]) -> Orders:
    """What ended the stay, or paused it, was a mistake: tests whose windows are not over are asked for again, unless
    something else ended them or the stay."""
    now = seconds(moment.now)

    def again(test: OrderedTest) -> OrderedTest:
        is_open = test.cancelled in ("stay-over", "stay-paused") and test.closes_at > now
        return waiting.waits(replace(test, cancelled=""), moment.settings.schedule) if is_open else test

    return orders if orders.stopped or not in_treatment(state) else _each(orders, again)


def _settled(orders: Orders) -> Orders:
    """The patient was elsewhere: what that cancelled stays so, whatever turns out to be wrong later."""

    def settled(test: OrderedTest) -> OrderedTest:
        return replace(test, cancelled="revoked") if test.cancelled == "stay-paused" else test

    return _each(orders, settled)


def _each(orders: Orders, change: Callable[[OrderedTest], OrderedTest]) -> Orders:
    return replace(orders, tests=tuple(change(each) for each in orders.tests))


def _emitted(
    state: State, orders: Orders, cause: Consumes | Commands, moment: Moment[Settings], before: State | None = None
) -> list[Emits]:
    """The difference: what became of each test, what is taken back, what asks for a person. `before` is the state
    before the cause, where it changed more than what is ordered."""
    known, orders = (_remembered(each, state.specimens, moment) for each in (state.orders, orders))
    orders = laboratory_orders.dispatched(orders, moment)
    stood = order_causes(replace(before or state, orders=known), moment.settings)
    stands = order_causes(replace(state, orders=orders), moment.settings)
    if orders == state.orders and stood == stands:
        return []
    changed = [event for each in orders.tests for event in changes(known.test(each.id), each)]
    asked = escalate(state.escalations, stood, stands, _reason(cause), moment)
    stored = [OrdersChanged(orders=orders)] if orders != state.orders else []
    prepared = laboratory_orders.prepared(known, orders, moment.settings.laboratory)
    return [*changed, *prepared, *asked, *signals_corrected(stood, stands), *stored]


def _reason(cause: Consumes | Commands) -> str:
    """Why an earlier conclusion may be withdrawn."""
    match cause:
        case ReportCollection():
            return "collection-reported"
        case ReportResult():
            return "result-reported"
        case OrderDrugTest():
            return "test-moved"
        case DisclosureMade():
            return "order-sent"
        case _:
            return "test-cancelled"


def _remembered(orders: Orders, specimens: Sequence[Specimen], moment: Moment[Settings]) -> Orders:
    """Without the tests that lie too far back: their windows, and the time by which their results were to come.

    One that was not given stays as long as what was collected before it: no row of expected results goes on across it.
    """
    since = seconds(moment.now) - moment.settings.schedule.remembered_days * DAY
    first = min((each.collected_at for each in specimens), default=seconds(moment.now))
    tests = tuple(
        each for each in orders.tests if max(each.closes_at, each.result_by) > since or each.not_given_at >= first
    )
    return orders if len(tests) == len(orders.tests) else replace(orders, tests=tests)
