"""Every Prometheus metric of the service; those of the consumer and the outbox are common."""

from prometheus_client import Counter, Gauge, Histogram

CHANGES = Counter(
    "rapport_segment_changes_total",
    "Entries and exits worked out (a batch that is applied again counts again).",
    ["change", "cause"],
)
JUDGED = Counter(
    "rapport_segment_people_judged_total",
    "People held against the segments of their workspace, once per batch.",
)
BACKFILL = Histogram(
    "rapport_segment_backfill_duration_seconds",
    "Time to hold a page of people against a new version of a definition.",
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60),
)
PREVIEW = Histogram(
    "rapport_segment_preview_duration_seconds",
    "Time to count the people an unsaved rule fits.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.3, 0.5, 1, 2.5, 5, 10),
)
EXPORTED = Counter(
    "rapport_segment_members_exported_total",
    "Members that were written to an export.",
)
POSTS = Counter(
    "rapport_segment_webhook_posts_total",
    "Posts to webhooks, by what came of them.",
    ["outcome"],
)
POST_DURATION = Histogram(
    "rapport_segment_webhook_post_duration_seconds",
    "Time until a receiver has answered, or is given up.",
    buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 15),
)
DELIVERIES = Gauge(
    "rapport_segment_webhook_deliveries",
    "Posts to webhooks that wait, and those that were given up; looked at once a minute.",
    ["state"],
)
WEBHOOKS_OFF = Gauge(
    "rapport_segment_webhooks_off",
    "Webhooks that were turned off as they took nothing for days; looked at once a minute.",
)
