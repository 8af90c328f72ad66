"""Code systems and labels. Codes of the hub's own carry the hub's URL; every other is the public one."""

HUB = "https://iop-hub.org/fhir"
"""Base of every `fullUrl` and of the hub's own code systems."""

EVENT = f"{HUB}/CodeSystem/event"
LEVEL = f"{HUB}/CodeSystem/level-of-care-4e"
"""Public level codes; the edition stands in the address, because a code alone can mean another level (domain 2.2)."""
COUNT = f"{HUB}/CodeSystem/count"
NEED = f"{HUB}/CodeSystem/dimension-4e"
FACT = f"{HUB}/CodeSystem/assessment-fact"
ANSWER = f"{HUB}/CodeSystem/assessment-answer"
RULE = f"{HUB}/CodeSystem/level-of-care-rule"
RULE_TABLE = f"{HUB}/PlanDefinition/level-of-care"
REFERRAL = f"{HUB}/CodeSystem/referral-state"
PARTNER_KIND = f"{HUB}/CodeSystem/partner-kind"
CONDITION = f"{HUB}/CodeSystem/placement-condition"
REASON = f"{HUB}/CodeSystem/reason"
MEETING_WISH = f"{HUB}/CodeSystem/meeting-wish"
"""What a patient wishes of mutual-help meetings."""
FELLOWSHIP = f"{HUB}/CodeSystem/fellowship"
MEETING_OFFER = f"{HUB}/StructureDefinition/meeting-offer"
"""Of a payload: when a meeting is on the patient's clock, how they take part, and within how many miles it is."""
ESCALATION = f"{HUB}/CodeSystem/escalation"
TASK = f"{HUB}/CodeSystem/task"
INPUT = f"{HUB}/CodeSystem/task-input"
OWNER = f"{HUB}/CodeSystem/owner-role"
TRACK = f"{HUB}/CodeSystem/track"
FLAG = f"{HUB}/CodeSystem/flag"
STAGE = f"{HUB}/CodeSystem/stage"
SESSION = f"{HUB}/CodeSystem/session-kind"
GROUP_TRAIT = f"{HUB}/CodeSystem/group-trait"
GROUP_TIME = f"{HUB}/CodeSystem/group-time"
GROUP_CHOICE = f"{HUB}/CodeSystem/group-choice"
MODALITY = f"{HUB}/CodeSystem/session-modality"
GOAL_AIM = f"{HUB}/CodeSystem/goal-aim"
ACTIVITY = f"{HUB}/CodeSystem/plan-activity"
AFTERCARE = f"{HUB}/CodeSystem/aftercare-activity"
TOPIC = f"{HUB}/CodeSystem/topic"
DISPOSITION = f"{HUB}/CodeSystem/disposition"
ANALYTE = f"{HUB}/CodeSystem/analyte"
OUTCOME = f"{HUB}/CodeSystem/drug-test-outcome"
ATTENDANCE = f"{HUB}/CodeSystem/attendance-outcome"
OUTREACH = f"{HUB}/CodeSystem/outreach-outcome"
CONTACT = f"{HUB}/CodeSystem/contact-answer"
FIELD = f"{HUB}/CodeSystem/disclosure-field"
PURPOSE = f"{HUB}/CodeSystem/purpose"
ROUTE = f"{HUB}/CodeSystem/medication-route"
INTERIM = f"{HUB}/CodeSystem/interim-service"
OPERATION = f"{HUB}/CodeSystem/operation"
LIST = f"{HUB}/CodeSystem/list"
DISCLOSURE = f"{HUB}/CodeSystem/disclosure"
CONSENT_EVENT = f"{HUB}/CodeSystem/consent-event"
EMERGENCY = f"{HUB}/CodeSystem/emergency"

DIGEST = f"{HUB}/NamingSystem/identifier-digest"
PARTNER = f"{HUB}/NamingSystem/partner"
PROGRAM = f"{HUB}/NamingSystem/program"
STAFF = f"{HUB}/NamingSystem/staff"
SERVICE = f"{HUB}/NamingSystem/service"
CLIENT = f"{HUB}/NamingSystem/client"
MEETING = f"{HUB}/NamingSystem/meeting"
GROUP = f"{HUB}/NamingSystem/group"
ROLE = f"{HUB}/NamingSystem/role"
PAYER = f"{HUB}/NamingSystem/payer"
VERSION = f"{HUB}/NamingSystem/version"
REFERRAL_NUMBER = f"{HUB}/NamingSystem/referral"
"""How a referral is called towards its partner."""
ORDER_NUMBER = f"{HUB}/NamingSystem/drug-test-order"
"""By which a laboratory names an ordered test (OBR-2, `basedOn`): short enough for any field of HL7."""

LOINC = "http://loinc.org"
PLAN_OF_CARE_NOTE = "18776-5"
"""Of LOINC: what a plan's letter is."""
LABORATORY_REPORT, ANNOTATION = "11502-2", "48767-8"
"""Of LOINC: what a document from a laboratory is, its remarks among them."""
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
PARTICIPATION_MODE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
OUTREACH_CHANNEL = f"{HUB}/CodeSystem/outreach-channel"
"""Of the text message, which FHIR R4's list of modes has not."""
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
DISCHARGE = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
CANCELLATION = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
CONSENT_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
AUDIT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
RESOURCE_TYPE = "http://hl7.org/fhir/resource-types"
DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
PROVENANCE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
TRANSMITTER = "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
UCUM = "http://unitsofmeasure.org"
URI = "urn:ietf:rfc:3986"
LANGUAGE = "urn:ietf:bcp:47"

ASSIGNED = f"{HUB}/StructureDefinition/assigned"
"""Beside the role that owns a Task, who of the patient's team has it."""
STATUS_REASON = f"{HUB}/StructureDefinition/status-reason"
"""The extension of an EpisodeOfCare that says why it has its status: FHIR R4 has neither an element nor one of its own
for it (its `event-statusReason` is for other resources)."""
SHORTFALL = f"{HUB}/StructureDefinition/attendance-outcome"
"""The extension of an Appointment that was fulfilled late or in part (ATTENDANCE): FHIR R4 has no element for it."""
SUB_ID = f"{HUB}/StructureDefinition/observation-sub-id"
"""The extension of an Observation that holds OBX-4, which tells apart rows of one code: FHIR R4 has no element for
it."""
ENDS_WITH = f"{HUB}/StructureDefinition/consent-ends-with"
"""The extension of a Consent that names the event before which it can't be revoked (42 CFR 2.35; CONSENT_EVENT): FHIR
R4 has an element for a date alone."""
EVENT_CAME = f"{HUB}/StructureDefinition/consent-event-came"
"""The extension of such a Consent that says when its event came: from then on it may end."""
CONSENT_EVENTS = frozenset({"case-disposed", "supervision-ended", "treatment-ended"})
"""With what a consent to a court may end: the case is disposed of, the conditional release or supervision is over, the
treatment is."""
EMERGENCIES = frozenset(
    {"injury", "loss-of-consciousness", "other", "overdose", "pregnancy", "suicide-risk", "withdrawal"}
)
"""The nature of a medical emergency in which medical personnel were told (42 CFR 2.51; EMERGENCY)."""
RESOLUTIONS = frozenset(
    {
        "acted-on",
        "bereavement",
        "childcare",
        "confirmed",
        "court",
        "emergency",
        "illness",
        "medical-evaluation-done",
        "medication-reconciled",
        "mistaken",
        "not-reached",
        "patient-reached",
        "placement-reviewed",
        "reached",
        "reassessed-lower-risk",
        "safety-plan-made",
        "specimen-recollected",
        "transferred",
    }
)
"""With what a person may resolve an escalation (REASON, in `Task.statusReason`)."""
ACTS = frozenset(
    {
        "called",
        "dose-checked",
        "message-left",
        "naloxone-given",
        "patient-reached",
        "prescriber-consulted",
        "sent-to-ED",
        "visited",
        "welfare-check-asked",
    }
)
"""What a person has done about an escalation that stays open (ESCALATION, in `Task.businessStatus`)."""
ATTEMPTS = frozenset({"message-left", "welfare-check-asked"})
"""Those of ACTS after which nobody has seen or heard the patient yet: the time to act runs on."""
HANDLING = ACTS - ATTEMPTS
"""Those after which an escalation is no longer "taken on and not acted on"."""
DECLINE_REASONS = frozenset(
    {
        "needs-other-care",
        "no-capacity",
        "not-eligible",
        "not-reached",
        "other",
        "patient-declined",
    }
)
"""Why a partner declines a referral (REASON, in `Task.statusReason`)."""
HAND_OVER_REASONS = frozenset(
    {
        "conflict-of-interest",
        "knows-the-patient",
        "other-role-needed",
        "shift-ended",
        "unavailable",
        "workload",
    }
)
"""Why an escalation is handed over to another person or role (REASON, in `Task.statusReason`)."""
REOPEN_REASONS = frozenset({"happened-again", "not-done", "resolved-by-mistake"})
"""Why an escalation that a person resolved is open again (REASON, in `Task.statusReason`)."""
SIGNING_REASONS = frozenset(
    {
        "capability-attested",
        "clinical-judgment",
        "court-order",
        "funding",
        "medically-cleared",
        "not-available",
        "patient-declined",
        "safety-plan-made",
    }
)
"""Why a level is signed that differs from the recommended one, or that an evaluation or a finding speaks against
(REASON, in `Task.output`). `medically-cleared` answers the evaluation that a hold asks for (domain 2.8 R4)."""
DISCARD_REASONS = frozenset(
    {"duplicate", "no-drug-test", "not-of-this-program", "sent-again", "test-message", "wrong-patient"}
)
"""Why nothing is done about what a laboratory sent, as a person says (REASON, in `Task.statusReason`)."""
SEND_AGAIN_REASONS = frozenset({"details-changed", "not-received", "partner-asks", "patient-asks"})
"""Why a person has a partner sent another referral soon (REASON, in `ServiceRequest.reasonCode`)."""

FIND_PATIENT, ASSIGN_RESULT, MAP_CODE = "find-patient", "assign-result", "map-code"
READ_VALUE, CHECK_TIME, CHECK_MESSAGE = "read-value", "check-time", "check-message"
WORK_LIST = (FIND_PATIENT, ASSIGN_RESULT, MAP_CODE, READ_VALUE, CHECK_TIME, CHECK_MESSAGE)
"""What a person has to settle with a laboratory (TASK, in `Task.code`)."""

LABELS: tuple[dict[str, str], ...] = (
    {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"},
    {"system": ACT, "code": "42CFRPart2"},
    {"system": ACT, "code": "SUD"},
    {"system": ACT, "code": "NORDSCLCD"},
)
"""Security labels of every resource about a patient: restricted, 42 CFR Part 2, substance use, no redisclosure
without a consent directive (42 CFR 2.32)."""
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
"""How FHIR tags a resource of which only a part is there (R4, Resource.meta.tag)."""

FHIR_DISPOSITION = {
    "completed": "home",
    "ama": "aadvice",
    "lost-to-contact": "oth",
    "administrative": "oth",
    "step-up": "other-hcf",
    "step-down": "other-hcf",
    "incarcerated": "oth",
    "deceased": "exp",
    "other": "oth",
}
"""The hub's disposition codes and FHIR's (domain 6.1); `oth` covers four of ours, so both codings are sent."""
