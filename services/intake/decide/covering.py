"""Who pays for the patient: emitted whole when it changes; a person is asked where nobody could read who does."""

from services.intake import messages
from services.intake.coverage import coverages_after, payers_of
from services.intake.decide.placing import ask_for_review, withdraw
from services.intake.settings import Settings
from services.intake.state import State
from shared.events.envelope import name_id
from shared.events.intake import READ_COVERAGE
from shared.rules.decision import Moment

UNREAD_MOST = 3
"""Coverages that a person is asked to read at once: whoever does sees the others beside them."""
READ_NOW, WITHDRAWN = "payer-known", "coverage-withdrawn"


def recorded(state: State, command: messages.RecordCoverage, moment: Moment[Settings]) -> list[messages.Emits]:
    """What a Coverage says now, in place of what it said; the same again changes nothing."""
    before, now = payers_of(state.coverages), payers_of(coverages_after(state.coverages, command))
    emitted: list[messages.Emits] = []
    if now != before:
        list_id = name_id(moment.patient, "payers")
        emitted = [messages.CoverageRecorded(list_id=list_id, recorded_at=moment.now, payers=now)]
    return [*emitted, *_asked(state, command, moment)]


def _asked(state: State, command: messages.RecordCoverage, moment: Moment[Settings]) -> list[messages.Emits]:
    """Once for each of them. A program that tells no payers apart asks nobody, nor does one that is over."""
    identity, focus = name_id(command.coverage_id, "review:payer"), f"Coverage/{command.coverage_id}"
    unread = [each for each in state.asked if each.reason == READ_COVERAGE]
    known = next((each for each in unread if each.id == identity), None)
    is_over = command.cancelled_at is not None or (command.until is not None and command.until <= moment.now)
    if command.is_withdrawn or command.payer or is_over:
        return withdraw(known, READ_NOW if command.payer and not command.is_withdrawn else WITHDRAWN, moment)
    names_payers = any(each.codes for each in moment.settings.payers.values())
    if known is not None or not names_payers or len(unread) >= UNREAD_MOST:
        return []
    return [ask_for_review(identity, READ_COVERAGE, focus, moment, moment.settings.review_hours)]
