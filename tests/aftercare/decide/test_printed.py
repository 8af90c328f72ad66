"""A referral that is printed: it waits for paper, no other has its turn, and once it was printed the partner has it."""

from msgspec.structs import replace

from services.aftercare.messages import ReferralPrepared, ReferralSent, ReferralWithheld
from shared.events.aftercare import TO_BE_PRINTED
from tests.aftercare.given import CONSENT, IDENTIFIED, SETTINGS, admitted, discharged, made, withheld
from tests.aftercare.story import Story
from tests.story import only

PAPER = replace(SETTINGS, partners=tuple(replace(each, printed=True, url="") for each in SETTINGS.partners))
ANOTHER = replace(PAPER.partners[0], name="alumni-2", identifier="alumni-2")


def waiting() -> tuple[Story, ReferralPrepared]:
    """The alumni group's may be disclosed, and waits for paper."""
    story = Story(IDENTIFIED, admitted(), settings=replace(PAPER, partners=(*PAPER.partners, ANOTHER)))
    alumni, _ = only(story.then(discharged()), ReferralPrepared)
    emitted = story.then(withheld(alumni, reason=TO_BE_PRINTED))
    assert [each.reason for each in only(emitted, ReferralWithheld)] == [TO_BE_PRINTED]
    return story, alumni


def test_no_other_candidate_has_its_turn_while_it_waits() -> None:
    story, alumni = waiting()
    assert only(story.emitted, ReferralPrepared) == []
    # Counter-example: where no consent permits it, the next one has.
    story = Story(IDENTIFIED, admitted(), settings=replace(PAPER, partners=(*PAPER.partners, ANOTHER)))
    alumni, _ = only(story.then(discharged()), ReferralPrepared)
    assert [each.partner for each in only(story.then(withheld(alumni)), ReferralPrepared)] == ["alumni-2"]


def test_once_it_was_printed_the_partner_has_it_and_is_waited_for() -> None:
    story, alumni = waiting()
    (sent,) = only(story.then(made(alumni)), ReferralSent)
    assert sent.answer_by is not None
    assert [each.referral_id for each in story.state.received] == [alumni.referral_id]
    assert alumni.referral_id not in {each.referral_id for each in story.state.on_hold}
    assert alumni.partner in {each.partner for each in story.state.sent}
    assert story.then(made(alumni)) == []


def test_a_consent_between_the_print_and_its_record_loses_nothing() -> None:
    story, alumni = waiting()
    (anew,) = only(story.then(CONSENT), ReferralPrepared)
    assert anew.attempt == 2
    assert len(only(story.then(made(alumni)), ReferralSent)) == 1
    assert story.then(withheld(anew, reason=TO_BE_PRINTED)) == []
