"""A level whose seats are counted: who signs asks for one, the stay begins with it, and it is returned with its end."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_law
from hypothesis import strategies as some

from services.intake import messages as w
from services.intake.decide.seating import rank_of
from services.intake.placement.planned import episode_id
from services.intake.seats import capacity, seats
from services.intake.seats.seats import Seats
from services.intake.settings import Settings
from shared.events.envelope import Command, Event
from shared.events.internal import To
from shared.rules.decision import Moment
from shared.rules.packing import unpack_id
from tests.intake.given import IOP_NEEDS, MONDAY, assessment, found, referral, settings, sign
from tests.intake.story import Story
from tests.laws import examples

NAMES = ("anna", "ben", "cara", "dora")
ANNA, BEN, CARA, DORA = (str(uuid5(NAMESPACE_URL, name)) for name in NAMES)


class One(Story):
    """One of several patients, with an id of their own."""

    def __init__(self, patient: str, settings: Settings) -> None:
        self.__dict__["patient"] = patient
        super().__init__(settings=settings)

    @property
    def referral_id(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"referral of {self.patient}"))

    @property
    def stay(self) -> str:
        return episode_id(self.referral_id)

    @property
    def status(self) -> str:
        """As the EpisodeOfCare has it."""
        if self.state.episode is not None:
            return "active"
        return self.state.planned.status if self.state.planned is not None else "none"


class Clinic:
    """Patients and the place they ask, with lane internal between them."""

    def __init__(self, capacity: int, **changed: object) -> None:
        self.settings = settings(capacity={"2.1": capacity}, **changed)
        self.patients = {each: One(each, self.settings) for each in (ANNA, BEN, CARA, DORA)}
        self.place, self.now, self._steps = Seats(), MONDAY, 0
        self.is_open = True

    @property
    def taken(self) -> list[str]:
        return [unpack_id(each.patient) for each in self.place.taken]

    @property
    def line(self) -> list[str]:
        return [unpack_id(each.patient) for each in self.place.line]

    def statuses(self) -> list[str]:
        return [self.patients[each].status for each in (ANNA, BEN, CARA, DORA)]

    def does(self, patient: str, *happened: Event | Command) -> Sequence[Event]:
        story = self.patients[patient]
        before = len(story.all_emitted)
        story.then(*happened, at=self.now)
        self._deliver(story)
        return story.all_emitted[before:]

    def signs(self, patient: str, *facts: str, start: datetime | None = None, waits: bool = False) -> "Clinic":
        """Referred, assessed and signed for 2.1."""
        story = self.patients[patient]
        came = referral(story.referral_id)
        self.does(patient, assessment(IOP_NEEDS, "safe-housing", *facts, at=self.now), came)
        story.settings = self.settings
        signature = w.SignPlacement(
            task_id=sign(story.state).task_id, level="2.1", reason="clinical-judgment", by="clinician-1", start=start,
            waits=waits, version="1", proved=True,
        )  # fmt: skip
        self.does(patient, signature)
        return self

    def leaves(self, patient: str) -> "Clinic":
        story = self.patients[patient]
        over = w.Discharge(episode_id=story.stay, encounter_id=ENCOUNTER, disposition="completed", at=self.now)
        self.does(patient, over)
        return self

    def until(self, now: datetime) -> "Clinic":
        """Each deadline at its own time, of patients and of the place."""
        for _ in range(1000):
            at = self._next_due()
            if at is None or at > now:
                self.now = now
                return self
            self.now = max(self.now, at)
            for story in self.patients.values():
                if (due := story.decisions.due(story.state)) is not None and due <= self.now:
                    story.then(w.TimePassed(), at=self.now)
                    self._deliver(story)
            if (due := seats.due(self.place)) is not None and due <= self.now:
                self._ask(w.TimePassed())
        raise AssertionError("a deadline that never ends")

    def _next_due(self) -> datetime | None:
        all_due = (seats.due(self.place), *(each.decisions.due(each.state) for each in self.patients.values()))
        return min((each for each in all_due if each is not None), default=None)

    def _deliver(self, story: One) -> None:
        while story.to_others and self.is_open:
            sent = story.to_others.pop(0)
            assert (sent.kind, sent.key) == (capacity.SEATS, "demo/2.1")
            self._ask(sent.event)

    def _ask(self, event: object) -> None:
        self._steps += 1
        cause = uuid5(NAMESPACE_URL, str(self._steps))
        moment = Moment(self.now, self.now, self.settings, cause, patient="demo/2.1", program="demo")
        emitted = seats.react(self.place, event, moment)  # type: ignore[arg-type]
        for each in (event, *emitted):
            if not isinstance(each, To):
                self.place = seats.evolve(self.place, each)  # type: ignore[arg-type]
        for each in emitted:
            if isinstance(each, To):
                story = self.patients[each.key]
                story.then(each.event, at=self.now)
                self._deliver(story)


ENCOUNTER = "5f0c5a0e-5a0e-4c5a-9e0e-3f0c5a0e5a0e"


def test_of_two_who_sign_for_the_last_seat_one_is_admitted_and_the_other_waits() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN)
    assert clinic.statuses()[:2] == ["active", "waitlist"]
    assert (clinic.taken, clinic.line) == ([ANNA], [BEN])


def test_where_no_seat_is_counted_the_stay_begins_with_its_signature() -> None:
    clinic = Clinic(1)
    clinic.settings = settings()
    clinic.patients[ANNA].settings = clinic.settings
    assert clinic.signs(ANNA).statuses()[0] == "active"
    assert (clinic.patients[ANNA].state.seat, clinic.place) == (None, Seats())


def test_with_a_discharge_the_seat_goes_to_the_next_who_is_admitted_by_it() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN).leaves(ANNA)
    assert clinic.statuses()[:2] == ["none", "active"]
    assert clinic.taken == [BEN]


def test_pregnant_first_though_others_wait_longer() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN).signs(CARA, "pregnant").signs(DORA, "injecting-use")
    assert clinic.line == [CARA, DORA, BEN]
    assert clinic.leaves(ANNA).statuses() == ["none", "waitlist", "active", "waitlist"]


def test_a_pregnancy_that_becomes_known_while_somebody_waits_gives_another_turn() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN).until(MONDAY + timedelta(hours=1)).signs(CARA)
    assert clinic.line == [BEN, CARA]
    clinic.does(CARA, w.RecordAssessment(findings=found("pregnant", at=MONDAY)))
    assert clinic.line == [CARA, BEN]


def test_a_named_start_takes_its_seat_at_once_and_begins_at_its_time() -> None:
    friday = MONDAY + timedelta(days=4)
    clinic = Clinic(1).signs(ANNA, start=friday).signs(BEN)
    assert (clinic.statuses()[:2], clinic.taken) == (["planned", "waitlist"], [ANNA])
    assert clinic.until(friday).statuses()[0] == "active"


def test_a_named_start_is_stood_by_when_a_seat_comes_before_it() -> None:
    friday = MONDAY + timedelta(days=4)
    clinic = Clinic(1).signs(ANNA).signs(BEN, start=friday)
    assert clinic.leaves(ANNA).statuses()[1] == "planned"
    plan = clinic.patients[BEN].state.planned
    assert plan is not None and plan.starts_at == friday
    assert clinic.until(friday).statuses()[1] == "active"


@pytest.mark.parametrize("reason", ["referral-revoked", "referral-in-error"])
def test_a_referral_taken_back_leaves_the_line_and_the_seat(reason: str) -> None:
    clinic = Clinic(1).signs(ANNA, start=MONDAY + timedelta(days=4)).signs(BEN).signs(CARA)
    clinic.does(BEN, _revoked(clinic, BEN, reason))
    assert clinic.line == [CARA]
    clinic.does(ANNA, _revoked(clinic, ANNA, reason))
    assert (clinic.taken, clinic.statuses()[2]) == ([CARA], "active")


def _revoked(clinic: Clinic, patient: str, reason: str) -> w.RevokeReferral:
    return w.RevokeReferral(referral_id=clinic.patients[patient].referral_id, reason=reason, at=clinic.now)


def test_a_reported_death_leaves_the_line() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN)
    clinic.does(BEN, w.ReportDeath())
    assert clinic.line == []


def test_a_discharge_taken_back_has_its_seat_whatever_the_count() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN).leaves(ANNA)
    clinic.does(ANNA, w.WithdrawDischarge(episode_id=clinic.patients[ANNA].stay))
    assert (clinic.statuses()[:2], clinic.taken) == (["active", "active"], [BEN, ANNA])


def test_a_stay_that_goes_on_while_another_of_its_own_referral_waits_has_its_seat() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN).leaves(ANNA).signs(ANNA)
    assert (clinic.statuses()[0], clinic.line) == ("waitlist", [ANNA])
    clinic.does(ANNA, w.WithdrawDischarge(episode_id=clinic.patients[ANNA].stay))
    assert (clinic.statuses()[0], clinic.taken, clinic.line) == ("active", [BEN, ANNA], [])


def test_a_seat_that_comes_when_the_needs_are_old_goes_to_the_next_unless_they_are_confirmed_in_time() -> None:
    later = MONDAY + timedelta(days=9)
    clinic = Clinic(1).signs(ANNA).signs(BEN).until(later).leaves(ANNA)
    assert clinic.taken == [BEN]
    assert clinic.statuses()[1] == "planned"
    clinic.signs(CARA).until(later + timedelta(hours=clinic.settings.seat_hours))
    assert (clinic.statuses()[1:3], clinic.taken) == (["waitlist", "active"], [CARA])


def test_confirmed_afterwards_they_ask_again_as_who_has_waited_longest() -> None:
    later = MONDAY + timedelta(days=9)
    clinic = Clinic(1).signs(ANNA).signs(BEN).until(later).leaves(ANNA).signs(CARA)
    clinic.until(later + timedelta(hours=1)).signs(DORA)
    clinic.until(later + timedelta(hours=clinic.settings.seat_hours))
    clinic.does(BEN, assessment(IOP_NEEDS, "safe-housing", at=clinic.now))
    assert clinic.line == [BEN, DORA]
    assert clinic.leaves(CARA).statuses() == ["none", "active", "none", "waitlist"]


def test_who_waits_can_not_be_begun_or_planned_while_no_seat_is_free() -> None:
    clinic = Clinic(1).signs(ANNA).signs(BEN)
    stay = clinic.patients[BEN].stay
    for plan in (w.SetPlan(episode_id=stay, status="active"), w.SetPlan(episode_id=stay, status="planned")):
        clinic.does(BEN, plan)
        assert clinic.patients[BEN].refused is not None
    assert clinic.statuses()[1] == "waitlist"


def test_who_is_put_on_the_wait_list_by_a_person_asks_for_no_seat_until_they_are_to_begin() -> None:
    clinic = Clinic(1).signs(ANNA, waits=True).signs(BEN)
    assert (clinic.statuses()[:2], clinic.taken) == (["waitlist", "active"], [BEN])
    clinic.leaves(BEN).does(ANNA, w.SetPlan(episode_id=clinic.patients[ANNA].stay, status="active"))
    assert (clinic.statuses()[0], clinic.taken) == ("active", [ANNA])


def test_whoever_is_put_back_on_the_wait_list_returns_their_seat() -> None:
    clinic = Clinic(1).signs(ANNA, start=MONDAY + timedelta(days=4)).signs(BEN)
    clinic.does(ANNA, w.SetPlan(episode_id=clinic.patients[ANNA].stay, status="waitlist"))
    assert (clinic.statuses()[:2], clinic.taken) == (["waitlist", "active"], [BEN])


def test_stays_from_before_seats_were_counted_take_theirs_with_the_next_that_happens() -> None:
    clinic = Clinic(1)
    counted, clinic.settings = clinic.settings, settings()
    for story in clinic.patients.values():
        story.settings = clinic.settings
    clinic.signs(ANNA)
    clinic.settings = counted
    for story in clinic.patients.values():
        story.settings = counted
    clinic.does(ANNA, assessment(IOP_NEEDS, at=clinic.now))
    assert (clinic.taken, clinic.signs(BEN).statuses()[1]) == ([ANNA], "waitlist")


def test_between_the_signature_and_the_answer_nobody_is_admitted() -> None:
    clinic = Clinic(1)
    clinic.is_open = False
    clinic.signs(ANNA).does(ANNA, assessment(IOP_NEEDS, "safe-housing", at=MONDAY))
    assert clinic.until(MONDAY + timedelta(days=1)).statuses()[0] == "planned"


def test_a_late_answer_to_who_waits_no_more_changes_nothing() -> None:
    clinic = Clinic(1).signs(ANNA, start=MONDAY + timedelta(days=4))
    clinic.does(ANNA, _revoked(clinic, ANNA, "referral-revoked"))
    before = clinic.patients[ANNA].state
    for answer in (
        w.SeatGiven(episode_id=clinic.patients[ANNA].stay, since=MONDAY),
        w.SeatsFull(episode_id=clinic.patients[ANNA].stay, since=MONDAY),
    ):
        assert clinic.does(ANNA, answer) == []
    assert clinic.patients[ANNA].state == before


def test_an_answer_on_its_way_is_none_to_what_was_asked_anew_for_the_same_stay() -> None:
    clinic = Clinic(1)
    clinic.is_open = False
    clinic.signs(ANNA)
    first = clinic.patients[ANNA].state.seat
    assert first is not None
    on_its_way = w.SeatGiven(episode_id=first.episode_id, since=first.asked_since)
    clinic.does(ANNA, w.SetPlan(episode_id=clinic.patients[ANNA].stay, status="cancelled"))
    clinic.until(MONDAY + timedelta(minutes=1)).signs(ANNA)
    clinic.does(ANNA, on_its_way)
    assert clinic.statuses()[0] == "planned"


def test_the_order_of_the_law() -> None:
    clinic = Clinic(0).signs(ANNA, "pregnant", "injecting-use").signs(BEN, "pregnant").signs(CARA, "injecting-use")
    clinic.signs(DORA, "step-down")
    everybody = (ANNA, BEN, CARA, DORA)
    ranks = [rank_of(clinic.patients[each].state, clinic.patients[each]._moment()) for each in everybody]
    assert ranks == [capacity.PREGNANT_AND_INJECTING, capacity.PREGNANT, capacity.INJECTING, capacity.STEP_DOWN]
    assert clinic.line == list(everybody)


acts = some.sampled_from(["sign", "plan", "wait", "leave", "back", "revoke", "active", "waitlist", "later", "die"])


@settings_of_law(max_examples=examples(150))
@given(some.lists(some.tuples(acts, some.sampled_from([ANNA, BEN, CARA, DORA])), max_size=25), some.integers(0, 3))
def test_law_a_stay_has_a_seat_and_no_more_begin_than_there_are(
    history: Sequence[tuple[str, str]], capacity: int
) -> None:
    clinic = Clinic(capacity)
    taken_back = 0
    for act, patient in history:
        before = sum(each == "active" for each in clinic.statuses())
        _happens(clinic, act, patient)
        active = [each for each, story in clinic.patients.items() if story.status == "active"]
        assert set(active) <= set(clinic.taken)
        assert set(clinic.taken) <= {each for each, story in clinic.patients.items() if story.state.seat is not None}
        taken_back += act == "back" and len(active) > before
        assert len(active) <= capacity + taken_back


def _happens(clinic: Clinic, act: str, patient: str) -> None:
    story = clinic.patients[patient]
    match act:
        case "sign" | "plan" | "wait" if story.status == "none" and story.state.referral is None:
            if story.state.death is None:
                start = clinic.now + timedelta(days=2) if act == "plan" else None
                clinic.signs(patient, start=start, waits=act == "wait")
        case "leave":
            clinic.leaves(patient)
        case "back":
            clinic.does(patient, w.WithdrawDischarge(episode_id=story.stay))
        case "revoke":
            clinic.does(patient, _revoked(clinic, patient, "referral-revoked"))
        case "active" | "waitlist":
            clinic.does(patient, w.SetPlan(episode_id=story.stay, status=act))
        case "later":
            clinic.until(clinic.now + timedelta(days=3))
        case "die":
            clinic.does(patient, w.ReportDeath())
