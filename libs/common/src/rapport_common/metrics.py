"""The Prometheus metrics that every service has; each service's own are in its `metrics.py`."""

from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

ROLE = Gauge(
    "rapport_process_role", "1: there is a process, and this is its role.", ["service", "role"]
)
CONSUMER_RECORDS = Counter(
    "rapport_consumer_records_total", "Records whose effects are committed.", ["service", "topic"]
)
CONSUMER_BATCH_DURATION = Histogram(
    "rapport_consumer_batch_duration_seconds",
    "Time to apply and commit one batch.",
    ["service", "topic"],
    buckets=LATENCY_BUCKETS,
)
CONSUMER_LAG = Gauge(
    "rapport_consumer_lag_records",
    "Records in the log that are not applied yet.",
    ["service", "topic", "partition"],
)
CONSUMER_PROGRESS = Gauge(
    "rapport_consumer_last_progress_timestamp_seconds",
    "When the consumer last applied a batch or found nothing to do.",
    ["service"],
)
CONSUMER_FENCED = Counter(
    "rapport_consumer_fenced_batches_total",
    "Batches rolled back because another member had moved the position.",
    ["service"],
)
CONSUMER_RETRIES = Counter(
    "rapport_consumer_retries_total", "Batches tried again after a passing failure.", ["service"]
)
CONSUMER_STOPPED = Gauge(
    "rapport_consumer_stopped", "1 while the consumer has stopped loudly.", ["service"]
)
DEAD_LETTERS = Counter(
    "rapport_dead_letters_total", "Records put aside because they can't be applied.", ["service"]
)
PARKED = Counter(
    "rapport_parked_total", "Keys put aside because they keep failing, in order.", ["service"]
)
PARKED_KEYS = Gauge("rapport_parked_keys", "Keys whose records wait.", ["service"])
PARKED_RECORDS = Gauge("rapport_parked_records", "Records that wait behind them.", ["service"])
OUTBOX_ROWS = Gauge(
    "rapport_outbox_rows",
    "Records that wait to be relayed: all, or the oldest that the relay has in hand.",
    ["service"],
)
OUTBOX_AGE = Gauge(
    "rapport_outbox_oldest_age_seconds", "Age of the oldest waiting record.", ["service"]
)
OUTBOX_RELAYED = Counter("rapport_outbox_relayed_total", "Records relayed to Kafka.", ["service"])
OUTBOX_FAILURES = Counter(
    "rapport_outbox_publish_failures_total", "Relay batches Kafka did not take.", ["service"]
)
OUTBOX_REFUSED = Counter(
    "rapport_outbox_refused_total", "Records put aside because Kafka refuses them.", ["service"]
)
PRODUCER_RECREATED = Counter(
    "rapport_producer_recreated_total", "Producers replaced after a failed send.", ["service"]
)
FOLLOWER_GAPS = Counter(
    "rapport_follower_gaps_total",
    "Profiles of which it has come out that a record was missed.",
    ["service"],
)
RETENTION_DELETED = Counter(
    "rapport_retention_deleted_total", "Rows deleted by retention.", ["service", "table"]
)
RETENTION_FAILURES = Counter(
    "rapport_retention_failures_total",
    "Classes of data that could not be let go in a round.",
    ["service", "class"],
)
JOBS = Counter("rapport_jobs_total", "Jobs ended, by kind and state.", ["service", "kind", "state"])
DUE_LATE = Histogram(
    "rapport_due_late_seconds",
    "How long after their time rows were run and committed.",
    ["service", "kind"],
    buckets=(*LATENCY_BUCKETS, 30, 60, 300),
)
DUE_FAILURES = Counter(
    "rapport_due_failures_total", "Tries of rows that have failed alone.", ["service", "kind"]
)
DUE_OLDEST_LATE = Gauge(
    "rapport_due_oldest_late_seconds", "How late the first row is that has not run.", ["service"]
)
DUE_ROWS = Gauge("rapport_due_rows", "Rows that have a time, about.", ["service"])
DUE_FAILED = Gauge(
    "rapport_due_failed_rows", "Rows put aside because they keep failing.", ["service"]
)
ERASURES = Counter(
    "rapport_erasures_total", "Wishes to be forgotten that a service has carried out.", ["service"]
)
ERASURE_FAILURES = Counter(
    "rapport_erasure_failures_total", "Pages of erasures that have failed and wait.", ["service"]
)
ERASURE_OLDEST = Gauge(
    "rapport_erasure_oldest_seconds",
    "Since when the oldest wish to be forgotten waits that is not carried out; 0 if none does.",
    ["service"],
)
ACCESS_FAILURES = Counter(
    "rapport_access_failures_total",
    "Pages of what is told of a person that have failed and wait.",
    ["service"],
)
ACCESS_OLDEST = Gauge(
    "rapport_access_oldest_seconds",
    "Since when the oldest request to tell of a person waits in a service; 0 if none does.",
    ["service"],
)
LOOP_LAG = Gauge("rapport_event_loop_lag_seconds", "Delay of the event loop, sampled.", ["service"])
STALLED_SESSIONS = Counter(
    "rapport_stalled_sessions_ended_total",
    "Database sessions ended because their process stood still in a transaction.",
    ["service"],
)
LEDGER_MISMATCH = Gauge(
    "rapport_ledger_mismatch",
    "By how much the two sides of an equation of the ledger differ; 0 when it holds.",
    ["service", "equation"],
)
