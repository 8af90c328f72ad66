"""A medical emergency in which a person of the staff told medical personnel (42 CFR 2.51): it is booked, and a privacy
officer is asked to look at it. The hub itself sends nothing.
"""

from datetime import datetime
from typing import TypedDict

from services.aftercare.messages import Emits, MarkEmergency, RecordEmergency
from services.aftercare.settings import Settings
from services.aftercare.state import State
from shared.events.emergency import EmergencyDisclosed, EmergencyMistaken
from shared.events.envelope import name_id
from shared.events.escalation import Signal
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.escalation import Trigger, rule_version
from shared.rules.staff import DIRECTOR, PRIVACY_OFFICER, has_role, refused

REASON = "emergency-disclosure"
TIER = 1
"""A person looks at it within 72 hours (domain 5.1): what was told can't be taken back."""
RULES_VERSION = "1"
MISTAKEN = "entered-in-error"


def recorded(state: State, command: RecordEmergency, moment: Moment[Settings]) -> list[Emits] | Refused:
    """Also of a patient who has died, or of whom no stay is known: what was told was told."""
    refusal = refused(moment.settings.staff, "disclose-in-emergency", command.by, "Communication.sender")
    if refusal is not None:
        return refusal
    signal = Signal(command.nature, command.disclosed_at, _evidence(command))
    if any(signal in each.escalation.signals for each in state.escalations):
        return []  # it is booked
    disclosed = EmergencyDisclosed(**_of(command, moment))
    trigger = Trigger(
        category="safety",
        reason=REASON,
        tier=TIER,
        owner=PRIVACY_OFFICER if has_role(moment.settings.staff, PRIVACY_OFFICER) else DIRECTOR,
        rule=rule_version("aftercare", REASON, RULES_VERSION),
        signals=(signal,),
    )
    return [disclosed, *escalation.raise_or_update(state.escalations, [trigger], moment, moment.settings.escalation)]


def mistaken(state: State, command: MarkEmergency, moment: Moment[Settings]) -> list[Emits]:
    """Nobody was told: the line of the books stays, marked, and nobody has to look at it any more."""
    marked = EmergencyMistaken(**_of(command, moment), mistaken_by=command.mistaken_by)
    evidence = _evidence(command)
    return [marked, *escalation.withdraw_evidence(state.escalations, evidence, {REASON}, MISTAKEN, moment.now)]


def _evidence(command: RecordEmergency) -> str:
    return f"Communication/{command.communication_id}"


class _Of(TypedDict):
    audit_id: str
    communication_id: str
    nature: str
    by: str
    disclosed_at: datetime
    recorded_at: datetime
    client: str


def _of(command: RecordEmergency, moment: Moment[Settings]) -> _Of:
    return _Of(
        audit_id=name_id(command.communication_id, "disclosure"),
        communication_id=command.communication_id,
        nature=command.nature,
        by=command.by,
        disclosed_at=command.disclosed_at,
        recorded_at=moment.now,
        client=moment.by,
    )
