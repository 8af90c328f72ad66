"""Metrics of the path. No label ever holds a patient: services, lanes and classes only."""

from prometheus_client import Counter, Gauge

DELIVERIES = Counter("iop_deliveries_total", "Deliveries decided", ["service"])
EMITTED = Counter("iop_emitted_total", "Rows written to the outbox, by lane", ["service", "lane"])
PARKED = Counter("iop_parked_total", "Deliveries parked", ["service", "class"])
STRAYS = Counter("iop_strays_total", "Records that are no events of the hub's", ["service"])
SENT = Counter("iop_sent_total", "Outbox rows sent, by lane", ["service", "lane"])
WITHHELD = Counter("iop_withheld_total", "Disclosures the consent gate withheld", ["service", "partner"])
REFUSED = Counter("iop_refused_total", "Commands refused", ["service"])
OLDEST_UNSENT = Gauge(
    "iop_oldest_unsent_seconds", "Age of the oldest outbox row that can leave, machine time", ["service", "lane"]
)
MEETINGS_LACKING = Gauge(
    "iop_meetings_lacking", "Rows of a meeting feed that lack something, by reason", ["feed", "reason"]
)
MEETING_FEED_DOUBTED = Gauge(
    "iop_meeting_feed_doubted", "1 while a meeting feed can't be trusted and its last good copy counts", ["feed"]
)
LAST_POLL = Gauge("iop_last_poll_timestamp_seconds", "When the broker last answered the consumer", ["service"])
