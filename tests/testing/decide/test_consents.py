"""An order that the gate withheld goes to it again by itself, once the consent, or the Patient, has come."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.testing.messages import (
    ConsentDenied,
    ConsentGiven,
    ConsentRevoked,
    DisclosureMade,
    DisclosureWithheld,
    LaboratoryOrderFailed,
    LaboratoryOrderPrepared,
    PatientIdentified,
)
from services.testing.orders.ordered import OrderedTest
from shared.events.envelope import Command, Event
from shared.rules.consent import Partner, Permitted, Withheld, may_disclose
from shared.rules.packing import instant, pack_id
from tests.laws import examples
from tests.shared.rules.partners import AGREED, LABORATORY, consent_to
from tests.story import PatientStory, only
from tests.testing.decide.test_laboratory_orders import (
    AGAIN,
    CANCELLED,
    MOVED,
    about,
    actions,
    gave_up,
    in_treatment,
    last,
    made,
    ordered,
    refused,
)
from tests.testing.decide.test_ordering import CLOSES, DAY, HOUR, OPENS, ORDER, collection, order, result, silence
from tests.testing.given import day
from tests.testing.story import Story, raised

GIVEN = consent_to(LABORATORY, day(9))
DENIED = ConsentDenied(consent_id="consent", denied_at=day(9), recipients=(), purposes=())
REVOKED = ConsentRevoked(consent_id="consent", revoked_at=day(9))
IDENTIFIED = PatientIdentified(digests=(), sealed=(), identified_at=day(9))
NO_CONSENT, NO_NAME = "no-consent-names-this-partner", "patient-lacks-name"


def withheld(story: Story, reason: str = NO_CONSENT, **but: Any) -> DisclosureWithheld:
    return DisclosureWithheld(**about(last(story)), reason=reason, ledger_version=0, **but)


def unsent(reason: str = NO_CONSENT, **but: Any) -> Story:
    """An order of which the gate said no."""
    story = ordered()
    story.then(withheld(story, reason, **but), at=day(8.5))
    assert story.escalations == {"order-not-sent": 1}
    return story


@pytest.mark.parametrize(
    ("reason", "comes"),
    [
        (NO_CONSENT, GIVEN),
        ("consent-expired", GIVEN),
        ("consent-denied", REVOKED),
        ("consent-denied", DENIED),
        ("counseling-notes-never-sent", GIVEN),
        (NO_NAME, IDENTIFIED),
    ],
)
def test_an_order_goes_by_itself_once_what_it_lacked_has_come_and_nobody_is_asked_any_more(
    reason: str, comes: Event
) -> None:
    story = unsent(reason)
    assert actions(story.then(comes, at=day(9))) == ["new"]
    assert last(story).attempt == 2
    assert "Retracted" in raised(story.then(made(story), at=day(9)))
    assert story.escalations == {}


@pytest.mark.parametrize(("reason", "comes"), [(NO_CONSENT, IDENTIFIED), (NO_NAME, GIVEN)])
def test_what_it_does_not_wait_for_sends_nothing(reason: str, comes: Event) -> None:
    assert unsent(reason).then(comes, at=day(9)) == []


@pytest.mark.parametrize("reason", ["laboratory-has-no-such-panel", "partner-listed-no-more"])
def test_what_no_consent_mends_waits_for_a_person(reason: str) -> None:
    story = unsent(reason)
    assert story.then(GIVEN, IDENTIFIED, at=day(9)) == []
    assert actions(story.then(AGAIN, at=day(9))) == ["new"]


def test_what_its_laboratory_refused_or_nobody_took_waits_for_a_person() -> None:
    for answered in (refused, gave_up):
        story = ordered()
        story.then(answered(story), at=day(8.5))
        assert actions(story.then(GIVEN, IDENTIFIED, at=day(9))) == []
        assert story.escalations == {"order-not-sent": 1}


def test_what_may_have_been_received_before_its_consent_ended_waits_for_a_person() -> None:
    assert unsent("consent-revoked", may_have_been_received=True).then(GIVEN, at=day(9)) == []


@pytest.mark.parametrize("ends", [CANCELLED, collection("refused", OPENS + HOUR), result("weekly", OPENS + HOUR)])
def test_a_test_that_stands_no_more_is_not_told_when_the_consent_comes(ends: Command) -> None:
    story = unsent()
    story.then(ends, at=OPENS + 2 * HOUR)
    assert story.then(GIVEN, at=OPENS + 3 * HOUR) == []


def test_a_test_whose_window_has_passed_is_not_told_and_its_question_stays() -> None:
    story = unsent()
    story.then(collection("collected", OPENS + HOUR), at=OPENS + 2 * HOUR)
    assert story.then(GIVEN, at=CLOSES + HOUR) == []
    assert story.escalations == {"order-not-sent": 1}


def test_a_test_whose_specimen_was_given_and_whose_window_is_open_is_still_told() -> None:
    story = unsent()
    story.then(collection("collected", OPENS + HOUR), at=OPENS + 2 * HOUR)
    assert actions(story.then(GIVEN, at=OPENS + 3 * HOUR)) == ["new"]


def test_a_cancellation_that_was_withheld_is_told_however_late_the_consent_comes() -> None:
    """The laboratory would wait for the specimen else."""
    story = ordered()
    story.then(made(story), CANCELLED, at=day(8.5))
    story.then(withheld(story, "consent-revoked"), at=day(9))
    assert actions(story.then(GIVEN, at=CLOSES + DAY)) == ["cancel"]


def test_a_consent_that_comes_while_the_gate_is_asked_is_not_overlooked() -> None:
    story = ordered()
    no = withheld(story)
    assert story.then(GIVEN, at=day(9)) == []
    emitted = story.then(no, at=day(9))
    assert (actions(emitted), only(emitted, LaboratoryOrderFailed)) == (["new"], [])
    story.then(withheld(story), at=day(9))
    assert story.escalations == {"order-not-sent": 1}, "and it is asked once for one consent"


def test_a_consent_that_begins_before_the_window_is_over_is_waited_for() -> None:
    story = unsent("consent-not-yet-in-force", until=OPENS + HOUR)
    assert actions(silence(story, OPENS)) == []
    assert actions(silence(story, OPENS + 2 * HOUR)) == ["new"]
    late = unsent("consent-not-yet-in-force", until=CLOSES + HOUR)
    assert actions(silence(late, CLOSES + 2 * HOUR)) == []


# --- law


class Consents:
    """The patient's consents about one laboratory, as the gate reads them."""

    def __init__(self, partner: Partner) -> None:
        self.partner = partner
        self.stated: dict[str, ConsentGiven | ConsentDenied] = {}
        self.revoked: list[ConsentGiven] = []

    def changes(self, how: str, now: datetime) -> Event | None:
        match how:
            case "given":
                consent = consent_to(self.partner, now, consent_id=f"{now}")
                self.stated[consent.consent_id] = consent
                return consent
            case "begins":
                consent = consent_to(self.partner, now, consent_id=f"{now}", starts_at=now + 6 * HOUR)
                self.stated[consent.consent_id] = consent
                return consent
            case "denied":
                denied = ConsentDenied(
                    consent_id=f"{now}", denied_at=now, recipients=(self.partner.identifier,), purposes=()
                )
                self.stated[denied.consent_id] = denied
                return denied
            case _:
                return self._revoked(now)

    def _revoked(self, now: datetime) -> Event | None:
        if not self.stated:
            return None
        identity, gone = self.stated.popitem()
        self.revoked += [gone] if isinstance(gone, ConsentGiven) else []
        return ConsentRevoked(consent_id=identity, revoked_at=now)

    def permits(self, now: datetime) -> Permitted | Withheld:
        return may_disclose(list(self.stated.values()), self.partner, "demo", now, self.revoked)


CONSENTS = ("given", "begins", "denied", "revoked")
ORDERS: dict[str, Command] = {"order": order(), "move": MOVED, "cancel": CANCELLED}
STEP = timedelta(hours=2)


class Gate:
    """What waits is asked about, one after the other; between its answer and what becomes of it anything may come."""

    def __init__(self, story: Story, ledger: Consents) -> None:
        self.story, self.ledger = story, ledger
        self.ended = 0
        self.outcome: Event | None = None
        self.sent: list[LaboratoryOrderPrepared] = []

    def asks(self, now: datetime) -> None:
        waiting = only(self.story.all_emitted, LaboratoryOrderPrepared)[self.ended :]
        if self.outcome is not None or not waiting:
            return
        match self.ledger.permits(now):
            case Permitted(consent_id=consent_id):
                self.sent.append(waiting[0])
                self.outcome = DisclosureMade(**about(waiting[0]), consent_id=consent_id)
            case Withheld(reason=reason, until=until):
                self.outcome = DisclosureWithheld(**about(waiting[0]), reason=reason, ledger_version=0, until=until)

    def answers(self, now: datetime) -> None:
        if self.outcome is not None:
            outcome, self.outcome = self.outcome, None
            self.ended += 1
            self.story.then(outcome, at=now)

    def settles(self, now: datetime) -> None:
        for _ in range(6):
            self.asks(now)
            self.answers(now)


@settings(deadline=None, max_examples=examples(300))
@given(
    some.sampled_from([LABORATORY, AGREED]),
    some.lists(some.sampled_from([*CONSENTS, *CONSENTS, *ORDERS, "asks", "asks", "answers", "answers"]), max_size=16),
)
def test_what_stands_and_is_permitted_has_been_sent_once_and_a_person_is_asked_of_the_rest(
    partner: Partner, steps: list[str]
) -> None:
    """Nothing is sent that is not permitted at that moment: the gate of the law is the hub's own rule."""
    story, ledger, now = in_treatment(), Consents(partner), day(8)
    gate = Gate(story, ledger)
    for each in steps:
        now += STEP
        silence(story, now)
        if each in ORDERS:
            PatientStory.then(story, ORDERS[each], at=now)
        elif each in CONSENTS:
            if (event := ledger.changes(each, now)) is not None:
                story.then(event, at=now)
        else:
            gate.asks(now) if each == "asks" else gate.answers(now)
    gate.settles(now)
    silence(story, now + 7 * HOUR)
    gate.settles(now + 7 * HOUR)
    assert_sent_once(gate.sent)
    test = story.state.orders.test(pack_id(ORDER))
    if test is None or test.outcome == "missed" or test.closes_at < (now + 7 * HOUR).timestamp():
        return
    if isinstance(ledger.permits(now + 7 * HOUR), Permitted):
        assert known(gate.sent) == wanted(test)
        assert "order-not-sent" not in story.escalations
    elif known(gate.sent) != wanted(test):
        assert "order-not-sent" in story.escalations


def assert_sent_once(sent: list[LaboratoryOrderPrepared]) -> None:
    """The laboratory is never told again what it was told last, but of a test that was moved and moved back."""
    orders = [(each.action == "cancel", each.opens_at) for each in sent]
    assert all(one != other or sent[at].action == "change" for at, (one, other) in enumerate(pairwise(orders), 1)), (
        orders
    )


def known(sent: list[LaboratoryOrderPrepared]) -> datetime | None:
    """The window that the laboratory expects a specimen in; None for no order."""
    return None if not sent or sent[-1].action == "cancel" else sent[-1].opens_at


def wanted(test: OrderedTest) -> datetime | None:
    return None if test.cancelled else instant(test.opens_at)
