"""The Prometheus metrics of ingest."""

from prometheus_client import Counter, Gauge

EVENTS = Counter("rapport_ingest_events_total", "Events answered, by verdict.", ["verdict"])
ACCEPTED, SPOOLED, REFUSED = map(EVENTS.labels, ("accepted", "spooled", "rejected"))
TESTED = Counter("rapport_ingest_tested_total", "Events judged for sources in test mode.")
REJECTED = Counter("rapport_ingest_rejected_total", "Rejected events, by reason code.", ["code"])
UNAVAILABLE = Counter(
    "rapport_ingest_unavailable_total", "Requests answered 503, because nothing could keep them."
)
SPOOL_ROWS = Gauge("rapport_spool_rows", "Accepted events that wait in Postgres for Kafka.")
SPOOL_BYTES = Gauge("rapport_spool_bytes", "Size of the events in the spool.")
SPOOL_AGE = Gauge("rapport_spool_oldest_age_seconds", "Age of the oldest event in the spool.")
SPOOL_DRAINED = Counter("rapport_spool_drained_total", "Events moved from the spool to Kafka.")
WRITE_KEYS = Gauge("rapport_ingest_cached_write_keys", "Write keys known to this process.")
REPLAYED = Counter(
    "rapport_ingest_replayed_total", "Rows and records that replays handled.", ["what", "outcome"]
)
QUARANTINE_REPLAYED = REPLAYED.labels("quarantine", "accepted")
QUARANTINE_STILL_REJECTED = REPLAYED.labels("quarantine", "rejected")
TOPIC_REPLAYED = REPLAYED.labels("topic", "accepted")
VIOLATIONS = Counter(
    "rapport_ingest_violations_total",
    "Events that broke their tracking plan or are not in it, by what the source's policy does.",
    ["kind", "action"],
)
UNSTORED = Counter(
    "rapport_ingest_statistics_dropped_total",
    "Entries of the catalogue or of violations given up, because they could not be stored.",
    ["kind"],
)
