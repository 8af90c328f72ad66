"""A laboratory's report whose identifiers belong to several patients, or to one whose family name and birth date are
others: work for a person, who says whose it is. Pure.

It names nobody, and nothing that was found: the result waits until a person has named its patient, and is read as
theirs from then on, by whoever may read that.
"""

from zoneinfo import ZoneInfo

from services.testing.messages import ReportResult
from services.testing.settings import Settings
from shared.edge import work_item
from shared.edge.several import REASON
from shared.events import codes, fhir
from shared.path.transaction.delivery import Commanded
from shared.path.transaction.resources import AcceptedResource

WHOSE = codes.ASSIGN_RESULT
LABORATORY = "laboratory"
DOCUMENT = "document"
_PANEL = "panel"
_COLLECTED = "collected-on"


def task(fact: Commanded, settings: Settings, reason: str = REASON) -> AcceptedResource:
    """The same message again makes the same one."""
    return work_item.task(fact.id, WHOSE, reason, sought(fact, settings), fact.at, confidential=True)


def sought(fact: Commanded, settings: Settings) -> list[fhir.Element]:
    """What a person is told of a result whose patient they have to name, without any identifier: who sent it, its bytes
    by their id, which panels, of which days."""
    zone = ZoneInfo(settings.timezone)
    reports = _reports(fact)
    panels = dict.fromkeys(each.panel for each in reports if each.panel)
    days = sorted({each.collected_at.astimezone(zone).date() for each in reports})
    document = fact.document.id if fact.document else fact.correlation_id
    return [
        *(text_input(LABORATORY, fact.producer) for _ in reports[:1]),
        *(text_input(DOCUMENT, str(document)) for _ in reports[:1]),
        *(text_input(_PANEL, each) for each in panels),
        *({"type": fhir.concept(codes.INPUT, _COLLECTED), "valueDate": each.isoformat()} for each in days),
    ]


def text_input(kind: str, text: str) -> fhir.Element:
    return {"type": fhir.concept(codes.INPUT, kind), "valueString": text}


def _reports(fact: Commanded) -> list[ReportResult]:
    return [each for each in fact.commands if isinstance(each, ReportResult)]
