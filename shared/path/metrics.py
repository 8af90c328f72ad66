"""Metrics of the path. No label ever holds a patient: services, lanes, words and classes only."""

from collections import Counter as Counts

from prometheus_client import Counter, Gauge

from shared.path.batch import Batch
from shared.path.item import Incomplete, Kept

HEARD = Counter("iop_heard_total", "Words and commands decided", ["service"])
SAID = Counter("iop_said_total", "Rows written to the outbox, by lane", ["service", "lane"])
PARKED = Counter("iop_parked_total", "Words parked", ["service", "class"])
SENT = Counter("iop_sent_total", "Outbox rows released, by lane", ["service", "lane"])
WITHHELD = Counter("iop_withheld_total", "Disclosures the consent gate withheld", ["service", "partner"])
REFUSED = Counter("iop_refused_total", "Commands refused", ["service"])
OLDEST_UNSENT = Gauge("iop_oldest_unsent_seconds", "Age of the oldest unsent outbox row, machine time", ["service"])
LAST_POLL = Gauge("iop_last_poll_timestamp_seconds", "When the consumer last came back from a poll", ["service"])


def heard(service: str, batch: Batch) -> None:
    """Count one committed batch."""
    answers = [answer for _, answer in batch.answers]
    HEARD.labels(service).inc(sum(isinstance(each, Kept) for each in answers))
    refused = sum(not isinstance(each, Kept | Incomplete) for each in answers)
    if refused:
        REFUSED.labels(service).inc(refused)
    for lane, rows in Counts(row.lane for row in batch.outbox).items():
        SAID.labels(service, lane).inc(rows)
    for parked in batch.parked:
        PARKED.labels(service, parked.class_).inc()
