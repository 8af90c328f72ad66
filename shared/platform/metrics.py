"""Metrics of a service. No label ever holds a patient: services, events, routes, lanes, codes and classes only.

Each is there from the start, with 0 where its labels are known beforehand. Ages are machine time.
"""

from prometheus_client import Counter, Gauge, Histogram

_SHORT = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
_ANSWER = (0.01, 0.05, 0.2, 1.0, 5.0)
_LATE = (1.0, 5.0, 60.0, 900.0)

BUILD = Gauge("iop_build_info", "1, for the build that runs", ["service", "build"])
READY = Gauge("iop_ready", "1 while /health/ready says so", ["service"])
DELIVERIES = Counter("iop_deliveries_total", "Deliveries decided, by event or first command", ["service", "event"])
EMITTED = Counter("iop_emitted_total", "Rows written to the outbox, by lane", ["service", "destination"])
SENT = Counter("iop_sent_total", "Outbox rows sent, by lane", ["service", "lane"])
REFUSED = Counter("iop_refused_total", "Requests refused, by the code of the first issue", ["service", "route", "code"])
MLLP_REFUSED = Counter("iop_mllp_refused_total", "MLLP connections refused or ended, by reason", ["reason"])
WITHHELD = Counter("iop_withheld_total", "Disclosures the consent gate withheld", ["service", "partner"])
STRAYS = Counter("iop_strays_total", "Records that are no events of the hub's", ["service"])
PARKED = Gauge(
    "iop_parked", "Parked now, counted up to 10,000: deliveries by class, rows of lanes", ["service", "class"]
)
OLDEST_PARKED = Gauge("iop_oldest_parked_seconds", "Age of the oldest parked delivery, clinic time", ["service"])
LANE_ROWS = Gauge("iop_lane_rows", "Outbox rows that have not left, counted up to 10,000", ["service", "lane"])
LANE_OLDEST = Gauge("iop_lane_oldest_seconds", "Age of the oldest outbox row that can leave", ["service", "lane"])
CONSUMER_LAG = Gauge("iop_consumer_lag", "Records not stored yet", ["service", "partition"])
FETCH_AGE = Gauge("iop_fetch_age_seconds", "Since the broker last answered the consumer", ["service"])
LEDGER_AGE = Gauge("iop_ledger_age_seconds", "Age of the consent ledger's oldest partition", ["service"])
GATE_OPEN = Gauge("iop_gate_open", "1 while the consent ledger is current enough to disclose by", ["service"])
ESCALATIONS_OPEN = Gauge("iop_escalations_open", "Escalations that wait for a person", ["service", "tier"])
ESCALATIONS_OVERDUE = Gauge("iop_escalations_overdue", "Those of them that are overdue", ["service"])
OPERATOR_TASKS_OPEN = Gauge(
    "iop_operator_tasks_open", "Tasks that ask an operator: feeds of which nothing is reported", ["service"]
)
DEADLINE_LATENESS = Histogram(
    "iop_deadline_lateness_seconds", "How late a deadline was taken, clinic time", ["service"], buckets=_LATE
)
DECIDE = Histogram("iop_decide_seconds", "Deciding one batch, without its statements", ["service"], buckets=_SHORT)
BATCH = Histogram("iop_batch_seconds", "One batch, from its first statement to its commit", ["service"], buckets=_SHORT)
EDGE = Histogram("iop_edge_seconds", "Answering one request", ["service", "route", "status"], buckets=_ANSWER)
SUBMISSIONS_WAITING = Gauge("iop_submissions_waiting", "Submissions that wait to be decided", ["service"])
POOL_WAITING = Gauge("iop_pool_waiting", "How many wait for a connection of the pool", ["service"])
LOOP_STALL = Gauge("iop_loop_stall_seconds", "Longest stall of the event loop in the last look", ["service"])
PAGES = Counter("iop_pages_total", "Tries to tell who is on call, by their end", ["service", "role", "result"])
RETENTION_DELETED = Counter(
    "iop_retention_deleted_total", "Rows deleted after their days, by table", ["service", "table"]
)
RINGING_PROGRAMS = Gauge("iop_ringing_programs", "Programs whose escalations ring whoever is on call", ["service"])
MEETINGS_LACKING = Gauge(
    "iop_meetings_lacking", "Rows of a meeting feed that lack something, by reason", ["feed", "reason"]
)
MEETING_FEED_DOUBTED = Gauge(
    "iop_meeting_feed_doubted",
    "1 while a meeting feed can't be had or trusted, and its last good copy counts",
    ["feed"],
)
MEETING_FEED_AGE = Gauge(
    "iop_meeting_feed_age_seconds", "Since a meeting feed's copy was last found to be what is published", ["feed"]
)
