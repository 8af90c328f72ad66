"""An explanation as a person would give it: plain English, one line a decision, below it what it led to and why."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from shared.events.intake import RuleChange
from shared.path.transaction.explaining import Emitted, Explanation, Fact, Number, Step
from shared.path.transaction.journal import DECIDED, HELD

TEXTS: Mapping[str, str] = {
    "TimePassed": "time passed",
    "SilenceCounts": "time passed, and the program's feed had spoken",
    "CheckIn": "presence was reported",
    "EscalationRaised": "a person is asked to act",
    "EscalationUpdated": "the same again, or part of it gone",
    "EscalationAcknowledged": "a person took it on",
    "EscalationActedOn": "whoever has it did something about it",
    "EscalationHandedOver": "it was handed over: another one is asked",
    "EscalationOverdue": "nobody has answered in time",
    "EscalationResolved": "it was acted on, or the stay ended",
    "EscalationReopened": "it was resolved by mistake, and is open again",
    "EscalationRetracted": "the reason was wrong: withdrawn",
    "ReceiveReferral": "a referral was received",
    "CorrectReferral": "a referral says otherwise how urgent it is, or what it asks for",
    "ReferralAnswered": "the referral is answered",
    "PartnerReferralChanged": "the partner that referred may be answered, if a consent permits it",
    "AnswerPrepared": "the answer to the referrer goes to the consent gate",
    "AnswerSent": "the referrer has the answer",
    "AnswerWithheld": "the answer to the referrer is on hold",
    "AnswerRefused": "the referrer did not take the answer",
    "AnswerWithdrawn": "the answer to the referrer is taken back",
    "LaboratoryOrderPrepared": "the order to the laboratory goes to the consent gate",
    "LaboratoryOrderSent": "the laboratory has the order",
    "LaboratoryOrderFailed": "the laboratory was not told",
    "SendOrderAgain": "a person has the laboratory told again",
    "RecordAssessment": "an assessment was received",
    "ReportFindings": "findings were received",
    "ReportResult": "a result was received",
    "ReportCareElsewhere": "care elsewhere was reported",
    "EndCareElsewhere": "care elsewhere ended",
    "WithdrawCareElsewhere": "there was no care elsewhere",
    "SetPlan": "an EHR sets when the stay begins",
    "EpisodePlanned": "the stay is to begin at a planned time",
    "EpisodeWaitlisted": "the patient waits for a seat",
    "SeatGiven": "a seat is the patient's",
    "SeatsFull": "no seat is free",
    "GroupFull": "the group has no free seat",
    "ChooseGroup": "a person chooses the group",
    "EpisodeCancelled": "the stay that was planned, or waited for, does not begin",
    "EpisodePaused": "the stay is paused: no session is owed",
    "EpisodeResumed": "the stay goes on",
    "StageAdvanced": "the stay goes on in another stage",
    "AdvanceStage": "the therapist says in which stage the stay goes on",
    "EpisodeStepped": "the stay goes on at another level of care",
    "SignPlacement": "a clinician signs the placement",
    "AskReferral": "a referral was asked for",
    "AcknowledgeEscalation": "a person takes it on",
    "ActOnEscalation": "a person did something about it",
    "HandOverEscalation": "it is handed over to another person or role",
    "ResolveEscalation": "a person has acted on it",
    "ReopenEscalation": "who resolved it has it again",
    "LevelOfCareRecommended": "a level of care is recommended",
    "RecommendationWithdrawn": "the recommendation no longer holds",
    "PlacementSigned": "a clinician signed the placement",
    "FollowUpFellDue": "a contact after the discharge is due",
    "FollowUpCompleted": "a contact after the discharge was made, corrected or is asked for no more",
    "ContactAttempted": "somebody tried to reach the patient",
    "CorrectFollowUp": "a contact is reported otherwise",
    "answer-using": "the patient said that they are using",
    "answer-in-crisis": "the patient said that they are in crisis",
    "answer-uncoded": "the patient answered in words that are no code",
    "signed_as": "as",
    "second_signed_by": "second signature by",
    "second_signed_as": "as",
    "DeliveryParked": "a delivery could not be decided and was parked",
    "DeliveryRedriven": "the parked deliveries were decided",
    "DisclosureMade": "the partner accepted it",
    "DisclosureWithheld": "the consent gate withheld it",
    "DisclosureRefused": "the partner refused it",
    "DisclosureGaveUp": "the partner could not be reached",
    "DisclosureParked": "a fault of the hub's stops it from being sent",
    "consent_id": "by consent",
    "encounter_id": "by Encounter",
    "acknowledge_by": "to be acknowledged by",
    "act_by": "to be acted on by",
}
"""What an event, command or field is called; any other is spelt out of its own name."""
CODED = ("reason", "answer", "act", "owner", "signed_as", "second_signed_as")
"""Fields whose value is a code, and spelt out."""
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def text(code: str) -> str:
    return TEXTS.get(code) or " ".join(each.lower() for each in _PART.findall(code))


def lines(explanation: Explanation) -> list[str]:
    first = f"{explanation.type} {explanation.id} of patient {explanation.patient}, by {explanation.service}"
    found = [line for step in explanation.steps for line in _step(step)]
    if not explanation.steps and not explanation.incomplete:
        found.append("  no decision in the journal names it: it was stored as it was received, or its months are over")
    return [first, *found, *([f"  no further: {explanation.incomplete}"] if explanation.incomplete else [])]


def _step(step: Step) -> Iterator[str]:
    causes = ", ".join(text(each) for each in step.cause.split("+"))
    since = f"; the hub had listened since {_time(step.listening_since)}" if step.listening_since else ""
    ended = "" if step.outcome in (DECIDED, HELD) else f": refused, {text(step.outcome)}"
    yield f"  {_time(step.at)}  {causes}, from {step.sender}{since}{_details(step.details)}{ended}"
    for each in step.emitted:
        yield from _emitted(each)
    for number in step.numbers:
        yield f"      it read {_number(number)}"


def _emitted(emitted: Emitted) -> Iterator[str]:
    yield f"    {text(emitted.event)}{_details(emitted.details)}; to {emitted.topic}"
    for fact in emitted.facts:
        yield f"      for {_fact(fact)}"
    for held in emitted.rules:
        by = "; and by ".join(map(_fact, held.facts))
        yield f"      rule {held.rule} holds{f' by {by}' if by else ''}"
    for each in emitted.undecided:
        yield f"      rule {each.rule} could not be looked at whole: {text(each.code)} is {text(each.reason)}"
    for change in emitted.changes:
        yield f"      since the recommendation before: {_change(change)}"


def _change(change: RuleChange) -> str:
    codes = ", ".join(map(text, change.codes))
    if not change.rule:
        return f"the need of {codes} is another one"
    return f"rule {change.rule} is {change.change}{f', by {codes}' if codes else ''}"


def _fact(fact: Fact) -> str:
    received = f", received {_time(fact.received_at)} from {fact.received_from}" if fact.received_at else ""
    at, where = f" at {_time(fact.at)}" if fact.at else "", f" ({fact.reference})" if fact.reference else ""
    return f"{text(fact.code)}{at}{where}{received}"


def _number(number: Number) -> str:
    changed = "; program.toml has another one now" if number.changed else ""
    where = f" ({number.source}{changed})" if number.source else ""
    return f"{number.name} = {_value(number.value)}{f' {number.unit}' if number.unit else ''}{where}"


def _details(details: Mapping[str, object]) -> str:
    return "".join(f", {text(name)} {_value(value, name in CODED)}" for name, value in details.items())


def _value(value: object, coded: bool = False) -> str:
    if coded:
        return text(str(value))
    if value in ("", (), []):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
