"""Metrics of the path. No label ever holds a patient: services, lanes, events and classes only."""

from collections import Counter as Counts

from prometheus_client import Counter, Gauge

from shared.path.transaction.batch import Batch
from shared.path.transaction.delivery import Committed, Incomplete

DELIVERIES = Counter("iop_heard_total", "Events and commands decided", ["service"])
EMITTED = Counter("iop_said_total", "Rows written to the outbox, by lane", ["service", "lane"])
PARKED = Counter("iop_parked_total", "Events parked", ["service", "class"])
SENT = Counter("iop_sent_total", "Outbox rows released, by lane", ["service", "lane"])
WITHHELD = Counter("iop_withheld_total", "Disclosures the consent gate withheld", ["service", "partner"])
REFUSED = Counter("iop_refused_total", "Commands refused", ["service"])
OLDEST_UNSENT = Gauge("iop_oldest_unsent_seconds", "Age of the oldest unsent outbox row, machine time", ["service"])
LAST_POLL = Gauge("iop_last_poll_timestamp_seconds", "When the consumer last came back from a poll", ["service"])


def count(service: str, batch: Batch) -> None:
    """Count one committed batch."""
    answers = [answer for _, answer in batch.answers]
    DELIVERIES.labels(service).inc(sum(isinstance(each, Committed) for each in answers))
    refused = sum(not isinstance(each, Committed | Incomplete) for each in answers)
    if refused:
        REFUSED.labels(service).inc(refused)
    for lane, rows in Counts(row.lane for row in batch.outbox).items():
        EMITTED.labels(service, lane).inc(rows)
    for parked in batch.parked:
        PARKED.labels(service, parked.class_).inc()
