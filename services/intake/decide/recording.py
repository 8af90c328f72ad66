"""What is recorded of a patient: who it is, consents, medications, findings and needs."""

from datetime import timedelta
from functools import reduce
from typing import assert_never

from services.intake import messages
from services.intake.decide.placing import known_of, look_at_needs, place
from services.intake.listed import MEDICATIONS_MOST, ListedMedication, medications_listed, merged_list, taken_since
from services.intake.placement import safety
from services.intake.placement.assessment import Assessment
from services.intake.placement.evidence import merged, new_findings, sources, standing_sources
from services.intake.placement.sources import source_key
from services.intake.settings import Settings
from services.intake.state import State, assessed, evolve
from shared.events.envelope import name_id
from shared.rules import escalation
from shared.rules.decision import Moment, Refused
from shared.rules.staff import acts_as, refused


def identified(command: messages.RecordPatient, moment: Moment[Settings]) -> messages.PatientIdentified:
    return messages.PatientIdentified(digests=command.digests, sealed=command.sealed, identified_at=moment.now)


def of_consent(
    command: messages.RecordConsent | messages.DenyConsent | messages.RevokeConsent, moment: Moment[Settings]
) -> messages.ConsentGiven | messages.ConsentDenied | messages.ConsentRevoked:
    """From the command alone: consents pass even a parked patient."""
    match command:
        case messages.RecordConsent():
            return consent_given(command)
        case messages.DenyConsent():
            return consent_denied(command)
        case messages.RevokeConsent(consent_id=consent_id, mistaken=mistaken):
            return messages.ConsentRevoked(consent_id=consent_id, revoked_at=moment.now, mistaken=mistaken)
        case _:
            assert_never(command)


def consent_given(command: messages.RecordConsent) -> messages.ConsentGiven:
    return messages.ConsentGiven(
        consent_id=command.consent_id,
        recipients=command.recipients,
        purposes=command.purposes,
        fields=command.fields,
        given_at=command.given_at,
        starts_at=command.starts_at,
        expires_at=command.expires_at,
        classes=command.classes,
        ends_with=command.ends_with,
    )


def consent_denied(command: messages.DenyConsent) -> messages.ConsentDenied:
    return messages.ConsentDenied(
        consent_id=command.consent_id,
        recipients=command.recipients,
        purposes=command.purposes,
        denied_at=command.denied_at,
        fields=command.fields,
    )


def record_medications(
    state: State, command: messages.RecordMedications, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """The whole list, each time it changed: testing needs what the patient takes now and took lately."""
    since = moment.now.date() - timedelta(days=moment.settings.medication_days)
    known = taken_since(since, state.medications or ())
    listed = taken_since(since, merged_list(state.medications or (), command.medications))
    if len(listed) > MEDICATIONS_MOST:
        return Refused("too-costly", f"A list holds at most {MEDICATIONS_MOST} medications: reconcile it first.")
    unchanged = state.medications is not None and listed == known
    return [] if unchanged else [medications_event(listed, moment)]


def medications_event(taken: tuple[ListedMedication, ...], moment: Moment[Settings]) -> messages.MedicationsRecorded:
    list_id = name_id(moment.patient, "medications")
    medications = medications_listed(list_id, taken)
    return messages.MedicationsRecorded(list_id=list_id, recorded_at=moment.now, medications=medications)


def report_findings(state: State, command: messages.ReportFindings, moment: Moment[Settings]) -> list[messages.Emits]:
    """Safety, from the event alone; a state, where there is one, only keeps it from being raised twice."""
    known = Assessment((), merged({}, command.findings), moment.now)
    after = merged(state.evidence, command.findings)
    found = safety.triggers(known, new_findings(state.evidence, after, command.findings))
    return [*escalation.raise_or_update(state.escalations, found, moment, moment.settings.escalation)]


def record_assessment(
    state: State, command: messages.RecordAssessment | messages.RecordConditions, moment: Moment[Settings]
) -> list[messages.Emits]:
    after = assessed(state, command)
    known = known_of(after, moment)
    corrected = safety.corrected(state.escalations, known, sources(command), moment.now)
    still_open = reduce(escalation.evolve, corrected, state.escalations)
    found = safety.triggers(known, new_findings(state.evidence, after.evidence, command.findings))
    emitted = escalation.raise_or_update(still_open, found, moment, moment.settings.escalation)
    placed = place(after, moment)
    looked_at = look_at_needs(state, reduce(evolve, placed, after), moment)
    return [*corrected, *emitted, *looked_at, *placed]


def end_evidence(
    state: State, command: messages.EndEvidence, moment: Moment[Settings]
) -> list[messages.Emits] | Refused:
    """What stands behind a safety escalation decides nothing any more; the placement is looked at again. The same
    again changes nothing."""
    codes = safety.codes_behind(command.finding)
    refusal = refused(moment.settings.staff, "end-evidence", command.by)
    if refusal is not None:
        return refusal
    if not codes:
        return Refused("business-rule", "Only the evidence of a safety escalation can be ended.", "Task.statusReason")
    if command.screen and source_key(command.screen) in standing_sources(state.evidence, codes):
        return Refused("business-rule", "Must name the newer screen, not the one that was reassessed.", "Task.output")
    resolved = [
        messages.EscalationResolved(
            escalation=each.escalation,
            at=moment.now,
            reason=command.reason,
            by=command.by,
            client=moment.by,
            role=acts_as(moment.settings.staff, "end-evidence", command.by) or "",
            proved=command.proved,
        )
        for each in state.escalations
        if each.escalation.id == command.escalation_id
    ]
    return [*resolved, *place(evolve(state, command), moment)]
