"""The routing table of a service: its topics, and the partners of partners.toml.

A destination more (an EHR that is written back to, a laboratory's orders) is a row more here: which events it takes,
what a row of it holds, its gate, form and transport.
"""

import os
from collections.abc import Iterable, Mapping

import msgspec

from shared.events import fhir
from shared.events.aftercare import ReferralPrepared
from shared.events.catalogue import ENTRIES, ESCALATIONS, OPEN_ESCALATIONS
from shared.events.envelope import Event, PatientId
from shared.events.escalation import (
    EscalationEvent,
    EscalationHandedOver,
    EscalationOverdue,
    EscalationRaised,
    EscalationUpdated,
    is_closed,
)
from shared.events.laboratory_order import LaboratoryOrderPrepared
from shared.events.partner_answer import AnswerPrepared
from shared.events.wire import Written
from shared.path.destination import Destination, Form, Routes, Transport
from shared.path.outbound import mllp
from shared.path.outbound.proving import require_readable
from shared.platform.settings import require_mllp_url, require_url
from shared.rules.consent import Partner
from shared.rules.page import Page, asks_to_ring

FOCUS, ATTEMPT = "iop-focus", "iop-attempt"
"""What a gated lane needs of its event: the resource that is disclosed (`Type/id`), and the number of the attempt."""
ON_CALL, DEPUTY = "on-call", "on-call-deputy"
DEPUTY_LANE = f"partner:{DEPUTY}"
MLLP = "hl7-mllp"
"""The form of a partner that is sent HL7."""
Disclosed = ReferralPrepared | AnswerPrepared | LaboratoryOrderPrepared
"""What goes to a partner: a patient is referred to it, or its own referral is answered; a laboratory's orders."""
_encode = msgspec.json.Encoder().encode


def routes(
    service: str, partners: Mapping[str, Partner], form: Form | None, tiers: frozenset[int] = frozenset()
) -> Routes:
    """All destinations of a service; it has those partners that are sent what it emits, where it has a form for them.
    Escalations of these tiers go to whoever is on call, too.

    Raises ConfigurationError for a partner whose address is missing or none, or whose files can't be used.
    """
    emitted = {entry.event for entry in ENTRIES if entry.producer == service}
    able = [each for each in partners.values() if not emitted.isdisjoint(sent_to(each))]
    gated = [partner_destination(each, form) for each in able] if form is not None else []
    paged = [on_call_destination(name, tiers) for name in (ON_CALL, DEPUTY)] if tiers else []
    return Routes([*topics(service), *gated, *paged])


def topics(service: str) -> list[Destination[Event]]:
    """Each topic this service emits to, with the events the catalogue says stand on it, and what is open of them."""
    by_topic: dict[str, set[type[Event]]] = {}
    for entry in ENTRIES:
        if entry.producer in (service, "any"):
            by_topic.setdefault(entry.topic, set()).add(entry.event)
    return [
        Destination(name=topic, kind="topic", subscribes=frozenset(events), body=_record)
        for topic, events in by_topic.items()
    ] + [_open_escalations({each for each in by_topic[ESCALATIONS] if issubclass(each, EscalationEvent)})]


def _open_escalations(events: Iterable[type[Event]]) -> Destination[Event]:
    """Every event of an escalation once more, by the escalation's id: what is left after compaction is what is open."""
    return Destination(
        name=OPEN_ESCALATIONS,
        kind="topic",
        subscribes=frozenset(events),
        key=_escalation_id,
        body=_unless_closed,
    )


def _escalation_id(event: Event, patient: PatientId | None) -> str:
    assert isinstance(event, EscalationEvent)
    return fhir.own_id(event.escalation.id)


def _unless_closed(event: Event, record: Written) -> bytes | None:
    return None if isinstance(event, EscalationEvent) and is_closed(event) else record.body


def sent_to(partner: Partner) -> frozenset[type[Disclosed]]:
    """What a partner of its kind is sent: to a laboratory nobody is referred, and a group is sent nothing."""
    match partner.kind:
        case "mutual-help-group":
            return frozenset()
        case "laboratory":
            return frozenset({LaboratoryOrderPrepared})
        case _:
            return frozenset({ReferralPrepared, AnswerPrepared})


def partner_destination(partner: Partner, form: Form) -> Destination[Disclosed]:
    """Each goes to the partner it names, as the event itself: the form fills it in at release."""
    return Destination(
        name=partner.name,
        kind="partner",
        subscribes=sent_to(partner),
        selects=lambda event: event.partner == partner.name,
        body=_event,
        headers=_disclosed,
        gate=partner,
        form=form,
        transport=None if partner.printed else _transport(partner),
    )


def _transport(partner: Partner) -> Transport:
    to, access = address(partner), require_readable(partner.access)
    return Transport(to, mllp.SECONDS_MOST, access=access) if partner.form == MLLP else Transport(to, access=access)


def on_call_destination(name: str, tiers: frozenset[int]) -> Destination[EscalationEvent]:
    """What may have to ring: raised, risen, handed over, overdue. Whether and when it does is decided when it would."""
    return Destination(
        name=name,
        kind="partner",
        subscribes=frozenset({EscalationRaised, EscalationUpdated, EscalationHandedOver, EscalationOverdue}),
        selects=lambda event: event.escalation.tier in tiers and asks_to_ring(event),
        body=_page,
    )


def _page(event: EscalationEvent, record: Written) -> bytes:
    return _encode(Page.of(event))


def address(partner: Partner) -> str:
    """Of the environment (`IOP_PARTNER_URL_NAME`) before that of partners.toml. Raises ConfigurationError."""
    name = f"IOP_PARTNER_URL_{partner.name.upper().replace('-', '_')}"
    require = require_mllp_url if partner.form == MLLP else require_url
    if name in os.environ:
        return require(os.environ[name], name)
    return require(partner.url, f"partners.toml: partner.{partner.name}.url")


def _disclosed(event: Disclosed) -> Mapping[str, str]:
    return {FOCUS: event.focus, ATTEMPT: str(event.attempt)}


def _record(event: Event, record: Written) -> bytes:
    return record.body


def _event(event: Event, record: Written) -> bytes:
    return _encode(event)
