"""A partner's referral: where it stands goes to aftercare, and nothing of a level, a rule, a need or a reason."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.aftercare.answers.form import STATUSES
from services.intake import messages as w
from services.intake.decide import death
from services.intake.placement.planned import episode_id
from shared.events.envelope import Command, Event
from tests.intake.given import IOP_NEEDS, MONDAY, REFERRAL, TUESDAY, assessment, referral, sign
from tests.intake.story import Story
from tests.laws import examples
from tests.story import only

SECOND = "99999999-1111-4c5a-9e0e-3f0c5a0e5a0e"
HOSPITAL, COURT = "riverbend-hospital", "riverbend-court"
DIED = w.ReportDeath(died_at=None)


def referred_by(partner: str = HOSPITAL, identity: str = REFERRAL) -> w.ReceiveReferral:
    return msgspec.structs.replace(referral(identity), referrer=partner, number="sealed" if partner else "")


def correcting(partner: str | None, number: str = "") -> w.CorrectReferral:
    return w.CorrectReferral(referral_id=REFERRAL, priority="routine", referrer=partner, number=number)


def changes(emitted: list[Event]) -> list[tuple[str, str]]:
    """Which partner may be answered what."""
    return [(each.partner, each.state) for each in only(emitted, w.PartnerReferralChanged)]


def placed(partner: str = HOSPITAL) -> Story:
    return Story(assessment(IOP_NEEDS, "safe-housing"), referred_by(partner))


def test_each_state_is_answered_once_and_a_recommendation_is_the_programs_own() -> None:
    story = Story()
    assert changes(story.then(referred_by())) == [(HOSPITAL, "in-review")]
    assert changes(story.then(assessment(IOP_NEEDS, "safe-housing"))) == []
    assert story.state.recommended is not None
    assert changes(story.then(sign(story.state))) == [(HOSPITAL, "admitted")]
    assert story.state.referrers == ()


def test_how_the_referrer_calls_it_goes_along_once() -> None:
    story = Story()
    emitted = story.then(referred_by(), w.RevokeReferral(referral_id=REFERRAL, reason="referral-in-error", at=MONDAY))
    sealed = [(each.state, each.number) for each in only(emitted, w.PartnerReferralChanged)]
    assert sealed == [("in-review", "sealed"), ("withdrawn", "")]


def test_a_referral_that_no_partner_made_goes_to_nobody() -> None:
    story = placed("")
    assert changes([*story.all_emitted, *story.then(sign(story.state))]) == []


def test_one_that_waits_beside_another_is_received_and_then_looked_at() -> None:
    story = placed("")
    assert changes(story.then(referred_by(COURT, SECOND))) == [(COURT, "received")]
    revoked = w.RevokeReferral(referral_id=REFERRAL, reason="referral-revoked", at=MONDAY)
    assert changes(story.then(revoked)) == [(COURT, "in-review")]


@pytest.mark.parametrize(("corrected", "now"), [(COURT, [(COURT, "in-review")]), ("", [("", "in-review")])])
def test_another_requester_is_answered_from_then_on_and_the_one_before_no_more(
    corrected: str, now: list[tuple[str, str]]
) -> None:
    story = placed()
    assert changes(story.then(correcting(corrected))) == now
    assert changes(story.then(correcting(corrected))) == []
    assert changes(story.then(sign(story.state))) == ([(COURT, "admitted")] if corrected else [])


def test_a_partner_that_is_named_later_learns_where_it_stands() -> None:
    story = placed("")
    assert changes(story.then(correcting(HOSPITAL, "sealed"))) == [(HOSPITAL, "in-review")]


def test_an_update_that_says_nothing_of_the_requester_changes_none_but_another_number_is_known() -> None:
    story = placed()
    assert changes(story.then(correcting(None))) == []
    (anew,) = only(story.then(correcting(None, "sealed anew")), w.PartnerReferralChanged)
    assert (anew.partner, anew.state, anew.number) == (HOSPITAL, "in-review", "sealed anew")


def test_a_death_that_is_only_reported_is_no_answer_and_confirmed_the_referral_is_withdrawn() -> None:
    story = placed()
    assert changes(story.then(DIED)) == []
    reported = story.state.escalation_of(death.REASON)
    assert reported is not None
    confirmed = w.ResolveEscalation(escalation_id=reported.escalation.id, reason="confirmed", by="clinician-1")
    assert changes(story.then(confirmed)) == [(HOSPITAL, "withdrawn")]


def test_one_received_while_a_death_is_reported_is_remembered_by_its_referrer() -> None:
    story = Story(DIED)
    assert changes(story.then(referred_by())) == [(HOSPITAL, "received")]
    assert changes(story.then(w.WithdrawDeath())) == [(HOSPITAL, "in-review")]


def test_received_again_after_its_end_it_is_answered_anew() -> None:
    story = placed()
    story.then(w.RevokeReferral(referral_id=REFERRAL, reason="referral-revoked", at=MONDAY))
    assert changes(story.at(TUESDAY + timedelta(days=1)).then(referred_by())) == [(HOSPITAL, "in-review")]


def test_signed_and_waiting_for_a_seat_then_planned_then_admitted_each_is_answered() -> None:
    story = placed()
    emitted = story.then(sign(story.state, waits=True))
    assert changes(emitted) == [(HOSPITAL, "wait-listed")]
    assert story.state.planned is not None
    friday = MONDAY + timedelta(days=4)
    planned = w.SetPlan(episode_id=episode_id(REFERRAL), status="planned", start=friday, reason="", by="case-manager-1")
    assert changes(story.then(planned)) == [(HOSPITAL, "planned")]
    assert changes(story.until(friday)) == [(HOSPITAL, "admitted")]


Course = list[Callable[[Story], Command | None]]


def signs(story: Story) -> Command | None:
    return sign(story.state) if story.state.recommended is not None else None


def confirms(story: Story) -> Command | None:
    reported = story.state.escalation_of(death.REASON)
    if reported is None:
        return None
    return w.ResolveEscalation(escalation_id=reported.escalation.id, reason="confirmed", by="clinician-1")


def always(command: Command) -> Callable[[Story], Command]:
    return lambda story: command


steps: some.SearchStrategy[Callable[[Story], Command | None]] = some.sampled_from(
    [
        signs,
        confirms,
        always(assessment(IOP_NEEDS, "safe-housing")),
        always(DIED),
        always(w.WithdrawDeath()),
        *(always(referred_by(partner, each)) for partner in (HOSPITAL, COURT, "") for each in (REFERRAL, SECOND)),
        *(always(correcting(partner)) for partner in (HOSPITAL, COURT, "", None)),
        *(
            always(w.RevokeReferral(referral_id=each, reason="referral-revoked", at=MONDAY))
            for each in (REFERRAL, SECOND)
        ),
    ]
)


@settings(max_examples=examples(150))
@given(some.lists(steps, max_size=20))
def test_in_any_course_a_partner_knows_of_its_referral_what_the_programs_own_know_but_a_reported_death(
    course: Course,
) -> None:
    story, partners, stands = Story(), dict[str, str](), dict[str, str]()
    for step in course:
        command, before = step(story), len(story.answers)
        if command is None:
            continue
        open_before = {each.id for each in story.state.referrals}
        known_before = {each.referral_id for each in story.state.referrers}
        emitted = story.then(command)
        match command:
            case w.ReceiveReferral(referral_id=named, referrer=partner) if emitted and named not in open_before:
                partners[named] = partner
            case w.CorrectReferral(referral_id=named, referrer=str(partner)) if named in open_before:
                partners[named] = partner
                if story.state.death is not None and named not in known_before:
                    stands[named] = (
                        "received"  # whoever is named only now, while it waits for whether the patient lives
                    )
        for answer in story.answers[before:]:
            if answer.reason != death.REASON or answer.referral_id not in open_before:
                stands[answer.referral_id] = "in-review" if answer.state == "recommended" else answer.state
        known = {each.referral_id: (each.partner, each.state) for each in story.state.referrers}
        open_now = {each.id for each in story.state.referrals}
        assert known == {
            each: (partner, stands[each]) for each, partner in partners.items() if partner and each in open_now
        }
        for event in only(emitted, w.PartnerReferralChanged):
            assert event.state in STATUSES
