"""The Prometheus metrics of ingest."""

from prometheus_client import Counter, Gauge

EVENTS = Counter("rapport_ingest_events_total", "Events answered, by verdict.", ["verdict"])
ACCEPTED, SPOOLED, REFUSED = map(EVENTS.labels, ("accepted", "spooled", "rejected"))
# By source as well; at most 1,000 sources, the rest are workspace and source "other".
SOURCE_RECEIVED = Counter(
    "rapport_ingest_source_received_total", "Events answered, by source.", ["workspace", "source"]
)
SOURCE_EVENTS = Counter(
    "rapport_ingest_source_events_total",
    "Events answered, by source and verdict; together they are what it received.",
    ["workspace", "source", "verdict"],
)
REFUSED_REQUESTS = Counter(
    "rapport_ingest_refused_requests_total",
    "Requests refused as a whole by the rules of their source, by reason.",
    ["reason"],
)
REFUSALS = {
    reason: REFUSED_REQUESTS.labels(reason)
    for reason in ("origin_not_allowed", "address_not_allowed", "rate_limited", "quota_exceeded")
}
TESTED = Counter("rapport_ingest_tested_total", "Events judged for sources in test mode.")
REJECTED = Counter("rapport_ingest_rejected_total", "Rejected events, by reason code.", ["code"])
WARNINGS = Counter(
    "rapport_ingest_warnings_total",
    "Accepted events with something odd about them, by what it is.",
    ["code"],
)
UNAVAILABLE = Counter(
    "rapport_ingest_unavailable_total", "Requests answered 503, because nothing could keep them."
)
SPOOL_ROWS = Gauge("rapport_spool_rows", "Accepted events that wait in Postgres for Kafka.")
SPOOL_BYTES = Gauge("rapport_spool_bytes", "Size of the events in the spool.")
SPOOL_AGE = Gauge("rapport_spool_oldest_age_seconds", "Age of the oldest event in the spool.")
SPOOL_DRAINED = Counter("rapport_spool_drained_total", "Events moved from the spool to Kafka.")
SPOOL_REFUSED = Counter(
    "rapport_spool_refused_total", "Accepted events put aside because Kafka refuses them."
)
WRITE_KEYS = Gauge("rapport_ingest_cached_write_keys", "Write keys known to this process.")
BRIDGED = Counter(
    "rapport_ingest_mqtt_messages_total",
    "MQTT messages acknowledged to their broker, by verdict.",
    ["bridge", "verdict"],
)
BRIDGE_CONNECTED = Gauge(
    "rapport_ingest_mqtt_connected", "1 where this process holds the bridge's session.", ["bridge"]
)
BRIDGE_WAITING = Gauge(
    "rapport_ingest_mqtt_in_flight", "Messages received and not acknowledged yet.", ["bridge"]
)
BRIDGE_AGE = Gauge(
    "rapport_ingest_mqtt_oldest_age_seconds", "Age of the oldest of them.", ["bridge"]
)
RECORDINGS_DROPPED = Counter(
    "rapport_ingest_recordings_dropped_total", "Session recordings, which are not kept."
)
IMPORT_ROWS = Counter("rapport_import_rows_total", "Rows imported, by verdict.", ["verdict"])
LIVE_STREAMS = Gauge("rapport_ingest_live_streams", "Debugger streams that are open.")
LIVE_DROPPED = Counter(
    "rapport_ingest_live_dropped_total",
    "Events that the debugger left out, because of their number.",
)
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
