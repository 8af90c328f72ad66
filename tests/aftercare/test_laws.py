"""What holds for any course of events, not only for the ones somebody thought of."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare import state as memory
from services.aftercare.messages import (
    AcknowledgeEscalation,
    AskReferral,
    Commands,
    CompleteFollowUp,
    ConsentGiven,
    ConsentRevoked,
    Consumes,
    ContactKnown,
    DeathWithdrawn,
    FollowUpFellDue,
    PartnerReferralChanged,
    PatientDied,
    ReferralPrepared,
    ResolveEscalation,
    TimePassed,
    WithdrawReferral,
)
from services.aftercare.record import Ahead, Discharged, FollowUp, InCare, OnHold, OnItsWay, Plan, Referral
from services.aftercare.settings import PARTNERS_MOST
from services.aftercare.state import State
from shared.events.catalogue import BY_TYPE
from shared.events.envelope import Event, name_id
from shared.events.internal import Listed, StateEvent
from shared.path.service import STATE_BYTES_MOST
from tests.aftercare.given import (
    CONSENT,
    DISCHARGED,
    EPISODE,
    IDENTIFIED,
    SECOND_EPISODE,
    SETTINGS,
    admitted,
    discharged,
    gave_up,
    made,
    refused,
    withheld,
)
from tests.aftercare.story import Story
from tests.laws import examples
from tests.shared.rules.partners import ALUMNI

LESS = settings(max_examples=examples(40))
REFERRALS = ("8a5f3a50-7a0e-4b63-8a3b-6a3f0c1d2e01", "8a5f3a50-7a0e-4b63-8a3b-6a3f0c1d2e02")
episodes = some.sampled_from([EPISODE, SECOND_EPISODE])
dispositions = some.sampled_from(["completed", "ama", "lost-to-contact", "step-down", "deceased", "other"])
partners = some.sampled_from(["riverbend-alumni", "riverbend-outpatient", "alcoholics-anonymous", "nobody"])
names = some.sampled_from(["alumni", "clinic", "house"])
moments = some.integers(0, 400).map(lambda days: DISCHARGED + timedelta(days=days))
areas = some.sampled_from([None, "Riverbend", "Elsewhere", "x" * 500])

facts: some.SearchStrategy[Consumes] = some.one_of(
    some.just(IDENTIFIED),
    some.builds(ContactKnown, area=areas, language=some.sampled_from([None, "en", "es-MX", "?"])),
    some.builds(admitted, episodes, track=some.sampled_from(["alcohol", "dual-diagnosis"])),
    some.builds(discharged, dispositions, episodes),
    some.builds(lambda names: msgspec.structs.replace(CONSENT, recipients=names), some.tuples(partners)),
    some.builds(ConsentRevoked, consent_id=some.just("consent"), revoked_at=moments),
    some.just(PatientDied(died_at=None, reported_at=DISCHARGED)),
    some.just(DeathWithdrawn(withdrawn_at=DISCHARGED)),
    some.builds(
        PartnerReferralChanged,
        referral_id=some.sampled_from(REFERRALS),
        partner=some.sampled_from(["hospital", "nobody", ""]),
        state=some.sampled_from(["received", "admitted", "withdrawn", "a-state-of-next-year"]),
        changed_at=moments,
        number=some.sampled_from(["", "sealed"]),
    ),
    some.just(TimePassed()),
)
commands: some.SearchStrategy[Commands] = some.one_of(
    some.builds(
        AskReferral,
        referral_id=some.sampled_from(REFERRALS),
        partner=partners,
        kind=some.sampled_from(["alumni", "step-down", "recovery-residence"]),
    ),
    some.sampled_from([WithdrawReferral(task_id=name_id(each, "task")) for each in REFERRALS]),
    some.builds(CompleteFollowUp, task_id=some.sampled_from(REFERRALS)),
    some.builds(AcknowledgeEscalation, escalation_id=some.sampled_from(REFERRALS)),
    some.builds(ResolveEscalation, escalation_id=some.sampled_from(REFERRALS), reason=some.just("reached")),
)
BEGINS = DISCHARGED + timedelta(days=30)
OUTCOMES: dict[str, Callable[[Referral], Consumes]] = {
    "made": made,
    "withheld": lambda referral: withheld(referral, ledger_version=999),
    "withheld before the last consent was read": withheld,
    "withheld until its consent begins": lambda referral: withheld(referral, 999, until=BEGINS),
    "withheld for want of a phone": lambda referral: withheld(referral, 999, reason="patient-lacks-phone"),
    "refused": refused,
    "gave up": gave_up,
}
outcomes = some.sampled_from(sorted(OUTCOMES))
steps = some.lists(some.tuples(some.one_of(facts, commands, outcomes), moments), max_size=15)


def step(patient: Story, what: Consumes | Commands | str, at: datetime) -> list[Event]:
    """What is emitted to one step of a course; an outcome is that of the first referral on its way, if there is one."""
    if isinstance(what, str):
        return patient.then(*(OUTCOMES[what](each) for each in patient.state.on_its_way[:1]), at=at)
    return patient.then(what, at=at)


Workload = list[tuple[Consumes | Commands | str, datetime]]


def after(workload: Workload) -> Story:
    patient = Story()
    for what, at in workload:
        step(patient, what, at)
    return patient


@LESS
@given(steps)
def test_any_course_is_decided_without_an_exception_and_in_events_of_the_catalogue(workload: Workload) -> None:
    patient = Story()
    for what, at in workload:
        for event in step(patient, what, at):
            if not isinstance(event, StateEvent | Listed):
                assert BY_TYPE[type(event)].producer in {"aftercare", "any"}
                assert event.write("patient")


@LESS
@given(steps, facts.filter(lambda event: not isinstance(event, ConsentGiven)), moments)
def test_a_fact_heard_again_says_nothing_new(workload: Workload, fact: Consumes, at: datetime) -> None:
    patient = after(workload)
    patient.then(fact, at=at)
    assert patient.then(fact, at=at) == []


@LESS
@given(steps, partners, moments)
def test_a_consent_heard_again_while_its_referral_is_on_its_way_says_nothing_new(
    workload: Workload, partner: str, at: datetime
) -> None:
    patient = after(workload)
    consent = msgspec.structs.replace(CONSENT, recipients=(partner,))
    patient.then(consent, at=at)
    assert patient.then(consent, at=at) == []


@LESS
@given(steps, outcomes)
def test_an_outcome_heard_again_says_nothing_new(workload: Workload, name: str) -> None:
    patient = after(workload)
    for referral in patient.state.on_its_way[:1]:
        outcome = OUTCOMES[name](referral)
        patient.then(outcome)
        assert patient.then(outcome) == []


@LESS
@given(steps)
def test_time_always_moves_on(workload: Workload) -> None:
    patient = after(workload)
    for _ in range(40):
        due = memory.due(patient.state)
        if due is None:
            return
        patient.then(TimePassed(), at=due)
        later = memory.due(patient.state)
        assert later is None or later > due
    raise AssertionError("a deadline that never ends")


@LESS
@given(steps)
def test_to_each_partner_at_most_one_referral_is_open(workload: Workload) -> None:
    open_to = [each.partner for each in after(workload).state.referrals]
    assert len(open_to) == len(set(open_to))


@LESS
@given(steps)
def test_of_each_kind_called_for_at_most_one_is_on_its_way_unless_a_person_asks(workload: Workload) -> None:
    unasked: Workload = [(what, at) for what, at in workload if not isinstance(what, AskReferral)]
    patient = after(unasked)
    sending = [each.kind for each in patient.state.on_its_way if not each.taken_back]
    assert len(sending) == len(set(sending))


@LESS
@given(steps)
def test_while_a_death_is_reported_nothing_is_prepared_and_nobody_is_to_be_called(workload: Workload) -> None:
    patient = Story()
    for what, at in workload:
        emitted = step(patient, what, at)
        if patient.state.died:
            assert not any(isinstance(each, ReferralPrepared | FollowUpFellDue) for each in emitted)
            assert not any(each for each in patient.state.referrals)


@LESS
@given(steps)
def test_nothing_is_ever_prepared_for_a_mutual_help_group(workload: Workload) -> None:
    patient = Story()
    for what, at in workload:
        for event in step(patient, what, at):
            assert not isinstance(event, ReferralPrepared) or event.partner in {"alumni", "clinic", "house"}


@LESS
@given(steps)
def test_the_state_is_what_was_stored_and_at_most_4_kb(workload: Workload) -> None:
    state = after(workload).state
    stored = msgspec.json.encode(state)
    assert len(stored) <= STATE_BYTES_MOST
    assert msgspec.json.decode(stored, type=State) == state


stored_plans = some.builds(
    Plan,
    plan_id=episodes,
    ahead=some.lists(some.builds(Ahead, some.integers(-1, 99), moments), max_size=3).map(tuple),
    fallen_due=some.lists(some.builds(FollowUp, some.integers(-1, 99), moments, moments), max_size=3).map(tuple),
)


def stored_referrals(kind: type[Referral]) -> some.SearchStrategy[tuple[Referral, ...]]:
    one = some.builds(
        kind,
        referral_id=some.sampled_from(REFERRALS),
        partner=some.sampled_from(["alumni", "a partner of long ago"]),
        asked_at=moments,
    )
    return some.lists(one, max_size=3).map(tuple)


stored = some.builds(
    State,
    episode=some.none() | some.builds(InCare, episode_id=episodes) | some.builds(Discharged, episode_id=episodes),
    plan=some.none() | stored_plans,
    on_its_way=stored_referrals(OnItsWay),
    on_hold=stored_referrals(OnHold),
    escalations=some.just(()),
)


@LESS
@given(stored, some.one_of(facts, commands, outcomes), moments)
def test_any_state_hears_anything(state: State, what: Consumes | Commands | str, at: datetime) -> None:
    patient = Story()
    patient.state = state
    step(patient, what, at)
    memory.due(patient.state)


def test_the_fullest_realistic_state_is_at_most_4_kb() -> None:
    kinds = [f"a-kind-of-referral-{number}" for number in range(PARTNERS_MOST)]
    many = tuple(
        msgspec.structs.replace(ALUMNI, name=f"a-partner-with-a-long-name-{kind}", identifier=kind, serves=(kind,))
        for kind in kinds
    )
    patient = Story(IDENTIFIED, settings=msgspec.structs.replace(SETTINGS, partners=many))
    patient.then(ContactKnown(area="A" * 5000, language="x" * 5000))
    patient.then(admitted(flags=tuple(f"a-rather-long-flag-{number}" for number in range(400))))
    assert len(msgspec.json.encode(patient.state)) <= STATE_BYTES_MOST
    patient.then(discharged("ama"))
    for kind in kinds:
        patient.then(AskReferral(referral_id=str(uuid4()), partner=kind, kind=kind))
    assert len(patient.state.referrals) == PARTNERS_MOST
    for each in patient.state.on_its_way:
        patient.then(withheld(each, reason="consent-for-another-purpose", until=DISCHARGED + timedelta(days=900)))
    patient.then(TimePassed(), at=DISCHARGED + timedelta(days=400))
    assert len(msgspec.json.encode(patient.state)) <= STATE_BYTES_MOST
